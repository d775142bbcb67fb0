// The object's tables as they are built: what is equal is stored once, and what hooks look up is where they look.
#include <doctest/doctest.h>

#include <cerrno>
#include <cstring>

#include "backends/bpf/layout.h"
#include "backends/bpf/request.h"
#include "backends/bpf/tables.h"
#include "rig.h"
#include "runtime/kernel/tables.h"

using namespace kerf;
using namespace kerf::bpf;
using namespace kerf::test;

namespace {

// The class of an endpoint, found as the hooks find it; nothing: it is none of the listed.
std::optional<std::uint32_t> class_of(const Tables& tables, const PeerTable& table, std::uint64_t high, std::uint64_t low, std::uint64_t tail) {
  const std::uint64_t hash = kerf_peer_hash(table.seed, high, low, tail);
  const std::uint32_t shift = tables.peer_shifts.at(table.shifts + (hash & table.shift_mask));
  const std::size_t at = (table.slots + (kerf_peer_slot(hash, shift) & table.slot_mask)) * KERF_PEER_FIELDS;
  const std::uint64_t* slot = &tables.peer_slots.at(at);
  if (slot[KERF_PEER_HIGH] != high || slot[KERF_PEER_LOW] != low || slot[KERF_PEER_TAIL] != tail) return std::nullopt;
  return static_cast<std::uint32_t>(slot[KERF_PEER_CLASS]);
}

EndpointKey key6(std::uint64_t high, std::uint64_t low, std::uint16_t port) { return {true, address6(high, low), port}; }

}  // namespace

TEST_CASE("tables: equal bitmaps are stored once, others against their base") {
  Tables tables;
  ClassStore store(tables, 2);
  Words other(128, 9), base(128, 0), row;
  base[70] = 5;
  row = base;
  row[3] = 1;
  row[70] = 7;
  CHECK(store.add_base(other) == 0);
  const std::uint32_t at = store.add_base(base);
  CHECK(at == 128);
  CHECK(store.add_base(base) == at);
  CHECK(tables.words.size() == 256);
  std::vector<std::uint32_t> list;
  for (std::uint32_t block : {0u, 1u}) {
    list.push_back(store.add_block(at, row, block));
    CHECK(store.add_block(at, row, block) == list.back());
    const std::uint64_t bit = std::uint64_t{1} << (block == 0 ? 3 : 6), *entry = &tables.blocks.at(list.back());
    CHECK(entry[KERF_BLOCK_NONZERO] == bit);
    CHECK(entry[KERF_BLOCK_OWN] == bit);
    CHECK(tables.words.at(entry[KERF_BLOCK_WORDS]) == row[block == 0 ? 3 : 70]);
  }
  CHECK(list[0] != list[1]);
  const std::uint32_t number = store.add_class(list);
  CHECK(store.add_class(list) == number);
  CHECK(tables.class_blocks.size() == 3);   // which blocks are not empty, then the blocks
}

TEST_CASE("tables: endpoints that one seed cannot tell apart have another") {
  const std::uint64_t first = 0x2001'0db8'0000'0001, second = 0x2001'0db8'0000'0002, low = 7;
  auto inner = [](std::uint64_t high) { return kerf_mix(kerf_mix(0) ^ high); };
  const std::uint64_t same = low ^ inner(first) ^ inner(second), tail = 443 | 1u << 16 | KERF_PEER_USED;
  REQUIRE(kerf_peer_hash(0, first, low, tail) == kerf_peer_hash(0, second, same, tail));
  EndpointSet both{{key6(first, low, 443), key6(second, same, 443)}, false};
  Tables tables;
  ClassStore classes(tables, 1);
  auto table = build_peers(tables, classes, 1, {{0, &both}});
  REQUIRE(table.ok());
  CHECK(table->seed == 1);
  CHECK(class_of(tables, *table, first, low, tail));
  CHECK(class_of(tables, *table, second, same, tail));
  CHECK_FALSE(class_of(tables, *table, first, same, tail));
}

TEST_CASE("tables: an event's own errno is the kernel model's") {
  Program program = make_program();
  add_row(program, Effect::permit);
  auto layout = lay_out(program.module, program.plan, digest());
  REQUIRE(layout.ok());
  const std::string& table = layout->contents.at("kerf_event_errnos");
  auto number = [&](unsigned event) {
    std::uint32_t value = 0;
    std::memcpy(&value, table.data() + 4 * event, sizeof value);
    return value;
  };
  CHECK(number(KERF_EVENT_NET_CONNECT) == ECONNREFUSED);
  CHECK(number(KERF_EVENT_FILE_READ) == ENOENT);
  CHECK(number(KERF_EVENT_FILE_CREATE) == EACCES);
}

TEST_CASE("tables: lengths go up in steps, and by a quarter at most") {
  for (std::uint64_t n : {0u, 1u, 64u}) CHECK(rounded_length(n, 64) == 64);
  CHECK(rounded_length(65, 64) == 128);
  CHECK(rounded_length(1023, 64) == 1024);
  CHECK(rounded_length(1024, 64) == 1024);
  CHECK(rounded_length(1025, 64) == 1280);
  CHECK(rounded_length(1281, 64) == 1536);
  CHECK(rounded_length(2047, 64) == 2048);
  std::uint64_t last = 0;
  for (std::uint64_t n = 1024; n < 3'000'000; n += 997) {
    const std::uint64_t rounded = rounded_length(n, 64);
    CHECK((rounded >= n && rounded * 4 <= n * 5 + 4 && rounded >= last && rounded_length(rounded, 64) == rounded));
    last = rounded;
  }
}

TEST_CASE("tables: what is behind their ends is no row, no class and no state") {
  Program program = make_program();
  for (std::uint32_t i = 0; i < 5; ++i) add_row(program, Effect::permit).address = AddressSet{{prefix4(i << 8, 24)}, {}};
  auto layout = lay_out(program.module, program.plan, digest());
  REQUIRE(layout.ok());
  std::uint64_t bytes = 0;
  for (const Table& table : layout->request.tables) {
    CAPTURE(table.name);
    CHECK(layout->contents.at(table.name).size() == table.bytes());
    bytes += table.bytes();
    for (const Constant& constant : layout->request.constants) {
      if (constant.name == table.name + "_count") CHECK(constant.value == table.length);
    }
  }
  CHECK(layout->contents.size() == layout->request.tables.size());
  CHECK(bytes < 10'000);
  auto padded = [&](const char* name, std::size_t used, char with) {
    const std::string& content = layout->contents.at(name);
    return content.size() > used && content.find_first_not_of(with, used) == std::string::npos;
  };
  CHECK(padded("kerf_rows", 64 * 2 * 4, '\xff'));   // a word of rows, two numbers each
  CHECK(padded("kerf_keys32", 8 * 4, '\0'));
  CHECK(padded("kerf_path_edges", 0, '\xff'));
  CHECK(padded("kerf_path_bytes", 0, '\xff'));
  CHECK(padded("kerf_peer_slots", 0, '\0'));
  CHECK(layout->contents.at("kerf_envs").size() == KERF_ENV_FIELDS * 4);
}
