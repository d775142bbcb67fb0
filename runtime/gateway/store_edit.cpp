// Edits of a copy of a Store: rows are copied with their block before they are written, and what they point to belongs
// to the block, so the versions before stay as they are.
#include <algorithm>

#include "runtime/gateway/store.h"

namespace kerf::gateway {

// A block that only this version has is written in place. The version that is copied is kept until the edit is done, so
// all of its blocks have another owner.
Store::Row& Store::write(Node node) {
  std::shared_ptr<Block>& block = blocks_[node / kRows];
  if (block.use_count() != 1) block = std::make_shared<Block>(*block);
  return block->rows[node % kRows];
}

void Store::own(Node node, Owner what, std::shared_ptr<const void> owner) {
  write(node);
  auto& owned = blocks_[node / kRows]->owned;
  if (owned.empty()) {
    if (owner == nullptr) return;
    owned.resize(kRows);
  }
  owned[node % kRows][static_cast<std::size_t>(what)] = std::move(owner);
}

namespace {
struct Attributes {
  explicit Attributes(std::shared_ptr<const Entity> of) : entity(std::move(of)) {}
  std::shared_ptr<const Entity> entity;
  CellMemory memory{1};
};
struct Ancestors {
  std::vector<Node> list;
  std::vector<std::uint64_t> bits;
};
}  // namespace

// Later nodes are in a table by the hash's first bits, which is copied to be changed.
Node Store::add_node(const EntityUid& uid) {
  const Node known = find(uid.type, uid.id);
  if (known != kNoNode) return known;
  auto owner = std::make_shared<const EntityUid>(uid);
  const Node node = append(*owner, base_->types.find(uid.type));
  own(node, Owner::uid, owner);
  const std::uint64_t hash = hash_uid(uid.type, uid.id);
  std::shared_ptr<const UidTable>& shard = shards_[hash >> 58];
  auto changed = shard == nullptr ? std::make_shared<UidTable>() : std::make_shared<UidTable>(*shard);
  if (changed->slots.empty()) changed->slots.resize(8);
  enter(*changed, hash, node);
  shard = std::move(changed);
  return node;
}

void Store::put(Node node, std::shared_ptr<const Entity> entity) {
  auto attributes = std::make_shared<Attributes>(std::move(entity));
  const Object object = encode(attributes->entity->attrs, attributes->memory, false);   // may add nodes
  Row& row = write(node);
  row.entity = attributes->entity.get();
  row.object = object;
  own(node, Owner::attributes, std::move(attributes));
}

void Store::remove(Node node) {
  Row& row = write(node);
  row.entity = nullptr;
  row.object = no_object();
  own(node, Owner::attributes, nullptr);
}

void Store::set_ancestors(Node node, std::vector<Node> list) {
  auto ancestors = std::make_shared<Ancestors>();
  ancestors->list = std::move(list);
  const bool bits = !base_->matrix.empty() && std::all_of(ancestors->list.begin(), ancestors->list.end(), [&](Node a) { return column_of(a) != 0; });
  if (bits && (!ancestors->list.empty() || column_of(node) != 0)) {
    ancestors->bits.assign(base_->row_words, 0);
    set_bits(node, ancestors->list, ancestors->bits.data());
  }
  Row& row = write(node);
  row.ancestors = ancestors->list.data();
  row.ancestor_count = static_cast<std::uint32_t>(ancestors->list.size());
  row.bits = !bits ? nullptr : ancestors->bits.empty() ? no_bits() : ancestors->bits.data();
  const bool any = row.ancestor_count != 0 || !ancestors->bits.empty();
  own(node, Owner::ancestors, any ? std::shared_ptr<const void>(std::move(ancestors)) : nullptr);
  if (row.ancestor_count == 0) row.ancestors = nullptr;
}

}  // namespace kerf::gateway
