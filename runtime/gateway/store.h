// Entities as a decision wants them: uids, attribute names and the texts that policies mention are numbers; attributes
// lie in cells found by shape; ancestors are sorted lists, and bits where these are not too many. Private to
// runtime/gateway.
//
// A Store is one version. Copies share blocks of rows; an edit of a copy (store_edit.cpp) copies the blocks that it
// touches, so versions that are read never change. A node keeps its number in all versions.
#pragma once
#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ir/values/operations.h"
#include "runtime/gateway/hash.h"

namespace kerf::gateway {

using Node = std::uint32_t;   // an entity, stored or only named
inline constexpr Node kNoNode = 0xffffffffu;
inline constexpr std::uint32_t kNoData = 0xffffffffu;
inline constexpr std::size_t kMaxAncestorPairs = std::size_t{1} << 24;
inline constexpr std::uint32_t kNoMembers = 0, kNodes = 1, kTexts = 2;   // what a set's members are

struct Cell;

// Attributes of an entity or a record.
struct Object {
  const Cell* cells = nullptr;
  // Attribute -> 1 + its cell, 0 if absent; null: no attributes. Objects of one shape have the same attributes, of the same kinds,
  // and of entities of the same types.
  const std::uint16_t* shape = nullptr;
};

// A value, or a view of one that needs no look-up any more.
struct Cell {
  const Value* value = nullptr;   // none for a variable's entity, and for much of a request's text
  union {
    std::int64_t number = 0;      // Bool, Long, decimal, datetime, duration; of a stored entity its column, 0 if none
    const char* bytes;            // String
    const Object* object;         // Record whose data is known
    // Set whose data is known: nodes or numbers of texts, sorted. Unless they are texts, a hash table of the nodes follows, and
    // before them stand, from the end: a count of words, the types of nodes without a column (bits by type % 32), and the columns
    // of the others as that many words, each a number and its bits (8 bytes)
    const std::uint32_t* members;
  };
  std::uint32_t text = 0;         // String: 1 + number of the equal text in the table, 0 if none. Set: kNodes, …
  // String: its length. Entity: its Node. Set: count of members. Record: 0. Else, or not known: kNoData
  std::uint32_t data = kNoData;
  ValueKind kind = ValueKind::boolean;
  std::string_view string() const { return {bytes, data}; }                          // of a String
  std::span<const std::uint32_t> all_members() const { return {members, data}; }     // of a Set with data
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

// Runs of T that never move.
template <class T>
class Slab {
 public:
  explicit Slab(std::size_t chunk) : chunk_(chunk) {}
  const T* add(std::span<const T> items) {
    if (chunks_.empty() || chunks_.back().capacity() - chunks_.back().size() < items.size()) {
      chunks_.emplace_back().reserve(std::max(chunk_, items.size()));
    }
    std::vector<T>& last = chunks_.back();
    last.insert(last.end(), items.begin(), items.end());
    return last.data() + (last.size() - items.size());
  }
  std::size_t bytes() const {
    std::size_t bytes = 0;
    for (const std::vector<T>& chunk : chunks_) bytes += chunk.capacity() * sizeof(T);
    return bytes;
  }

 private:
  std::size_t chunk_;
  std::vector<std::vector<T>> chunks_;
};

// What cells point to: of all entities that a store was built with, or of one that came later.
struct CellMemory {
  explicit CellMemory(std::size_t chunk) : cells(chunk), objects(chunk), members(chunk) {}
  Slab<Cell> cells;
  Slab<Object> objects;
  Slab<std::uint32_t> members;
  std::vector<std::shared_ptr<const std::vector<std::uint16_t>>> shapes;   // those that the first build did not have
};

class Store final : public EntitySource {
 public:
  static constexpr std::size_t kRows = 128, kShards = 64;   // of a block; of the table of later nodes

  // `mentioned`: entities of the table, which get nodes although they may not be stored. `types` must stay: numbered
  // first, whether or not an entity has them.
  Status build(const Names& names, Entities entities, const std::vector<EntityUid>& mentioned,
               const std::vector<std::string_view>& types);

  const Names& names() const { return *base_->names; }
  Node find(std::string_view type, std::string_view id) const;
  std::uint32_t type(Node node) const { return row(node).type; }   // kNone for types that only later entities have
  std::uint32_t find_type(std::string_view type) const { return base_->types.find(type); }
  const EntityUid& uid(Node node) const { return *row(node).uid; }
  std::size_t nodes() const { return nodes_; }
  std::size_t types() const { return base_->types.size(); }
  // One of the entities of a type that the store was built with, or kNoNode.
  Node example(std::uint32_t type) const { return type < base_->examples.size() ? base_->examples[type] : kNoNode; }
  bool stored(Node node) const { return node < nodes_ && row(node).entity != nullptr; }
  const Entity* entity(Node node) const { return row(node).entity; }   // null if it is not stored

  static const Cell* attribute(const Object& object, std::uint32_t name) {   // null if it is absent
    if (object.shape == nullptr) return nullptr;
    const std::uint16_t place = object.shape[name];
    return place == 0 ? nullptr : &object.cells[place - 1];
  }
  const Cell* attribute(Node node, std::uint32_t name) const { return attribute(row(node).object, name); }
  bool is_in(Node descendant, Node ancestor) const;   // reflexive

  // Of the row of the descendant; `column` is that of the ancestor's cell.
  // One cache line.
  struct alignas(64) Row {
    const EntityUid* uid = nullptr;
    const Entity* entity = nullptr;
    Object object;
    const Node* ancestors = nullptr;
    // By the base's columns, the entity's own included, if all ancestors have a column; null: only the list says.
    const std::uint64_t* bits = nullptr;
    std::uint32_t ancestor_count = 0, type = 0;
  };
  const Row& row(Node node) const { return blocks_[node / kRows]->rows[node % kRows]; }
  static bool is_in(const Row& of, Node descendant, Node ancestor, std::uint32_t column) {
    if (of.bits != nullptr) return (of.bits[column / 64] >> (column % 64) & 1) | (descendant == ancestor);
    return descendant == ancestor || is_listed(of, ancestor);
  }
  static bool is_in_members(const Row& of, Node descendant, const Cell& set) {   // of nodes, or empty
    return of.bits == nullptr ? is_listed_in_members(of, descendant, set) : is_in_columns(of, descendant, set);
  }
  static bool is_in_columns(const Row& of, Node descendant, const Cell& set) {   // where the row has bits
    const std::uint32_t* at = set.members - 2;
    const std::uint32_t types = at[0], words = at[1];
    std::uint64_t common = 0;
    for (std::uint32_t i = 0; i < words; ++i) {
      at -= 3;
      std::uint64_t bits;
      std::memcpy(&bits, at + 1, sizeof bits);
      common |= of.bits[*at] & bits;
    }
    return common != 0 || ((types >> of.type % 32 & 1) != 0 && has_node(set, descendant));
  }
  // Slots of the hash table of so many nodes: more than twice as many.
  static constexpr std::size_t slots(std::uint32_t nodes) { return std::size_t{1} << std::bit_width(2 * nodes + 1); }
  static std::uint32_t slot_of(Node node, std::uint32_t nodes) { return (node * 0x9e3779b1u) >> std::countl_zero(2 * nodes + 1); }
  static bool has_node(const Cell& set, Node node) {   // of nodes, or empty
    const std::uint32_t* const table = set.members + set.data;
    for (std::uint32_t at = slot_of(node, set.data);; at = (at + 1) & static_cast<std::uint32_t>(slots(set.data) - 1)) {
      if (table[at] == kNoNode) return false;
      if (table[at] == node) return true;
    }
  }
  static bool has_member(const Cell& set, Node node, const EntityUid& uid);
  const Row& no_row() const { return base_->no_row; }            // of an entity that is not known
  const Object& no_object() const { return base_->no_row.object; }   // with a shape, without attributes
  Cell entity_cell(Node node) const {
    Cell cell{nullptr, {0}, 0, node, ValueKind::entity};
    cell.number = column_of(node);
    return cell;
  }
  std::span<const Node> ancestors(Node node) const {  // proper, sorted; none for nodes that are not stored
    return {row(node).ancestors, row(node).ancestor_count};
  }
  // A view of a value of the store's kind of lifetime: entities and texts by look-up, no objects or members.
  Cell view(const Value& value) const;
  Cell view(std::string_view text) const;
  Cell literal(const Value& value);   // with members; for literals of the table, which must stay
  Cell later_literal(const Value& value, CellMemory& memory) {   // of a copy, for literals of later policies
    return value.kind() == ValueKind::record ? view(value) : encode(value, memory, false);
  }
  // A set for is_in_columns: of these nodes and what is in them, and of those that are the same as these.
  Cell reach(std::span<const Node> in, std::vector<Node> same, Slab<std::uint32_t>& memory) const;
  std::size_t bytes() const;

  // As a source for the general evaluator.
  const Entity* find(const EntityUid& uid) const override;
  bool is_in(const EntityUid& descendant, const EntityUid& ancestor) const override;
  bool is_in_any(const EntityUid& descendant, const ValueSet& ancestors) const override;

  // Edits of a copy that no other thread sees yet. The rest is the caller's: parents, and whose ancestors change.
  Node add_node(const EntityUid& uid);   // or the one that it has
  void put(Node node, std::shared_ptr<const Entity> entity);
  void remove(Node node);
  void set_ancestors(Node node, std::vector<Node> ancestors);   // sorted
  std::size_t added_nodes() const { return nodes_ - base_->nodes; }
  std::size_t first_nodes() const { return base_->nodes; }

 private:
  struct Block {
    std::array<Row, kRows> rows;
    // What the rows of later edits point to: uid, attributes and ancestors of a row. Empty while there is none.
    std::vector<std::array<std::shared_ptr<const void>, 3>> owned;
  };
  struct UidSlot {
    std::uint32_t tag = 0;
    Node node = kNoNode;
  };
  struct UidTable {
    std::vector<UidSlot> slots;
    std::size_t count = 0;
  };
  struct Base {   // what all versions share
    const Names* names = nullptr;
    Entities entities;
    std::deque<EntityUid> mentioned;     // those that are not stored
    TextMap types;
    UidTable uids;
    CellMemory memory{4096};
    std::unordered_map<std::string, std::vector<std::uint16_t>> shapes;
    std::vector<Node> ancestors;
    std::vector<std::uint32_t> column;   // of the bit matrix, for nodes that are an ancestor of some other; from 1
    std::vector<std::uint64_t> matrix;   // the first row is that of nodes without ancestors and column
    std::size_t row_words = 0, nodes = 0;
    std::vector<Node> examples;          // by type
    std::vector<std::uint16_t> no_shape;
    Row no_row;
  };
  enum class Owner : std::uint8_t { uid, attributes, ancestors };

  static const std::uint32_t* add_nodes(std::vector<std::uint32_t> columns, std::span<const Node> nodes, Slab<std::uint32_t>& memory);
  std::uint32_t column_of(Node node) const { return node < base_->column.size() ? base_->column[node] : 0; }
  const std::uint64_t* no_bits() const { return base_->matrix.empty() ? nullptr : base_->matrix.data(); }
  static bool is_listed(const Row& of, Node ancestor);
  static bool is_listed_in_members(const Row& of, Node descendant, const Cell& set);
  void number_columns();
  void set_bits(Node node, std::span<const Node> ancestors, std::uint64_t* bits) const;
  Row& write(Node node);
  void own(Node node, Owner what, std::shared_ptr<const void> owner);
  Node append(const EntityUid& uid, std::uint32_t type);
  Node first_node(const EntityUid& uid);   // add_node of the build: keeps the address
  Node node_of(const EntityUid& uid, bool first) { return first ? first_node(uid) : add_node(uid); }
  Node look_up(const UidTable& table, std::uint64_t hash, std::string_view type, std::string_view id) const;
  void enter(UidTable& table, std::uint64_t hash, Node node) const;

  Object encode(const ValueRecord& record, CellMemory& memory, bool first);
  Cell encode(const Value& value, CellMemory& memory, bool first);
  std::vector<std::uint32_t> columns_of(std::span<const Node> nodes, std::uint32_t types) const;
  void encode_set(const ValueSet& set, Cell& cell, CellMemory& memory, bool first);
  std::uint32_t class_of(const Cell& cell) const;
  const std::uint16_t* shape_of(const std::vector<std::uint32_t>& names, const std::vector<std::uint32_t>& classes, CellMemory& memory, bool first);
  Status build_ancestors(std::size_t stored);

  std::shared_ptr<Base> base_;   // written by build() and literal() alone
  std::vector<std::shared_ptr<Block>> blocks_;
  std::array<std::shared_ptr<const UidTable>, kShards> shards_;   // nodes that came later, by hash
  std::size_t nodes_ = 0;
};

}  // namespace kerf::gateway
