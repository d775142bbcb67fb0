// Random policies over files and directories: for paths on every edge that the policies name, existing or not, the rows
// of the plan must give the outcome that the reference evaluator gives on the materialised event.
#include <doctest/doctest.h>

#include "tests/support/plan_interpreter.h"
#include "tests/unit/passes/file_fixture.h"

using namespace kerf;
using namespace kerf::test;

namespace {

class Generator {
 public:
  explicit Generator(unsigned seed) : random_(seed) {}

  NodeId condition(Build& b, int depth) {
    int kind = depth <= 0 ? 9 : pick(10);
    if (kind <= 2) return b.op(Op::and_, {condition(b, depth - 1), condition(b, depth - 1)});
    if (kind <= 5) return b.op(Op::or_, {condition(b, depth - 1), condition(b, depth - 1)});
    if (kind == 6) return b.op(Op::not_, {condition(b, depth - 1)});
    if (kind == 7) return b.op(Op::if_, {condition(b, depth - 1), condition(b, depth - 1), condition(b, depth - 1)});
    if (kind == 8 && pick(4) == 0) return b.op(Op::eq, {condition(b, depth - 1), condition(b, depth - 1)});
    return atom(b);
  }

  int pick(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }

 private:
  NodeId atom(Build& b) {
    switch (pick(9)) {
      case 0: return bind_atom(b);
      case 1:
      case 2:
      case 3: return tree_atom(b);
      case 4: return pattern_atom(b);
      case 5: return of_file(b, stored_atom(b));
      case 6:
      case 7: return of_file(b, code_atom(b));
      default: return constant_atom(b);
    }
  }

  // Directories have none of these attributes: no validated policy asks for them.
  NodeId of_file(Build& b, NodeId atom) { return b.op(Op::and_, {b.named(Op::is, "File", {b.var(Var::resource)}), atom}); }
  const std::string& path() { return edge_paths()[static_cast<std::size_t>(pick(static_cast<int>(edge_paths().size())))]; }
  NodeId entity(Build& b, const char* type, const std::string& id) { return b.lit(Value(EntityUid{type, id})); }
  NodeId group(Build& b) {
    static const char* const groups[] = {"inner", "outer", "other", "empty"};
    return entity(b, "Group", groups[pick(4)]);
  }

  NodeId bind_atom(Build& b) {
    switch (pick(6)) {
      case 0: return b.op(Op::in, {b.var(Var::principal), b.uid("Team::\"red\"")});
      case 1: return attr(b, Var::principal, "admin");
      case 2: return b.op(Op::less, {b.op(Op::add, {attr(b, Var::principal, "level"), b.num(1)}), b.num(pick(8))});
      case 3: return b.op(Op::less, {attr(b, Var::principal, "quota"), b.num(500)});
      case 4: return b.op(Op::eq, {b.lit(Value(std::string("/home/a"))), attr(b, Var::principal, "home")});
      default: return b.op(Op::less_eq, {attr(b, Var::context, "depth"), b.num(pick(3))});
    }
  }

  NodeId tree_atom(Build& b) {
    NodeId resource = b.var(Var::resource);
    switch (pick(8)) {
      case 0: return b.op(Op::eq, {resource, entity(b, pick(3) ? "File" : "Dir", path())});
      case 1: return b.op(Op::in, {resource, group(b)});
      case 2: return b.op(Op::in, {resource, b.op(Op::set, {entity(b, "Dir", path()), group(b), entity(b, "File", path())})});
      case 3: return b.op(Op::eq, {b.lit(Value(path())), attr(b, Var::resource, "path")});
      case 4: return b.op(Op::contains, {b.op(Op::set, {b.lit(Value(path())), b.lit(Value(path())), b.str("kerf:memfd")}),
                                         attr(b, Var::resource, "path")});
      case 5: return b.op(Op::contains, {b.op(Op::set, {entity(b, "File", path()), entity(b, "Dir", path())}), resource});
      default: return b.op(Op::in, {resource, entity(b, "Dir", path())});
    }
  }

  NodeId pattern_atom(Build& b) {
    static const std::vector<std::vector<std::string>> patterns = {
        {"/w/", ""}, {"/", ""}, {"", ""}, {"/w", ""}, {"", ".key"}, {"/w/", ".key"}, {"/w/", "x", ""}, {"", "/lib", "/", ""},
        {"/w/lib"}, {"/w/lib/", ""}, {"kerf:", ""}, {"/etc/p", "ss"}, {"", "\xc3\xa4", ""}, {"/w/", "/", "/", ""}, {"/w/../", ""}};
    Pattern pattern;
    pattern.pieces = patterns[static_cast<std::size_t>(pick(static_cast<int>(patterns.size())))];
    return b.body.add_like(attr(b, Var::resource, "path"), pattern, {});
  }

  NodeId stored_atom(Build& b) {
    NodeId resource = b.var(Var::resource);
    switch (pick(8)) {
      case 0: return has(b, Var::resource, "rank");
      case 1: return b.op(Op::less, {attr(b, Var::resource, "rank"), b.num(pick(8))});
      case 2: return b.op(Op::has_tag, {resource, b.str("tier")});
      case 3: return b.op(Op::eq, {b.op(Op::get_tag, {resource, b.str("tier")}), b.str("one")});
      case 4: return b.named(Op::get_attr, "secret", {attr(b, Var::resource, "label")});
      case 5: return b.op(Op::eq, {attr(b, Var::resource, "alias"), b.lit(Value(path()))});
      case 6: return b.op(Op::and_, {has(b, Var::resource, "alias"),
                                     b.op(Op::in, {attr(b, Var::resource, "label"), b.uid("Label::\"s\"")})});
      default: return b.op(Op::less, {b.op(Op::mul, {attr(b, Var::resource, "rank"), b.num(INT64_MAX / 3)}), b.num(0)});
    }
  }

  NodeId code_atom(Build& b) {
    NodeId owner = attr(b, Var::resource, "owner"), type = attr(b, Var::resource, "fs");
    switch (pick(12)) {
      case 0: return has(b, Var::resource, pick(2) ? "owner" : "links");
      case 1: return b.op(Op::eq, {owner, b.num(0)});
      case 2: return b.op(Op::eq, {owner, attr(b, Var::principal, "quota")});
      case 3: return attr(b, Var::resource, "setuid");
      case 4: return b.op(Op::less, {attr(b, Var::resource, "links"), attr(b, Var::principal, "level")});
      case 5: return b.op(Op::contains, {b.op(Op::set, {b.num(0755), b.num(04755)}), attr(b, Var::resource, "mode")});
      case 6: return b.op(Op::eq, {type, b.str(pick(2) ? "ext4" : "tmpfs")});
      case 7: return b.op(Op::contains, {b.op(Op::set, {b.str("tmpfs"), b.str("overlay"), b.lit(Value(std::string(40, 'x')))}), type});
      case 8: return b.op(Op::eq, {b.lit(Value(std::string("ext4\0", 5))), type});
      case 9: return b.op(Op::less, {b.op(Op::add, {attr(b, Var::context, "uid"), owner}), b.num(1500)});
      case 10: return b.op(Op::and_, {has(b, Var::resource, "mode"), b.op(Op::less, {b.num(0700), attr(b, Var::resource, "mode")})});
      default: return b.op(Op::eq, {attr(b, Var::resource, "setuid"), attr(b, Var::principal, "admin")});
    }
  }

  NodeId constant_atom(Build& b) {
    switch (pick(6)) {
      case 0: return b.yes();
      case 1: return b.no();
      case 2: return b.op(Op::less, {b.op(Op::add, {b.num(INT64_MAX), b.num(1)}), b.num(0)});
      case 3: return b.named(Op::get_attr, "secret", {b.uid("Label::\"missing\"")});
      case 4: return b.op(Op::eq, {b.var(Var::resource), b.uid("Group::\"inner\"")});
      default: return b.named(Op::is, pick(2) ? "File" : "Dir", {b.var(Var::resource)});
    }
  }

  std::mt19937 random_;
};

std::vector<KernelEventData> all_events() {
  std::vector<KernelEventData> events;
  std::vector<std::string> paths = edge_paths();
  paths.push_back("kerf:memfd");
  paths.push_back("kerf:pipe");
  for (const char* who : {"Agent::\"a\"", "Agent::\"b\""}) {
    for (const std::string& path : paths) {
      for (bool directory : {false, true}) {
        if (directory && path.starts_with("kerf:")) continue;
        for (int facts = 0; facts < 2; ++facts) {
          KernelEventData event = file_event(who, path, facts == 0 || path.size() % 2 == 0, directory);
          event.observed.insert({"process.uid", num(facts * 500)});
          if (facts > 0) event.facts = {{"delegation_depth", num(1)}};
          events.push_back(std::move(event));
        }
      }
    }
  }
  return events;
}

const KernelEnv& env_of(const Module& module, const KernelPlan& plan, const Materialised& materialised) {
  for (const KernelEnv& env : plan.envs) {
    const RequestEnv& request = module.environments[env.environment];
    if (env.event == KernelEventId::file_read && request.resource == materialised.request.resource.type) return env;
  }
  FAIL("no environment for the event");
  return plan.envs.front();
}

// A policy for every action, so that one text is planned for files and for directories.
Policy open_policy(Generator& generator, int i) {
  Policy policy{};
  policy.id = "p" + std::to_string(i);
  policy.effect = i % 3 == 0 ? Effect::forbid : Effect::permit;
  Build b;
  NodeId action = b.op(Op::eq, {b.var(Var::action), b.uid("Action::\"open\"")});
  b.body.root = b.op(Op::and_, {action, generator.condition(b, 1 + i % 4)});
  policy.body = std::move(b.body);
  return policy;
}

void check_agreement(unsigned seed, std::size_t (&seen)[3]) {
  Module module = file_module(seed % 2 == 0);
  Generator generator(seed);
  for (int i = 0; i < 90; ++i) module.policies.push_back(open_policy(generator, i));
  REQUIRE(!verify(module));
  Diagnostics diagnostics;
  KernelPlan plan = plan_kernel(module, diagnostics);
  for (const Diagnostic& d : diagnostics.all()) MESSAGE(d.message);
  REQUIRE(!diagnostics.has_errors());
  std::map<const KernelEnv*, PlanInterpreter> interpreters;
  for (const KernelEnv& env : plan.envs) interpreters.emplace(&env, PlanInterpreter(module, env));
  for (const KernelEventData& event : all_events()) {
    auto materialised = materialise(module, event);
    REQUIRE(materialised.ok());
    const KernelEnv& env = env_of(module, plan, *materialised);
    REQUIRE((env.resource == KernelKind::directory) == event.directory);
    auto decided = interpreters.at(&env).decide(event);
    REQUIRE(decided.exclusive);
    EvalContext context{&materialised->request, &materialised->entities};
    for (std::size_t p = 0; p < module.policies.size(); ++p) {
      const Body& body = module.policies[p].body;
      Outcome expected = evaluate_outcome(body, body.root, context);
      ++seen[static_cast<std::size_t>(expected)];
      if (decided.policies[p] != expected) {
        CAPTURE(print_expr(body, body.root));
        CAPTURE(to_text(materialised->request.resource));
        CAPTURE(event.observed.contains("file.owner"));
        REQUIRE(to_text(decided.policies[p]) == to_text(expected));
      }
    }
  }
}

}  // namespace

TEST_CASE("rows for files and directories agree with the reference evaluator on random policies") {
  std::size_t seen[3] = {0, 0, 0};
  for (unsigned seed = 1; seed <= 40; ++seed) {
    CAPTURE(seed);
    check_agreement(seed, seen);
  }
  for (std::size_t count : seen) CHECK(count > 20000);
}
