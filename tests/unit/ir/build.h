// Short ways to build bodies by hand.
#pragma once
#include "ir/body.h"
#include "ir/eval.h"

namespace kerf::test {

struct Build {
  Body body;
  NodeId lit(Value value) { return body.add_literal(std::move(value), {}); }
  NodeId num(std::int64_t n) { return lit(Value(n)); }
  NodeId str(const char* s) { return lit(Value(std::string(s))); }
  NodeId uid(const char* s) { return lit(Value(*parse_uid(s))); }
  NodeId yes() { return lit(Value(true)); }
  NodeId no() { return lit(Value(false)); }
  NodeId var(Var v) { return body.add_variable(v, {}); }
  NodeId op(Op o, std::vector<NodeId> args) { return body.add(o, std::move(args), {}); }
  NodeId named(Op o, const char* name, std::vector<NodeId> args) { return body.add_named(o, name, std::move(args), {}); }
  NodeId error() { return named(Op::get_attr, "nope", {body.add_record({}, {}, {})}); }

  std::string eval(NodeId id, EvalContext context = {}) {
    EvalResult result = evaluate(body, id, context);
    return result.ok() ? to_text(*result) : result.error().message;
  }
  std::string text(NodeId id) { return print_expr(body, id); }
};

}  // namespace kerf::test
