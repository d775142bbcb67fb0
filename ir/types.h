// Cedar types, interned: equal types have equal ids.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ir/base/id.h"
#include "ir/values/value.h"

namespace kerf {

struct TypeTag2;
using TypeId = Id<TypeTag2>;

// `true_`/`false_` are the singleton booleans of the validator; `never` types an unreachable or wrong expression.
enum class TypeKind { never, true_, false_, boolean, long_, string, entity, set, empty_set, record,
                      decimal, ip, datetime, duration };

struct AttrType {
  TypeId type;
  bool required = true;
  friend auto operator<=>(const AttrType&, const AttrType&) = default;
};

struct Type {
  TypeKind kind;
  std::vector<std::string> entity_types;   // entity: sorted; one element unless permissive mode joined several
  TypeId element;                          // set
  std::map<std::string, AttrType> attrs;   // record
  bool open = false;                       // record of permissive mode that may have more attributes
  friend auto operator<=>(const Type&, const Type&) = default;
};

inline constexpr std::size_t kMaxTypeDepth = 256;   // sets and records in one another, in a schema; K8001 past it

class Types {
 public:
  Types();
  TypeId intern(Type type);
  const Type& operator[](TypeId id) const { return types_.at(id.index); }
  TypeId simple(TypeKind kind) const;      // never, true_, …, duration, empty_set
  TypeId entity(std::string type);
  TypeId set(TypeId element);
  TypeId record(std::map<std::string, AttrType> attrs);
  std::size_t depth(TypeId id) const { return depths_[id.index]; }   // 1 for what holds no type
  std::string text(TypeId id) const;       // Cedar's display: `Set<Long>`, `{a: Long, b?: String}`

 private:
  std::vector<Type> types_;
  std::vector<std::uint32_t> depths_;
  std::map<Type, TypeId> index_;
};

}  // namespace kerf
