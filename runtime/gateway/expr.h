// Expressions of table.json and manifest.json (ir/expr_json.h says the form), read strictly and evaluated with all of
// Cedar. Independent of the reference evaluator: the two share ir/values only.
#pragma once
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ir/values/entities.h"
#include "ir/values/json.h"
#include "ir/values/operations.h"

namespace kerf::gateway {

// Parts of a request may be missing (at bind time only the principal is known): reaching one is an `unobserved` error.
struct RequestParts {
  const EntityUid* principal = nullptr;
  const EntityUid* action = nullptr;
  const EntityUid* resource = nullptr;
  const ValueRecord* context = nullptr;
};

struct Program;

// One request, for any number of expressions: variables become values once, and the operand stack is reused.
class Evaluation {
 public:
  // `actions`, if given, answers for the entities that it stores, before `entities`.
  Evaluation(const RequestParts& request, const Entities& entities, const Entities* actions = nullptr)
      : request_(request), stored_(entities), entities_(&*stored_) {
    if (actions != nullptr) actions_.emplace(*actions);
  }
  Evaluation(const RequestParts& request, const EntitySource& entities) : request_(request), entities_(&entities) {}
  Evaluation(const Evaluation&) = delete;   // points into itself
  Evaluation& operator=(const Evaluation&) = delete;
  EvalResult run(const Program& program);

 private:
  friend class Machine;
  const EntitySource& store_of(const Value& value) const;
  const Value* variable(std::size_t index);

  RequestParts request_;
  std::optional<StoredEntities> stored_, actions_;
  const EntitySource* entities_;
  std::array<std::optional<Value>, 4> variables_;
  std::vector<Value> stack_;
};

class Expr {
 public:
  // Strict: unknown operators, wrong arity and unknown keys are errors. Nesting is bounded by the JSON reader; neither
  // reading nor evaluating recurses.
  static Result<Expr> from_json(const Json& json);
  template <class Node>
  static Result<Expr> from_node(const Node& node);   // tree.h
  EvalResult evaluate(const RequestParts& request, const Entities& entities) const;
  EvalResult evaluate(Evaluation& evaluation) const;
  const Program& program() const { return *program_; }   // program.h

 private:
  explicit Expr(std::shared_ptr<const Program> program) : program_(std::move(program)) {}
  std::shared_ptr<const Program> program_;
};

enum class Outcome : std::uint8_t { false_ = 0, true_ = 1, error = 2 };
// `error` also for a value that is not a Bool.
Outcome outcome_of(const EvalResult& result);

}  // namespace kerf::gateway
