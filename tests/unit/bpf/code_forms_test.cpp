// Conditions as the hook would have to compute them: each form that it can, and an error for what it cannot. No code is
// generated.
#include <doctest/doctest.h>

#include "backends/bpf/layout.h"
#include "rig.h"

using namespace kerf;
using namespace kerf::bpf;
using namespace kerf::test;

namespace {

// One condition over the event of a program; `build` makes its body and returns its root.
struct Condition {
  explicit Condition(Program made) : program(std::move(made)), policy(add_policy(program, Effect::permit)), predicate{policy, {}, {}, {}} {}

  Body& body() { return program.module.policies[policy.index].body; }
  Result<CodeExpr> lower(NodeId root, std::size_t env = 0) {
    predicate.node = root;
    return lower_code(program.module, program.plan.envs[env], predicate, {});
  }
  bool refused(NodeId root, std::string_view why, std::size_t env = 0) {
    auto expr = lower(root, env);
    return !expr && expr.error().message.find(why) != std::string::npos;
  }

  Program program;
  PolicyId policy;
  CodePredicate predicate;
};

NodeId text(Body& body, std::string value) { return body.add_literal(Value(std::move(value)), {}); }
NodeId yes(Body& body) { return body.add_literal(Value(true), {}); }
NodeId equal(Body& body, NodeId a, NodeId b) { return body.add(Op::eq, {a, b}, {}); }

}  // namespace

TEST_CASE("code: a slot exists, and has a type that hooks hold") {
  Condition c(make_program());
  Body& body = c.body();
  NodeId slot = principal_attr(body, "n"), root = body.add(Op::less, {slot, number(body, 3)}, {});
  c.predicate.slots[slot] = 0;
  CHECK(c.refused(root, "slot that does not exist"));
  KernelEnv& env = env_of(c.program);
  env.slots.push_back({c.policy, slot, Stage::bind, TypeKind::long_});
  auto expr = c.lower(root);
  REQUIRE(expr.ok());
  CHECK((*expr)[0].op == CodeOp::slot);
  CHECK((*expr)[0].type == CodeType::long_);
  for (TypeKind kind : {TypeKind::string, TypeKind::decimal, TypeKind::set, TypeKind::record,
                        TypeKind::entity, TypeKind::never}) {
    env.slots[0].type = kind;
    CHECK(c.refused(root, "of a type that hooks do not hold"));
  }
  env.slots[0].type = TypeKind::boolean;
  CHECK(c.refused(root, "operands of types"));
  env.slots[0].type = TypeKind::ip;
  CHECK(c.refused(root, "operands of types"));
}

TEST_CASE("code: names of file systems are short texts, asked of what is observed") {
  Condition c(make_file_program());
  Body& body = c.body();
  const std::string longest(KERF_FS_TYPE_BYTES - 1, 'x'), longer(KERF_FS_TYPE_BYTES, 'x');
  auto fs = [&] { return resource_attr(body, "fs_type"); };
  auto set = [&](std::vector<Value> values) { return body.add_literal(Value::set(std::move(values)), {}); };
  CHECK(c.lower(equal(body, fs(), text(body, longest))).ok());
  CHECK(c.lower(equal(body, text(body, "ext4"), fs())).ok());
  CHECK(c.refused(equal(body, fs(), text(body, longer)), "constant of a type"));
  CHECK(c.refused(equal(body, fs(), text(body, std::string("a\0b", 3))), "constant of a type"));
  CHECK(c.refused(equal(body, fs(), fs()), "operands of types"));
  CHECK(c.refused(equal(body, text(body, "a"), text(body, "b")), "operands of types"));
  CHECK(c.refused(equal(body, fs(), number(body, 1)), "operands of types"));
  CHECK(c.lower(body.add(Op::contains, {set({Value(longest), Value(std::string("a"))}), fs()}, {})).ok());
  CHECK(c.refused(body.add(Op::contains, {set({Value(longer)}), fs()}, {}), "something else than numbers"));
  CHECK(c.refused(body.add(Op::contains, {set({Value(std::int64_t{1})}), fs()}, {}), "something else than numbers"));
  CHECK(c.refused(body.add(Op::contains, {set({Value(longest)}), number(body, 1)}, {}), "something else than numbers"));
  CHECK(c.refused(body.add(Op::contains, {set({Value(longest)}), text(body, "a")}, {}), "something else than numbers"));
  CHECK(c.refused(body.add(Op::contains, {fs(), fs()}, {}), "not known at compile time"));
  CHECK(c.refused(body.add(Op::if_, {yes(body), fs(), fs()}, {}), "operands of types"));
}

TEST_CASE("code: an observable is one of this event") {
  Condition net(make_program()), file(make_file_program());
  auto is_zero = [](Body& body, NodeId observed) { return equal(body, observed, number(body, 0)); };
  for (const char* name : {"uid", "gid", "pid", "protocol"}) CHECK(net.lower(is_zero(net.body(), context_attr(net.body(), name))).ok());
  CHECK(net.lower(is_zero(net.body(), resource_attr(net.body(), "port"))).ok());
  CHECK(net.refused(is_zero(net.body(), context_attr(net.body(), "more")), "no hook observes"));
  CHECK(net.refused(is_zero(net.body(), principal_attr(net.body(), "uid")), "no hook observes"));
  CHECK(net.refused(is_zero(net.body(), resource_attr(net.body(), "ip")), "operands of types"));
  CHECK(file.lower(is_zero(file.body(), resource_attr(file.body(), "owner"))).ok());
  CHECK(file.refused(equal(file.body(), resource_attr(file.body(), "path"), text(file.body(), "/a")), "hook code does not read"));
  net.program.module.schema.entity_types.at("Destination").bindings["owner"] = {AttrBinding::Kind::observable, "file.owner", {}};
  CHECK(net.refused(is_zero(net.body(), resource_attr(net.body(), "owner")), "with this event"));
  // What only files have is observed of directories, by the directory's bindings.
  EntityType& directory = file.program.module.schema.entity_types.at("Directory");
  CHECK(file.refused(is_zero(file.body(), resource_attr(file.body(), "owner")), "no hook observes", 1));
  directory.bindings["owner"] = {AttrBinding::Kind::observable, "file.owner", {}};
  CHECK(file.lower(is_zero(file.body(), resource_attr(file.body(), "owner")), 1).ok());
  directory.bindings["port"] = {AttrBinding::Kind::observable, "endpoint.port", {}};
  CHECK(file.refused(is_zero(file.body(), resource_attr(file.body(), "port")), "with this event", 1));
  directory.bindings["told"] = {AttrBinding::Kind::fact, "owner", {}};
  CHECK(file.refused(is_zero(file.body(), resource_attr(file.body(), "told")), "no hook observes", 1));
}

TEST_CASE("code: operators have operands of their types") {
  Condition c(make_program());
  Body& body = c.body();
  auto uid = [&] { return context_attr(body, "uid"); };
  auto truth = [&] { return equal(body, uid(), number(body, 1)); };
  for (Op op : {Op::and_, Op::or_}) {
    auto expr = c.lower(body.add(op, {truth(), truth()}, {}));
    REQUIRE(expr.ok());
    CHECK(expr->back().type == CodeType::boolean);
    CHECK(c.refused(body.add(op, {truth(), uid()}, {}), "operands of types"));
    CHECK(c.refused(body.add(op, {uid(), truth()}, {}), "operands of types"));
  }
  CHECK(c.lower(body.add(Op::not_, {truth()}, {})).ok());
  CHECK(c.refused(body.add(Op::not_, {uid()}, {}), "operands of types"));
  for (Op op : {Op::add, Op::sub, Op::mul}) {
    CHECK(c.lower(equal(body, body.add(op, {uid(), uid()}, {}), uid())).ok());
    CHECK(c.refused(body.add(op, {uid(), uid()}, {}), "is no Bool"));
    CHECK(c.refused(equal(body, body.add(op, {uid(), truth()}, {}), uid()), "operands of types"));
  }
  CHECK(c.lower(equal(body, body.add(Op::neg, {uid()}, {}), uid())).ok());
  CHECK(c.refused(equal(body, body.add(Op::neg, {truth()}, {}), truth()), "operands of types"));
  CHECK(c.lower(body.add(Op::less, {body.add(Op::if_, {truth(), uid(), uid()}, {}), uid()}, {})).ok());
  CHECK(c.refused(body.add(Op::if_, {truth(), uid(), truth()}, {}), "operands of types"));
  CHECK(c.refused(body.add(Op::if_, {uid(), truth(), truth()}, {}), "operands of types"));
  CHECK(c.refused(equal(body, truth(), uid()), "operands of types"));
}

TEST_CASE("code: addresses are compared as they are") {
  Condition c(make_program());
  Body& body = c.body();
  auto observed = [&] { return resource_attr(body, "ip"); };
  IpAddr v6{};
  v6.v6 = true;
  v6.prefix = 64;
  v6.bytes[0] = 0x20;
  v6.bytes[15] = 7;
  auto expr = c.lower(equal(body, observed(), body.add_literal(Value(v6), {})));
  REQUIRE(expr.ok());
  const CodeNode& constant = (*expr)[1];
  CHECK(constant.type == CodeType::ip);
  CHECK(constant.v6);
  CHECK(constant.prefix == 64);
  CHECK(constant.high == 0x2000000000000000u);
  CHECK(constant.low == 7);
  auto in_range = [&](NodeId single, NodeId range) { return body.add_named(Op::call, "isInRange", {single, range}, {}); };
  NodeId net = body.add_literal(Value(v6), {});
  CHECK(c.lower(in_range(observed(), net)).ok());
  CHECK(c.refused(in_range(net, net), "an address that no hook observes"));
  CHECK(c.refused(equal(body, observed(), body.add(Op::if_, {yes(body), net, net}, {})), "operands of types"));
  CHECK(c.refused(in_range(observed(), number(body, 1)), "something else than addresses"));
  CHECK(c.refused(body.add_named(Op::call, "isLoopback", {observed()}, {}), "no form in hook code"));
}

TEST_CASE("code: 4,096 operations, and not one more") {
  auto lower = [](int additions, bool negated) {
    Condition c(make_program());
    Body& body = c.body();
    NodeId sum = context_attr(body, "uid");
    for (int i = 0; i < additions; ++i) sum = body.add(Op::add, {sum, context_attr(body, "gid")}, {});
    if (negated) sum = body.add(Op::neg, {sum}, {});
    return c.lower(body.add(Op::less, {sum, number(body, 7)}, {}));
  };
  auto most = lower(2046, true);
  REQUIRE(most.ok());
  CHECK(most->size() == kMaxExprNodes);
  CHECK_FALSE(lower(2047, false).ok());
}
