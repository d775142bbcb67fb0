// The operators are those of ir/values; the order of evaluation is written here, once more.
#include "backends/check/evaluate.h"

#include "ir/base/check.h"

namespace kerf::proof {

EvalResult apply(const Terms& terms, Term t, std::span<const Value> args, const Entities& entities) {
  switch (terms.op(t)) {
    case Op::not_:
      if (!args[0].as_bool()) return type_error("bool", args[0]);
      return Value(!*args[0].as_bool());
    case Op::eq: return Value(args[0] == args[1]);
    case Op::less: return op_less(args[0], args[1]);
    case Op::less_eq: return op_less_eq(args[0], args[1]);
    case Op::add: return op_add(args[0], args[1]);
    case Op::sub: return op_sub(args[0], args[1]);
    case Op::mul: return op_mul(args[0], args[1]);
    case Op::neg: return op_neg(args[0]);
    case Op::in: return op_in(args[0], args[1], entities);
    case Op::is: return op_is(args[0], terms.name(t));
    case Op::has_attr: return op_has_attr(args[0], terms.name(t), entities);
    case Op::get_attr: return op_get_attr(args[0], terms.name(t), entities);
    case Op::has_tag: return op_has_tag(args[0], args[1], entities);
    case Op::get_tag: return op_get_tag(args[0], args[1], entities);
    case Op::like: return op_like(args[0], terms.pattern(t));
    case Op::contains: return op_contains(args[0], args[1]);
    case Op::contains_all: return op_contains_all(args[0], args[1]);
    case Op::contains_any: return op_contains_any(args[0], args[1]);
    case Op::is_empty: return op_is_empty(args[0]);
    case Op::set: return Value::set({args.begin(), args.end()});
    case Op::record: {
      ValueRecord record;
      for (std::size_t i = 0; i < args.size(); ++i) record.emplace(terms.field(t, i), args[i]);
      return Value(std::move(record));
    }
    case Op::call: return op_call(terms.name(t), {args.begin(), args.end()});
    case Op::literal:
    case Op::variable:
    case Op::and_:
    case Op::or_:
    case Op::if_: break;
  }
  internal_error("an operator that is not strict");
}

namespace {

class Evaluator {
 public:
  Evaluator(const Terms& terms, const Given& given) : terms_(terms), given_(given) {}

  EvalResult run(Term t) const {
    if (auto observed = given_.observed.find(t); observed != given_.observed.end()) return observed->second;
    const Op op = terms_.op(t);
    if (op == Op::literal) return terms_.literal(t);
    if (op == Op::variable) return variable(terms_.variable(t));
    if (op == Op::and_ || op == Op::or_) return chain(t);
    if (op == Op::if_) {
      EvalResult condition = run(terms_.arg(t, 0));
      if (!condition.ok()) return condition;
      if (!condition->as_bool()) return type_error("bool", *condition);
      return run(terms_.arg(t, *condition->as_bool() ? 1 : 2));
    }
    std::vector<Value> args;
    for (Term arg : terms_.args(t)) {
      EvalResult value = run(arg);
      if (!value.ok()) return value;
      args.push_back(std::move(value).value());
    }
    return apply(terms_, t, args, given_.entities);
  }

 private:
  Value variable(Var var) const {
    switch (var) {
      case Var::principal: return given_.request.principal;
      case Var::action: return given_.request.action;
      case Var::resource: return given_.request.resource;
      case Var::context: return given_.request.context;
    }
    internal_error("variable");
  }

  EvalResult chain(Term t) const {
    const Op op = terms_.op(t);
    for (;;) {
      const bool link = terms_.op(t) == op;
      EvalResult value = run(link ? terms_.arg(t, 0) : t);
      if (!value.ok()) return value;
      if (!value->as_bool()) return type_error("bool", *value);
      if (!link || *value->as_bool() == (op == Op::or_)) return value;
      t = terms_.arg(t, 1);
    }
  }

  const Terms& terms_;
  const Given& given_;
};

}  // namespace

EvalResult evaluate_value(const Terms& terms, Term t, const Given& given) { return Evaluator(terms, given).run(t); }

Outcome evaluate(const Terms& terms, Term t, const Given& given) {
  EvalResult result = evaluate_value(terms, t, given);
  if (!result.ok() || !result->as_bool()) return Outcome::error;
  return *result->as_bool() ? Outcome::true_ : Outcome::false_;
}

}  // namespace kerf::proof
