// The manifest of a bundle about files: what the loader learns beside the layout.
#include <doctest/doctest.h>

#include <set>

#include "backends/bundle.h"
#include "backends/features.h"
#include "runtime/abi/policy_abi.h"
#include "tests/unit/passes/file_fixture.h"

using namespace kerf;
using namespace kerf::test;

namespace {

Module with_policies() {
  Module module = file_module();
  auto add = [&](const char* id, auto condition) {
    Policy policy{};
    policy.id = id;
    policy.effect = Effect::permit;
    Build b;
    b.body.root = condition(b);
    policy.body = std::move(b.body);
    module.policies.push_back(std::move(policy));
  };
  add("tree", [](Build& b) { return b.op(Op::in, {b.var(Var::resource), b.uid("Dir::\"/w\"")}); });
  add("pattern", [](Build& b) {
    Pattern inner, suffix;
    inner.pieces = {"/w/x", ".key"};
    suffix.pieces = {"", ".key"};
    NodeId first = b.body.add_like(attr(b, Var::resource, "path"), inner, {});
    return b.op(Op::and_, {first, b.op(Op::not_, {b.body.add_like(attr(b, Var::resource, "path"), suffix, {})})});
  });
  add("group", [](Build& b) { return b.op(Op::in, {b.var(Var::resource), b.uid("Group::\"other\"")}); });
  for (int i = 0; i < 12; ++i) {
    add("same", [](Build& b) { return b.op(Op::eq, {b.var(Var::resource), b.uid("File::\"/w/a.key\"")}); });
  }
  return module;
}

}  // namespace

TEST_CASE("a manifest names kinds, events, features, waivers and paths") {
  Module module = with_policies();
  Sources sources;
  SourceId source = sources.add("p.cedar", "permit(principal, action, resource);");
  for (Policy& policy : module.policies) policy.span = {source, 0, 1};
  Diagnostics diagnostics;
  KernelPlan plan = plan_kernel(module, diagnostics);
  BpfLayout layout;
  layout.programs = {"kerf_file_open", "kerf_sb_mount", "kerf_task_alloc"};
  for (std::size_t i = 0; i < plan.envs.size(); ++i) {
    EnvLayout env{};
    env.plan_env = i;
    for (std::size_t row = 0; row < plan.envs[i].rows.size(); ++row) env.row_of.push_back(static_cast<std::uint32_t>(64 + row));
    layout.envs.push_back(std::move(env));
  }
  Json manifest = make_manifest(module, sources, plan, layout, {}, {}, {"guard-mount"});
  CHECK(manifest["version"] == 2);
  CHECK(manifest["abi"] == KERF_ABI_VERSION);
  CHECK(manifest["governed"] == Json({"file.read", "file.write", "file.list"}));
  CHECK(manifest["waived"] == Json::array({"guard-mount"}));
  CHECK(manifest["directory_type"] == "Dir");
  std::set<std::string> kinds;
  for (const Json& env : manifest["environments"]) kinds.insert(env["resource_kind"].get<std::string>());
  CHECK(kinds == std::set<std::string>{"directory", "file"});
  Json files, mount;
  for (const Json& feature : manifest["features"]) {
    if (feature["name"] == "files") files = feature;
    if (feature["name"] == "guard-mount") mount = feature;
    CHECK(feature["name"] != "connect");
    CHECK(feature["name"] != "stat");
  }
  CHECK(files["programs"] == Json::array({"kerf_file_open"}));
  CHECK(mount["programs"] == Json::array({"kerf_sb_mount"}));
  Json expected = Json::array();
  auto row = [&](const char* path, const char* kind, Json policies) {
    expected.push_back({{"path", path}, {"kind", kind}, {"policies", std::move(policies)}});
  };
  row("/w", "file", {0});                              // the directory itself is in it
  row("/w", "tree", {0});
  row("/w/a.key", "file", {3, 4, 5, 6, 7, 8, 9, 10});   // the first eight of twelve
  row("/w/lib/deep", "file", {2});
  row("/w/lib/deep", "tree", {2});
  row("/w/lib/x", "file", {2});
  row("/w/x", "prefix", {1});
  CHECK(manifest["paths"] == expected);
}

TEST_CASE("features belong to governed events, and only guards are waived") {
  std::set<std::string_view> names;
  std::size_t net_guards = 0;
  for (const Feature& feature : features_of(KERF_BIT(KERF_EVENT_NET_CONNECT))) {
    CHECK(!feature.programs.empty());
    CHECK(names.insert(feature.name).second);
    net_guards += feature.guard();
  }
  CHECK(names.contains("connect"));
  CHECK(names.contains("guard-bpf"));
  CHECK(!names.contains("files"));
  CHECK(!names.contains("guard-rename"));
  CHECK(net_guards == guards_to_json(KERF_BIT(KERF_EVENT_NET_CONNECT), {}).size());
  CHECK(features_of(0).empty());
  auto refused = [](const std::vector<std::string>& waived, std::uint64_t governed) {
    Diagnostics diagnostics;
    check_waived(waived, governed, diagnostics);
    return diagnostics.error_count();
  };
  CHECK(refused({"guard-bpf", "guard-rename"}, KERF_FILE_EVENTS) == 0);
  CHECK(refused({"guard-rename"}, KERF_BIT(KERF_EVENT_NET_CONNECT)) == 1);
  CHECK(refused({"guard-exe-file"}, KERF_FILE_EVENTS) == 1);
  CHECK(refused({"guard-exe-file"}, KERF_FILE_EVENTS | KERF_READS_EXE) == 0);
  CHECK(refused({"files", "identity", "guard-nothing"}, KERF_FILE_EVENTS) == 3);
  CHECK(guards_to_text(KERF_FILE_EVENTS, {"guard-mount"}).find("WAIVED: bound tasks cannot mount") != std::string::npos);
}
