// Strict subtyping: singletons below Bool, depth but no width for records, entity types only to themselves.
// Types nest only as deep as schemas and literals do, so the recursion is bounded by the depth of those.
#include "frontend/sema/type_relations.h"

#include "ir/base/check.h"

namespace kerf {
namespace {

bool same_fields(const Type& a, const Type& b) {
  if (a.attrs.size() != b.attrs.size()) return false;
  for (auto x = a.attrs.begin(), y = b.attrs.begin(); x != a.attrs.end(); ++x, ++y) {
    if (x->first != y->first) return false;
  }
  return true;
}

bool is_record_subtype(const Types& types, const Type& a, const Type& b) {
  if (!same_fields(a, b)) return false;
  for (auto x = a.attrs.begin(), y = b.attrs.begin(); x != a.attrs.end(); ++x, ++y) {
    if (x->second.required != y->second.required) return false;
    if (!is_subtype(types, x->second.type, y->second.type)) return false;
  }
  return true;
}

Lub record_lub(Types& types, TypeId a, TypeId b) {
  std::map<std::string, AttrType> left = types[a].attrs;  // copies: interning moves the store
  std::map<std::string, AttrType> right = types[b].attrs;
  if (!same_fields(types[a], types[b])) return {TypeId(), Mismatch::record_fields};
  for (auto x = left.begin(), y = right.begin(); x != left.end(); ++x, ++y) {
    Lub attr = least_upper_bound(types, x->second.type, y->second.type);
    if (!attr.type.valid()) return attr;
    if (x->second.required != y->second.required) return {TypeId(), Mismatch::optionality};
    x->second.type = attr.type;
  }
  return {types.record(std::move(left))};
}

}  // namespace

bool is_boolean(TypeKind kind) {
  return kind == TypeKind::boolean || kind == TypeKind::true_ || kind == TypeKind::false_;
}

bool is_subtype(const Types& types, TypeId a, TypeId b) {
  if (a == b) return true;
  const Type& x = types[a];
  const Type& y = types[b];
  if (x.kind == TypeKind::never) return true;
  if (y.kind == TypeKind::boolean) return is_boolean(x.kind);
  if (x.kind != y.kind) return false;
  if (x.kind == TypeKind::set) return is_subtype(types, x.element, y.element);
  if (x.kind == TypeKind::record) return is_record_subtype(types, x, y);
  return false;  // equal scalar and entity types have equal ids
}

Lub least_upper_bound(Types& types, TypeId a, TypeId b) {
  if (is_subtype(types, a, b)) return {b};
  if (is_subtype(types, b, a)) return {a};
  TypeKind x = types[a].kind, y = types[b].kind;
  if (is_boolean(x) && is_boolean(y)) return {types.simple(TypeKind::boolean)};
  if (x == TypeKind::set && y == TypeKind::set) {
    Lub element = least_upper_bound(types, types[a].element, types[b].element);
    return element.type.valid() ? Lub{types.set(element.type)} : element;
  }
  if (x == TypeKind::record && y == TypeKind::record) return record_lub(types, a, b);
  bool entity = x == TypeKind::entity || y == TypeKind::entity;
  bool record = x == TypeKind::record || y == TypeKind::record;
  if (entity && record) return {TypeId(), Mismatch::entity_and_record};
  if (x == TypeKind::entity && y == TypeKind::entity) return {TypeId(), Mismatch::entity_types};
  return {TypeId(), Mismatch::kinds};
}

}  // namespace kerf
