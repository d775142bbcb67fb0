// Interned types. The simple kinds are interned first, in the order of TypeKind, so simple() is an index.
#include "ir/types.h"

#include <algorithm>
#include <array>

#include "ir/base/check.h"

namespace kerf {

namespace {
constexpr std::array kSimple = {TypeKind::never, TypeKind::true_,     TypeKind::false_, TypeKind::boolean,
                                TypeKind::long_, TypeKind::string,    TypeKind::empty_set, TypeKind::decimal,
                                TypeKind::ip,    TypeKind::datetime,  TypeKind::duration};
}  // namespace

Types::Types() {
  for (TypeKind kind : kSimple) intern({kind, {}, {}, {}});
}

TypeId Types::intern(Type type) {
  auto found = index_.find(type);
  if (found != index_.end()) return found->second;
  std::uint32_t depth = type.element.valid() ? depths_[type.element.index] : 0;
  for (const auto& [name, attr] : type.attrs) depth = std::max(depth, depths_[attr.type.index]);
  depths_.push_back(depth + 1);
  types_.push_back(type);
  TypeId id(types_.size() - 1);
  index_.emplace(std::move(type), id);
  return id;
}

TypeId Types::simple(TypeKind kind) const {
  for (std::size_t i = 0; i < kSimple.size(); ++i) {
    if (kSimple[i] == kind) return TypeId(i);
  }
  internal_error("entity, set and record types are not simple");
}

TypeId Types::entity(std::string type) { return intern({TypeKind::entity, {std::move(type)}, {}, {}}); }
TypeId Types::set(TypeId element) { return intern({TypeKind::set, {}, element, {}}); }
TypeId Types::record(std::map<std::string, AttrType> attrs) {
  return intern({TypeKind::record, {}, {}, std::move(attrs)});
}

namespace {

std::string entity_text(const Type& type) {
  std::string out;
  for (const std::string& name : type.entity_types) out += (out.empty() ? "" : " | ") + name;
  return out;
}

std::string record_text(const Types& types, const Type& type) {
  std::string out = "{";
  for (const auto& [name, attr] : type.attrs) {
    if (out.size() > 1) out += ", ";
    bool identifier = is_name(name) && name.find(':') == std::string::npos;
    out += (identifier ? name : quote(name)) + (attr.required ? ": " : "?: ") + types.text(attr.type);
  }
  return out + "}";
}

}  // namespace

std::string Types::text(TypeId id) const {
  const Type& type = (*this)[id];
  switch (type.kind) {
    case TypeKind::never: return "Never";
    case TypeKind::true_: return "True";
    case TypeKind::false_: return "False";
    case TypeKind::boolean: return "Bool";
    case TypeKind::long_: return "Long";
    case TypeKind::string: return "String";
    case TypeKind::entity: return entity_text(type);
    case TypeKind::set: return "Set<" + text(type.element) + ">";
    case TypeKind::empty_set: return "Set<Never>";
    case TypeKind::record: return record_text(*this, type);
    case TypeKind::decimal: return "decimal";
    case TypeKind::ip: return "ipaddr";
    case TypeKind::datetime: return "datetime";
    case TypeKind::duration: return "duration";
  }
  internal_error("unknown kind of type");
}

}  // namespace kerf
