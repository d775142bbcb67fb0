// Entities -> Store. Built once; then read without locks and without allocation.
#include "runtime/gateway/store.h"

#include <bit>
#include <map>
#include <utility>

namespace kerf::gateway {
namespace {

// Up to so many bytes ancestors are bits too; past it, sorted lists alone.
constexpr std::size_t kMatrixBytes = 32u << 20;
constexpr std::size_t kFewAncestors = 8;

}  // namespace

Status Store::build(const Names& names, Entities entities, const std::vector<EntityUid>& mentioned,
                    const std::vector<std::string_view>& types) {
  base_ = std::make_shared<Base>();
  base_->names = &names;
  base_->entities = std::move(entities);
  base_->no_shape.assign(names.attributes() + 1, 0);
  base_->no_row.object = {nullptr, base_->no_shape.data()};
  for (std::string_view type : types) base_->types.add(type);
  const std::vector<Entity>& all = base_->entities.all();
  // Parents and mentioned entities are mostly stored ones: the table grows if they are not.
  base_->uids.slots.assign(std::bit_ceil(std::max<std::size_t>(all.size() * 2, 8)), {});
  for (const Entity& entity : all) first_node(entity.uid);
  const std::size_t stored = nodes_;
  number_columns();
  for (const EntityUid& uid : mentioned) {
    if (look_up(base_->uids, hash_uid(uid.type, uid.id), uid.type, uid.id) == kNoNode) first_node(base_->mentioned.emplace_back(uid));
  }
  base_->examples.assign(base_->types.size(), kNoNode);
  for (std::size_t i = 0; i < stored; ++i) {
    const Object object = encode(all[i].attrs, base_->memory, true);
    Row& row = write(static_cast<Node>(i));
    row.entity = &all[i];
    row.object = object;
    Node& example = base_->examples[row.type];
    if (example == kNoNode) example = static_cast<Node>(i);
  }
  base_->nodes = nodes_;
  return build_ancestors(stored);
}

Node Store::append(const EntityUid& uid, std::uint32_t type) {
  const auto node = static_cast<Node>(nodes_++);
  if (node / kRows == blocks_.size()) blocks_.push_back(std::make_shared<Block>());
  Row& row = write(node);
  row.uid = &uid;
  row.type = type;
  row.object = no_object();
  row.bits = no_bits();
  return node;
}

Node Store::first_node(const EntityUid& uid) {
  const std::uint64_t hash = hash_uid(uid.type, uid.id);
  const Node known = look_up(base_->uids, hash, uid.type, uid.id);
  if (known != kNoNode) return known;
  const Node node = append(uid, base_->types.add(uid.type));
  enter(base_->uids, hash, node);
  return node;
}

Node Store::look_up(const UidTable& table, std::uint64_t hash, std::string_view type, std::string_view id) const {
  const auto tag = static_cast<std::uint32_t>(hash >> 32);
  for (std::size_t at = hash & (table.slots.size() - 1);; at = (at + 1) & (table.slots.size() - 1)) {
    const UidSlot& slot = table.slots[at];
    if (slot.node == kNoNode) return kNoNode;
    if (slot.tag != tag) continue;
    const EntityUid& found = uid(slot.node);
    if (same(found.id, id) && same(found.type, type)) return slot.node;
  }
}

// Never more than half full.
void Store::enter(UidTable& table, std::uint64_t hash, Node node) const {
  auto place = [&](std::uint64_t key, Node entered) {
    std::size_t at = key & (table.slots.size() - 1);
    while (table.slots[at].node != kNoNode) at = (at + 1) & (table.slots.size() - 1);
    table.slots[at] = {static_cast<std::uint32_t>(key >> 32), entered};
  };
  if (++table.count * 2 > table.slots.size()) {
    std::vector<UidSlot> old(std::max<std::size_t>(table.slots.size() * 2, 8));
    old.swap(table.slots);
    for (const UidSlot& slot : old) {
      if (slot.node != kNoNode) place(hash_uid(uid(slot.node).type, uid(slot.node).id), slot.node);
    }
  }
  place(hash, node);
}

Node Store::find(std::string_view type, std::string_view id) const {
  const std::uint64_t hash = hash_uid(type, id);
  const Node first = look_up(base_->uids, hash, type, id);
  if (first != kNoNode || nodes_ == base_->nodes) return first;
  const auto& shard = shards_[hash >> 58];
  return shard == nullptr ? kNoNode : look_up(*shard, hash, type, id);
}

const std::uint16_t* Store::shape_of(const std::vector<std::uint32_t>& names, const std::vector<std::uint32_t>& classes, CellMemory& memory, bool first) {
  std::string key(reinterpret_cast<const char*>(names.data()), names.size() * sizeof(names[0]));
  key.append(reinterpret_cast<const char*>(classes.data()), classes.size() * sizeof(classes[0]));
  auto known = base_->shapes.find(key);
  if (known != base_->shapes.end()) return known->second.data();
  std::vector<std::uint16_t> shape(base_->names->attributes() + 1, 0);
  for (std::size_t i = 0; i < names.size(); ++i) shape[names[i]] = static_cast<std::uint16_t>(i + 1);
  if (first) return base_->shapes.emplace(key, std::move(shape)).first->second.data();
  return memory.shapes.emplace_back(std::make_shared<const std::vector<std::uint16_t>>(std::move(shape)))->data();
}

// Of a shape's key: cells of one class can be read alike, and entities are of one type.
std::uint32_t Store::class_of(const Cell& cell) const {
  const auto kind = static_cast<std::uint32_t>(cell.kind);
  if (cell.kind == ValueKind::entity) return kind | row(cell.data).type << 8;
  if (cell.kind != ValueKind::set && cell.kind != ValueKind::record) return kind;
  return kind | (cell.data == kNoData ? 0 : cell.text == kTexts ? 1 : 2) << 8;
}

// Attributes that the table never names get no cell.
Object Store::encode(const ValueRecord& record, CellMemory& memory, bool first) {
  std::vector<std::uint32_t> names, classes;
  std::vector<Cell> cells;
  for (const auto& [name, value] : record) {
    const std::uint32_t attribute = base_->names->find_attribute(name);
    if (attribute == TextMap::kNone || names.size() == 0xfffe) continue;
    names.push_back(attribute);
    cells.push_back(encode(value, memory, first));
    classes.push_back(class_of(cells.back()));
  }
  return {memory.cells.add(cells), shape_of(names, classes, memory, first)};
}

// Sets of one kind that has numbers; the others stay values.
void Store::encode_set(const ValueSet& set, Cell& cell, CellMemory& memory, bool first) {
  cell.text = set.empty() ? kNoMembers : set.front().kind() == ValueKind::entity ? kNodes : kTexts;
  std::vector<std::uint32_t> members;
  for (const Value& element : set) {
    if (element.kind() != set.front().kind()) return;
    if (element.kind() == ValueKind::entity) {
      members.push_back(node_of(*element.as_entity(), first));
    } else if (element.kind() == ValueKind::string) {
      if (std::uint32_t text = base_->names->find_text(*element.as_string()); text != 0) members.push_back(text);
    } else {
      return;
    }
  }
  std::sort(members.begin(), members.end());
  cell.data = static_cast<std::uint32_t>(members.size());
  if (cell.text == kTexts) {
    cell.members = memory.members.add(members);
    return;
  }
  std::uint32_t types = 0;
  for (Node member : members) {
    if (column_of(member) == 0) types |= 1u << row(member).type % 32;
  }
  cell.members = add_nodes(columns_of(members, types), members, memory.members);
}

// What stands before a set's members (Cell).
std::vector<std::uint32_t> Store::columns_of(std::span<const Node> nodes, std::uint32_t types) const {
  std::map<std::uint32_t, std::uint64_t> words;
  for (Node node : nodes) {
    if (const std::uint32_t column = column_of(node); column != 0) words[column / 64] |= std::uint64_t{1} << (column % 64);
  }
  std::vector<std::uint32_t> all;
  for (const auto& [word, bits] : words) {
    std::uint32_t halves[2];
    std::memcpy(halves, &bits, sizeof bits);
    all.insert(all.end(), {word, halves[0], halves[1]});
  }
  all.insert(all.end(), {types, static_cast<std::uint32_t>(words.size())});
  return all;
}

// The members behind that, and their hash table.
const std::uint32_t* Store::add_nodes(std::vector<std::uint32_t> all, std::span<const Node> nodes, Slab<std::uint32_t>& memory) {
  const auto count = static_cast<std::uint32_t>(nodes.size());
  const std::size_t before = all.size(), table = before + count;
  all.insert(all.end(), nodes.begin(), nodes.end());
  all.resize(table + slots(count), kNoNode);
  for (Node node : nodes) {
    std::size_t at = slot_of(node, count);
    while (all[table + at] != kNoNode) at = (at + 1) & (slots(count) - 1);
    all[table + at] = node;
  }
  return memory.add(all) + before;
}

Cell Store::reach(std::span<const Node> in, std::vector<Node> same, Slab<std::uint32_t>& memory) const {
  for (Node node : in) {
    if (column_of(node) == 0) same.push_back(node);   // nothing else is in it
  }
  std::sort(same.begin(), same.end());
  same.erase(std::unique(same.begin(), same.end()), same.end());
  std::uint32_t types = 0;
  for (Node node : same) types |= 1u << row(node).type % 32;
  Cell cell{nullptr, {0}, kNodes, static_cast<std::uint32_t>(same.size()), ValueKind::set};
  cell.members = add_nodes(columns_of(in, types), same, memory);
  return cell;
}

Cell Store::encode(const Value& value, CellMemory& memory, bool first) {
  Cell cell = view(value);
  if (const EntityUid* uid = value.as_entity()) {
    cell.data = node_of(*uid, first);
    cell.number = column_of(cell.data);
  }
  if (const ValueSet* set = value.as_set()) encode_set(*set, cell, memory, first);
  if (const ValueRecord* record = value.as_record()) {
    const Object object = encode(*record, memory, first);
    cell.object = memory.objects.add({&object, 1});
    cell.data = 0;
  }
  return cell;
}

Cell Store::view(const Value& value) const {
  Cell cell{&value, {0}, 0, kNoData, value.kind()};
  switch (cell.kind) {
    case ValueKind::boolean: cell.number = *value.as_bool(); break;
    case ValueKind::long_: cell.number = *value.as_long(); break;
    case ValueKind::decimal: cell.number = value.as_decimal()->ten_thousandths; break;
    case ValueKind::datetime: cell.number = value.as_datetime()->ms; break;
    case ValueKind::duration: cell.number = value.as_duration()->ms; break;
    case ValueKind::string:
      cell = view(std::string_view(*value.as_string()));
      cell.value = &value;
      break;
    case ValueKind::entity: cell.data = find(value.as_entity()->type, value.as_entity()->id); break;
    case ValueKind::set:
    case ValueKind::record:
    case ValueKind::ip: break;
  }
  return cell;
}

Cell Store::view(std::string_view text) const {
  check(text.size() < kNoData, "a string of 4 GiB");
  Cell cell{nullptr, {0}, base_->names->find_text(text), static_cast<std::uint32_t>(text.size()), ValueKind::string};
  cell.bytes = text.data();
  return cell;
}

// Records among the literals stay values.
Cell Store::literal(const Value& value) {
  return value.kind() == ValueKind::record ? view(value) : encode(value, base_->memory, true);
}

// Of the nodes that are a parent of some entity, in order: an ancestor is one.
void Store::number_columns() {
  std::vector<bool> is_parent(nodes_);
  for (const Entity& entity : base_->entities.all()) {
    for (const EntityUid& uid : entity.parents) {
      const Node parent = first_node(uid);
      if (parent >= is_parent.size()) is_parent.resize(parent + 1);
      is_parent[parent] = true;
    }
  }
  std::uint32_t columns = 0;
  base_->column.assign(nodes_, 0);
  for (Node node = 0; node < is_parent.size(); ++node) {
    if (is_parent[node]) base_->column[node] = ++columns;
  }
  base_->row_words = columns / 64 + 1;
}

Status Store::build_ancestors(std::size_t stored) {
  std::vector<std::size_t> begin{0};
  std::vector<Node>& all = base_->ancestors;
  for (std::size_t i = 0; i < stored; ++i) {
    for (const EntityUid& uid : base_->entities.ancestors(this->uid(static_cast<Node>(i)))) all.push_back(find(uid.type, uid.id));
    std::sort(all.begin() + static_cast<std::ptrdiff_t>(begin.back()), all.end());
    begin.push_back(all.size());
    if (all.size() > kMaxAncestorPairs) {
      return Error{"the hierarchy has more than " + std::to_string(kMaxAncestorPairs) + " pairs of entity and ancestor"};
    }
  }
  const bool bits = base_->row_words * 8 * (stored + 1) <= kMatrixBytes;
  if (bits) base_->matrix.assign(base_->row_words * (stored + 1), 0);
  for (Node node = 0; node < nodes_; ++node) write(node).bits = column_of(node) == 0 ? no_bits() : nullptr;
  for (Node node = 0; node < stored; ++node) {
    Row& row = write(node);
    row.ancestors = all.data() + begin[node];
    row.ancestor_count = static_cast<std::uint32_t>(begin[node + 1] - begin[node]);
    if (!bits || (row.ancestor_count == 0 && column_of(node) == 0)) continue;
    std::uint64_t* own = base_->matrix.data() + (node + 1) * base_->row_words;
    set_bits(node, ancestors(node), own);
    row.bits = own;
  }
  return Unit{};
}

void Store::set_bits(Node node, std::span<const Node> ancestors, std::uint64_t* bits) const {
  auto set = [&](std::uint32_t column) { bits[column / 64] |= std::uint64_t{1} << (column % 64); };
  for (Node ancestor : ancestors) set(column_of(ancestor));
  if (column_of(node) != 0) set(column_of(node));
}

bool Store::is_listed(const Row& of, Node ancestor) {
  const std::span<const Node> all{of.ancestors, of.ancestor_count};
  if (all.size() <= kFewAncestors) return std::find(all.begin(), all.end(), ancestor) != all.end();
  return std::binary_search(all.begin(), all.end(), ancestor);
}

bool Store::is_in(Node descendant, Node ancestor) const {
  if (descendant == ancestor) return descendant != kNoNode;
  if (descendant >= nodes_ || ancestor >= nodes_) return false;
  return is_in(row(descendant), descendant, ancestor, column_of(ancestor));
}

bool Store::is_listed_in_members(const Row& of, Node descendant, const Cell& set) {
  const std::span<const Node> members = set.all_members();
  return has_node(set, descendant) || std::any_of(members.begin(), members.end(), [&](Node member) { return is_listed(of, member); });
}

bool Store::has_member(const Cell& set, Node node, const EntityUid& uid) {
  if (set.data == kNoData) {
    const ValueSet& values = *set.value->as_set();
    return std::any_of(values.begin(), values.end(), [&](const Value& v) { return v.as_entity() != nullptr && *v.as_entity() == uid; });
  }
  return set.text == kNodes && has_node(set, node);
}

const Entity* Store::find(const EntityUid& uid) const {
  const Node node = find(uid.type, uid.id);
  return node == kNoNode ? nullptr : entity(node);
}

bool Store::is_in(const EntityUid& descendant, const EntityUid& ancestor) const {
  return descendant == ancestor || is_in(find(descendant.type, descendant.id), find(ancestor.type, ancestor.id));
}

bool Store::is_in_any(const EntityUid& descendant, const ValueSet& ancestors) const {
  const Node node = find(descendant.type, descendant.id);
  return std::any_of(ancestors.begin(), ancestors.end(), [&](const Value& value) {
    const EntityUid& uid = *value.as_entity();
    return uid == descendant || is_in(node, find(uid.type, uid.id));
  });
}

std::size_t Store::bytes() const {
  const CellMemory& memory = base_->memory;
  std::size_t bytes = blocks_.size() * sizeof(Block) + memory.cells.bytes() + memory.objects.bytes() + memory.members.bytes() +
                      (base_->ancestors.capacity() + base_->column.capacity()) * 4 + base_->matrix.capacity() * 8 +
                      base_->uids.slots.capacity() * sizeof(UidSlot);
  for (const auto& [key, shape] : base_->shapes) bytes += shape.capacity() * 2 + key.size();
  return bytes;
}

}  // namespace kerf::gateway
