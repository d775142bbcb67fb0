#include "tests/semantics/file_program.h"

#include <fmt/format.h>

namespace kerf::test {

// Of two file systems: /play/m is another one.
const std::vector<std::string> kDirectories = {"/play/a", "/play/a/x", "/play/a/x/deep", "/play/b", "/play/b/x", "/play/c", "/play/m", "/play/m/a"};
const std::vector<std::string> kNames = {"f", "g", "f.txt", "key", "run", "report-1.txt"};

namespace {

struct BoundEvent {
  const char* event;
  const char* action;
  const char* resources;
  std::vector<const char*> errnos;
  unsigned percent;   // how often it is bound
};

const std::vector<BoundEvent> kEvents = {
    {"file.read", "read", "[File]", {"ENOENT", "EACCES", "EPERM"}, 100},
    {"file.write", "write", "[File, Directory]", {"ENOENT", "EACCES", "EPERM", "EROFS"}, 100},
    {"file.create", "create", "[File, Directory]", {"EACCES", "EPERM", "ENOENT", "EROFS"}, 50},
    {"file.delete", "delete", "[File, Directory]", {"EACCES", "EPERM", "ENOENT", "EROFS"}, 50},
    {"file.rename", "rename", "[File, Directory]", {"EACCES", "EPERM", "ENOENT", "EROFS"}, 40},
    {"file.link", "link", "[File]", {"EACCES", "EPERM", "ENOENT", "EROFS"}, 40},
    {"file.list", "list", "[Directory]", {"ENOENT", "EACCES", "EPERM"}, 70},
    {"file.stat", "stat", "[File, Directory]", {"ENOENT", "EACCES", "EPERM"}, 40},
    {"file.truncate", "truncate", "[File]", {"EACCES", "EPERM", "ENOENT", "EROFS"}, 40},
    {"file.chmod", "chmod", "[File, Directory]", {"EACCES", "EPERM", "ENOENT", "EROFS"}, 40},
    {"file.chown", "chown", "[File, Directory]", {"EACCES", "EPERM", "ENOENT", "EROFS"}, 40},
    {"file.mkdir", "mkdir", "[File, Directory]", {"EACCES", "EPERM", "ENOENT", "EROFS"}, 40},
    {"file.mknod", "mknod", "[File]", {"EACCES", "EPERM", "ENOENT", "EROFS"}, 40},
    {"file.symlink", "symlink", "[File]", {"EACCES", "EPERM", "ENOENT", "EROFS"}, 40},
    {"file.rmdir", "rmdir", "[File, Directory]", {"EACCES", "EPERM", "ENOENT", "EROFS"}, 40},
    {"file.exec", "exec", "[File]", {"EACCES", "EPERM", "ENOENT"}, 100},
};

const char* const kTypes = R"(entity Class;
@kernel("process") entity Agent in [Class] { level: Long, admin: Bool };
@kernel("directory") entity Directory in [Directory] { @kernel("directory.path") path: String };
entity FileSet in [FileSet];
@kernel("file") entity File in [Directory, FileSet] {
  @kernel("file.path") path: String,
  @kernel("file.fs_type") fs_type?: String,
  @kernel("file.owner") owner?: Long,
  @kernel("file.mode") mode?: Long,
  @kernel("file.setuid") setuid?: Bool,
  @kernel("file.nlink") nlink?: Long,
  label?: String,
};
)";

class Writer {
 public:
  explicit Writer(Random& random) : random_(random) {}

  std::string schema() {
    std::string text = kTypes;
    for (const BoundEvent& event : kEvents) {
      if (!chance(random_, event.percent)) continue;
      actions_.push_back(event.action);
      directories_.push_back(std::string(event.resources).find("Directory") != std::string::npos);
      files_.push_back(std::string(event.resources).find("File") != std::string::npos);
      if (chance(random_, 50)) text += fmt::format("@errno(\"{}\") ", one_of(random_, event.errnos));
      text += fmt::format("@kernel(\"{}\") action {} appliesTo {{ principal: [Agent], resource: {}, context: {{ @kernel(\"process.uid\") uid: Long }} }};\n",
                          event.event, event.action, event.resources);
    }
    return text;
  }

  std::string policies() {
    std::string text = "permit(principal, action == Action::\"exec\", resource == File::\"/guest/actor\");\n";
    std::size_t count = 6 + pick(random_, 10);
    if (chance(random_, 45)) text += policy("permit", true);
    for (std::size_t i = 0; i < count; ++i) text += policy(chance(random_, 70) ? "permit" : "forbid", false);
    return text;
  }

  std::string entities() {
    std::string text = R"([{"uid":{"type":"Agent","id":"a1"},"attrs":{"level":2,"admin":true},"parents":[{"type":"Class","id":"one"}]},
{"uid":{"type":"Agent","id":"a2"},"attrs":{"level":5,"admin":false},"parents":[{"type":"Class","id":"two"}]},
{"uid":{"type":"Class","id":"one"},"attrs":{},"parents":[]},{"uid":{"type":"Class","id":"two"},"attrs":{},"parents":[]},
{"uid":{"type":"FileSet","id":"inner"},"attrs":{},"parents":[{"type":"FileSet","id":"outer"}]},
{"uid":{"type":"FileSet","id":"outer"},"attrs":{},"parents":[]})";
    for (const std::string& directory : kDirectories) {
      for (const std::string& name : kNames) {
        if (!chance(random_, 12)) continue;
        bool labelled = chance(random_, 50), grouped = chance(random_, 70);
        if (!labelled && !grouped) continue;
        text += fmt::format(",\n{{\"uid\":{{\"type\":\"File\",\"id\":\"{0}/{1}\"}},\"attrs\":{{\"path\":\"{0}/{1}\"{2}}},\"parents\":[{3}]}}",
                            directory, name, labelled ? ",\"label\":\"public\"" : "",
                            grouped ? chance(random_, 50) ? R"({"type":"FileSet","id":"inner"})" : R"({"type":"FileSet","id":"outer"})" : "");
      }
    }
    return text + "]\n";
  }

 private:
  std::string path_atom() {
    const std::string& directory = one_of(random_, kDirectories);
    const std::string& name = one_of(random_, kNames);
    switch (pick(random_, 9)) {
      case 0: return fmt::format("resource.path like \"{}/*\"", directory);
      case 1: return fmt::format("resource.path like \"*/{}\"", name);
      case 2: return fmt::format("resource.path like \"/play/*/x/*\"");
      case 3: return fmt::format("resource.path like \"/play/*{}*\"", name);
      case 4: return "resource.path like \"*.txt\"";
      case 5: return fmt::format("resource.path == \"{}/{}\"", directory, name);
      default: return fmt::format("resource in Directory::\"{}\"", directory);
    }
  }
  std::string file_atom() {
    switch (pick(random_, 13)) {
      case 0: return fmt::format("resource == File::\"{}/{}\"", one_of(random_, kDirectories), one_of(random_, kNames));
      case 1: return fmt::format("resource in FileSet::\"{}\"", chance(random_, 50) ? "inner" : "outer");
      case 2: return fmt::format("resource has fs_type && resource.fs_type == \"{}\"", chance(random_, 50) ? "tmpfs" : "ext4");
      case 3: return fmt::format("resource has owner && resource.owner == {}", chance(random_, 70) ? 0 : 1000);
      case 4: return fmt::format("resource has mode && resource.mode == {}", chance(random_, 50) ? 0644 : 0600);
      case 5: return "resource has setuid && resource.setuid";
      case 6: return "resource has nlink && resource.nlink > 1";
      case 7: return "resource has label && resource.label == \"public\"";
      case 8: return "!(resource has nlink)";
      default: return path_atom();
    }
  }
  std::string principal_atom() {
    switch (pick(random_, 4)) {
      case 0: return fmt::format("principal in Class::\"{}\"", chance(random_, 50) ? "one" : "two");
      case 1: return fmt::format("principal.level < {}", 1 + pick(random_, 6));
      case 2: return "context.uid == 0";
      default: return "principal.admin";
    }
  }
  std::string condition(bool file, int depth) {
    if (depth > 0 && chance(random_, 55)) {
      std::string left = condition(file, depth - 1), right = condition(file, depth - 1);
      switch (pick(random_, 5)) {
        case 0: case 1: return fmt::format("({} && {})", left, right);
        case 2: case 3: return fmt::format("({} || {})", left, right);
        default: return fmt::format("!({})", left);
      }
    }
    std::string atom = chance(random_, 18) ? principal_atom() : file ? file_atom() : path_atom();
    return chance(random_, 12) ? fmt::format("!({})", atom) : fmt::format("({})", atom);
  }
  std::string policy(const std::string& effect, bool wide) {
    bool file = chance(random_, 75);
    std::vector<std::string> possible;
    for (std::size_t i = 0; i < actions_.size(); ++i) {
      if (file ? files_[i] : directories_[i]) possible.push_back(actions_[i]);
    }
    std::string some;
    for (const std::string& action : possible) {
      if (wide || chance(random_, 55)) some += fmt::format("{}Action::\"{}\"", some.empty() ? "" : ", ", action);
    }
    if (some.empty()) some = fmt::format("Action::\"{}\"", one_of(random_, possible));
    std::string when = wide ? "true" : condition(file, 2);
    if (effect == "forbid") when = fmt::format("({}) && {}", path_atom(), when);   // a wide one would leave nothing to see
    return fmt::format("{}(principal, action in [{}], resource is {} in Directory::\"/play\") when {{ {} }};\n", effect, some, file ? "File" : "Directory", when);
  }

  Random& random_;
  std::vector<std::string> actions_;
  std::vector<bool> directories_, files_;
};

}  // namespace

FileProgram make_file_program(Random& random) {
  Writer writer(random);
  FileProgram program;
  program.schema = writer.schema();
  program.policies = writer.policies();
  program.entities = writer.entities();
  program.principal = chance(random, 50) ? "Agent::\"a1\"" : "Agent::\"a2\"";
  return program;
}

}  // namespace kerf::test
