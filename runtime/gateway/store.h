// Entities as a decision wants them: uids, attribute names and the texts that policies mention are numbers; attributes
// lie in cells found by shape; ancestors are bits, or sorted lists where bits would be too many. Private to
// runtime/gateway.
#pragma once
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ir/values/entities.h"
#include "runtime/gateway/hash.h"

namespace kerf::gateway {

using Node = std::uint32_t;   // an entity: stored ones first, then those that are only named
inline constexpr Node kNoNode = 0xffffffffu;
inline constexpr std::uint32_t kNoData = 0xffffffffu;
inline constexpr std::size_t kMaxAncestorPairs = std::size_t{1} << 24;
inline constexpr std::uint32_t kNoMembers = 0, kNodes = 1, kTexts = 2;   // what a set's members are

// A value, or a view of one that needs no look-up any more.
struct Cell {
  const Value* value = nullptr;   // none for a variable's entity, and for much of a request's text
  union {
    std::int64_t number = 0;      // Bool, Long, decimal, datetime, duration
    const char* bytes;            // String
  };
  std::uint32_t text = 0;         // String: 1 + number of the equal text in the table, 0 if none. Set: kNodes, …
  // String: its length. Entity: its Node. Record: its object. Set: its members. Else, or not known: kNoData
  std::uint32_t data = kNoData;
  ValueKind kind = ValueKind::boolean;
  std::string_view string() const { return {bytes, data}; }   // of a String
};

// What a table mentions, in numbers; filled before the store is built. Owns its texts.
class Names {
 public:
  std::uint32_t attribute(std::string_view name) { return attributes_.add(keep(attributes_, name)); }
  std::uint32_t text(std::string_view text) { return texts_.add(keep(texts_, text)) + 1; }
  std::uint32_t find_text(std::string_view text) const { return texts_.find(text) + 1; }   // none: 0
  std::uint32_t find_attribute(std::string_view name) const { return attributes_.find(name); }
  std::size_t attributes() const { return attributes_.size(); }
  const std::string& attribute_name(std::uint32_t attribute) const { return owned_attributes_[attribute]; }

 private:
  std::string_view keep(TextMap& map, std::string_view text) {
    if (map.find(text) != TextMap::kNone) return text;
    return &map == &attributes_ ? owned_attributes_.emplace_back(text) : owned_texts_.emplace_back(text);
  }
  std::deque<std::string> owned_attributes_, owned_texts_;
  TextMap attributes_, texts_;
};

class Store {
 public:
  // `mentioned`: entities of the table, which get nodes although they may not be stored.
  Status build(const Names& names, Entities entities, const std::vector<EntityUid>& mentioned);

  void add_type(std::string_view type) { types_.add(type); }   // one that no entity may have; must stay

  const Entities& entities() const { return entities_; }
  Node find(std::string_view type, std::string_view id) const;
  std::uint32_t type(Node node) const { return types_of_[node]; }
  std::uint32_t find_type(std::string_view type) const { return types_.find(type); }
  const EntityUid& uid(Node node) const { return *uids_[node]; }
  std::size_t nodes() const { return uids_.size(); }
  std::size_t types() const { return types_.size(); }
  bool stored(Node node) const { return node < stored_; }

  // The attribute of a stored entity or of a record with an object; null if it is absent.
  const Cell* attribute(std::uint32_t object, std::uint32_t name) const {
    const Object& o = objects_[object];
    const std::uint16_t place = shapes_[o.shape * attributes_ + name];
    return place == 0 ? nullptr : &cells_[o.first + place - 1];
  }
  bool is_in(Node descendant, Node ancestor) const;   // reflexive
  std::span<const Node> ancestors(Node node) const {   // proper, sorted; none for nodes that are not stored
    if (node >= stored_) return {};
    return {ancestors_.data() + ancestors_begin_[node], ancestors_begin_[node + 1] - ancestors_begin_[node]};
  }
  std::span<const std::uint32_t> members(std::uint32_t set) const {   // nodes or numbers of texts, sorted
    return {members_.data() + sets_[set], sets_[set + 1] - sets_[set]};
  }
  // A view of a value of the store's kind of lifetime: entities and texts by look-up, no objects or members.
  Cell view(const Value& value) const;
  Cell view(std::string_view text) const;
  Cell literal(const Value& value);   // with members; for literals of the table, which must stay
  std::size_t bytes() const;

 private:
  struct Object {
    std::uint32_t first = 0, shape = 0;
  };
  std::uint32_t add_node(const EntityUid& uid);
  void grow_uids();
  std::uint32_t add_object(const ValueRecord& record);
  std::uint32_t add_set(const ValueSet& set);
  std::uint32_t shape_of(const std::vector<std::uint32_t>& names);
  Status build_ancestors();
  Cell stored_cell(const Value& value);

  const Names* names_ = nullptr;
  Entities entities_;
  std::vector<EntityUid> mentioned_;
  std::vector<const EntityUid*> uids_;
  std::vector<std::uint32_t> types_of_;
  TextMap types_;
  struct UidSlot {
    std::uint32_t tag = 0;
    Node node = kNoNode;
  };
  std::vector<UidSlot> uid_slots_;
  std::size_t stored_ = 0, attributes_ = 0;
  std::vector<Object> objects_;
  std::vector<Cell> cells_;
  std::vector<std::uint16_t> shapes_;
  std::unordered_map<std::string, std::uint32_t> shape_numbers_;
  std::vector<std::uint32_t> sets_{0};
  std::vector<std::uint32_t> members_;
  std::vector<std::uint32_t> ancestors_begin_;
  std::vector<Node> ancestors_;
  std::vector<std::uint32_t> column_;      // of the bit matrix, for nodes that are an ancestor of some other
  std::vector<std::uint64_t> matrix_;
  std::size_t row_words_ = 0;
};

}  // namespace kerf::gateway
