// Entities -> Store. Built once; then read without locks and without allocation.
#include "runtime/gateway/store.h"

#include <algorithm>

namespace kerf::gateway {
namespace {

// Up to so many bytes ancestors are bits; past it, sorted lists, searched.
constexpr std::size_t kMatrixBytes = 32u << 20;

std::uint64_t hash_uid(std::string_view type, std::string_view id) { return mix(hash_text(type) + 0x51ed270b, hash_text(id)); }

}  // namespace

Status Store::build(const Names& names, Entities entities, const std::vector<EntityUid>& mentioned) {
  names_ = &names;
  entities_ = std::move(entities);
  mentioned_ = mentioned;
  attributes_ = names.attributes();
  std::size_t known = entities_.all().size() + mentioned_.size();
  for (const Entity& entity : entities_.all()) known += entity.parents.size();
  std::size_t slots = 8;
  while (slots < known * 2) slots *= 2;
  uid_slots_.assign(slots, {});
  for (const Entity& entity : entities_.all()) add_node(entity.uid);
  stored_ = uids_.size();
  for (const Entity& entity : entities_.all()) {
    for (const EntityUid& parent : entity.parents) add_node(parent);
  }
  for (const EntityUid& uid : mentioned_) add_node(uid);
  objects_.resize(stored_);
  for (std::size_t i = 0; i < stored_; ++i) {
    const std::uint32_t object = add_object(entities_.all()[i].attrs);
    objects_[i] = objects_[object];
    objects_.pop_back();   // an entity's object has the number of its node
  }
  return build_ancestors();
}

std::uint32_t Store::add_node(const EntityUid& uid) {
  if ((uids_.size() + 1) * 2 > uid_slots_.size()) grow_uids();
  const std::uint64_t hash = hash_uid(uid.type, uid.id);
  const auto tag = static_cast<std::uint32_t>(hash >> 32);
  std::size_t at = hash & (uid_slots_.size() - 1);
  for (; uid_slots_[at].node != kNoNode; at = (at + 1) & (uid_slots_.size() - 1)) {
    if (uid_slots_[at].tag == tag && *uids_[uid_slots_[at].node] == uid) return uid_slots_[at].node;
  }
  const auto node = static_cast<Node>(uids_.size());
  uid_slots_[at] = {tag, node};
  uids_.push_back(&uid);
  types_of_.push_back(types_.add(uid.type));
  return node;
}

void Store::grow_uids() {
  uid_slots_.assign(uid_slots_.size() * 2, {});
  for (Node node = 0; node < uids_.size(); ++node) {
    const std::uint64_t hash = hash_uid(uids_[node]->type, uids_[node]->id);
    std::size_t at = hash & (uid_slots_.size() - 1);
    while (uid_slots_[at].node != kNoNode) at = (at + 1) & (uid_slots_.size() - 1);
    uid_slots_[at] = {static_cast<std::uint32_t>(hash >> 32), node};
  }
}

Node Store::find(std::string_view type, std::string_view id) const {
  const std::uint64_t hash = hash_uid(type, id);
  const auto tag = static_cast<std::uint32_t>(hash >> 32);
  for (std::size_t at = hash & (uid_slots_.size() - 1);; at = (at + 1) & (uid_slots_.size() - 1)) {
    const UidSlot& slot = uid_slots_[at];
    if (slot.node == kNoNode) return kNoNode;
    if (slot.tag == tag && uids_[slot.node]->id == id && uids_[slot.node]->type == type) return slot.node;
  }
}

std::uint32_t Store::shape_of(const std::vector<std::uint32_t>& names) {
  const std::string key(reinterpret_cast<const char*>(names.data()), names.size() * sizeof(names[0]));
  const auto next = static_cast<std::uint32_t>(shape_numbers_.size());
  auto [entry, added] = shape_numbers_.emplace(key, next);
  if (added) {
    shapes_.resize(shapes_.size() + attributes_, 0);
    for (std::size_t i = 0; i < names.size(); ++i) {
      shapes_[next * attributes_ + names[i]] = static_cast<std::uint16_t>(i + 1);
    }
  }
  return entry->second;
}

// The last object afterwards. Attributes that the table never names get no cell.
std::uint32_t Store::add_object(const ValueRecord& record) {
  std::vector<std::uint32_t> names;
  std::vector<Cell> cells;
  for (const auto& [name, value] : record) {
    const std::uint32_t attribute = names_->find_attribute(name);
    if (attribute == TextMap::kNone || names.size() == 0xfffe) continue;
    names.push_back(attribute);
    cells.push_back(stored_cell(value));
  }
  Object object{static_cast<std::uint32_t>(cells_.size()), shape_of(names)};
  cells_.insert(cells_.end(), cells.begin(), cells.end());
  objects_.push_back(object);
  return static_cast<std::uint32_t>(objects_.size() - 1);
}

std::uint32_t Store::add_set(const ValueSet& set) {
  const bool entities = !set.empty() && set.front().kind() == ValueKind::entity;
  std::vector<std::uint32_t> members;
  for (const Value& element : set) {
    if (element.kind() != set.front().kind()) return kNoData;
    if (entities) {
      members.push_back(add_node(*element.as_entity()));
    } else if (element.kind() == ValueKind::string) {
      if (std::uint32_t text = names_->find_text(*element.as_string()); text != 0) members.push_back(text);
    } else {
      return kNoData;
    }
  }
  std::sort(members.begin(), members.end());
  members_.insert(members_.end(), members.begin(), members.end());
  sets_.push_back(static_cast<std::uint32_t>(members_.size()));
  return static_cast<std::uint32_t>(sets_.size() - 2);
}

Cell Store::view(const Value& value) const {
  Cell cell{&value, 0, 0, kNoData, value.kind()};
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
  Cell cell{nullptr, 0, names_->find_text(text), static_cast<std::uint32_t>(text.size()), ValueKind::string};
  cell.bytes = text.data();
  return cell;
}

Cell Store::literal(const Value& value) {
  Cell cell = view(value);
  if (cell.kind == ValueKind::entity) cell.data = add_node(*value.as_entity());
  if (cell.kind != ValueKind::set) return cell;
  const ValueSet& set = *value.as_set();
  cell.data = add_set(set);
  cell.text = set.empty() ? kNoMembers : set.front().kind() == ValueKind::entity ? kNodes : kTexts;
  return cell;
}

Cell Store::stored_cell(const Value& value) {
  Cell cell = literal(value);
  if (cell.kind == ValueKind::record) cell.data = add_object(*value.as_record());
  return cell;
}

Status Store::build_ancestors() {
  ancestors_begin_.push_back(0);
  std::vector<bool> is_ancestor(nodes());
  for (std::size_t i = 0; i < stored_; ++i) {
    const std::size_t begin = ancestors_.size();
    for (const EntityUid& uid : entities_.ancestors(*uids_[i])) ancestors_.push_back(find(uid.type, uid.id));
    std::sort(ancestors_.begin() + static_cast<std::ptrdiff_t>(begin), ancestors_.end());
    for (std::size_t a = begin; a < ancestors_.size(); ++a) is_ancestor[ancestors_[a]] = true;
    ancestors_begin_.push_back(static_cast<std::uint32_t>(ancestors_.size()));
    if (ancestors_.size() > kMaxAncestorPairs) {
      return Error{"the hierarchy has more than " + std::to_string(kMaxAncestorPairs) + " pairs of entity and ancestor"};
    }
  }
  std::uint32_t columns = 0;
  column_.assign(nodes(), kNoData);
  for (Node node = 0; node < nodes(); ++node) {
    if (is_ancestor[node]) column_[node] = columns++;
  }
  row_words_ = (columns + 63) / 64;
  if (row_words_ * 8 * stored_ > kMatrixBytes) return Unit{};
  matrix_.assign(row_words_ * stored_, 0);
  for (Node node = 0; node < stored_; ++node) {
    for (Node ancestor : ancestors(node)) {
      matrix_[node * row_words_ + column_[ancestor] / 64] |= std::uint64_t{1} << (column_[ancestor] % 64);
    }
  }
  return Unit{};
}

bool Store::is_in(Node descendant, Node ancestor) const {
  if (descendant == ancestor) return descendant != kNoNode;
  if (descendant >= stored_ || ancestor >= nodes()) return false;
  const std::uint32_t column = column_[ancestor];
  if (column == kNoData) return false;
  if (!matrix_.empty()) return matrix_[descendant * row_words_ + column / 64] >> (column % 64) & 1;
  const std::span<const Node> all = ancestors(descendant);
  return std::binary_search(all.begin(), all.end(), ancestor);
}

std::size_t Store::bytes() const {
  return cells_.capacity() * sizeof(Cell) + objects_.capacity() * sizeof(Object) + shapes_.capacity() * 2 +
         (members_.capacity() + sets_.capacity() + ancestors_.capacity() + ancestors_begin_.capacity() + column_.capacity() +
          types_of_.capacity()) * 4 + matrix_.capacity() * 8 + uid_slots_.capacity() * sizeof(UidSlot) + uids_.capacity() * 8;
}

}  // namespace kerf::gateway
