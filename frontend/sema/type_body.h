// The validator for one body in one request environment (cedar-policy-core validator/typecheck.rs): a type and
// the capabilities of every expression that short circuits do not hide.
#pragma once
#include <cstdint>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "frontend/sema/type_functions.h"
#include "frontend/sema/type_relations.h"
#include "ir/body.h"
#include "ir/schema.h"

namespace kerf {

enum class TypeHint {
  none, use_like, use_contains, use_single_contains, use_has, use_is, use_in, compare_with_empty, tests_entities_only,
  no_concatenation, no_set_operations,
};
enum class LubPlace { set, conditional, equality, contains, contains_any_all };

// What can be wrong, as data; type_problems.h words it. `node` is the blamed one.
struct UnexpectedType { NodeId node; std::string expected; TypeId actual; TypeHint hint = TypeHint::none; };
struct IncompatibleTypes { NodeId node, first_node, second_node; TypeId first, second; Mismatch mismatch; LubPlace place; };
struct MissingAttr { NodeId node; };
struct UnsafeAttr { NodeId node; };
struct UnsafeTag { NodeId node; };
struct WrongArity { NodeId node; std::size_t expected, actual; };
struct BadArgument { NodeId node; };
struct NonLiteralArgument { NodeId node; };
struct EmptySet { NodeId node; };
using TypeProblem = std::variant<UnexpectedType, IncompatibleTypes, MissingAttr, UnsafeAttr, UnsafeTag,
                                 WrongArity, BadArgument, NonLiteralArgument, EmptySet>;

bool is_action_type(std::string_view type);   // `Action` or `…::Action`

// The schema's types by name, and which action types can be below which; made once for many bodies.
class SchemaTypes {
 public:
  SchemaTypes(const Schema& schema, Types& types, ValidationMode mode = ValidationMode::strict);

  const Schema& schema() const { return schema_; }
  ValidationMode mode() const { return mode_; }
  Types& types() const { return types_; }
  TypeId entity(const std::string& name) const;             // not valid: not declared
  bool is_known(const std::string& type) const;             // as a name in a policy
  TypeId attributes(const std::string& type) const;         // not valid for action types: they have none
  bool can_be_in(const std::string& lower, const std::string& upper) const;

 private:
  const Schema& schema_;
  Types& types_;
  ValidationMode mode_;
  std::unordered_map<std::string, TypeId> entities_;
  std::set<std::pair<std::string, std::string>> action_edges_;
};

class BodyTyper {
 public:
  BodyTyper(const SchemaTypes& schema_types, const Body& body);

  struct Verdict {
    bool ok;            // no error, here or in a check of names that is made once per policy
    bool always_false;
  };
  Verdict run(const RequestEnv& env, std::vector<TypeProblem>& problems);

  // Of the last run, one per node: `never` where it did not look or found no type.
  const std::vector<TypeId>& types() const { return node_types_; }

 private:
  using Capabilities = std::vector<std::uint32_t>;   // sorted, without repetitions
  struct Answer {
    TypeId type;               // not valid: unknown, because of an error below
    bool ok = true;
    Capabilities capabilities; // what holds if the expression is true; empty unless ok
  };

  void number_capabilities();
  void type_literals();

  Answer visit(NodeId id);
  Answer dispatch(NodeId id);
  using Hint = TypeHint (*)(const Type& actual);
  static TypeHint no_hint(const Type&) { return TypeHint::none; }
  template <class Accepts>
  Answer expect(NodeId id, Accepts accepts, std::string_view expected, Hint hint);
  Answer expect_boolean(NodeId id);
  Answer expect_kind(NodeId id, TypeKind kind, std::string_view expected, Hint hint);
  Answer expect_entity_or_record(NodeId id, Hint hint);

  Answer variable(NodeId id);
  Answer conjunction(NodeId id);
  Answer disjunction(NodeId id);
  Answer negation(NodeId id);
  Answer conditional(NodeId id);
  Answer equality(NodeId id);
  Answer comparison(NodeId id);
  Answer arithmetic(NodeId id);
  Answer membership(NodeId id);
  Answer type_test(NodeId id);
  Answer has_attr(NodeId id);
  Answer get_attr(NodeId id);
  Answer tag(NodeId id);
  Answer pattern(NodeId id);
  Answer set_test(NodeId id);
  Answer emptiness(NodeId id);
  Answer set(NodeId id);
  Answer record(NodeId id);
  Answer call(NodeId id);

  std::optional<AttrType> find_attr(TypeId object, const std::string& name);
  bool may_have_attr(TypeId object, const std::string& name) const;   // though find_attr finds none
  const EntityUid* entity_value(NodeId id) const;                 // a literal, or `action`
  std::vector<const EntityUid*> entity_values(NodeId id) const;   // empty: not only literals
  const Value* literal_value(NodeId id, Value& action) const;
  TypeId type_of_equality(NodeId left, TypeId left_type, NodeId right, TypeId right_type) const;
  bool require_same(NodeId node, NodeId first, TypeId first_type, NodeId second, TypeId second_type, LubPlace place);
  void report_operand(NodeId node, std::string expected, TypeId actual);
  bool check_call(NodeId id, const FunctionType& function);

  TypeId simple(TypeKind kind) const { return types_.simple(kind); }
  TypeId singleton(bool value) const { return simple(value ? TypeKind::true_ : TypeKind::false_); }
  bool permissive() const { return schema_types_.mode() == ValidationMode::permissive; }
  Lub join(TypeId a, TypeId b) { return least_upper_bound(types_, a, b, schema_types_.mode()); }
  bool is(TypeId type, TypeKind kind) const { return type.valid() && types_[type].kind == kind; }
  void hold(const Capabilities& capabilities, int by);
  bool holds(NodeId id) const { return held_[capability_[id.index]] > 0; }

  const SchemaTypes& schema_types_;
  const Schema& schema_;
  Types& types_;
  const Body& body_;
  std::vector<std::uint32_t> capability_;   // per node with an attribute or tag; empty: the body has no tests
  std::vector<int> held_;                   // per capability: how many enclosing conditions give it
  std::vector<TypeId> literal_types_;
  std::vector<std::optional<bool>> folded_;   // of nodes that are one Bool literal to the official reader
  std::vector<TypeId> node_types_;
  const RequestEnv* env_ = nullptr;
  TypeId principal_, action_, resource_, context_;
  std::vector<TypeProblem>* problems_ = nullptr;
};

// An operand of the wrong type fails and has no type for its user; its own type stays recorded.
template <class Accepts>
BodyTyper::Answer BodyTyper::expect(NodeId id, Accepts accepts, std::string_view expected, Hint hint) {
  Answer answer = visit(id);
  if (!answer.type.valid()) return {TypeId(), false, {}};
  if (accepts(types_[answer.type])) return answer;
  problems_->push_back(UnexpectedType{id, std::string(expected), answer.type, hint(types_[answer.type])});
  return {TypeId(), false, {}};
}

}  // namespace kerf
