// Strict subtyping: singletons below Bool, depth but no width for records, entity types only to themselves. Permissive:
// a set of entity types below a larger one, a record below an open one with fewer attributes.
// Types nest at most kMaxTypeDepth deep in schemas, and as deep as expressions in policies, so the recursion is bounded.
#include "frontend/sema/type_relations.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

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

// One question. Types share parts, so that a small schema can stand for a type with 2^60 leaves: every pair of parts is
// compared once.
class Relation {
 public:
  Relation(const Types& types, ValidationMode mode) : types_(types), mode_(mode) {}

  bool is_subtype(TypeId a, TypeId b) {
    if (a == b) return true;
    const Type& x = types_[a];
    const Type& y = types_[b];
    if (x.kind == TypeKind::never) return true;
    if (y.kind == TypeKind::boolean) return is_boolean(x.kind);
    if (x.kind != y.kind) return false;
    if (x.kind == TypeKind::set) return is_subtype(x.element, y.element);
    if (x.kind == TypeKind::record) {
      if (auto known = subtypes_.find({a, b}); known != subtypes_.end()) return known->second;
      const bool below = is_record_subtype(x, y);
      subtypes_.emplace(std::pair(a, b), below);
      return below;
    }
    // equal scalar and entity types have equal ids
    return x.kind == TypeKind::entity && permissive() &&
           std::includes(y.entity_types.begin(), y.entity_types.end(), x.entity_types.begin(), x.entity_types.end());
  }

 protected:
  bool permissive() const { return mode_ == ValidationMode::permissive; }

 private:
  bool is_record_subtype(const Type& a, const Type& b) {
    bool wide = permissive() && b.open;
    if (a.open && !b.open) return false;
    if (!wide && !same_fields(a, b)) return false;
    for (const auto& [name, attr] : b.attrs) {
      auto found = a.attrs.find(name);
      if (found == a.attrs.end()) return false;
      bool optionality = permissive() ? found->second.required || !attr.required : found->second.required == attr.required;
      if (!optionality || !is_subtype(found->second.type, attr.type)) return false;
    }
    return true;
  }

  const Types& types_;
  ValidationMode mode_;
  std::map<std::pair<TypeId, TypeId>, bool> subtypes_;   // of records
};

class Join : Relation {
 public:
  Join(Types& types, ValidationMode mode) : Relation(types, mode), types_(types) {}

  Lub join(TypeId a, TypeId b) {
    if (is_subtype(a, b)) return {b};
    if (is_subtype(b, a)) return {a};
    TypeKind x = types_[a].kind, y = types_[b].kind;
    if (is_boolean(x) && is_boolean(y)) return {types_.simple(TypeKind::boolean)};
    if (x == TypeKind::set && y == TypeKind::set) {
      Lub element = join(types_[a].element, types_[b].element);
      return element.type.valid() ? Lub{types_.set(element.type)} : element;
    }
    if (x == TypeKind::record && y == TypeKind::record) {
      if (auto known = records_.find({a, b}); known != records_.end()) return known->second;
      const Lub joined = permissive() ? common_record(a, b) : equal_record(a, b);
      records_.emplace(std::pair(a, b), joined);
      return joined;
    }
    if (x == TypeKind::entity && y == TypeKind::entity) return join_entities(a, b);
    bool entity = x == TypeKind::entity || y == TypeKind::entity;
    bool record = x == TypeKind::record || y == TypeKind::record;
    return {TypeId(), entity && record ? Mismatch::entity_and_record : Mismatch::kinds};
  }

 private:
  // What both have, with the types that both have.
  Lub common_record(TypeId a, TypeId b) {
    std::map<std::string, AttrType> left = types_[a].attrs;   // copies: interning moves the store
    std::map<std::string, AttrType> right = types_[b].attrs;
    bool open = types_[a].open || types_[b].open;
    std::map<std::string, AttrType> both;
    for (const auto& [name, attr] : left) {
      auto found = right.find(name);
      Lub type = found == right.end() ? Lub{} : join(attr.type, found->second.type);
      if (type.type.valid()) both[name] = {type.type, attr.required && found->second.required};
    }
    open = open || both.size() != left.size() || both.size() != right.size();
    return {types_.intern({TypeKind::record, {}, {}, std::move(both), open})};
  }

  Lub equal_record(TypeId a, TypeId b) {
    std::map<std::string, AttrType> left = types_[a].attrs;  // copies: interning moves the store
    std::map<std::string, AttrType> right = types_[b].attrs;
    if (!same_fields(types_[a], types_[b])) return {TypeId(), Mismatch::record_fields};
    for (auto x = left.begin(), y = right.begin(); x != left.end(); ++x, ++y) {
      Lub attr = join(x->second.type, y->second.type);
      if (!attr.type.valid()) return attr;
      if (x->second.required != y->second.required) return {TypeId(), Mismatch::optionality};
      x->second.type = attr.type;
    }
    return {types_.record(std::move(left))};
  }

  Lub join_entities(TypeId a, TypeId b) {
    if (!permissive()) return {TypeId(), Mismatch::entity_types};
    std::vector<std::string> all;
    std::set_union(types_[a].entity_types.begin(), types_[a].entity_types.end(), types_[b].entity_types.begin(),
                   types_[b].entity_types.end(), std::back_inserter(all));
    return {types_.intern({TypeKind::entity, std::move(all), {}, {}})};
  }

  Types& types_;
  std::map<std::pair<TypeId, TypeId>, Lub> records_;
};

}  // namespace

bool is_boolean(TypeKind kind) {
  return kind == TypeKind::boolean || kind == TypeKind::true_ || kind == TypeKind::false_;
}

bool is_subtype(const Types& types, TypeId a, TypeId b, ValidationMode mode) { return Relation(types, mode).is_subtype(a, b); }

Lub least_upper_bound(Types& types, TypeId a, TypeId b, ValidationMode mode) { return Join(types, mode).join(a, b); }

}  // namespace kerf
