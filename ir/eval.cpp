// Reference semantics. One explicit stack machine: operands are evaluated from left to right, `&&`, `||` and `if` only
// as far as Cedar does, and the first error ends the evaluation, since nothing in Cedar catches one.
#include "ir/eval.h"

#include <optional>
#include <span>

#include "ir/base/check.h"

namespace kerf {

std::string_view to_text(Outcome outcome) {
  switch (outcome) {
    case Outcome::false_: return "false";
    case Outcome::true_: return "true";
    case Outcome::error: return "error";
  }
  internal_error("unknown outcome");
}

namespace {

struct Frame {
  NodeId node;
  std::uint32_t next = 0;  // operands evaluated so far
};

class Evaluator {
 public:
  Evaluator(const Body& body, const EvalContext& context) : body_(body), context_(context) {
    if (context.entities == nullptr) none_.emplace();
    entities_ = context.entities == nullptr ? &*none_ : context.entities;
  }

  EvalResult run(NodeId root, NodeId* failed) {
    frames_.push_back({root});
    while (!frames_.empty()) {
      std::optional<EvalError> error = step();
      if (!error) continue;
      if (failed != nullptr) *failed = blamed(frames_.back());
      return std::move(*error);
    }
    check(values_.size() == 1, "an expression leaves one value");
    return std::move(values_.back());
  }

 private:
  using MaybeError = std::optional<EvalError>;

  // Of a lazy operator the operand that is no Bool, of any other the operation itself.
  NodeId blamed(const Frame& frame) const {
    Op op = body_[frame.node].op;
    bool lazy = op == Op::and_ || op == Op::or_ || op == Op::if_;
    return lazy ? body_.arg(frame.node, frame.next - 1) : frame.node;
  }

  MaybeError step() {
    Frame& frame = frames_.back();
    switch (body_[frame.node].op) {
      case Op::and_: return step_connective(frame, false);
      case Op::or_: return step_connective(frame, true);
      case Op::if_: return step_if(frame);
      case Op::literal:
      case Op::variable:
      case Op::not_:
      case Op::eq:
      case Op::less:
      case Op::less_eq:
      case Op::add:
      case Op::sub:
      case Op::mul:
      case Op::neg:
      case Op::in:
      case Op::is:
      case Op::has_attr:
      case Op::get_attr:
      case Op::has_tag:
      case Op::get_tag:
      case Op::like:
      case Op::contains:
      case Op::contains_all:
      case Op::contains_any:
      case Op::is_empty:
      case Op::set:
      case Op::record:
      case Op::call: return step_strict(frame);
    }
    internal_error("unknown operator");
  }

  // `&&` is decided by a false left operand, `||` by a true one; every operand that is evaluated must be a Bool.
  MaybeError step_connective(Frame& frame, bool decides) {
    if (frame.next > 0) {
      const bool* value = values_.back().as_bool();
      if (value == nullptr) return type_error("bool", values_.back());
      if (*value == decides || frame.next == 2) return frames_.pop_back(), std::nullopt;
      values_.pop_back();
    }
    NodeId operand = body_.arg(frame.node, frame.next++);
    frames_.push_back({operand});
    return std::nullopt;
  }

  MaybeError step_if(Frame& frame) {
    if (frame.next == 0) {
      frame.next = 1;
      frames_.push_back({body_.arg(frame.node, 0)});
      return std::nullopt;
    }
    const bool* condition = values_.back().as_bool();
    if (condition == nullptr) return type_error("bool", values_.back());
    frame = Frame{body_.arg(frame.node, *condition ? 1 : 2)};
    values_.pop_back();
    return std::nullopt;
  }

  MaybeError step_strict(Frame& frame) {
    const Node& node = body_[frame.node];
    if (frame.next < node.arg_count) {
      NodeId operand = body_.arg(frame.node, frame.next++);
      frames_.push_back({operand});
      return std::nullopt;
    }
    auto args = std::span<const Value>(values_).last(node.arg_count);
    EvalResult result = apply(frame.node, args);
    if (!result.ok()) return result.error();
    values_.resize(values_.size() - node.arg_count);
    values_.push_back(std::move(result).value());
    frames_.pop_back();
    return std::nullopt;
  }

  EvalResult apply(NodeId id, std::span<const Value> args) {
    switch (body_[id].op) {
      case Op::literal: return body_.literal(id);
      case Op::variable: return variable(body_.variable(id));
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
      case Op::in: return op_in(args[0], args[1], *entities_);
      case Op::is: return op_is(args[0], body_.name(id));
      case Op::has_attr: return op_has_attr(args[0], body_.name(id), *entities_);
      case Op::get_attr: return op_get_attr(args[0], body_.name(id), *entities_);
      case Op::has_tag: return op_has_tag(args[0], args[1], *entities_);
      case Op::get_tag: return op_get_tag(args[0], args[1], *entities_);
      case Op::like: return op_like(args[0], body_.pattern(id));
      case Op::contains: return op_contains(args[0], args[1]);
      case Op::contains_all: return op_contains_all(args[0], args[1]);
      case Op::contains_any: return op_contains_any(args[0], args[1]);
      case Op::is_empty: return op_is_empty(args[0]);
      case Op::set: return Value::set(std::vector<Value>(args.begin(), args.end()));
      case Op::record: return record(id, args);
      case Op::call: return op_call(body_.name(id), std::vector<Value>(args.begin(), args.end()));
      case Op::and_:
      case Op::or_:
      case Op::if_: break;
    }
    internal_error("lazy operators are not applied");
  }

  EvalResult variable(Var var) {
    if (context_.request == nullptr) {
      return EvalError{EvalErrorKind::unobserved, "`" + std::string(to_text(var)) + "` is not known yet"};
    }
    switch (var) {
      case Var::principal: return Value(context_.request->principal);
      case Var::action: return Value(context_.request->action);
      case Var::resource: return Value(context_.request->resource);
      case Var::context:
        if (!context_value_) context_value_ = Value(context_.request->context);
        return *context_value_;
    }
    internal_error("unknown variable");
  }

  Value record(NodeId id, std::span<const Value> args) {
    ValueRecord fields;
    for (std::size_t i = 0; i < args.size(); ++i) fields.insert_or_assign(body_.field(id, i), args[i]);
    return Value(std::move(fields));
  }

  const Body& body_;
  const EvalContext& context_;
  const Entities* entities_ = nullptr;
  std::optional<Entities> none_;
  std::optional<Value> context_value_;
  std::vector<Frame> frames_;
  std::vector<Value> values_;
};

}  // namespace

EvalResult evaluate(const Body& body, NodeId node, const EvalContext& context, NodeId* failed) {
  return Evaluator(body, context).run(node, failed);
}

Outcome evaluate_outcome(const Body& body, NodeId node, const EvalContext& context) {
  EvalResult result = evaluate(body, node, context);
  if (!result.ok() || result->as_bool() == nullptr) return Outcome::error;
  return *result->as_bool() ? Outcome::true_ : Outcome::false_;
}

Decision authorize(const Module& module, const Request& request, const Entities& entities) {
  Decision decision;
  std::vector<PolicyId> permits, forbids;
  for (std::size_t i = 0; i < module.policies.size(); ++i) {
    const Policy& policy = module.policies[i];
    NodeId failed = policy.body.root;
    EvalResult result = evaluate(policy.body, policy.body.root, {&request, &entities}, &failed);
    if (!result.ok()) {
      decision.errors.push_back({PolicyId(i), result.error(), failed});
    } else if (result->as_bool() == nullptr) {
      decision.errors.push_back({PolicyId(i), type_error("bool", *result), failed});
    } else if (*result->as_bool()) {
      (policy.effect == Effect::forbid ? forbids : permits).push_back(PolicyId(i));
    }
  }
  decision.allow = forbids.empty() && !permits.empty();
  decision.determining = forbids.empty() ? std::move(permits) : std::move(forbids);
  return decision;
}

}  // namespace kerf
