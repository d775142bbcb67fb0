// The object's tables as they are built: what is equal is stored once, and what hooks look up is where they look.
#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <map>
#include <random>

#include "backends/bpf/layout.h"
#include "backends/bpf/path_tables.h"
#include "backends/bpf/contents.h"
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
  const std::uint64_t factor = tables.peer_factors.at(table.factors + (hash >> table.factor_shift));
  const std::size_t at = (table.slots + (hash * factor >> table.slot_shift)) * KERF_PEER_FIELDS;
  const std::uint64_t* slot = &tables.peer_slots.at(at);
  if (slot[KERF_PEER_HIGH] != high || slot[KERF_PEER_LOW] != low || slot[KERF_PEER_TAIL] != tail) return std::nullopt;
  return static_cast<std::uint32_t>(slot[KERF_PEER_CLASS]);
}

// Does the row hold in the class?
bool holds(const Tables& tables, std::uint32_t base, std::uint32_t class_at, std::uint32_t row) {
  const std::uint32_t block = row / 4096, word = row / 64 % 64;
  const std::uint64_t* entry = &tables.blocks.at(tables.class_blocks.at(class_at + 1 + block));
  const std::uint64_t bit = std::uint64_t{1} << word;
  if (!(tables.class_blocks.at(class_at) >> block & 1) || !(entry[KERF_BLOCK_NONZERO] & bit)) return false;
  const std::uint64_t at = entry[KERF_BLOCK_OWN] & bit ? entry[KERF_BLOCK_WORDS] + static_cast<unsigned>(std::popcount(entry[KERF_BLOCK_OWN] & (bit - 1)))
                                                       : base + row / 64;
  return tables.words.at(at) >> (row & 63) & 1;
}

std::uint32_t class_of(const Tables& tables, const SearchTable& table, std::uint32_t key) {
  std::size_t node = 1;
  for (std::uint32_t level = 0; level < table.depth; ++level) node = node * 2 + (key >= tables.keys32.at(table.keys + node) ? 1 : 0);
  return tables.ranks.at(table.ranks + node - (std::size_t{1} << table.depth));
}

std::uint32_t class_of_half(const Tables& tables, std::uint32_t pair, std::uint64_t half) {
  const std::uint32_t* tree = &tables.trees.at((pair * 2 + (half >> 63)) * KERF_TREE_FIELDS);
  const std::uint64_t key = half & ~(std::uint64_t{1} << 63);
  std::size_t node = 1;
  for (std::uint32_t level = 0; level < tree[KERF_TREE_DEPTH]; ++level) node = node * 2 + (key >= tables.keys64.at(tree[KERF_TREE_KEYS] + node) ? 1 : 0);
  return tables.ranks.at(tree[KERF_TREE_RANKS] + node - (std::size_t{1} << tree[KERF_TREE_DEPTH]));
}

std::uint32_t class_of(const Tables& tables, const HalvesTable& table, bpf::Key address) {
  const std::uint32_t found = class_of_half(tables, table.trees, address.high);
  return found & KERF_LOW_HALF ? class_of_half(tables, found & ~KERF_LOW_HALF, address.low) : found;
}

std::uint64_t number_of(const Layout& layout, const std::string& name) { return layout.numbers.at(name); }

// What is told is data.
std::uint64_t told(const Layout& layout, const std::string& name) {
  std::uint64_t value = 0;
  const std::string& bytes = layout.contents.at(name);
  std::memcpy(&value, bytes.data(), bytes.size());
  return value;
}

Words all_rows(std::uint32_t blocks) { return Words(blocks * 64u, ~std::uint64_t{0}); }

EndpointKey key6(std::uint64_t high, std::uint64_t low, std::uint16_t port) { return {true, address6(high, low), port}; }

}  // namespace

TEST_CASE("tables: equal bitmaps are stored once, others against their base") {
  Tables tables;
  ClassStore store(tables, 2, all_rows(2));
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
  const std::uint64_t first = 0x2001'0db8'0000'0001, second = 0x2001'0db8'0000'0002, low = 7, tail = 443 | 1u << 16 | KERF_PEER_USED;
  const std::uint64_t factor = kerf_peer_hash(0, 0, 1, 0);
  std::uint64_t inverse = factor;                         // each turn doubles the bits that are right, of which there are three
  for (int i = 0; i < 5; ++i) inverse *= 2 - factor * inverse;
  const std::uint64_t same = low + (kerf_peer_hash(0, first, 0, 0) - kerf_peer_hash(0, second, 0, 0)) * inverse;
  REQUIRE(kerf_peer_hash(0, first, low, tail) == kerf_peer_hash(0, second, same, tail));
  EndpointSet both{{key6(first, low, 443), key6(second, same, 443)}, false};
  Tables tables;
  ClassStore classes(tables, 1, all_rows(1));
  auto table = build_peers(tables, classes, 1, {{0, &both}});
  REQUIRE(table.ok());
  CHECK(table->seed != 0);
  CHECK(class_of(tables, *table, first, low, tail));
  CHECK(class_of(tables, *table, second, same, tail));
  CHECK_FALSE(class_of(tables, *table, first, same, tail));
}

TEST_CASE("tables: endpoints that differ in a pattern are told apart") {
  // The numbers of a pattern go to two places of an address, or to one and the port: shifts of 128 are the port.
  struct Pattern { unsigned count, first, second; };
  for (Pattern pattern : {Pattern{256, 120, 56}, {256, 64, 0}, {256, 120, 0}, {256, 56, 64}, {256, 0, 128}, {256, 56, 128}, {256, 64, 128}, {256, 120, 128},
                          {2, 127, 63}, {2, 95, 63}, {2, 63, 128}, {128, 57, 24}, {16, 60, 28}, {16, 124, 92}, {1, 0, 0}}) {
    CAPTURE(pattern.count);
    CAPTURE(pattern.first);
    CAPTURE(pattern.second);
    std::vector<EndpointKey> listed;
    std::vector<std::array<std::uint64_t, 3>> keys;
    for (std::uint64_t a = 0; a < pattern.count; ++a) {
      for (std::uint64_t b = 0; b < pattern.count; ++b) {
        std::uint64_t high = 0, low = 0, port = 443;
        for (auto [value, at] : {std::pair(a, pattern.first), std::pair(b, pattern.second)}) {
          if (at == 128) port = value * 256;
          else (at >= 64 ? high : low) ^= value << (at & 63);
        }
        listed.push_back(key6(high, low, static_cast<std::uint16_t>(port)));
        keys.push_back({high, low, port | 1u << 16 | KERF_PEER_USED});
      }
    }
    std::sort(listed.begin(), listed.end());
    EndpointSet set{listed, false};
    Tables tables;
    ClassStore classes(tables, 1, all_rows(1));
    auto table = build_peers(tables, classes, 1, {{0, &set}});
    REQUIRE(table.ok());
    CHECK(table->seed == 0);   // no set of these is one that only luck places
    std::size_t lost = 0;
    for (auto [high, low, tail] : keys) lost += !class_of(tables, *table, high, low, tail);
    CHECK(lost == 0);
  }
}

// Row i holds for an address iff one of its ranges does: by the tables, at the bounds of all ranges and beside them.
void check_addresses(const std::vector<RangeRow>& rows) {
  Tables tables;
  ClassStore classes(tables, 1, all_rows(1));
  auto table = build_halves(tables, classes, 1, rows);
  REQUIRE(table.ok());
  std::vector<bpf::Key> keys{{0, 0}, {~std::uint64_t{0}, ~std::uint64_t{0}}};
  for (const RangeRow& row : rows) {
    for (const KeyRange& range : row.ranges) {
      for (bpf::Key key : {range.first, range.last}) {
        for (std::uint64_t high : {key.high - 1, key.high, key.high + 1}) {
          for (std::uint64_t low : {key.low - 1, key.low, key.low + 1, std::uint64_t{0}, std::uint64_t{1} << 63, ~std::uint64_t{0}}) keys.push_back({high, low});
        }
      }
    }
  }
  std::size_t wrong = 0;
  for (const bpf::Key& key : keys) {
    const std::uint32_t at = class_of(tables, *table, key);
    for (const RangeRow& row : rows) {
      const bool within = std::any_of(row.ranges.begin(), row.ranges.end(), [&](const KeyRange& range) { return range.first <= key && key <= range.last; });
      const bool differs = holds(tables, table->base, at, row.row) != within;
      wrong += differs;
      if (differs && wrong < 4) MESSAGE(row.row << " at " << std::hex << key.high << ' ' << key.low);
    }
  }
  CHECK(wrong == 0);
}

KeyRange network6(std::uint64_t high, std::uint64_t low, unsigned bits) {
  const std::uint64_t all = ~std::uint64_t{0}, high_rest = bits >= 64 ? 0 : all >> bits, low_rest = bits >= 128 ? 0 : bits <= 64 ? all : all >> (bits - 64);
  return {{high & ~high_rest, low & ~low_rest}, {high | high_rest, low | low_rest}};
}

TEST_CASE("tables: IPv6 networks of all lengths, within each other and at both ends of both halves") {
  const std::uint64_t all = ~std::uint64_t{0}, top = std::uint64_t{1} << 63, edges[] = {0, 1, top - 1, top, top + 1, all - 1, all};
  std::vector<RangeRow> rows;
  for (std::uint64_t high : edges) {
    for (std::uint64_t low : edges) rows.push_back({static_cast<std::uint32_t>(rows.size()), {network6(high, low, 128)}});
  }
  check_addresses(rows);
  for (RangeRow& row : rows) {   // one alone: nothing is beside it
    const std::uint32_t number = row.row;
    CAPTURE(number);
    check_addresses({row});
  }
  rows.clear();
  for (unsigned bits = 0; bits <= 128; ++bits) rows.push_back({bits, {network6(0xfd00'0db8'8000'0001, 0x8000'0000'0000'0001, bits)}});
  check_addresses(rows);
  // Ranges that begin in one half and end in another.
  check_addresses({{0, {{{5, 7}, {9, 3}}}}, {1, {{{9, 4}, {10, 0}}}}, {2, {{{10, 1}, {top, top}}}}, {3, {{{top, top + 1}, {all, all - 1}}}}});
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    rows.clear();
    for (std::uint32_t row = 0; row < 1 + seed * 3; ++row) {
      const std::uint64_t high = random() & 0x8000'0000'0000'0003, low = random() & 0x8000'0000'0000'0003;
      rows.push_back({row, {network6(high, low, static_cast<unsigned>(random() % 3 ? 60 + random() % 69 : random() % 129))}});
    }
    check_addresses(rows);
  }
}

TEST_CASE("tables: where no network is longer than 64 bits, no low half is searched; hosts that are alike share their trees") {
  auto built = [](std::uint32_t hosts, unsigned bits, std::uint32_t per_row) {
    std::vector<RangeRow> rows;
    for (std::uint32_t i = 0; i < hosts; ++i) {
      if (i % per_row == 0) rows.push_back({i / per_row, {}});
      rows.back().ranges.push_back(network6(0x2001'0db8'0000'0000 + i * 2, 1, bits));
    }
    Tables tables;
    ClassStore classes(tables, 1, all_rows(1));
    REQUIRE(build_halves(tables, classes, 1, rows).ok());
    return tables;
  };
  CHECK(built(1000, 64, 1).trees.size() == 2 * KERF_TREE_FIELDS);
  CHECK(built(1000, 64, 1).keys64.size() == 1 + (1u << 12));
  CHECK(built(1000, 128, 1).trees.size() == 1001 * 2 * KERF_TREE_FIELDS);
  CHECK(built(1000, 128, 1).keys64.size() == 1 + (1u << 12) + 8);
  CHECK(built(1000, 128, 1000).trees.size() == 2 * 2 * KERF_TREE_FIELDS);
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

TEST_CASE("tables: what is behind their ends is no row, no class and no state") {
  Program program = make_program();
  for (std::uint32_t i = 0; i < 5; ++i) add_row(program, Effect::permit).address = AddressSet{{prefix4(i << 8, 24)}, {}};
  auto layout = lay_out(program.module, program.plan, digest());
  REQUIRE(layout.ok());
  std::uint64_t bytes = 0, counted = 0;
  for (const auto& [name, content] : layout->contents) {
    CAPTURE(name);
    bytes += content.size();
    auto count = layout->numbers.find(name + "_count");
    if (count == layout->numbers.end()) continue;
    ++counted;
    CHECK(content.size() % count->second == 0);
    CHECK(content.size() / count->second <= 8);
    CHECK(count->second >= 64);
  }
  CHECK(counted == 12);
  CHECK(layout->contents.size() == counted + 14);   // environments, bytes of paths, and what is told
  CHECK(layout->contents.at("kerf_path_bytes").size() == layout->contents.at("kerf_path_cells").size() / 4 + 8);   // eight are read at once
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

TEST_CASE("tables: a row that holds in few ranges, or in nearly all, costs little in each") {
  constexpr std::uint32_t rows = 4096 + 600;   // two blocks
  auto in_few = [](std::uint32_t row, std::uint32_t key) { return key >= 10 + row && key < 13 + row; };
  for (bool few : {true, false}) {
    CAPTURE(few);
    std::vector<RangeRow> all;
    for (std::uint32_t row = 0; row < rows; ++row) {
      if (few) all.push_back({row, {{{0, 10 + row}, {0, 12 + row}}}});
      else all.push_back({row, {{{0, 0}, {0, 9 + row}}, {{0, 13 + row}, {0, 0xffff}}}});
    }
    Tables tables;
    ClassStore classes(tables, 2, all_rows(2));
    auto table = build_search(tables, classes, 2, 0xffff, all, "numbers");
    REQUIRE(table.ok());
    CHECK(tables.words.size() < 4 * rows);
    std::size_t wrong = 0;
    for (std::uint32_t key = 0; key < rows + 20; key += 7) {
      const std::uint32_t at = class_of(tables, *table, key);
      for (std::uint32_t row = 0; row < rows; ++row) wrong += holds(tables, table->base, at, row) != (in_few(row, key) == few);
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("tables: a path test that holds in few sets, or in nearly all, costs little in each") {
  constexpr std::uint32_t count = 4096 + 64;
  for (bool few : {true, false}) {
    CAPTURE(few);
    std::vector<TestSet> matches;
    std::vector<MatchRow> rows;
    for (std::uint32_t test = 0; test < count; ++test) {
      rows.push_back({test, {{test, true}}});
      if (test % 16) continue;
      matches.emplace_back();
      for (std::uint32_t other = 0; other < count; ++other) {
        if ((other == test) == few) matches.back().push_back(other);
      }
    }
    Tables tables;
    ClassStore classes(tables, 2, all_rows(2));
    auto table = build_matches(tables, classes, 2, matches, rows);
    REQUIRE(table.ok());
    CHECK(tables.words.size() < 1000);
    std::size_t wrong = 0;
    for (std::uint32_t match = 0; match < matches.size(); ++match) {
      const std::uint32_t at = tables.ranks.at(table->classes + match);
      for (std::uint32_t row = 0; row < count; ++row) wrong += holds(tables, table->base, at, row) != ((row == match * 16) == few);
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("tables: hooks look at what actions of their event bind, and at nothing else") {
  auto laid_out = [](const char* observable) {
    Program program = make_program();
    Action& action = program.module.schema.actions.begin()->second;
    std::erase_if(action.bindings, [](const auto& bound) { return bound.second.name == "process.uid" || bound.second.name == "process.gid"; });
    if (observable) action.bindings["seen"] = {AttrBinding::Kind::observable, observable, {}};
    action.bindings["told"] = {AttrBinding::Kind::fact, "load", {}};
    add_row(program, Effect::permit);
    auto layout = lay_out(program.module, program.plan, digest());
    REQUIRE(layout.ok());
    return std::move(*layout);
  };
  struct Case { const char* observable; std::uint64_t clock, command, task, comm, user; };
  for (const Case& c : {Case{nullptr, 0, 0, 0, 0, 0}, Case{"clock.now", 1, 0, 0, 0, 0}, Case{"ioctl.command", 0, 1, 0, 0, 0},
                        Case{"process.cap_chown", 0, 0, 1, 0, 0}, Case{"process.comm", 0, 0, 1, KERF_BIT(KERF_EVENT_NET_CONNECT), 0},
                        Case{"process.uid", 0, 0, 0, 0, 1}, Case{"process.gid", 0, 0, 0, 0, 1}}) {
    INFO(std::string(c.observable ? c.observable : "nothing"));
    const Layout layout = laid_out(c.observable);
    CHECK(told(layout, "kerf_reads_clock") == c.clock);
    CHECK(told(layout, "kerf_reads_command") == c.command);
    CHECK(told(layout, "kerf_reads_task") == c.task);
    CHECK(told(layout, "kerf_comm_events") == c.comm);
    CHECK(number_of(layout, "kerf_asks_comm") == (c.comm != 0));
    CHECK(told(layout, "kerf_governed") == KERF_BIT(KERF_EVENT_NET_CONNECT));
    CHECK(told(layout, "kerf_reads_user") == c.user);
  }
}

TEST_CASE("tables: the type of the file system is looked at where a type of objects has it") {
  for (bool has : {false, true}) {
    Program program = make_program();
    if (has) program.module.schema.entity_types["Thing"].bindings["fs"] = {AttrBinding::Kind::observable, "file.fs_type", {}};
    add_row(program, Effect::permit);
    auto layout = lay_out(program.module, program.plan, digest());
    REQUIRE(layout.ok());
    CHECK(told(*layout, "kerf_reads_fs_type") == (has ? 1 : 0));
  }
}

TEST_CASE("tables: loops go as far as what is there, rounded up to a power of two") {
  Program program = make_program();
  for (std::uint32_t i = 0; i < 70; ++i) add_row(program, Effect::permit).address = AddressSet{{prefix4((i * 2 + 1) << 8, 24)}, {}};
  for (std::uint32_t i = 0; i < 3; ++i) add_row(program, Effect::forbid).port = PortSet{{443, 443}};
  add_row(program, Effect::forbid).address = AddressSet{{}, {prefix6(std::uint64_t{1} << 61, 0, 3)}};
  auto layout = lay_out(program.module, program.plan, digest());
  REQUIRE(layout.ok());
  CHECK(number_of(*layout, "kerf_dimensions") == (1u << KERF_DIMENSION_ADDRESS | 1u << KERF_DIMENSION_PORT));
  CHECK(number_of(*layout, "kerf_depth32_max") == 9);    // 140 bounds of addresses, two of ports
  CHECK(number_of(*layout, "kerf_depth64_max") == 3);
  CHECK(number_of(*layout, "kerf_blocks_max") == 1);
  CHECK(number_of(*layout, "kerf_block_words_max") == 4);   // two words of forbids, two of permits
  CHECK(number_of(*layout, "kerf_word_rows_max") == 64);
  CHECK(told(*layout, "kerf_governed") == KERF_BIT(KERF_EVENT_NET_CONNECT));
  CHECK(number_of(*layout, "kerf_segment_words") == layout->object.segment_words);
  CHECK(number_of(*layout, "kerf_binding_words") * 8 == layout->object.binding_bytes - sizeof(kerf_binding));
  CHECK(number_of(*layout, "kerf_env_count") == 1);
  CHECK(layout->request.conditions.empty());
}

// `count` rows of each kind that the events below ask for: addresses, addresses with ports, endpoints.
Program of_all_kinds(std::uint32_t count) {
  Program program = make_program();
  for (std::uint32_t i = 0; i < count * 3; ++i) {
    KernelRow& row = add_row(program, i % 2 ? Effect::permit : Effect::forbid);
    if (i % 3 != 2) row.address = AddressSet{{prefix4(i << 8, 24)}, {}};
    if (i % 3 == 1) row.port = PortSet{{443, 443}};
    if (i % 3 == 2) row.endpoint = EndpointSet{{endpoint4(i, 443)}, false};
  }
  return program;
}

TEST_CASE("tables: rows that ask for different dimensions share no word, and what is no row holds nowhere") {
  Program program = of_all_kinds(20);
  auto layout = lay_out(program.module, program.plan, digest());
  REQUIRE(layout.ok());
  const EnvLayout& env = layout->object.envs.at(0);
  CHECK(env.row_words == 6);
  CHECK(env.forbid_words == 3);
  CHECK(env.permit_words == 3);
  std::vector<std::uint64_t> rows(64);
  std::map<std::uint32_t, std::uint32_t> kind_of;
  for (std::uint32_t i = 0; i < env.row_of.size(); ++i) {
    const std::uint32_t row = env.row_of[i];
    CHECK((row / 64 < env.forbid_words) == (i % 2 == 0));
    CHECK(kind_of.emplace(row / 64, i % 3).first->second == i % 3);
    rows[row / 64] |= std::uint64_t{1} << (row & 63);
  }
  CHECK(kind_of.size() == 6);
  const std::string &envs = layout->contents.at("kerf_envs"), &words = layout->contents.at("kerf_words");
  for (kerf_env_field field : {KERF_ENV_IP4_BASE, KERF_ENV_IP6_BASE, KERF_ENV_PORT_BASE, KERF_ENV_PEER_BASE}) {
    std::uint32_t base = 0;
    std::memcpy(&base, envs.data() + 4 * field, sizeof base);
    for (std::uint32_t word = 0; word < 64; ++word) {
      std::uint64_t bits = 0;
      std::memcpy(&bits, words.data() + 8 * (base + word), sizeof bits);
      CHECK((bits & ~rows[word]) == 0);
    }
  }
}

TEST_CASE("tables: where there are several blocks, rows of which each asks for something that the other does not share none") {
  for (std::uint32_t count : {2'000u, 20'000u}) {
    CAPTURE(count);
    Program program = of_all_kinds(count);
    auto layout = lay_out(program.module, program.plan, digest());
    REQUIRE(layout.ok());
    const EnvLayout& env = layout->object.envs.at(0);
    CHECK(env.summary_words == (count == 2'000 ? 3 : 15));
    std::vector<bool> addresses(env.summary_words), endpoints(env.summary_words);
    for (std::uint32_t i = 0; i < env.row_of.size(); ++i) (i % 3 == 2 ? endpoints : addresses)[env.row_of[i] / 4096] = true;
    for (std::uint32_t block = 0; block < env.summary_words; ++block) CHECK(addresses[block] != endpoints[block]);
    std::vector<std::uint32_t> numbers = env.row_of;
    std::sort(numbers.begin(), numbers.end());
    CHECK(std::adjacent_find(numbers.begin(), numbers.end()) == numbers.end());
    CHECK(numbers.back() < env.rows);
  }
}

TEST_CASE("tables: a number that conditions compare is searched, of files too") {
  for (Program program : {make_program(), make_file_program()}) {
    KernelRow& row = add_row(program, Effect::permit);
    Body& body = program.module.policies[row.policy.index].body;
    env_of(program).code.push_back({row.policy, body.add(Op::eq, {context_attr(body, "uid"), number(body, 3)}, {}), {}, {}});
    row.code = {{0, Outcome::true_}};
    auto layout = lay_out(program.module, program.plan, digest());
    REQUIRE(layout.ok());
    CHECK(number_of(*layout, "kerf_depth32_max") == 3);   // two bounds
    CHECK(layout->request.conditions.empty());
  }
}

TEST_CASE("tables: of paths nothing is searched, and names are read where a row asks for what is learned") {
  Program program = make_file_program();
  for (std::uint32_t i = 0; i < 5; ++i) {
    env_of(program).paths.push_back(PathTest{{"/a" + std::to_string(i)}, {}, std::nullopt});
    add_row(program, Effect::permit).path = {{i, Outcome::true_}};
  }
  env_of(program).paths.push_back(PathTest{{}, {}, Pattern{{"", ".x"}}});
  add_row(program, Effect::permit).path = {{5, Outcome::true_}};
  env_of(program).predicates = {{PolicyId(0), NodeId(0), Stage::bind}, {PolicyId(0), NodeId(0), Stage::learn}};
  auto reads_names = [&](std::optional<std::uint32_t> predicate) {
    program.plan.envs[0].rows[2].bind.clear();
    if (predicate) program.plan.envs[0].rows[2].bind = {{*predicate, Outcome::true_}};
    auto layout = lay_out(program.module, program.plan, digest());
    REQUIRE(layout.ok());
    CHECK(number_of(*layout, "kerf_dimensions") == 3);   // two automata
    CHECK(number_of(*layout, "kerf_depth32_max") == 0);
    CHECK(number_of(*layout, "kerf_depth64_max") == 0);
    CHECK(number_of(*layout, "kerf_word_rows_max") == 5);
    CHECK(number_of(*layout, "kerf_env_count") == 2);
    return layout->request.reads_names;
  };
  CHECK(reads_names(std::nullopt) == 0);
  CHECK(reads_names(0) == 0);
  CHECK(reads_names(1) == 1);
}
