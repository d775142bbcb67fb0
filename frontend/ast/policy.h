// Policies as written. Expressions live in one store per file, children by id; strings are unescaped, spans are kept.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "ir/base/id.h"
#include "ir/base/source.h"

namespace kerf::ast {

struct ExprTag;
using ExprId = Id<ExprTag>;

struct Name {  // a path `A::B::C`; text has no white space
  std::string text;
  Span span;
};

struct EntityRef {
  Name type;
  std::string id;
  Span span;
};

enum class Var { principal, action, resource, context };
enum class SlotName { principal, resource };
struct Slot {
  SlotName name;
  Span span;
};

enum class BinaryOp { or_, and_, eq, not_eq_, less, less_eq, greater, greater_eq, in, add, sub, mul };

// The pieces of a `like` pattern between wildcards. As written: between two stars in a row stands an empty piece.
struct LikePattern {
  std::vector<std::string> pieces;
};
struct Attr {
  std::string name;
  bool quoted = false;  // written as a string
  Span span;
};

struct BoolLit { bool value; };
struct LongLit { std::int64_t value; };
struct StringLit { std::string value; };
struct EntityLit { EntityRef uid; };
struct VarExpr { Var var; };
struct SlotExpr { Slot slot; };
struct Not { ExprId operand; };
struct Negate { ExprId operand; };
struct Binary { BinaryOp op; ExprId left, right; Span op_span; };
struct If { ExprId condition, then_branch, else_branch; };
struct HasAttr { ExprId object; std::vector<Attr> path; };  // path longer than 1: `has a.b.c`
struct Like { ExprId object; LikePattern pattern; Span pattern_span; };
struct Is { ExprId object; Name type; std::optional<ExprId> in; };
struct GetAttr { ExprId object; Attr attr; bool index = false; };  // index: written `e["a"]`
// `value`: JSON stores the call as a value, not as an expression; only print_official tells them apart.
struct MethodCall { ExprId object; Attr method; std::vector<ExprId> args; bool value = false; };
struct FunctionCall { Name function; std::vector<ExprId> args; bool value = false; };
struct SetLit { std::vector<ExprId> elements; };
struct RecordField { Attr name; ExprId value; };
struct RecordLit { std::vector<RecordField> fields; };

struct Expr {
  std::variant<BoolLit, LongLit, StringLit, EntityLit, VarExpr, SlotExpr, Not, Negate, Binary, If, HasAttr, Like, Is,
               GetAttr, MethodCall, FunctionCall, SetLit, RecordLit>
      node;
  Span span;
};

enum class Effect { permit, forbid };

struct Annotation {
  std::string key;
  std::optional<std::string> value;  // `@key` alone has none; it means ""
  Span span;
  Span value_span;
};

using EntityOrSlot = std::variant<EntityRef, Slot>;

struct ScopeAny {};
struct ScopeEq { EntityOrSlot entity; };
struct ScopeIn { EntityOrSlot entity; };
struct ScopeIs { Name type; std::optional<EntityOrSlot> in; };
struct ScopeInList { std::vector<EntityRef> entities; };  // action only
struct Scope {
  std::variant<ScopeAny, ScopeEq, ScopeIn, ScopeIs, ScopeInList> constraint;
  Span span;
};

struct Condition {
  bool unless = false;
  ExprId expr;
  Span span;
};

struct Policy {
  std::optional<std::string> id;      // given by the form that it is stored in; text has none but `@id`
  Effect effect;
  std::vector<Annotation> annotations;
  Scope principal, action, resource;
  std::vector<Condition> conditions;  // source order
  Span span;                          // annotations to `;`
  Span effect_span;
  bool is_template() const;           // has a slot
};

// A static policy made from a template: entities for its slots.
struct TemplateLink {
  std::string template_id, id;
  std::optional<EntityRef> principal, resource;
  Span template_span, id_span;
};

struct PolicyFile {
  SourceId source;
  std::vector<Expr> exprs;
  std::vector<Policy> policies;     // source order
  std::vector<TemplateLink> links;  // of this or another file's templates; text has none

  const Expr& operator[](ExprId id) const { return exprs.at(id.index); }
  ExprId add(Expr expr) {
    exprs.push_back(std::move(expr));
    return ExprId(exprs.size() - 1);
  }
};

// The policies of `part` behind those of `file`.
void append(PolicyFile& file, PolicyFile part);

// The slots of a template: principal's, resource's.
const Slot* slot_of(const Scope& scope);
// A policy from a template: its slots filled. The expressions are shared, so the result belongs to the same file.
Policy link(const Policy& from, const TemplateLink& link);

// Canonical Cedar text with the fewest parentheses; parse(print(p)) is p, spans aside.
std::string print(const PolicyFile& file);
std::string print(const PolicyFile& file, const Policy& policy);
std::string print(const PolicyFile& file, ExprId expr);
// One line, every operand that is no leaf in parentheses: what the official tools (4.12) print from the JSON form.
std::string print_official(const PolicyFile& file, const Policy& policy);

}  // namespace kerf::ast
