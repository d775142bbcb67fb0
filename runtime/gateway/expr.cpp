// Program + request + entities -> value or Cedar's first evaluation error. A stack machine, because an expression of a
// table may nest deeper than a gateway's thread has stack.
#include "runtime/gateway/expr.h"

#include <iterator>
#include <span>

#include "runtime/gateway/program.h"

namespace kerf::gateway {
namespace {

constexpr std::array<std::string_view, 4> kVariables = {"principal", "action", "resource", "context"};

EvalError unobserved(std::size_t variable) {
  return {EvalErrorKind::unobserved, "`" + std::string(kVariables[variable]) + "` is not observed here"};
}

}  // namespace

// The entities that know `value`, if it is one. Only action types can be in `actions`.
const EntitySource& Evaluation::store_of(const Value& value) const {
  const EntityUid* uid = actions_ ? value.as_entity() : nullptr;
  if (uid == nullptr || !uid->type.ends_with("Action")) return *entities_;
  if (actions_->find(*uid) == nullptr) return *entities_;
  return *actions_;
}

const Value* Evaluation::variable(std::size_t index) {
  std::optional<Value>& known = variables_[index];
  if (known) return &*known;
  const EntityUid* const uids[] = {request_.principal, request_.action, request_.resource};
  if (index < std::size(uids)) {
    if (uids[index] != nullptr) known.emplace(*uids[index]);
  } else if (request_.context != nullptr) {
    known.emplace(*request_.context);
  }
  return known ? &*known : nullptr;
}

class Machine {
 public:
  Machine(const Program& program, Evaluation& evaluation)
      : program_(program), evaluation_(evaluation), stack_(evaluation.stack_) {}

  EvalResult run() {
    stack_.clear();
    for (at_ = 0; at_ < program_.code.size();) {
      const Instruction& instruction = program_.code[at_++];
      if (std::optional<EvalError> error = step(instruction)) return std::move(*error);
    }
    check(stack_.size() == 1, "an expression leaves one value");
    return pop();
  }

 private:
  const EntitySource& store(const Value& value) const { return evaluation_.store_of(value); }

  Value pop() {
    Value value = std::move(stack_.back());
    stack_.pop_back();
    return value;
  }

  std::optional<EvalError> settle(EvalResult result) {
    if (!result.ok()) return result.error();
    stack_.back() = *std::move(result);
    return std::nullopt;
  }

  template <class Operator>
  std::optional<EvalError> unary(Operator op) {
    return settle(op(stack_.back()));
  }

  template <class Operator>
  std::optional<EvalError> binary(Operator op) {
    Value right = pop();
    return settle(op(stack_.back(), right));
  }

  // The top as a Bool, or the type error.
  std::optional<EvalError> test(bool& value) {
    const bool* boolean = stack_.back().as_bool();
    if (boolean == nullptr) return type_error("bool", stack_.back());
    value = *boolean;
    return std::nullopt;
  }

  std::optional<EvalError> branch(const Instruction& instruction) {
    bool value = false;
    if (std::optional<EvalError> error = test(value)) return error;
    if (instruction.code == Code::bool_check) return std::nullopt;
    bool leaves = instruction.code == Code::or_test ? value : !value;
    if (!leaves || instruction.code == Code::if_test) stack_.pop_back();
    if (leaves) at_ = instruction.a;
    return std::nullopt;
  }

  std::optional<EvalError> push_variable(std::size_t index) {
    const Value* value = evaluation_.variable(index);
    if (value == nullptr) return unobserved(index);
    stack_.push_back(*value);
    return std::nullopt;
  }

  std::vector<Value> take(std::size_t count) {
    auto first = stack_.end() - static_cast<std::ptrdiff_t>(count);
    std::vector<Value> values(std::make_move_iterator(first), std::make_move_iterator(stack_.end()));
    stack_.erase(first, stack_.end());
    return values;
  }

  std::optional<EvalError> collect(const Instruction& instruction) {
    if (instruction.code == Code::set) {
      stack_.push_back(Value::set(take(instruction.a)));
      return std::nullopt;
    }
    std::vector<Value> values = take(instruction.b);
    if (instruction.code == Code::call) {
      stack_.emplace_back();
      return settle(op_call(program_.names[instruction.a], values));
    }
    ValueRecord record;
    for (std::size_t i = 0; i < values.size(); ++i) {
      record.emplace(program_.names[instruction.a + i], std::move(values[i]));
    }
    stack_.emplace_back(std::move(record));
    return std::nullopt;
  }

  std::optional<EvalError> step(const Instruction& instruction) {
    switch (instruction.code) {
      case Code::literal: stack_.push_back(program_.literals[instruction.a]); return std::nullopt;
      case Code::variable: return push_variable(instruction.a);
      case Code::jump: at_ = instruction.a; return std::nullopt;
      case Code::and_test:
      case Code::or_test:
      case Code::if_test:
      case Code::bool_check: return branch(instruction);
      case Code::not_: {
        bool value = false;
        if (std::optional<EvalError> error = test(value)) return error;
        stack_.back() = Value(!value);
        return std::nullopt;
      }
      case Code::eq: return binary([](const Value& a, const Value& b) { return EvalResult(Value(a == b)); });
      case Code::less: return binary(op_less);
      case Code::less_eq: return binary(op_less_eq);
      case Code::add: return binary(op_add);
      case Code::sub: return binary(op_sub);
      case Code::mul: return binary(op_mul);
      case Code::neg: return unary(op_neg);
      case Code::is: return unary([&](const Value& a) { return op_is(a, program_.names[instruction.a]); });
      case Code::like: return unary([&](const Value& a) { return op_like(a, program_.patterns[instruction.a]); });
      case Code::contains: return binary(op_contains);
      case Code::contains_all: return binary(op_contains_all);
      case Code::contains_any: return binary(op_contains_any);
      case Code::is_empty: return unary(op_is_empty);
      case Code::in: return binary([&](const Value& a, const Value& b) { return op_in(a, b, store(a)); });
      case Code::has_tag: return binary([&](const Value& a, const Value& b) { return op_has_tag(a, b, store(a)); });
      case Code::get_tag: return binary([&](const Value& a, const Value& b) { return op_get_tag(a, b, store(a)); });
      case Code::has_attr:
        return unary([&](const Value& a) { return op_has_attr(a, program_.names[instruction.a], store(a)); });
      case Code::get_attr:
        return unary([&](const Value& a) { return op_get_attr(a, program_.names[instruction.a], store(a)); });
      case Code::set:
      case Code::record:
      case Code::call: return collect(instruction);
    }
    internal_error("an instruction outside the set");
  }

  const Program& program_;
  Evaluation& evaluation_;
  std::vector<Value>& stack_;
  std::size_t at_ = 0;
};

EvalResult Evaluation::run(const Program& program) { return Machine(program, *this).run(); }

EvalResult Expr::evaluate(Evaluation& evaluation) const { return evaluation.run(*program_); }

EvalResult Expr::evaluate(const RequestParts& request, const Entities& entities) const {
  Evaluation evaluation(request, entities);
  return evaluation.run(*program_);
}

Outcome outcome_of(const EvalResult& result) {
  const bool* value = result.ok() ? result->as_bool() : nullptr;
  if (value == nullptr) return Outcome::error;
  return *value ? Outcome::true_ : Outcome::false_;
}

}  // namespace kerf::gateway
