// Strict subtyping: singletons below Bool, depth but no width for records, entity types only to themselves. Permissive:
// a set of entity types below a larger one, a record below an open one with fewer attributes.
// Types nest only as deep as schemas and literals do, so the recursion is bounded by the depth of those.
#include "frontend/sema/type_relations.h"

#include <algorithm>
#include <iterator>

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

bool is_record_subtype(const Types& types, const Type& a, const Type& b, ValidationMode mode) {
  bool wide = mode == ValidationMode::permissive && b.open;
  if (a.open && !b.open) return false;
  if (!wide && !same_fields(a, b)) return false;
  for (const auto& [name, attr] : b.attrs) {
    auto found = a.attrs.find(name);
    if (found == a.attrs.end()) return false;
    bool optionality = mode == ValidationMode::strict ? found->second.required == attr.required
                                                      : found->second.required || !attr.required;
    if (!optionality || !is_subtype(types, found->second.type, attr.type, mode)) return false;
  }
  return true;
}

// What both have, with the types that both have.
Lub permissive_record_lub(Types& types, TypeId a, TypeId b) {
  std::map<std::string, AttrType> left = types[a].attrs;   // copies: interning moves the store
  std::map<std::string, AttrType> right = types[b].attrs;
  bool open = types[a].open || types[b].open;
  std::map<std::string, AttrType> both;
  for (const auto& [name, attr] : left) {
    auto found = right.find(name);
    Lub type = found == right.end() ? Lub{} : least_upper_bound(types, attr.type, found->second.type, ValidationMode::permissive);
    if (type.type.valid()) both[name] = {type.type, attr.required && found->second.required};
  }
  open = open || both.size() != left.size() || both.size() != right.size();
  return {types.intern({TypeKind::record, {}, {}, std::move(both), open})};
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

bool is_subtype(const Types& types, TypeId a, TypeId b, ValidationMode mode) {
  if (a == b) return true;
  const Type& x = types[a];
  const Type& y = types[b];
  if (x.kind == TypeKind::never) return true;
  if (y.kind == TypeKind::boolean) return is_boolean(x.kind);
  if (x.kind != y.kind) return false;
  if (x.kind == TypeKind::set) return is_subtype(types, x.element, y.element, mode);
  if (x.kind == TypeKind::record) return is_record_subtype(types, x, y, mode);
  bool joined = x.kind == TypeKind::entity && mode == ValidationMode::permissive;
  // equal scalar and entity types have equal ids
  return joined && std::includes(y.entity_types.begin(), y.entity_types.end(), x.entity_types.begin(), x.entity_types.end());
}

Lub least_upper_bound(Types& types, TypeId a, TypeId b, ValidationMode mode) {
  if (is_subtype(types, a, b, mode)) return {b};
  if (is_subtype(types, b, a, mode)) return {a};
  TypeKind x = types[a].kind, y = types[b].kind;
  if (is_boolean(x) && is_boolean(y)) return {types.simple(TypeKind::boolean)};
  if (x == TypeKind::set && y == TypeKind::set) {
    Lub element = least_upper_bound(types, types[a].element, types[b].element, mode);
    return element.type.valid() ? Lub{types.set(element.type)} : element;
  }
  bool permissive = mode == ValidationMode::permissive;
  if (x == TypeKind::record && y == TypeKind::record) return permissive ? permissive_record_lub(types, a, b) : record_lub(types, a, b);
  bool entity = x == TypeKind::entity || y == TypeKind::entity;
  bool record = x == TypeKind::record || y == TypeKind::record;
  if (entity && record) return {TypeId(), Mismatch::entity_and_record};
  if (x == TypeKind::entity && y == TypeKind::entity) {
    if (!permissive) return {TypeId(), Mismatch::entity_types};
    std::vector<std::string> all;
    std::set_union(types[a].entity_types.begin(), types[a].entity_types.end(), types[b].entity_types.begin(),
                   types[b].entity_types.end(), std::back_inserter(all));
    return {types.intern({TypeKind::entity, std::move(all), {}, {}})};
  }
  return {TypeId(), Mismatch::kinds};
}

}  // namespace kerf
