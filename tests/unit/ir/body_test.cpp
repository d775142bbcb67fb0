#include <doctest/doctest.h>

#include <set>

#include "ir/kernel_model.h"
#include "ir/module.h"
#include "tests/unit/ir/build.h"

using namespace kerf;
using test::Build;

TEST_CASE("expressions print in Cedar syntax with the parentheses they need") {
  Build b;
  NodeId p = b.var(Var::principal);
  NodeId one = b.num(1), two = b.num(2), three = b.num(3);
  CHECK(b.text(b.op(Op::mul, {b.op(Op::add, {one, two}), three})) == "(1 + 2) * 3");
  CHECK(b.text(b.op(Op::add, {b.op(Op::mul, {one, two}), three})) == "1 * 2 + 3");
  CHECK(b.text(b.op(Op::sub, {one, b.op(Op::sub, {two, three})})) == "1 - (2 - 3)");
  CHECK(b.text(b.op(Op::sub, {b.op(Op::sub, {one, two}), three})) == "1 - 2 - 3");
  CHECK(b.text(b.op(Op::not_, {b.op(Op::less_eq, {one, two})})) == "1 > 2");
  CHECK(b.text(b.op(Op::not_, {b.op(Op::less, {one, two})})) == "1 >= 2");
  CHECK(b.text(b.op(Op::not_, {b.op(Op::eq, {one, two})})) == "1 != 2");
  CHECK(b.text(b.op(Op::not_, {b.op(Op::in, {p, p})})) == "!(principal in principal)");
  CHECK(b.text(b.op(Op::eq, {b.op(Op::less, {one, two}), b.yes()})) == "(1 < 2) == true");
  CHECK(b.text(b.op(Op::and_, {b.op(Op::or_, {b.yes(), b.no()}), b.op(Op::and_, {b.no(), b.yes()})})) ==
        "(true || false) && false && true");
  CHECK(b.text(b.op(Op::or_, {b.op(Op::and_, {b.yes(), b.no()}), b.no()})) == "true && false || false");
  NodeId choice = b.op(Op::if_, {b.yes(), one, two});
  CHECK(b.text(b.op(Op::eq, {choice, one})) == "(if true then 1 else 2) == 1");
  CHECK(b.text(choice) == "if true then 1 else 2");
  CHECK(b.text(b.op(Op::neg, {b.num(-5)})) == "-(-5)");
  CHECK(b.text(b.op(Op::neg, {b.op(Op::add, {one, two})})) == "-(1 + 2)");
  CHECK(b.text(b.named(Op::get_attr, "a", {b.named(Op::get_attr, "b c", {p})})) == "principal[\"b c\"].a");
  CHECK(b.text(b.named(Op::has_attr, "if", {p})) == "principal has \"if\"");
  CHECK(b.text(b.named(Op::is, "A::B", {p})) == "principal is A::B");
  CHECK(b.text(b.body.add_like(b.str("x"), Pattern{{"a*", ""}}, {})) == "\"x\" like \"a\\**\"");
  CHECK(b.text(b.op(Op::contains, {b.op(Op::set, {one, two}), b.num(-1)})) == "[1, 2].contains(-1)");
  CHECK(b.text(b.op(Op::get_tag, {p, b.str("t")})) == "principal.getTag(\"t\")");
  CHECK(b.text(b.named(Op::call, "ip", {b.str("::1")})) == "ip(\"::1\")");
  CHECK(b.text(b.named(Op::call, "isInRange", {b.lit(Value(IpAddr{})), b.lit(Value(IpAddr{false, 8, {10}}))})) ==
        "ip(\"0.0.0.0\").isInRange(ip(\"10.0.0.0/8\"))");
  CHECK(b.text(b.body.add_record({"a", "b c"}, {one, two}, {})) == "{a: 1, \"b c\": 2}");
}

TEST_CASE("bodies print one node a line") {
  Build b;
  b.body.root = b.op(Op::and_, {b.yes(), b.named(Op::has_attr, "x", {b.var(Var::context)})});
  CHECK(print_body(b.body) == "%0 = literal true\n%1 = variable context\n%2 = has %1 \"x\"\n%3 = && %0 %2\nroot %3\n");
}

TEST_CASE("trees are compared and hashed by structure") {
  Build a, b;
  a.num(7);
  NodeId x = a.op(Op::eq, {a.named(Op::get_attr, "p", {a.var(Var::resource)}), a.num(1)});
  NodeId y = b.op(Op::eq, {b.named(Op::get_attr, "p", {b.var(Var::resource)}), b.num(1)});
  NodeId z = b.op(Op::eq, {b.named(Op::get_attr, "q", {b.var(Var::resource)}), b.num(1)});
  NodeId w = b.op(Op::eq, {b.named(Op::get_attr, "p", {b.var(Var::resource)}), b.num(2)});
  CHECK(same_tree(a.body, x, b.body, y));
  CHECK(tree_hash(a.body, x) == tree_hash(b.body, y));
  CHECK(!same_tree(a.body, x, b.body, z));
  CHECK(!same_tree(a.body, x, b.body, w));
  CHECK(tree_hash(a.body, x) != tree_hash(b.body, z));
  CHECK(tree_hash(a.body, x) != tree_hash(b.body, w));
  NodeId copied = b.body.copy(a.body, x);
  CHECK(same_tree(b.body, copied, b.body, y));
}

TEST_CASE("depth counts operators, and chains as balanced trees") {
  Build b;
  NodeId sum = b.num(0);
  CHECK(depth(b.body, sum) == 1);
  for (int i = 0; i < 10; ++i) sum = b.op(Op::add, {sum, b.num(i)});
  CHECK(depth(b.body, sum) == 11);
  NodeId any = b.op(Op::eq, {sum, b.num(1)});
  for (int i = 0; i < 7; ++i) any = b.op(Op::or_, {any, b.yes()});
  CHECK(depth(b.body, any) == 12 + 3);
}

TEST_CASE("verify finds what passes must not meet") {
  auto module_of = [](auto build_root) {
    Build b;
    b.body.root = build_root(b);
    Module module;
    module.policies.push_back({"p", Effect::permit, {}, {}, {}, std::move(b.body), {}});
    return module;
  };
  CHECK(!verify(module_of([](Build& b) { return b.yes(); })));
  CHECK(verify(module_of([](Build& b) { return b.num(1); })) ==
        "policy `p`, node %0: the root is a literal that is not a Bool");
  CHECK(verify(module_of([](Build& b) { return b.var(Var::context); })) ==
        "policy `p`, node %0: the root is not boolean-shaped");
  CHECK(verify(module_of([](Build& b) { return b.op(Op::set, {}); })).has_value());
  CHECK(verify(module_of([](Build&) { return NodeId(); })).has_value());
  CHECK(verify(module_of([](Build&) { return NodeId(7); })).has_value());
  CHECK(verify(module_of([](Build& b) { return b.named(Op::call, "nope", {}); })) ==
        "policy `p`, node %0: unknown extension function `nope`");
  CHECK(verify(module_of([](Build& b) {
          NodeId one = b.num(1);
          return b.op(Op::eq, {b.body.add_record({"a", "a"}, {one, one}, {}), one});
        })) == "policy `p`, node %1: a field is repeated");
  CHECK(verify(module_of([](Build& b) {
          NodeId sum = b.num(0);
          for (std::size_t i = 0; i < kMaxExprDepth; ++i) sum = b.op(Op::add, {sum, b.num(1)});
          return b.op(Op::eq, {sum, b.num(1)});
        })).has_value());
  Module twice = module_of([](Build& b) { return b.yes(); });
  twice.policies.push_back(twice.policies[0]);
  CHECK(verify(twice) == "two policies have the id `p`");
  Module unsorted;
  unsorted.environments = {{"B", {"Action", "a"}, "R"}, {"A", {"Action", "a"}, "R"}};
  CHECK(verify(unsorted) == "the environments are not sorted");
}

TEST_CASE("modules print with scope, annotations and body") {
  Build b;
  b.body.root = b.yes();
  Module module;
  module.environments = {{"A", {"Action", "a"}, "R"}};
  ScopeConstraint scope{ScopeConstraint::Kind::in, {"G", "g"}, "U"};
  module.policies.push_back({"p", Effect::forbid, {{"id", "p"}}, scope, {}, b.body, {}});
  CHECK(print_module(module) ==
        "environment A Action::\"a\" R\nforbid \"p\" (principal is U in G::\"g\", resource)\n  @id(\"p\")\n"
        "%0 = literal true\nroot %0\n");
}

TEST_CASE("operators have one row each, with distinct texts") {
  std::set<std::string_view> texts;
  for (const OpRow& row : op_rows()) {
    CHECK(op_row(row.op).name == row.name);
    CHECK(texts.insert(row.text).second);
  }
}

TEST_CASE("the kernel model is consistent") {
  for (const KernelEvent& event : kernel_events()) {
    CHECK(find_event(event.text) == &event);
    CHECK(&kernel_event(event.id) == &event);
    CHECK(std::find(event.errnos.begin(), event.errnos.end(), event.default_errno) != event.errnos.end());
    CHECK(!event.hooks.empty());
  }
  for (const Observable& observable : observables()) {
    CHECK(find_observable(observable.text) == &observable);
    std::string_view prefix = observable.text.substr(0, observable.text.find('.'));
    if (observable.owner) CHECK(to_text(*observable.owner) == prefix);
    CHECK(!observable.description.empty());
  }
  CHECK(find_event("net.connect")->hooks.size() == 4);
  CHECK(find_observable("endpoint.host")->always_present == false);
  CHECK(!find_observable("endpoint.nope"));
  CHECK(!find_event("file.read.x"));
  CHECK(find_kernel_kind("endpoint") == KernelKind::endpoint);
  CHECK(!find_kernel_kind("sockets"));
}

TEST_CASE("types are interned and print as Cedar writes them") {
  Types types;
  TypeId text = types.simple(TypeKind::string);
  CHECK(types.set(text) == types.set(text));
  CHECK(types.set(text) != types.set(types.simple(TypeKind::long_)));
  CHECK(types.entity("A") == types.entity("A"));
  TypeId record = types.record({{"a", {types.simple(TypeKind::long_), true}}, {"b c", {types.set(text), false}}});
  CHECK(types.text(record) == "{a: Long, \"b c\"?: Set<String>}");
  CHECK(types.text(types.simple(TypeKind::ip)) == "ipaddr");
  CHECK(types.text(types.entity("N::A")) == "N::A");
  CHECK(types[types.simple(TypeKind::duration)].kind == TypeKind::duration);
}

TEST_CASE("a schema lists its environments and its action hierarchy") {
  Schema schema;
  Action connect;
  connect.uid = {"Action", "connect"};
  connect.principals = {"A", "B"};
  connect.resources = {"R"};
  connect.parents = {{"Action", "all"}};
  schema.actions.emplace(connect.uid, connect);
  Action all;
  all.uid = {"Action", "all"};
  schema.actions.emplace(all.uid, all);
  EntityType endpoint;
  endpoint.name = "R";
  endpoint.kernel = KernelKind::endpoint;
  schema.entity_types.emplace("R", endpoint);
  std::vector<RequestEnv> expected = {{"A", connect.uid, "R"}, {"B", connect.uid, "R"}};
  CHECK(schema.environments() == expected);
  auto entities = Entities::build(schema.action_entities());
  REQUIRE(entities.ok());
  CHECK(entities->is_in(connect.uid, all.uid));
  CHECK(schema.find_action(all.uid) != nullptr);
  CHECK(schema.find_action({"Action", "none"}) == nullptr);
  CHECK(schema.find_type("R")->kernel == KernelKind::endpoint);
  CHECK(schema.find_type("Q") == nullptr);
  CHECK(schema.kernel_type(KernelKind::endpoint)->name == "R");
  CHECK(schema.kernel_type(KernelKind::file) == nullptr);
}
