// A small world of files for the tests of the passes: directories that may nest, groups, stored data of some files.
#pragma once
#include "ir/passes/materialise.h"
#include "tests/unit/passes/fixture.h"

namespace kerf::test {

inline Schema file_schema(bool nested_directories = true) {
  Schema schema;
  Types& t = schema.types;
  auto simple = [&](TypeKind kind, bool required = true) { return AttrType{t.simple(kind), required}; };
  TypeId none = t.record({});
  auto type = [&](const char* name, TypeId attrs, std::set<std::string> parents, std::set<std::string> ancestors) -> EntityType& {
    EntityType& made = schema.entity_types[name] = entity_type(name, attrs, std::move(parents));
    made.ancestors = std::move(ancestors);
    return made;
  };
  type("Team", none, {}, {});
  type("Group", none, {"Group"}, {"Group"});
  type("Label", t.record({{"secret", simple(TypeKind::boolean)}}), {}, {});
  AttrType own_file{t.entity("File"), true}, label{t.entity("Label"), false};
  type("Agent",
       t.record({{"level", simple(TypeKind::long_)}, {"admin", simple(TypeKind::boolean)}, {"home", simple(TypeKind::string)},
                 {"quota", simple(TypeKind::long_, false)}, {"inbox", own_file}}),
       {"Team"}, {"Team"}).kernel = KernelKind::process;
  std::set<std::string> above = nested_directories ? std::set<std::string>{"Dir", "Group"} : std::set<std::string>{"Group"};
  EntityType& dir = type("Dir", t.record({{"path", simple(TypeKind::string)}, {"rank", simple(TypeKind::long_, false)}}), above, above);
  dir.kernel = KernelKind::directory;
  dir.bindings = {{"path", observed("directory.path")}};
  EntityType& file = type("File",
                          t.record({{"path", simple(TypeKind::string)}, {"fs", simple(TypeKind::string, false)},
                                    {"owner", simple(TypeKind::long_, false)}, {"mode", simple(TypeKind::long_, false)},
                                    {"setuid", simple(TypeKind::boolean, false)}, {"links", simple(TypeKind::long_, false)},
                                    {"rank", simple(TypeKind::long_, false)}, {"alias", simple(TypeKind::string, false)},
                                    {"label", label}}),
                          {"Dir", "Group"}, {"Dir", "Group"});
  file.kernel = KernelKind::file;
  file.tags = t.simple(TypeKind::string);
  file.bindings = {{"path", observed("file.path")},   {"fs", observed("file.fs_type")},     {"owner", observed("file.owner")},
                   {"mode", observed("file.mode")}, {"setuid", observed("file.setuid")}, {"links", observed("file.nlink")}};
  Action open{};
  open.uid = {"Action", "open"};
  open.principals = {"Agent"};
  open.resources = {"Dir", "File"};
  open.events = {KernelEventId::file_read, KernelEventId::file_list};
  open.context = t.record({{"uid", simple(TypeKind::long_)}, {"depth", simple(TypeKind::long_, false)}});
  open.bindings = {{"uid", observed("process.uid")}, {"depth", fact("delegation_depth")}};
  Action change{};
  change.uid = {"Action", "change"};
  change.principals = {"Agent"};
  change.resources = {"File"};
  change.events = {KernelEventId::file_write};
  change.context = t.record({});
  schema.actions[open.uid] = open;
  schema.actions[change.uid] = change;
  return schema;
}

inline Module file_module(bool nested_directories = true) {
  Module module;
  module.schema = file_schema(nested_directories);
  module.environments = module.schema.environments();
  std::vector<Entity> entities = module.schema.action_entities();
  auto add = [&](const char* who, ValueRecord attrs, std::vector<EntityUid> parents, ValueRecord tags = {}) {
    entities.push_back({*parse_uid(who), std::move(attrs), std::move(tags), std::move(parents)});
  };
  add("Agent::\"a\"", {{"level", num(3)}, {"admin", Value(true)}, {"quota", num(1000)}, {"home", text("/home/a")},
                       {"inbox", uid("File::\"/w/in\"")}}, {{"Team", "red"}});
  add("Agent::\"b\"", {{"level", num(INT64_MAX)}, {"admin", Value(false)}, {"home", text("/home/b")},
                       {"inbox", uid("File::\"/w/in\"")}}, {{"Team", "blue"}});
  add("Label::\"s\"", {{"secret", Value(true)}}, {});
  add("Group::\"inner\"", {}, {{"Group", "outer"}});
  add("Dir::\"/w/lib\"", {{"path", text("/w/lib")}, {"rank", num(4)}}, {{"Group", "inner"}});
  add("Dir::\"/w/lib/deep\"", {{"path", text("/w/lib/deep")}}, {{"Group", "other"}});
  add("File::\"/w/a.key\"", {{"path", text("/w/a.key")}, {"rank", num(7)}, {"alias", text("/w/lib/x")}, {"label", uid("Label::\"s\"")}},
      {{"Group", "outer"}}, {{"tier", text("one")}});
  add("File::\"/w/lib/x\"", {{"path", text("/w/lib/x")}, {"rank", num(1)}, {"label", uid("Label::\"missing\"")}}, {{"Group", "other"}});
  add("File::\"kerf:memfd\"", {{"path", text("kerf:memfd")}, {"rank", num(2)}}, {{"Group", "other"}});
  auto built = Entities::build(std::move(entities));
  check(built.ok(), "the small world of files is consistent");
  module.entities = *built;
  return module;
}

// Paths on and around the edges of what the policies name; `!` sorts before `/`.
inline const std::vector<std::string>& edge_paths() {
  static const std::vector<std::string> paths = {
      "/", "/w", "/w!", "/w/a.key", "/w/a.key/b", "/w/lib", "/w/lib!", "/w/lib/x", "/w/lib/deep", "/w/lib/deep/er/est", "/w/lib.key",
      "/w/in", "/wo", "/w/no", "/w/no/yes", "/w/no/yes/no", "/w/no.key/a.txt", "/etc", "/etc/p\xc3\xa4ss", "/home/a", "/home/a/.ssh/id.key"};
  return paths;
}

inline KernelEventData file_event(const char* who, const std::string& path, bool exists, bool directory,
                                  KernelEventId id = KernelEventId::file_read) {
  KernelEventData event{id, *parse_uid(who), {}, {}, directory};
  event.observed = {{"file.path", Value(path)}, {"file.fs_type", text(path.starts_with("/w") ? "ext4" : "tmpfs")}};
  if (!exists) return event;
  const std::int64_t seed = static_cast<std::int64_t>(path.size());
  event.observed.insert({{"file.owner", num(seed % 3 == 0 ? 0 : 1000)}, {"file.mode", num(seed % 2 == 0 ? 04755 : 0644)},
                         {"file.setuid", Value(seed % 2 == 0)}, {"file.nlink", num(1 + seed % 4)}});
  return event;
}

}  // namespace kerf::test
