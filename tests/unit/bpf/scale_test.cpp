// Size: the limits load, decide right, and cost the verifier little.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <chrono>

#include "rig.h"

using namespace kerf;
using namespace kerf::test;

namespace {

// Rows with distinct IPv4 and IPv6 networks, ports and endpoints.
Program large_program(std::uint32_t rows) {
  Program program = make_program();
  for (std::uint32_t i = 0; i < rows; ++i) {
    KernelRow& row = add_row(program, i % 5 ? Effect::permit : Effect::forbid);
    switch (i % 3) {
      case 0: row.address = AddressSet{{prefix4(i << 12, 24)}, {}}; break;
      case 1: row.address = AddressSet{{}, {prefix6(0x20010db800000000u + i, 0, 64)}}; break;
      default: row.endpoint = EndpointSet{{endpoint4(i * 77, static_cast<std::uint16_t>(i))}, false};
    }
    if (i % 4 == 0) row.port = PortSet{{static_cast<std::uint16_t>(i), static_cast<std::uint16_t>(i)}};
  }
  return program;
}

void check_size(std::uint32_t rows) {
  Program program = large_program(rows);
  auto start = std::chrono::steady_clock::now();
  Result<BpfObject> object = emit(program);
  double emit_ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  if (!object) FAIL(object.error().message);
  std::size_t bytes = object->elf.size();
  auto loaded = Loaded::load(program, std::move(*object));
  if (!loaded) FAIL(loaded.error().message);
  Binding binding;
  REQUIRE((*loaded)->bind(1, binding) == 0);
  REQUIRE((*loaded)->bind(1, binding) == 0);   // replaced, as swaps and facts do
  std::mt19937_64 random(rows);
  std::vector<kerf_seen> events = interesting_events(program, 1024, random);
  double ns = (*loaded)->nanoseconds_per_decision(1, events);
  std::vector<kerf_decision> decisions = (*loaded)->decide(1, events);
  REQUIRE(decisions.size() == events.size());
  for (std::size_t i = 0; i < 60; ++i) CHECK(difference(expected(program, binding, events[i]), decisions[i]) == "");
  std::uint32_t most = 0;
  for (const auto& [name, insns] : (*loaded)->verified_insns) most = std::max(most, insns);
  fmt::print("{} rows: emit {:.0f} ms, {} bytes, load {:.0f} ms, at most {} verified instructions, {:.0f} ns a decision\n",
             rows, emit_ms, bytes, (*loaded)->load_ms, most, ns);
  CHECK(most < 200000);   // of 1,000,000
}

}  // namespace

TEST_CASE("ten thousand rows") {
  if (kernel_takes_bpf()) check_size(10000);
}

TEST_CASE("the limit of 65,536 rows") {
  if (kernel_takes_bpf()) check_size(kMaxRowsPerEnv);
}

TEST_CASE("IPv6 ranges at their limit, each of which begins in one high half and ends in another") {
  if (!kernel_takes_bpf()) return;
  Program program = make_program();
  AddressSet set;
  constexpr std::uint64_t count = (1u << KERF_ADDRESS_DEPTH) / 2 - 1;
  for (std::uint64_t i = 0; i < count; ++i) set.v6.push_back({address6(i * 4 + 4, 7), address6(i * 4 + 6, 6)});
  add_row(program, Effect::permit).address = std::move(set);
  Result<BpfObject> object = emit(program);
  if (!object) FAIL(object.error().message);
  auto loaded = Loaded::load(program, std::move(*object), false);
  if (!loaded) FAIL(loaded.error().message);
  REQUIRE((*loaded)->bind(1, {}) == 0);
  std::vector<kerf_seen> events;
  for (std::uint64_t i : {std::uint64_t{0}, count / 2, count - 1}) {
    for (std::uint64_t high = i * 4 + 3; high < i * 4 + 8; ++high) {
      for (std::uint64_t low : {std::uint64_t{0}, std::uint64_t{6}, std::uint64_t{7}, ~std::uint64_t{0}}) {
        events.emplace_back();
        events.back().net = {high, low, 1, 443, 6, 0, 0, 0};
      }
    }
  }
  std::vector<kerf_decision> decisions = (*loaded)->decide(1, events);
  REQUIRE(decisions.size() == events.size());
  for (std::size_t i = 0; i < events.size(); ++i) {
    const std::uint64_t high = events[i].net.address_high % 4, low = events[i].net.address_low;
    CAPTURE(describe(events[i]));
    CHECK((decisions[i].verdict == KERF_VERDICT_ALLOW) == ((high == 0 && low >= 7) || high == 1 || (high == 2 && low <= 6)));
  }
}

TEST_CASE("rows that hold everywhere but somewhere stay small") {
  Program program = make_program();
  for (std::uint32_t i = 0; i < 4000; ++i) {
    std::uint32_t hole = i * 1000 + 1000;
    add_row(program, Effect::forbid).address = AddressSet{{{address4(0), address4(hole - 1)}, {address4(hole + 1), address4(~0u)}}, {}};
  }
  Result<BpfObject> object = emit(program);
  REQUIRE(object.ok());
  CHECK(object->elf.size() < (4u << 20));
}

TEST_CASE("tables past their limits are an error") {
  Program program = make_program();
  AddressSet set;
  for (std::uint32_t i = 0; i < 200000; ++i) set.v4.push_back(prefix4(i * 4 + 4, 31));
  add_row(program, Effect::permit).address = std::move(set);
  Result<BpfObject> object = emit(program);
  REQUIRE_FALSE(object.ok());
  CHECK(object.error().message.find("IPv4 addresses") != std::string::npos);
}

TEST_CASE("100,000 endpoints in one row") {
  if (!kernel_takes_bpf()) return;
  Program program = make_program();
  EndpointSet set;
  for (std::uint32_t i = 0; i < 100000; ++i) set.listed.push_back(endpoint4(i * 3, static_cast<std::uint16_t>(i)));
  add_row(program, Effect::permit).endpoint = std::move(set);
  Result<BpfObject> object = emit(program);
  if (!object) FAIL(object.error().message);
  auto loaded = Loaded::load(program, std::move(*object), false);
  if (!loaded) FAIL(loaded.error().message);
  REQUIRE((*loaded)->bind(1, {}) == 0);
  std::vector<kerf_seen> events;
  for (std::uint32_t i = 0; i < 3000; ++i) {
    kerf_seen event{};
    event.net = {0, i * 3, 0, i % 2 ? i : i + 1, 6, 0, 0, 0};
    events.push_back(event);
  }
  std::vector<kerf_decision> decisions = (*loaded)->decide(1, events);
  REQUIRE(decisions.size() == events.size());
  std::size_t wrong = 0;
  for (std::uint32_t i = 0; i < 3000; ++i) wrong += (decisions[i].verdict == KERF_VERDICT_ALLOW) != (i % 2 == 1);
  CHECK(wrong == 0);
}
