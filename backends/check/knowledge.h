// What is known of a request before it comes, in one request environment: constants, types, and which terms can raise an
// error. Written anew, not shared with the passes that fold: their slips are to be seen here.
#pragma once
#include <optional>
#include <vector>

#include "backends/check/terms.h"
#include "ir/eval.h"
#include "ir/module.h"

namespace kerf::proof {

// table: any request of the environment, entities come later. hook: an event of a governed action, with the snapshot's
// entities; data conforms to the schema.
enum class Setting { table, hook };

class Knowledge {
 public:
  Knowledge(Terms& terms, const Module& module, const RequestEnv& env, Setting setting);

  struct Known {
    enum class Kind : std::uint8_t { not_asked, unknown, error, value } kind = Kind::not_asked;
    Term value = Terms::kNone;             // a literal
  };
  Known value(Term t);
  // As a condition: an outcome that holds for every request.
  std::optional<Outcome> outcome(Term t);
  // Could evaluating it raise an error, or give no Bool where one is needed? Guards are not looked at.
  bool can_fail(Term t);
  // False if this policy's condition is false for every request because of its leading parts; cheap.
  bool may_apply(Term condition);

  const Module& module() const { return module_; }
  const RequestEnv& env() const { return env_; }
  Terms& terms() { return terms_; }
  Setting setting() const { return setting_; }
  // The declared type of `principal.a`, `context.a.b` …, or nothing.
  std::optional<TypeId> type_of(Term t) const;
  // What kind of value it has, also for results of operators.
  std::optional<TypeKind> kind_of(Term t) const;
  std::optional<TypeId> type_of_tag(Term entity) const;
  // What `resource.a` or `context.a` (or `has` of them) is bound to, or nullptr.
  const AttrBinding* binding_of(Term t) const;
  const Observable* observable_of(Term t) const;
  // The attribute `t` reads or asks for is there in every request.
  bool always_there(Term t) const;
  bool gives_bool(Term call) const;

 private:
  Known find(Term t);
  Known chain_value(Term t);
  Known strict(Term t);
  Known equality(Term t);
  Known membership(Term t);
  Known presence(Term t);
  Known entity_data(Term t);
  Known from(const EvalResult& result);
  Known literal(Value value) { return {Known::Kind::value, terms_.add_literal(std::move(value))}; }
  static Known unknown() { return {Known::Kind::unknown, Terms::kNone}; }
  static Known error() { return {Known::Kind::error, Terms::kNone}; }
  const Value* value_or_null(Term t);
  const std::string* entity_type(Term t);
  bool find_can_fail(Term t);

  Terms& terms_;
  const Module& module_;
  const RequestEnv& env_;
  const Action& action_;
  const EntityType& resource_type_;
  const EntityType& principal_type_;
  Setting setting_;
  std::vector<Known> known_;               // by term
  std::vector<std::uint8_t> can_fail_;     // by term: 0 not asked, 1 no, 2 yes
};

}  // namespace kerf::proof
