// Policies name operations, put them in groups, match their ids by patterns, and ask for what the call said.
#include "tests/semantics/system_generator.h"

#include <fmt/format.h>

namespace kerf::test {

namespace {

const char* const kSchema = R"(
entity Class;
@kernel("process") entity Agent in [Class] { level: Long, best?: System };
entity Level in [Level];
@kernel("system") entity System in [Level] { @kernel("system.operation") operation: String, weight?: Long };
@kernel("system.mount") action mount appliesTo { principal: [Agent], resource: [System], context: {
  @kernel("mount.fs_type") fs_type: String, @kernel("mount.flags") flags: Long, @kernel("process.uid") uid: Long } };
@kernel("system.signal") action signal appliesTo { principal: [Agent], resource: [System], context: {
  @kernel("target.own") own: Bool, @kernel("signal.number") number: Long, @kernel("process.uid") uid: Long } };
@kernel("system.sysctl") action tune appliesTo { principal: [Agent], resource: [System], context: {
  @kernel("process.uid") uid: Long, @kernel("process.comm") comm: String, @kernel("process.pid_namespace") namespace: Long,
  @kernel("process.exe") exe: String } };
@kernel("process.spawn") action spawn appliesTo { principal: [Agent], resource: [System], context: {
  @kernel("process.uid") uid: Long, @kernel("process.live") live: Long, @kernel("process.comm") comm: String, @kernel("process.exe") exe: String,
  @kernel("process.cap_sys_admin") admin: Bool, @kernel("process.cap_checkpoint_restore") restore: Bool } };
)";

const std::vector<std::string> kMounts = {"mount", "umount", "move_mount", "pivot_root", "chroot"}, kSignals = {"signal"}, kSpawns = {"fork", "thread"}, kComms = {"", "sh", "bash", "fifteen-bytes-x", "sixteen-bytes-xy", "grün"},
                               kVariables = {"sysctl/kernel/domainname", "sysctl/net/core/somaxconn", "sysctl/net/ipv4/conf/lo/forwarding",
                                             "sysctl/net/ipv4/conf/eth0.7/forwarding", "sysctl/net/ipv4/ip_forward", "sysctl/vm/überschuss"},
                               kExes = {"/usr/bin/bash", "/usr/bin/curl", "/usr/bin/curl2", "/usr/sbin/sshd", "/opt/a/b/tool", "/opt/c/tool", "/", "kerf:memfd", "/ü/grün", "/usr/bin/c"},
                               kExePatterns = {"*", "/usr/*", "/usr/bin/c*", "*/tool", "/opt/*/b/*", "*r*n", "/usr/bin/curl", "kerf:*", "*/c*/*o*", "/opt/*"},
                               kPatterns = {"*", "m*", "*mount", "sysctl/net/*", "sysctl/net/ipv4/conf/*/forwarding", "*o*t*"},
                               kTypes = {"", "tmpfs", "proc", "fuse", "fuse.sshfs", "overlay"}, kAgents = {"a0", "a1", "a2"}, kGroups = {"low", "high"},
                               kClasses = {"c0", "c1"};
const std::vector<std::int64_t> kNumbers = {0, 1, 9, 15, 18, 64, 1000, 4096, 4294967295};
const char* const kActionNames[] = {"mount", "signal", "tune", "spawn"};
constexpr KernelEventId kEvents[] = {KernelEventId::system_mount, KernelEventId::system_signal, KernelEventId::system_sysctl, KernelEventId::process_spawn};

Json uid(const char* type, const std::string& id) { return {{"type", type}, {"id", id}}; }

}  // namespace

std::string SystemGenerator::operation(Action action) {
  return one_of(action == Action::mount ? kMounts : action == Action::signal ? kSignals : action == Action::tune ? kVariables : kSpawns);
}

std::string SystemGenerator::identity_atom(Action action) {
  switch (pick(7)) {
    case 0: return fmt::format("resource == System::\"{}\"", operation(action));
    case 1: return fmt::format("[System::\"{}\", System::\"{}\"].contains(resource)", operation(action), operation(Action::mount));
    case 2: return fmt::format("resource in Level::\"{}\"", one_of(kGroups));
    case 3: return fmt::format("resource.operation like \"{}\"", one_of(kPatterns));
    case 4: return fmt::format("resource.operation == \"{}\"", operation(action));
    case 5: return fmt::format("resource has weight && resource.weight < {}", pick(4));
    default: return "principal has best && principal.best == resource";
  }
}

std::string SystemGenerator::observed_atom(Action action) {
  if (action == Action::mount && chance(60)) {
    switch (pick(4)) {
      case 0: return fmt::format("context.fs_type == \"{}\"", one_of(kTypes));
      case 1: return fmt::format("context.fs_type like \"{}*\"", one_of(kTypes));
      case 2: return fmt::format("[\"{}\", \"{}\"].contains(context.fs_type)", one_of(kTypes), one_of(kTypes));
      default: return fmt::format("context.flags <= {}", one_of(kNumbers));
    }
  }
  if (action == Action::signal && chance(60)) {
    switch (pick(4)) {
      case 0: return "context.own";
      case 1: return fmt::format("context.own == (context.number == {})", one_of(kNumbers));
      case 2: return fmt::format("[{}, {}].contains(context.number)", one_of(kNumbers), one_of(kNumbers));
      default: return fmt::format("context.number < {}", one_of(kNumbers));
    }
  }
  if (action == Action::spawn && chance(60)) {
    switch (pick(7)) {
      case 0: return "context.admin";
      case 1: return "context.admin == context.restore";
      case 2: return fmt::format("context.live == {}", one_of(kNumbers));
      case 3:
      case 4:
      case 5: return "context.live * 9223372036854775807 != principal.level";
      default: return fmt::format("context.live < {}", one_of(kNumbers));
    }
  }
  if ((action == Action::spawn || action == Action::tune) && chance(35)) {
    switch (pick(7)) {
      case 4:
      case 5:
      case 6: return "context.uid * 9223372036854775807 != principal.level";
      case 0: return fmt::format("context.exe == \"{}\"", one_of(kExes));
      case 1: return fmt::format("[\"{}\", \"{}\", \"{}\"].contains(context.exe)", one_of(kExes), one_of(kExes), one_of(kExes));
      default: return fmt::format("context.exe like \"{}\"", one_of(kExePatterns));
    }
  }
  if ((action == Action::spawn || action == Action::tune) && chance(35)) {
    switch (pick(4)) {
      case 0: return fmt::format("context.comm == \"{}\"", one_of(kComms));
      case 1: return fmt::format("context.comm like \"{}*\"", one_of(kComms));
      case 2: return fmt::format("[\"{}\", \"{}\"].contains(context.comm)", one_of(kComms), one_of(kComms));
      default: return action == Action::tune ? fmt::format("context.namespace == {}", one_of(kNumbers)) : "context.restore";
    }
  }
  switch (pick(3)) {
    case 0: return fmt::format("context.uid < {}", one_of(kNumbers));
    case 1: return "context.uid * 9223372036854775807 > principal.level";
    default: return fmt::format("context.uid + {} == principal.level", pick(3));
  }
}

std::string SystemGenerator::combine(Action action, int depth) {
  if (depth == 0) {
    const std::size_t which = pick(10);
    return which < 4 ? identity_atom(action) : which < 9 ? observed_atom(action) : fmt::format("principal in Class::\"{}\"", one_of(kClasses));
  }
  switch (pick(4)) {
    case 0: return fmt::format("({}) && ({})", combine(action, depth - 1), combine(action, depth - 1));
    case 1: return fmt::format("({}) || ({})", combine(action, depth - 1), combine(action, depth - 1));
    case 2: return fmt::format("!({})", combine(action, depth - 1));
    default: return fmt::format("if {} then {} else {}", combine(action, depth - 1), combine(action, 0), combine(action, 0));
  }
}

std::string SystemGenerator::policy() {
  const auto action = static_cast<Action>(pick(4));
  const std::string resource = chance(20) ? fmt::format("resource == System::\"{}\"", operation(action)) : "resource";
  return fmt::format("{} (principal, action == Action::\"{}\", {}) when {{ {} }};\n", chance(60) ? "permit" : "forbid",
                     kActionNames[static_cast<std::size_t>(action)], resource, combine(action, static_cast<int>(pick(3))));
}

std::string SystemGenerator::entities_json() {
  Json list = Json::array();
  auto add = [&](const char* type, const std::string& id, Json attrs, Json parents) {
    list.push_back({{"uid", uid(type, id)}, {"attrs", std::move(attrs)}, {"parents", std::move(parents)}});
  };
  for (const std::string& id : kAgents) {
    Json attrs = {{"level", one_of(kNumbers)}};
    if (chance(70)) attrs["best"] = uid("System", operation(static_cast<Action>(pick(4))));
    add("Agent", id, attrs, chance(50) ? Json::array({uid("Class", one_of(kClasses))}) : Json::array());
  }
  add("Level", "low", Json::object(), chance(50) ? Json::array({uid("Level", "high")}) : Json::array());
  for (const auto* names : {&kMounts, &kSignals, &kVariables, &kSpawns}) {
    for (const std::string& name : *names) {
      if (chance(50)) continue;
      Json attrs = {{"operation", name}};
      if (chance(50)) attrs["weight"] = pick(4);
      add("System", name, attrs, chance(70) ? Json::array({uid("Level", one_of(kGroups))}) : Json::array());
    }
  }
  return list.dump(1);
}

KernelEventData SystemGenerator::event() {
  const auto action = static_cast<Action>(pick(4));
  KernelEventData data{kEvents[static_cast<std::size_t>(action)], {"Agent", one_of(kAgents)}, {}, {}, false};
  data.observed = {{"system.operation", Value(operation(action))}, {"process.uid", Value(one_of(kNumbers))},
                   {"process.gid", Value(one_of(kNumbers))}, {"process.pid", Value(std::int64_t{7})}};
  if (action == Action::mount) data.observed.insert({{"mount.fs_type", Value(one_of(kTypes))}, {"mount.flags", Value(one_of(kNumbers))}});
  if (action == Action::signal) {
    data.observed.insert({{"signal.number", Value(one_of(kNumbers))}, {"target.own", Value(chance(50))}, {"target.pid", Value(std::int64_t{9})}});
  }
  if (action == Action::spawn || action == Action::tune) {
    std::string comm = one_of(kComms);
    comm.resize(std::min<std::size_t>(comm.size(), 15));
    data.observed.insert({{"process.comm", Value(comm)}, {"process.exe", Value(one_of(kExes))}, {"process.pid_namespace", Value(one_of(kNumbers))}});
  }
  if (action == Action::spawn) {
    data.observed.insert({{"process.live", Value(one_of(kNumbers))}, {"process.cap_sys_admin", Value(chance(50))},
                          {"process.cap_checkpoint_restore", Value(chance(50))}, {"process.cap_chown", Value(chance(50))}});
  }
  return data;
}

GeneratedProgram SystemGenerator::program(std::size_t events) {
  GeneratedProgram program;
  program.schema = kSchema;
  program.entities = entities_json();
  const std::size_t policies = 4 + pick(6);
  for (std::size_t i = 0; i < policies; ++i) program.policies += policy();
  if (chance(35)) program.policies += "permit (principal, action, resource);\n";
  for (std::size_t i = 0; i < events; ++i) program.events.push_back(event());
  return program;
}

}  // namespace kerf::test
