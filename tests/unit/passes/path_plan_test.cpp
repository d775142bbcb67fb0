// What paths become in a plan: few tests, shared, however many files and directories are named.
#include <doctest/doctest.h>

#include <chrono>

#include "ir/canonical.h"
#include "tests/support/plan_interpreter.h"
#include "tests/unit/passes/file_fixture.h"

using namespace kerf;
using namespace kerf::test;

namespace {

template <class Condition>
Policy file_policy(std::string id, const char* action, Condition condition) {
  Policy policy{};
  policy.id = std::move(id);
  policy.effect = Effect::permit;
  Build b;
  NodeId scope = b.op(Op::eq, {b.var(Var::action), b.lit(Value(EntityUid{"Action", action}))});
  b.body.root = b.op(Op::and_, {scope, condition(b)});
  policy.body = std::move(b.body);
  return policy;
}

NodeId in_dir(Build& b, const std::string& path) {
  return b.op(Op::in, {b.var(Var::resource), b.lit(Value(EntityUid{"Dir", path}))});
}
NodeId is_file(Build& b, const std::string& path) {
  return b.op(Op::eq, {b.var(Var::resource), b.lit(Value(EntityUid{"File", path}))});
}

// The environment of `change` (files, writing).
const KernelEnv& change_env(const KernelPlan& plan) {
  for (const KernelEnv& env : plan.envs) {
    if (env.event == KernelEventId::file_write) return env;
  }
  FAIL("not planned");
  return plan.envs.front();
}

template <class Condition>
KernelEnv planned(Condition condition) {
  Module module = file_module();
  module.policies.push_back(file_policy("p", "change", condition));
  REQUIRE(!verify(module));
  Diagnostics diagnostics;
  KernelPlan plan = plan_kernel(module, diagnostics);
  for (const Diagnostic& d : diagnostics.all()) MESSAGE(d.message);
  REQUIRE(!diagnostics.has_errors());
  return change_env(plan);
}

template <class Condition>
std::vector<std::string> refused(Condition condition) {
  Module module = file_module();
  module.policies.push_back(file_policy("p", "change", condition));
  Diagnostics diagnostics;
  plan_kernel(module, diagnostics);
  std::vector<std::string> codes;
  for (const Diagnostic& d : diagnostics.all()) codes.emplace_back(catalogue_row(d.code).name);
  return codes;
}

using Codes = std::vector<std::string>;
using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("however a set of paths is written, it is one test") {
  Texts directories;
  for (int i = 0; i < 100; ++i) directories.push_back("/d" + std::to_string(100 + i));
  KernelEnv as_set = planned([&](Build& b) {
    std::vector<NodeId> list;
    for (const std::string& path : directories) list.push_back(b.lit(Value(EntityUid{"Dir", path})));
    return b.op(Op::in, {b.var(Var::resource), b.op(Op::set, list)});
  });
  KernelEnv as_chain = planned([&](Build& b) {
    NodeId any = in_dir(b, directories[0]);
    for (std::size_t i = 1; i < directories.size(); ++i) any = b.op(Op::or_, {any, in_dir(b, directories[i])});
    return any;
  });
  KernelEnv as_negated = planned([&](Build& b) {
    NodeId none = b.op(Op::not_, {in_dir(b, directories[0])});
    for (std::size_t i = 1; i < directories.size(); ++i) none = b.op(Op::and_, {none, b.op(Op::not_, {in_dir(b, directories[i])})});
    return b.op(Op::not_, {none});
  });
  REQUIRE(as_set.paths.size() == 1);
  CHECK(as_set.paths[0].trees == directories);
  CHECK(as_chain.paths == as_set.paths);
  CHECK(as_negated.paths == as_set.paths);
  for (const KernelEnv* env : {&as_set, &as_chain, &as_negated}) {
    REQUIRE(env->rows.size() == 1);
    CHECK(env->rows[0].path == std::vector<Requirement>{{0, Outcome::true_}});
  }
}

TEST_CASE("sets join over what cannot fail, and keep their place beside what can") {
  KernelEnv free = planned([](Build& b) {
    NodeId admin = attr(b, Var::principal, "admin");
    return b.op(Op::or_, {b.op(Op::or_, {in_dir(b, "/a"), admin}), is_file(b, "/b")});
  });
  REQUIRE(free.paths.size() == 1);
  CHECK(free.paths[0].files == Texts{"/b"});
  KernelEnv fallible = planned([](Build& b) {
    NodeId quota = b.op(Op::less, {attr(b, Var::principal, "quota"), b.num(3)});
    return b.op(Op::or_, {b.op(Op::or_, {in_dir(b, "/a"), quota}), is_file(b, "/b")});
  });
  CHECK(fallible.rows.size() > 2);   // /b does not count where the quota errs
  bool errs = false;
  for (const KernelRow& row : fallible.rows) errs = errs || row.result == Outcome::error;
  CHECK(errs);
}

TEST_CASE("a set names nothing twice") {
  KernelEnv env = planned([](Build& b) {
    NodeId trees = b.op(Op::or_, {in_dir(b, "/a/b"), b.op(Op::or_, {in_dir(b, "/a"), in_dir(b, "/a/b/c")})});
    return b.op(Op::or_, {trees, b.op(Op::or_, {is_file(b, "/a/x"), is_file(b, "/a")})});
  });
  REQUIRE(env.paths.size() == 1);
  CHECK(env.paths[0].trees == Texts{"/a"});
  CHECK(env.paths[0].files == Texts{"/a"});
}

TEST_CASE("what patterns mean without wildcards inside") {
  auto like = [](std::vector<std::string> pieces) {
    return planned([&](Build& b) {
      Pattern pattern;
      pattern.pieces = pieces;
      return b.body.add_like(attr(b, Var::resource, "path"), pattern, {});
    });
  };
  CHECK(like({"/a/b"}).paths[0].files == Texts{"/a/b"});
  CHECK(like({"/a/b/", ""}).paths[0].trees == Texts{"/a/b"});
  CHECK(like({"/a/b", ""}).paths[0].pattern.has_value());
  CHECK(like({"/", ""}).paths[0].trees == Texts{"/"});
  CHECK(like({"/", ""}).paths[0].files == Texts{"/"});
  CHECK(like({"/a/b", ".txt"}).paths[0].pattern.has_value());
  KernelEnv all = like({"", ""});
  CHECK(all.paths.empty());
  REQUIRE(all.rows.size() == 1);
  CHECK(all.rows[0].path.empty());
  CHECK(like({"/a/b/"}).rows.empty());   // no path ends with a slash
}

TEST_CASE("pairs of directory and uid need one row each") {
  KernelEnv env = planned([](Build& b) {
    NodeId any = b.no();
    for (int i = 0; i < 300; ++i) {
      NodeId owner = b.op(Op::and_, {has(b, Var::resource, "owner"), b.op(Op::eq, {attr(b, Var::resource, "owner"), b.num(i)})});
      any = b.op(Op::or_, {any, b.op(Op::and_, {in_dir(b, "/d" + std::to_string(i)), owner})});
    }
    return any;
  });
  CHECK(env.rows.size() == 300);
  CHECK(env.paths.size() == 300);
}

TEST_CASE("nested directories with the parity of their depth") {
  Module module = file_module();
  Texts chain;
  for (int i = 0; i < 12; ++i) chain.push_back((chain.empty() ? "" : chain.back()) + "/n");
  module.policies.push_back(file_policy("p", "change", [&](Build& b) {
    NodeId parity = in_dir(b, chain[0]);
    for (std::size_t i = 1; i < chain.size(); ++i) parity = b.op(Op::eq, {parity, in_dir(b, chain[i])});
    return b.op(Op::eq, {parity, is_file(b, chain[5] + "/odd")});
  }));
  Diagnostics diagnostics;
  KernelPlan plan = plan_kernel(module, diagnostics);
  REQUIRE(!diagnostics.has_errors());
  const KernelEnv& env = change_env(plan);
  CHECK(env.rows.size() <= 8);
  PlanInterpreter interpreter(module, env);
  Texts paths{"/", "/n!", "/other", chain[5] + "/odd", chain[5] + "/odd/x", chain[6] + "/odd"};
  for (const std::string& directory : chain) {
    paths.push_back(directory);
    paths.push_back(directory + "/x");
  }
  int held = 0;
  for (const std::string& path : paths) {
    KernelEventData event = file_event("Agent::\"a\"", path, true, false, KernelEventId::file_write);
    auto materialised = materialise(module, event);
    REQUIRE(materialised.ok());
    const Body& body = module.policies[0].body;
    Outcome expected = evaluate_outcome(body, body.root, EvalContext{&materialised->request, &materialised->entities});
    auto decided = interpreter.decide(event);
    CAPTURE(path);
    CHECK(decided.exclusive);
    CHECK(to_text(decided.policies[0]) == to_text(expected));
    held += expected == Outcome::true_;
  }
  CHECK(held > 5);
  CHECK(held < static_cast<int>(paths.size()) - 5);
}

TEST_CASE("a big group is one test, and its policies share it") {
  Module module = file_module();
  std::vector<Entity> entities = module.entities.all();
  Texts files;
  for (int i = 0; i < 10000; ++i) files.push_back("/f/" + std::to_string(10000 + i));
  for (const std::string& file : files) entities.push_back({{"File", file}, {{"path", Value(file)}}, {}, {{"Group", "big"}}});
  module.entities = *Entities::build(std::move(entities));
  for (int i = 0; i < 100; ++i) {
    module.policies.push_back(file_policy("p" + std::to_string(i), "change", [&](Build& b) {
      NodeId level = b.op(Op::eq, {attr(b, Var::principal, "level"), b.num(i)});
      return b.op(Op::and_, {level, b.op(Op::in, {b.var(Var::resource), b.uid("Group::\"big\"")})});
    }));
  }
  Diagnostics diagnostics;
  KernelPlan plan = plan_kernel(module, diagnostics);
  const KernelEnv& env = change_env(plan);
  REQUIRE(env.paths.size() == 1);
  CHECK(env.paths[0].files == files);
  CHECK(env.rows.size() == 100);
}

TEST_CASE("ten thousand policies over a hundred thousand files") {
  Module module = file_module();
  std::vector<Entity> entities = module.entities.all();
  for (int i = 0; i < 100000; ++i) {
    std::string path = "/f/" + std::to_string(i);
    entities.push_back({{"File", path}, {{"path", Value(path)}}, {}, {{"Group", "g" + std::to_string(i % 10000)}}});
  }
  module.entities = *Entities::build(std::move(entities));
  for (int i = 0; i < 10000; ++i) {
    module.policies.push_back(file_policy("p" + std::to_string(i), "change", [&](Build& b) {
      NodeId group = b.op(Op::in, {b.var(Var::resource), b.lit(Value(EntityUid{"Group", "g" + std::to_string(i)}))});
      NodeId where = b.op(Op::or_, {group, in_dir(b, "/home/" + std::to_string(i))});
      NodeId but = b.op(Op::not_, {in_dir(b, "/home/" + std::to_string(i) + "/.ssh")});
      return b.op(Op::and_, {where, but});
    }));
  }
  Diagnostics diagnostics;
  auto begin = std::chrono::steady_clock::now();
  KernelPlan plan = plan_kernel(module, diagnostics);
  auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin).count();
  MESSAGE("planned 10,000 policies over 100,000 files in " << ms << " ms");
  CHECK(!diagnostics.has_errors());
  CHECK(change_env(plan).rows.size() == 10000);
  CHECK(ms < 60000);
}

TEST_CASE("what cannot be asked of a path is refused") {
  CHECK(refused([](Build& b) { return b.op(Op::eq, {attr(b, Var::resource, "path"), attr(b, Var::resource, "fs")}); }) ==
        Codes{"K5010"});
  auto of_type = [](std::vector<std::string> pieces) {
    return refused([pieces](Build& b) {
      Pattern pattern;
      pattern.pieces = pieces;
      return b.body.add_like(attr(b, Var::resource, "fs"), pattern, {});
    });
  };
  CHECK(of_type({"ext", ""}).empty());
  CHECK(of_type({"", "ext"}) == Codes{"K5007"});
  CHECK(of_type({"e", "t", ""}) == Codes{"K5007"});
  CHECK(refused([](Build& b) { return b.op(Op::eq, {attr(b, Var::resource, "fs"), attr(b, Var::resource, "fs")}); }) ==
        Codes{"K5007"});
  CHECK(refused([](Build& b) {   // no validator lets this pass
          return b.op(Op::less, {b.num(0), b.named(Op::call, "toDays", {b.named(Op::call, "duration", {attr(b, Var::resource, "fs")})})});
        }) == Codes{"K5007"});
  CHECK(refused([](Build& b) { return b.op(Op::in, {b.uid("File::\"/w/a.key\""), b.uid("Group::\"outer\"")}); }) ==
        Codes{"K5004"});
  CHECK(refused([](Build& b) { return b.op(Op::in, {attr(b, Var::principal, "inbox"), b.uid("Dir::\"/w\"")}); }) ==
        Codes{"K5004"});
}

TEST_CASE("a path that too many records hold is not asked") {
  auto nested = [](int depth) {
    return refused([depth](Build& b) {
      NodeId path = attr(b, Var::resource, "path");
      for (int i = 0; i < depth; ++i) path = b.named(Op::get_attr, "a", {b.body.add_record({"a"}, {path}, {})});
      return b.op(Op::eq, {path, b.str("/w/a.key")});
    });
  };
  CHECK(nested(16).empty());
  CHECK(nested(17) == Codes{"K5010"});
  auto chosen = [](int depth) {
    return refused([depth](Build& b) {
      NodeId path = attr(b, Var::resource, "path");
      for (int i = 0; i < depth; ++i) path = b.op(Op::if_, {b.op(Op::eq, {attr(b, Var::resource, "mode"), b.num(i)}), path, b.str("/w")});
      return b.op(Op::eq, {path, b.str("/w/a.key")});
    });
  };
  CHECK(chosen(16).empty());
  CHECK(chosen(17) == Codes{"K5010"});
}

TEST_CASE("names that no path is spelled like are in no set") {
  CHECK(planned([](Build& b) { return in_dir(b, "/w/../x"); }).rows.empty());
  CHECK(planned([](Build& b) { return in_dir(b, "/w/"); }).rows.empty());
  CHECK(planned([](Build& b) { return is_file(b, "/w//a"); }).rows.empty());
  CHECK(planned([](Build& b) { return in_dir(b, "/w"); }).rows.size() == 1);
}

TEST_CASE("the members of a constant set are constants of the code") {
  const Value modes = Value::set({num(0644), num(0755)});
  const KernelEnv env = planned([&](Build& b) { return b.op(Op::contains, {b.lit(modes), attr(b, Var::resource, "mode")}); });
  REQUIRE(env.code.size() == 1);
  REQUIRE(env.code[0].constants.size() == 1);
  CHECK(env.code[0].constants.begin()->second == modes);
}

TEST_CASE("comparisons with a file system's type that cannot hold are false") {
  auto compared = [](const std::string& name) {
    return planned([&](Build& b) { return b.op(Op::eq, {attr(b, Var::resource, "fs"), b.lit(Value(name))}); });
  };
  CHECK(compared(std::string(31, 'x')).code[0].constants.begin()->second == Value(std::string(31, 'x')));
  for (const std::string& name : {std::string(32, 'x'), std::string("ext4\0", 5)}) {
    KernelEnv env = compared(name);
    CHECK(env.code[0].constants == std::map<NodeId, Value>{{env.code[0].node, Value(false)}});
  }
}
