#include "tests/semantics/file_generator.h"

#include <fmt/core.h>

#include <algorithm>

#include "tests/semantics/number_expressions.h"

namespace kerf::test {
namespace {

const char* const kSchema = R"(entity Class in [Class];
@kernel("process") entity Agent in [Class] {
  level: Long, admin: Bool, quota?: Long, boss?: Agent, home: String, dir: Dir, sets: Set<FileSet>, kind: String, fs: String };
entity Label { secret: Bool };
entity FileSet in [FileSet];
@kernel("directory") entity Dir in [Dir, FileSet] { @kernel("directory.path") path: String, weight?: Long };
@kernel("file") entity File in [Dir, FileSet] {
  @kernel("file.path") path: String,
  @kernel("file.fs_type") fs?: String,
  @kernel("file.owner") owner?: Long,
  @kernel("file.mode") mode?: Long,
  @kernel("file.setuid") setuid?: Bool,
  @kernel("file.nlink") links?: Long,
  weight?: Long, kind?: String, label?: Label,
} tags Long;

@kernel("file.read, file.list, file.exec")
action open appliesTo { principal: [Agent], resource: [File, Dir], context: {
  @kernel("process.uid") uid: Long, @kernel("clock.now") now: datetime, @kernel("fact.depth") depth?: Long } };
@kernel("file.write, file.create, file.delete, file.rename, file.link, file.stat, file.truncate, file.chmod, file.mkdir, file.mknod, file.rmdir, file.append, file.receive, lib.load")
action change appliesTo { principal: [Agent], resource: [File], context: { @kernel("process.uid") uid: Long, @kernel("clock.now") now: datetime } };
@kernel("file.ioctl")
action control appliesTo { principal: [Agent], resource: [File], context: { @kernel("process.uid") uid: Long, @kernel("clock.now") now: datetime,
  @kernel("ioctl.command") command: Long } };
)";

const std::vector<std::string> kAgents = {"a0", "a1", "a2"};
const std::vector<std::string> kClasses = {"analyst", "all"};
const std::vector<std::string> kSets = {"s0", "s1", "s2", "empty"};
const std::vector<std::string> kNames = {"a", "b", "a!", "a-b", "lib", "x.key", "\xc3\xa9t\xc3\xa9", "new\nline", ".ssh", "*"};
const std::vector<std::int64_t> kCommands = {0, 21505, 21522, 2147483648, 4294967295};
const std::vector<std::string> kTypes = {"ext4", "tmpfs", "overlay", "ext4dev"};

// The inside of a Cedar string with the text, `*` escaped in patterns.
std::string inside(const std::string& text, bool pattern) {
  std::string quoted = quote(text), out;
  for (char c : quoted.substr(1, quoted.size() - 2)) out += c == '*' && pattern ? std::string("\\*") : std::string(1, c);
  return out;
}

std::string entity(const char* type, const std::string& id) { return fmt::format("{}::{}", type, quote(id)); }

}  // namespace

std::string FileGenerator::path() { return one_of(paths_); }

std::string FileGenerator::near_path() {
  std::string at = path();
  switch (pick(6)) {
    case 0: return at == "/" ? "/" + one_of(kNames) : at + "/" + one_of(kNames);
    case 1: return at == "/" ? at : at + "!";
    case 2: return at.rfind('/') == 0 ? "/" : at.substr(0, at.rfind('/'));
    case 3: return at == "/" ? at : at + "/" + one_of(kNames) + "/" + one_of(kNames);
    default: return at;
  }
}

std::string FileGenerator::pattern() {
  std::string text;
  for (std::size_t i = 0, pieces = 1 + pick(3); i < pieces; ++i) {
    std::string piece = i == 0 ? path() : chance(50) && !text.ends_with('/') ? "/" + one_of(kNames) : one_of(kNames);
    text += inside(piece, true) + (chance(75) ? "*" : "");
  }
  return text;
}

std::string FileGenerator::set_atom() {
  switch (pick(8)) {
    case 0: return fmt::format("resource == {}", entity("File", path()));
    case 1: return fmt::format("resource in {}", entity("FileSet", one_of(kSets)));
    case 2: return fmt::format("resource in [{}, {}]", entity("Dir", path()), entity("Dir", path()));
    case 3: return fmt::format("resource.path == {}", quote(path()));
    case 4: return fmt::format("[{}, \"kerf:memfd\"].contains(resource.path)", quote(path()));
    case 5: return fmt::format("resource == {}", entity("Dir", path()));
    default: return fmt::format("resource in {}", entity("Dir", path()));
  }
}

std::string FileGenerator::pattern_atom() {
  switch (pick(4)) {
    case 0: return fmt::format("resource.path like \"*{}\"", inside(one_of(kNames), true));
    case 1: return fmt::format("resource.path like \"*/{}*\"", inside(one_of(kNames), true));
    default: return fmt::format("resource.path like \"{}\"", pattern());
  }
}

std::string FileGenerator::stored_atom() {
  switch (pick(7)) {
    case 6: return "resource has label && resource.label is Label";
    case 0: return fmt::format("resource has weight && resource.weight > {}", pick(5));
    case 1: return fmt::format("resource has kind && resource.kind like \"{}*\"", chance(50) ? "t" : "s");
    case 2: return fmt::format("resource has label && resource.label.secret");
    case 3: return fmt::format("resource.hasTag(\"t{0}\") && resource.getTag(\"t{0}\") == {1}", pick(2), pick(3));
    case 4: return "resource has weight";
    default: return "resource has weight && resource.weight * 4611686018427387904 < 0";
  }
}

std::string FileGenerator::code_atom() {
  switch (pick(20)) {
    case 13: return fmt::format("resource has fs && (if resource.fs == \"{}\" then context.uid else {}) < principal.level", one_of(kTypes), pick(3));
    case 14: return "(if resource has owner then resource.owner else context.uid) == 0";
    case 15: return fmt::format("resource has setuid && (if resource.setuid then 1 else principal.level) < {}", pick(4));
    case 16: case 17: case 18: case 19: return number_atom();
    case 10: return fmt::format("resource has fs && resource.fs like \"{}*\"", one_of(kTypes).substr(0, 1 + pick(5)));
    case 11: return fmt::format("resource has fs && (resource.fs like \"{}\" || resource.fs like \"{:x>40}*\")", one_of(kTypes), "");
    case 12: return fmt::format("context.now.toTime().toHours() < {}", pick(24));
    case 0: return "resource has owner";
    case 1: return fmt::format("resource has owner && resource.owner == {}", chance(50) ? 0 : 1000);
    case 2: return "resource has setuid && resource.setuid";
    case 3: return fmt::format("resource has links && resource.links > {}", chance(50) ? "1" : "principal.level");
    case 4: return fmt::format("resource has mode && [420, 493, {}].contains(resource.mode)", pick(4096));
    case 5: return fmt::format("resource has fs && resource.fs == \"{}\"", one_of(kTypes));
    case 6: return fmt::format("resource has fs && [\"{}\", \"squashfs\", \"{:x>40}\"].contains(resource.fs)", one_of(kTypes), "");
    case 7: return "resource has owner && resource.owner == context.uid";
    case 8: return "context.uid < principal.level";
    default: return "resource has owner && resource.owner - context.uid <= 0";
  }
}

std::string FileGenerator::number_atom() {
  static const std::vector<std::string> numbers = {
      "context.uid", "context.uid", "principal.level", "(if resource has owner then resource.owner else 1)",
      "(if resource has links then resource.links else principal.level)", "(if resource has mode then resource.mode else 0)",
      "(if principal has quota then principal.quota else 3)", "(if resource has weight then resource.weight else 2)",
      "(if resource has setuid && resource.setuid then 1 else principal.level)", "context.now.toTime().toHours()"};
  static const std::vector<std::string> conditions = {
      "principal.admin", "resource has setuid && resource.setuid", "resource has owner && resource.owner == 0", "context.uid == 0", "principal.level < 2",
      "principal has quota && principal.quota < 2", "resource has fs && resource.fs == \"ext4\"", "resource has fs && resource.fs like \"ov*\"", "resource has owner"};
  NumberExpressions expressions(random_, numbers, conditions);
  return chance(70) ? expressions.comparison(2 + static_cast<int>(pick(2))) : expressions.condition(3);
}

std::string FileGenerator::command_atom() {
  switch (pick(6)) {
    case 0: return fmt::format("[{}, {}].contains(context.command)", one_of(kCommands), one_of(kCommands));
    case 1: return fmt::format("context.command < {}", one_of(kCommands));
    case 2: return "context.command + 9223372036854775807 > 0";
    case 3: return "context.command <= context.uid * principal.level";
    default: return fmt::format("context.command == {}", one_of(kCommands));
  }
}

// Observed, stored and bound values that meet in one operator.
std::string FileGenerator::mixed_atom(bool file_only) {
  switch (pick(file_only ? 11 : 6)) {
    case 0: return "resource.path == principal.home";
    case 1: return "resource in principal.dir";
    case 2: return "resource in principal.sets";
    case 3: return fmt::format("resource in [principal.dir, {}]", entity("Dir", path()));
    case 4: return fmt::format("(if context.uid == 0 then resource.path else principal.home) == {}", quote(path()));
    case 5: return fmt::format("[resource.path, principal.home].contains({})", quote(path()));
    case 6: return "resource has kind && resource.kind == principal.kind";
    case 7: return "resource has weight && resource.weight < principal.level";
    case 8: return "resource has weight && resource has links && resource.weight == resource.links";
    case 9: return "resource has fs && resource.fs == principal.fs";
    default: return fmt::format("resource has fs && [\"{}\", principal.fs].containsAny([resource.fs])", one_of(kTypes));
  }
}

std::string FileGenerator::bind_atom() {
  switch (pick(5)) {
    case 0: return fmt::format("principal.level < {}", pick(5));
    case 1: return fmt::format("principal in {}", entity("Class", one_of(kClasses)));
    case 2: return "principal.admin";
    case 3: return fmt::format("principal has boss && principal.boss.level == {}", pick(4));
    default: return fmt::format("principal has quota && principal.quota >= {}", pick(4));
  }
}

std::string FileGenerator::error_prone(bool file_only) {
  static const std::vector<std::string> everywhere = {
      "principal.level * 9223372036854775807 != 7", "context.uid + 9223372036854775807 > 0",
      "principal has boss && principal.boss.level < 100"};
  static const std::vector<std::string> of_files = {"resource has owner && resource.owner + 9223372036854775807 > 0",
                                                    "resource has label && resource.label.secret",
                                                    "resource has links && resource.links * 9223372036854775807 != 2"};
  return chance(file_only ? 60 : 0) ? one_of(of_files) : one_of(everywhere);
}

// Few different ones, so that a policy asks the same again; many that overflow for some values.
std::string FileGenerator::unknown_atom(bool file_only) {
  switch (pick(file_only ? 12 : 9)) {
    case 0: return fmt::format("context.n < {}", pick(3));
    case 1: return "context.n + 9223372036854775807 > 0";
    case 2: return "context has opt";
    case 3: return fmt::format("context has opt && context.opt == {}", pick(2));
    case 4: return fmt::format("context.s == \"{}\"", pick(2) ? "a" : "b");
    case 5: return "context.n == context.uid";
    case 6: return "context.n < principal.level";
    case 7: return "resource.path == context.s";
    case 8: return fmt::format("resource.path like \"*{}\" || context.n * 9223372036854775807 != 1", inside(one_of(kNames), true));
    case 9: return "resource has weight && resource.weight < context.n";
    case 10: return "resource has owner && resource.owner == context.n";
    default: return "resource has weight && resource.weight < context.uid";
  }
}

std::string FileGenerator::atom(bool file_only) {
  if (unknowns_ && chance(25)) return unknown_atom(file_only);
  if (about_ioctl_ && chance(35)) return command_atom();
  switch (pick(11)) {
    case 9: case 10: return mixed_atom(file_only);
    case 0: return bind_atom();
    case 1: case 2: case 3: return set_atom();
    case 4: case 5: return pattern_atom();
    case 6: return file_only ? stored_atom() : "resource is File && " + stored_atom();
    default: return file_only ? code_atom() : "resource is File && " + code_atom();
  }
}

std::string FileGenerator::combine(int depth, bool file_only) {
  if (depth == 0 || chance(25)) return "(" + atom(file_only) + ")";
  std::string a = combine(depth - 1, file_only);
  switch (pick(6)) {
    case 0: case 1: return fmt::format("({} && {})", a, combine(depth - 1, file_only));
    case 2: case 3: return fmt::format("({} || {})", a, combine(depth - 1, file_only));
    case 4: return fmt::format("!{}", a);
    default: return fmt::format("(if {} then {} else {})", a, combine(depth - 1, file_only), combine(depth - 1, file_only));
  }
}

std::string FileGenerator::policy() {
  const bool file_only = chance(50);
  about_ioctl_ = file_only && chance(25);
  std::string principal = "principal", resource = "resource";
  std::string action = fmt::format("action == Action::\"{}\"", !file_only ? "open" : about_ioctl_ ? "control" : "change");
  if (chance(25)) principal += fmt::format(" in {}", entity("Class", one_of(kClasses)));
  if (chance(30)) resource += fmt::format(" in {}", chance(50) ? entity("Dir", path()) : entity("FileSet", one_of(kSets)));
  std::string text = fmt::format("{} ({}, {}, {})", chance(70) ? "permit" : "forbid", principal, action, resource);
  if (chance(38)) text += "\nwhen { " + error_prone(file_only) + " }";
  if (chance(80)) text += fmt::format("\n{} {{ {} }}", chance(75) ? "when" : "unless", combine(static_cast<int>(pick(4)), file_only));
  about_ioctl_ = false;
  return text + ";\n";
}

// A template for one policy or two that differ in their scopes.
void FileGenerator::add_links(GeneratedProgram& program, std::size_t count) {
  const bool file_only = chance(50), exactly = file_only && chance(30);
  std::string text = fmt::format("@id(\"t0\") {} (principal {} ?principal, action == Action::\"{}\", resource {} ?resource)", chance(70) ? "permit" : "forbid",
                                 "in", file_only ? "change" : "open", exactly ? "==" : "in");
  text += fmt::format(" when {{ {} }};\n", combine(1 + static_cast<int>(pick(2)), file_only));
  program.templates.push_back({"t0", text});
  for (std::size_t i = 0; i < count; ++i) {
    TemplateLink link{"t0", fmt::format("t0-l{}", i), {}};
    link.values["?principal"] = EntityUid{"Class", one_of(kClasses)};
    link.values["?resource"] = exactly ? EntityUid{"File", path()} : chance(50) ? EntityUid{"Dir", path()} : EntityUid{"FileSet", one_of(kSets)};
    program.links.push_back(std::move(link));
  }
}

std::string FileGenerator::entities_json() {
  Json list = Json::array();
  auto uid = [](const char* type, const std::string& id) { return Json{{"type", type}, {"id", id}}; };
  auto add = [&](const char* type, const std::string& id, Json attrs, Json parents) -> Json& {
    list.push_back({{"uid", uid(type, id)}, {"attrs", std::move(attrs)}, {"parents", std::move(parents)}});
    return list.back();
  };
  auto sets = [&] {
    Json parents = Json::array();
    for (const std::string& set : kSets) if (set != "empty" && chance(35)) parents.push_back(uid("FileSet", set));
    return parents;
  };
  add("Class", "analyst", Json::object(), Json::array({uid("Class", "all")}));
  for (const std::string& id : kAgents) {
    Json attrs = {{"level", static_cast<int>(pick(5)) - 1}, {"admin", chance(50)}};
    attrs["home"] = path();
    attrs["dir"] = uid("Dir", path());
    attrs["sets"] = Json::array({uid("FileSet", one_of(kSets))});
    attrs["kind"] = chance(50) ? "text" : "socket";
    attrs["fs"] = one_of(kTypes);
    if (chance(50)) attrs["quota"] = pick(5);
    if (chance(50)) attrs["boss"] = uid("Agent", chance(50) ? one_of(kAgents) : "gone");
    add("Agent", id, std::move(attrs), chance(60) ? Json::array({uid("Class", one_of(kClasses))}) : Json::array());
  }
  add("Label", "l0", {{"secret", true}}, Json::array());
  add("Label", "l1", {{"secret", false}}, Json::array());
  add("FileSet", "s0", Json::object(), Json::array({uid("FileSet", "s1")}));
  std::vector<std::string> stored = paths_;
  stored.push_back("kerf:memfd");
  for (const std::string& at : stored) {
    if (chance(55)) {
      Json attrs = {{"path", at}};
      if (chance(50)) attrs["weight"] = pick(5);
      if (chance(50)) attrs["kind"] = chance(50) ? "text" : "socket";
      if (chance(60)) attrs["label"] = uid("Label", fmt::format("l{}", pick(3)));   // l2 is not stored
      Json& file = add("File", at, std::move(attrs), sets());
      file["tags"] = Json::object();
      if (chance(50)) file["tags"]["t0"] = pick(3);
    }
    if (at.starts_with('/') && chance(30)) add("Dir", at, {{"path", at}}, sets());
  }
  return list.dump(1);
}

KernelEventData FileGenerator::event() {
  static const std::vector<KernelEventId> events = {KernelEventId::file_read, KernelEventId::file_list, KernelEventId::file_exec,
                                                    KernelEventId::file_write, KernelEventId::file_create, KernelEventId::file_delete,
                                                    KernelEventId::file_rename, KernelEventId::file_truncate, KernelEventId::file_mkdir,
                                                    KernelEventId::file_mknod, KernelEventId::file_append, KernelEventId::file_receive,
                                                    KernelEventId::file_ioctl, KernelEventId::file_ioctl, KernelEventId::lib_load};
  KernelEventData data;
  data.event = one_of(events);
  data.principal = {"Agent", one_of(kAgents)};
  std::string at = chance(6) ? (chance(70) ? "kerf:memfd" : "kerf:socket") : near_path();
  data.directory = at.starts_with('/') && chance(30);
  data.observed = {{"file.path", Value(at)}, {"file.fs_type", Value(one_of(kTypes))},
                   {"process.uid", Value(std::int64_t{chance(50) ? 0 : 1000})}, {"process.gid", Value(std::int64_t{100})},
                   {"process.pid", Value(std::int64_t{4242})},
                   {"clock.now", Value(Datetime{static_cast<std::int64_t>(1'704'067'200'000 + pick(48) * 3'600'000 - pick(2))})}};
  if (chance(80)) {
    const std::int64_t mode = one_of(std::vector<std::int64_t>{0644, 0755, 04755, 07777, 0});
    data.observed.insert({{"file.owner", Value(one_of(std::vector<std::int64_t>{0, 1000, 4294967295}))}, {"file.mode", Value(mode)},
                          {"file.nlink", Value(static_cast<std::int64_t>(1 + pick(4)))}, {"file.setuid", Value((mode & 04000) != 0)}});
  }
  if (data.event == KernelEventId::file_ioctl) data.observed.emplace("ioctl.command", Value(one_of(kCommands)));
  if (chance(50)) data.facts.emplace("depth", Value(static_cast<std::int64_t>(pick(5))));
  return data;
}

GeneratedProgram FileGenerator::program(std::size_t events) {
  paths_ = {"/", "/a"};
  for (int i = 0; i < 10; ++i) {
    std::string at = chance(60) ? one_of(paths_) : "/";
    at += (at == "/" ? "" : "/") + one_of(kNames);
    if (std::find(paths_.begin(), paths_.end(), at) == paths_.end()) paths_.push_back(at);
  }
  GeneratedProgram program;
  program.schema = kSchema;
  const std::string context = "context: {";
  for (std::size_t at = 0; unknowns_ && (at = program.schema.find(context, at)) != std::string::npos;) {
    program.schema.insert(at += context.size(), " n: Long, s: String, opt?: Long,");
  }
  program.entities = entities_json();
  std::size_t policies = 3 + pick(4);   // with the three below at most KERF_EVENT_POLICIES for one action
  const std::size_t links = chance(40) ? 1 + pick(2) : 0;
  if (links != 0) add_links(program, links);
  for (std::size_t i = links; i < policies; ++i) program.policies += policy();
  if (chance(40)) program.policies += "permit (principal, action, resource);\n";
  if (chance(60)) program.policies += fmt::format("permit (principal, action == Action::\"open\", resource) when {{ {} }};\n", error_prone(false));
  for (std::size_t i = 0; i < events; ++i) program.events.push_back(event());
  return program;
}

}  // namespace kerf::test
