// What events on files and directories stand for.
#include <doctest/doctest.h>

#include "ir/passes/split.h"
#include "tests/unit/passes/file_fixture.h"

using namespace kerf;
using namespace kerf::test;

namespace {

Result<KernelEventData> read(const Module& module, const std::string& observed, const std::string& more = "",
                             const char* event = "file.read") {
  std::string text = std::string(R"({"event":")") + event + R"(","principal":"Agent::\"a\"","observed":{)" + observed + "}" + more + "}";
  return event_from_json(module.schema, *parse_json(text));
}

std::vector<std::string> parents(const Materialised& made, const EntityUid& uid) {
  std::vector<std::string> names;
  for (const EntityUid& parent : made.entities.find(uid)->parents) names.push_back(to_text(parent));
  return names;
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("events on files are read strictly") {
  Module module = file_module();
  const std::string all = R"("file.path":"/w/a","file.fs_type":"ext4","file.owner":0,"file.mode":2541,"file.nlink":1)";
  auto good = read(module, all);
  REQUIRE(good.ok());
  CHECK(good->observed.at("file.setuid") == Value(true));
  CHECK(!good->directory);
  CHECK(read(module, all, R"(,"directory":true)")->directory);
  CHECK(read(module, R"("file.path":"/w/a","file.fs_type":"ext4")").ok());   // what does not exist yet
  CHECK(read(module, R"("directory.path":"/w/a")")->directory);
  CHECK(read(module, R"("directory.path":"/w/a")")->observed.at("file.path") == text("/w/a"));
  struct Row { const char* observed; const char* more; };
  for (auto [observed, more] : std::vector<Row>{
           {R"("file.fs_type":"ext4")", ""},
           {R"("file.path":"/w/../a")", ""},
           {R"("file.path":"w")", ""},
           {R"("file.path":"/w/")", ""},
           {R"("file.path":"kerf:other")", ""},
           {R"("file.path":1)", ""},
           {R"("file.path":"kerf:memfd")", R"(,"directory":true)"},
           {R"("file.path":"/w/a")", R"(,"directory":1)"},
           {R"("directory.path":"/w/a","file.path":"/w/a")", ""},
           {R"("directory.path":"kerf:memfd")", ""},
           {R"("file.path":"/w/a","net.protocol":6)", ""},
           {R"("file.path":"/w/a","endpoint.port":6)", ""},
           {R"("file.path":"/w/a","file.mode":420)", ""},
           {R"("file.path":"/w/a","file.owner":-1,"file.mode":420,"file.nlink":1)", ""},
           {R"("file.path":"/w/a","file.owner":4294967296,"file.mode":420,"file.nlink":1)", ""},
           {R"("file.path":"/w/a","file.owner":0,"file.mode":4096,"file.nlink":1)", ""},
           {R"("file.path":"/w/a","file.owner":0,"file.mode":420,"file.nlink":1,"file.setuid":true)", ""},
           {R"("file.path":"/w/a","file.setuid":false)", ""},
           {R"("file.path":"/w/a","file.fs_type":"a name of thirty-two bytes or more")", ""}}) {
    CAPTURE(observed);
    CHECK(!read(module, observed, more).ok());
  }
  CHECK(!read(module, all, R"(,"directory":true)", "net.connect").ok());
}

TEST_CASE("what a hook always sees is there") {
  const Module module = file_module();
  KernelEventData event = file_event("Agent::\"a\"", "/w/a.key", true, false);
  CHECK(materialise(module, event).ok());
  event.observed.erase("file.fs_type");
  auto without = materialise(module, event);
  REQUIRE_FALSE(without.ok());
  CHECK(without.error().message == "the event has no `file.fs_type`");
  event = file_event("Agent::\"a\"", "/w/a.key", true, false);
  event.observed.insert_or_assign("process.uid", text("0"));
  CHECK_FALSE(materialise(module, event).ok());
}

TEST_CASE("paths that the kernel refuses stand for no request") {
  Module module = file_module();
  auto message = [&](const std::string& path) {
    KernelEventData event = file_event("Agent::\"a\"", "/w/a", true, false);
    event.observed.insert_or_assign("file.path", Value(path));
    event.observed.insert_or_assign("process.uid", num(0));
    auto made = materialise(module, event);
    return made.ok() ? std::string() : made.error().message;
  };
  CHECK(message("/w/a").empty());
  CHECK(message("/\xff").starts_with("not-text"));
  CHECK(message("/" + std::string(4096, 'x')).starts_with("too-long"));
  std::string deep;
  for (int i = 0; i < 129; ++i) deep += "/d";
  CHECK(message(deep).starts_with("too-long"));
  CHECK(!message("/w//a").empty());
}

TEST_CASE("a file is in the directories above it and in its groups") {
  Module module = file_module();
  KernelEventData event = file_event("Agent::\"a\"", "/w/lib/x", true, false);
  event.observed.insert({"process.uid", num(0)});
  auto made = materialise(module, event);
  REQUIRE(made.ok());
  const EntityUid file{"File", "/w/lib/x"}, lib{"Dir", "/w/lib"}, root{"Dir", "/"};
  CHECK(made->request.resource == file);
  CHECK(made->open.empty());
  CHECK(parents(*made, file) == Texts{"Dir::\"/w/lib\"", "Group::\"other\""});
  CHECK(parents(*made, lib) == Texts{"Dir::\"/w\"", "Group::\"inner\""});
  CHECK(parents(*made, root).empty());
  CHECK(made->entities.is_in(file, {"Group", "outer"}));
  CHECK(made->entities.is_in(file, root));
  CHECK(made->entities.find(lib)->attrs.at("rank") == num(4));
  CHECK(made->entities.find(root)->attrs.at("path") == text("/"));
  const ValueRecord& attrs = made->entities.find(file)->attrs;
  CHECK(attrs.at("rank") == num(1));
  CHECK(attrs.at("fs") == text("ext4"));
  CHECK(attrs.contains("owner"));
  event = file_event("Agent::\"a\"", "/w/lib/x", false, false);
  event.observed.insert({"process.uid", num(0)});
  made = materialise(module, event);
  REQUIRE(made.ok());
  CHECK(!made->entities.find(file)->attrs.contains("owner"));
  CHECK(made->entities.find(file)->attrs.contains("fs"));
  event.observed.erase("file.path");
  CHECK(!materialise(module, event).ok());
}

TEST_CASE("where directories do not nest, a file is in each of them") {
  Module module = file_module(false);
  KernelEventData event = file_event("Agent::\"a\"", "/w/lib/x", true, false);
  event.observed.insert({"process.uid", num(0)});
  auto made = materialise(module, event);
  REQUIRE(made.ok());
  const EntityUid file{"File", "/w/lib/x"};
  CHECK(parents(*made, file) == Texts{"Dir::\"/\"", "Dir::\"/w\"", "Dir::\"/w/lib\"", "Group::\"other\""});
  event = file_event("Agent::\"a\"", "/w/lib", true, true);
  event.observed.insert({"process.uid", num(0)});
  made = materialise(module, event);
  REQUIRE(made.ok());
  CHECK(parents(*made, {"Dir", "/w/lib"}) == Texts{"Group::\"inner\""});
}

TEST_CASE("a directory is of the directory type where an action lists it for the event") {
  Module module = file_module();
  auto resource = [&](KernelEventId id, bool directory) {
    KernelEventData event = file_event("Agent::\"a\"", "/w/lib", true, directory, id);
    event.observed.insert({"process.uid", num(0)});
    auto made = materialise(module, event);
    return made.ok() ? to_text(made->request.resource) : made.error().message;
  };
  CHECK(resource(KernelEventId::file_read, true) == "Dir::\"/w/lib\"");
  CHECK(resource(KernelEventId::file_read, false) == "File::\"/w/lib\"");
  CHECK(resource(KernelEventId::file_write, true) == "File::\"/w/lib\"");
  CHECK(resource(KernelEventId::file_exec, true).starts_with("no-applicable-action"));
  module.schema.actions.at({"Action", "open"}).resources = {"Dir"};
  module.environments = module.schema.environments();
  CHECK(resource(KernelEventId::file_read, false).starts_with("no-applicable-action"));
}

TEST_CASE("each event of an action has its environment, with its errno; the split tells all of them") {
  Module module = file_module();
  Policy policy{};
  policy.id = "p";
  policy.effect = Effect::permit;
  Build b;
  b.body.root = b.op(Op::in, {b.var(Var::resource), b.uid("Dir::\"/w\"")});
  policy.body = std::move(b.body);
  module.policies.push_back(std::move(policy));
  Diagnostics diagnostics;
  KernelPlan plan = plan_kernel(module, diagnostics);
  REQUIRE(!diagnostics.has_errors());
  Texts envs;
  for (const KernelEnv& env : plan.envs) {
    envs.push_back(module.environments[env.environment].resource + " " + std::string(kernel_event(env.event).text) + " " +
                   std::string(to_text(env.resource)) + " " + env.refusal_errno);
    REQUIRE(env.paths.size() == 1);
    CHECK(env.paths[0].trees == Texts{"/w"});
    CHECK(env.paths[0].files == (env.resource == KernelKind::directory ? Texts{"/w"} : Texts{}));
  }
  CHECK(envs == Texts{"File file.write file ENOENT", "Dir file.read directory ENOENT", "Dir file.list directory ENOENT",
                      "File file.read file ENOENT", "File file.list file ENOENT"});
  Split report = split(module, plan);
  Sources sources;
  Json json = split_to_json(module, sources, report);
  CHECK(json["entries"][0]["events"] == Json({"file.write"}));
  CHECK(json["entries"][1]["events"] == Json({"file.read", "file.list"}));
  CHECK(split_to_table(module, sources, report).find("kernel file.read +1 exact") != std::string::npos);
  CHECK(split_to_picture(module, sources, report, false).find("file.read file.list") != std::string::npos);
}
