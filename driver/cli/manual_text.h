// What manual pages say beyond the declarations of the commands.
#pragma once
#include <string_view>

namespace kerf::cli {

struct ManualText {
  std::string_view command;       // "check"; "" for kerf(1)
  std::string_view description;   // paragraphs with an empty line between
  std::string_view example;       // one command a line
};

inline constexpr ManualText kManual[] = {
    {"", "kerf compiles policies of the Cedar language, with a schema and entities, to two things that decide alike: a table for a gateway "
         "and an eBPF object for the kernel. It also loads such objects and binds commands to them.\n\n"
         "Results go to standard output, messages and logs to standard error. An option that names a file takes - for standard input "
         "where one file is read.\n\n"
         "After an internal error kerf writes a report to a new file that only its owner can read, in the directory for temporary files, and "
         "says where. The report holds versions, the command and the names of its options, no values; with --crash-inputs it holds the "
         "arguments and the files that they name too.",
     "kerf check -p policies.cedar -s schema.cedarschema\n"
     "kerf compile -p policies.cedar -s schema.cedarschema --entities entities.json -o bundle\n"
     "kerf run --bundle bundle --principal 'Agent::\"a1\"' -- command"},
    {"check", "Reads a policy set and says all that is wrong with it: what Cedar's validator says, and what the kernel could not decide "
              "exactly. Nothing is written.", "kerf check -p policies.cedar -s schema.cedarschema --deny-warnings"},
    {"compile", "Writes a bundle: a directory with the eBPF object, the decision table, the entities, the split and a manifest. It appears "
                "whole or not at all. The same inputs give the same bytes on every machine. The object is made by the program "
                "kerf-codegen, which is found where it is installed with kerf and nowhere else.",
     "kerf compile -p policies.cedar -s schema.cedarschema -o bundle"},
    {"split", "Shows for each policy whether the kernel decides it, the gateway, or both, and which guards hold.",
     "kerf split -p policies.cedar -s schema.cedarschema --format table"},
    {"authorize", "Decides one request, from policies or from a compiled table.",
     "kerf authorize --table bundle -l 'User::\"alice\"' -a 'Action::\"view\"' -r 'Photo::\"p\"' -c context.json -v"},
    {"format", "Lays policies out as Cedar's own formatter does. Comments stay.", "kerf format --check -p policies.cedar"},
    {"run", "Makes a cgroup, binds it to the bundle, runs the command in it and takes everything away when it ends. The command's exit "
            "status is kept. Needs the capabilities that load and bind need.",
     "kerf run --bundle bundle --principal 'Agent::\"a1\"' --events events.jsonl -- command"},
    {"load", "Loads and attaches the programs of a bundle. They decide nothing until something is bound. What is loaded survives this "
             "process.", "kerf load --bundle bundle --name web"},
    {"bind", "From now on the tasks of the cgroup, and all that come to be in it, are held to the policies of the bundle as this principal.",
     "kerf bind --name web --principal 'Agent::\"a1\"' --cgroup /sys/fs/cgroup/web"},
    {"refresh", "File systems that were mounted after the bind have no names, and files there are refused. This learns the mounts anew.",
     "kerf refresh web/1"},
    {"learn", "Tells a binding that addresses have a host name, for policies over Host entities. No name is taken for addresses of this machine and of "
              "private networks, unless the entities have an endpoint there.", "kerf learn --binding web/1 example.com 192.0.2.1 --ttl-ms 60000"},
    {"unload", "Ends enforcement. While something is bound it wants --force. With --all it does so for all that is loaded on this machine, "
               "which is what removing the package does first.", "kerf unload --all --force"},
    {"events", "Follows decisions of the kernel. What is lost is counted and told.", "kerf events --name web"},
    {"gc", "Removes what ended without cleaning up after itself, and nothing that still holds.", "kerf gc"},
    {"completions", "Prints a completion script. Packages install them; otherwise put it where the shell looks.",
     "kerf completions bash >~/.local/share/bash-completion/completions/kerf"},
    {"version", "Says which versions of languages, interfaces and formats this build has.", "kerf version --json"},
};

}  // namespace kerf::cli
