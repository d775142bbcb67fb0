// Endpoints by identity -> a hash table with exactly one place to look per endpoint ("hash and displace"), and a class
// each. The one decision: the compiler searches a factor for every bucket, so the hook never probes twice.
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <optional>

#include "backends/bpf/tables.h"
#include "runtime/abi/policy_abi.h"
#include "runtime/kernel/tables.h"

namespace kerf::bpf {
namespace {

constexpr std::uint32_t kSeeds = 64;
constexpr std::uint32_t kFactors = 1u << 16;

// Any even number; any odd one.
constexpr std::uint32_t seed_of(std::uint32_t attempt) { return attempt * 0x9e3779b9u & ~1u; }
constexpr std::uint32_t factor_of(std::uint32_t attempt) { return attempt * 0x9e3779b9u | 1; }

// The shift that leaves as many bits of 64 as count to `power`, a power of two above 1.
constexpr std::uint32_t shift_to(std::size_t power) { return 64 - static_cast<std::uint32_t>(std::countr_zero(power)); }

struct Listing {
  const EndpointKey* key;
  std::uint32_t row;
};

struct Peer {
  Key address;
  std::uint64_t tail;
  std::uint32_t class_at;
};

std::uint64_t tail_of(const EndpointKey& key) {
  return key.port | static_cast<std::uint64_t>(key.v6) << 16 | KERF_PEER_USED;
}

std::vector<Listing> listings_of(const std::vector<PeerRow>& rows) {
  std::vector<Listing> listings;
  for (const PeerRow& row : rows) {
    for (const EndpointKey& key : row.endpoints->listed) listings.push_back({&key, row.row});
  }
  std::sort(listings.begin(), listings.end(), [](const Listing& a, const Listing& b) {
    return *a.key != *b.key ? *a.key < *b.key : a.row < b.row;
  });
  return listings;
}

// Factors for one seed, or nothing if some bucket finds no room.
struct Placement {
  std::vector<std::uint32_t> factors;
  std::vector<std::uint32_t> peer_of;   // slot -> peer + 1
};

class Placer {
 public:
  Placer(const std::vector<Peer>& peers, std::uint32_t seed, std::size_t factor_count, std::size_t slot_count)
      : slot_shift_(shift_to(slot_count)), buckets_(factor_count), hashes_(peers.size()) {
    placement_.factors.resize(factor_count);
    placement_.peer_of.resize(slot_count);
    for (std::uint32_t i = 0; i < peers.size(); ++i) {
      hashes_[i] = kerf_peer_hash(seed, peers[i].address.high, peers[i].address.low, peers[i].tail);
      buckets_[hashes_[i] >> shift_to(factor_count)].push_back(i);
    }
  }
  std::optional<Placement> run() {
    std::vector<std::uint32_t> order(buckets_.size());
    for (std::uint32_t i = 0; i < order.size(); ++i) order[i] = i;
    std::stable_sort(order.begin(), order.end(),
                     [&](std::uint32_t a, std::uint32_t b) { return buckets_[a].size() > buckets_[b].size(); });
    for (std::uint32_t bucket : order) {
      if (!place(bucket)) return std::nullopt;
    }
    return std::move(placement_);
  }

 private:
  bool place(std::uint32_t bucket) {
    for (std::uint32_t attempt = 1; attempt <= kFactors; ++attempt) {
      if (fits(bucket, factor_of(attempt))) {
        placement_.factors[bucket] = factor_of(attempt);
        return true;
      }
    }
    return false;
  }
  bool fits(std::uint32_t bucket, std::uint32_t factor) {
    std::vector<std::uint64_t> taken;
    for (std::uint32_t peer : buckets_[bucket]) {
      std::uint64_t slot = hashes_[peer] * factor >> slot_shift_;
      if (placement_.peer_of[slot]) {
        for (std::uint64_t back : taken) placement_.peer_of[back] = 0;
        return false;
      }
      placement_.peer_of[slot] = peer + 1;
      taken.push_back(slot);
    }
    return true;
  }

  std::uint32_t slot_shift_;
  std::vector<std::vector<std::uint32_t>> buckets_;
  std::vector<std::uint64_t> hashes_;
  Placement placement_;
};

void store(Tables& tables, PeerTable& table, const std::vector<Peer>& peers, const Placement& placement) {
  table.count = static_cast<std::uint32_t>(peers.size());
  table.factors = static_cast<std::uint32_t>(tables.peer_factors.size());
  table.factor_shift = shift_to(placement.factors.size());
  table.slots = static_cast<std::uint32_t>(tables.peer_slots.size() / KERF_PEER_FIELDS);
  table.slot_shift = shift_to(placement.peer_of.size());
  tables.peer_factors.insert(tables.peer_factors.end(), placement.factors.begin(), placement.factors.end());
  for (std::uint32_t peer : placement.peer_of) {
    std::uint64_t slot[KERF_PEER_FIELDS] = {};
    if (peer) {
      slot[KERF_PEER_HIGH] = peers[peer - 1].address.high;
      slot[KERF_PEER_LOW] = peers[peer - 1].address.low;
      slot[KERF_PEER_TAIL] = peers[peer - 1].tail;
      slot[KERF_PEER_CLASS] = peers[peer - 1].class_at;
    }
    tables.peer_slots.insert(tables.peer_slots.end(), slot, slot + KERF_PEER_FIELDS);
  }
}

// The class of each listed endpoint: `others` with the rows that list it toggled.
Result<std::vector<Peer>> classify(const Tables& tables, ClassStore& classes, std::uint32_t base_at, Words words,
                                   const std::vector<std::uint32_t>& others, const std::vector<Listing>& listings) {
  std::vector<Peer> peers;
  for (std::size_t begin = 0, end; begin < listings.size(); begin = end) {
    std::vector<std::uint32_t> list = others, touched;
    for (end = begin; end < listings.size() && *listings[end].key == *listings[begin].key; ++end) {
      words[listings[end].row / 64] ^= std::uint64_t{1} << (listings[end].row & 63);
      if (touched.empty() || touched.back() != listings[end].row / 4096) touched.push_back(listings[end].row / 4096);
    }
    for (std::uint32_t block : touched) list[block] = classes.add_block(base_at, words, block);
    for (std::size_t i = begin; i < end; ++i) words[listings[i].row / 64] ^= std::uint64_t{1} << (listings[i].row & 63);
    const EndpointKey& key = *listings[begin].key;
    peers.push_back({address_key(key.address, key.v6), tail_of(key), classes.add_class(list)});
    if (tables.bytes() > kMaxTableBytes) {
      return Error{fmt::format("the kernel tables for the endpoints pass {} MiB; use fewer or more alike conditions on them",
                               kMaxTableBytes >> 20)};
    }
  }
  return peers;
}

}  // namespace

Result<PeerTable> build_peers(Tables& tables, ClassStore& classes, std::uint32_t blocks, const std::vector<PeerRow>& rows) {
  Words base = classes.rows();
  for (const PeerRow& row : rows) {
    if (!row.endpoints->others) base[row.row / 64] &= ~(std::uint64_t{1} << (row.row & 63));
  }
  PeerTable table;
  table.base = classes.add_base(base);
  std::vector<std::uint32_t> others(blocks);
  for (std::uint32_t block = 0; block < blocks; ++block) others[block] = classes.add_block(table.base, base, block);
  table.others = classes.add_class(others);
  Result<std::vector<Peer>> classified = classify(tables, classes, table.base, base, others, listings_of(rows));
  if (!classified) return classified.error();
  const std::vector<Peer>& peers = *classified;
  if (peers.empty()) return table;

  std::size_t slots = std::bit_ceil(peers.size() + peers.size() / 4 + 1);
  std::size_t factors = std::bit_ceil(peers.size() / 4 + 2);
  for (std::uint32_t attempt = 0; attempt < kSeeds; ++attempt) {
    table.seed = seed_of(attempt);
    if (auto placement = Placer(peers, table.seed, factors, slots).run()) {
      store(tables, table, peers, *placement);
      return table;
    }
  }
  return Error{fmt::format("no hash table for {} endpoints was found with {} seeds", peers.size(), kSeeds)};
}

}  // namespace kerf::bpf
