// Cedar's operators on values, with Cedar's errors. Both evaluators (ir/eval.h, runtime/gateway) call these, so an
// operator's meaning is written once; the official engine judges it in tests.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "ir/values/entities.h"
#include "ir/values/pattern.h"
#include "ir/values/value.h"

namespace kerf {

enum class EvalErrorKind {
  entity_does_not_exist, attribute_does_not_exist, tag_does_not_exist, type_error, integer_overflow,
  extension_function_error, wrong_number_of_arguments, unlinked_slot, unobserved, recursion_limit,
};

struct EvalError {
  EvalErrorKind kind;
  std::string message;  // close to the official engine's text
};

using EvalResult = Result<Value, EvalError>;

// Where operators look entities up: the meaning of each function is that of `Entities` (entities.h).
class EntitySource {
 public:
  virtual const Entity* find(const EntityUid& uid) const = 0;
  virtual bool is_in(const EntityUid& descendant, const EntityUid& ancestor) const = 0;
  virtual bool is_in_any(const EntityUid& descendant, const ValueSet& ancestors) const = 0;

 protected:
  ~EntitySource() = default;
};

class StoredEntities final : public EntitySource {
 public:
  explicit StoredEntities(const Entities& entities) : entities_(entities) {}
  const Entity* find(const EntityUid& uid) const override { return entities_.find(uid); }
  bool is_in(const EntityUid& descendant, const EntityUid& ancestor) const override {
    return entities_.is_in(descendant, ancestor);
  }
  bool is_in_any(const EntityUid& descendant, const ValueSet& ancestors) const override {
    return entities_.is_in_any(descendant, ancestors);
  }

 private:
  const Entities& entities_;
};

EvalResult op_less(const Value& a, const Value& b);        // Long, datetime, duration
EvalResult op_less_eq(const Value& a, const Value& b);
EvalResult op_add(const Value& a, const Value& b);
EvalResult op_sub(const Value& a, const Value& b);
EvalResult op_mul(const Value& a, const Value& b);
EvalResult op_neg(const Value& a);
EvalResult op_in(const Value& a, const Value& b, const EntitySource& entities);
EvalResult op_get_attr(const Value& a, const std::string& attr, const EntitySource& entities);
EvalResult op_has_attr(const Value& a, const std::string& attr, const EntitySource& entities);
EvalResult op_get_tag(const Value& a, const Value& tag, const EntitySource& entities);
EvalResult op_has_tag(const Value& a, const Value& tag, const EntitySource& entities);
inline EvalResult op_in(const Value& a, const Value& b, const Entities& entities) { return op_in(a, b, StoredEntities(entities)); }
inline EvalResult op_get_attr(const Value& a, const std::string& attr, const Entities& entities) {
  return op_get_attr(a, attr, StoredEntities(entities));
}
inline EvalResult op_has_attr(const Value& a, const std::string& attr, const Entities& entities) {
  return op_has_attr(a, attr, StoredEntities(entities));
}
inline EvalResult op_get_tag(const Value& a, const Value& tag, const Entities& entities) {
  return op_get_tag(a, tag, StoredEntities(entities));
}
inline EvalResult op_has_tag(const Value& a, const Value& tag, const Entities& entities) {
  return op_has_tag(a, tag, StoredEntities(entities));
}
EvalResult op_like(const Value& a, const Pattern& pattern);
EvalResult op_is(const Value& a, const std::string& type);
EvalResult op_contains(const Value& set, const Value& element);
EvalResult op_contains_all(const Value& a, const Value& b);
EvalResult op_contains_any(const Value& a, const Value& b);
EvalResult op_is_empty(const Value& a);
// Extension functions and methods by Cedar's name: "ip", "decimal", "isInRange", "lessThan", "toDate", …
// Unknown names and wrong arity are errors.
EvalResult op_call(std::string_view function, const std::vector<Value>& args);
bool is_extension_function(std::string_view name);  // constructors: ip decimal datetime duration
bool is_extension_method(std::string_view name);

EvalError type_error(std::string_view expected, const Value& got);

}  // namespace kerf
