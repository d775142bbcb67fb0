// `covers` against every event of a small world: it is never wrong, and of one part alone it is also complete.
#include "ir/passes/row_cover.h"

#include <doctest/doctest.h>

#include <random>

#include "ir/passes/path_tests.h"

using namespace kerf;

namespace {

constexpr unsigned kAddresses = 8, kPorts = 8;   // of each family

Address address(unsigned n) {
  Address a{};
  a[3] = static_cast<std::uint8_t>(n);
  return a;
}

const std::vector<std::string>& all_paths() {
  static const std::vector<std::string> paths = {"/", "/a", "/b", "/ab", "/a/a", "/a/b", "/a/bc", "/a/b/a", "/a/b/c", "/b/a", "kerf:memfd"};
  return paths;
}

struct Event {
  bool v6;
  unsigned address, port;
  const std::string* path;
  std::vector<Outcome> bind, code;
};

class Random {
 public:
  explicit Random(unsigned seed) : random_(seed) {}
  bool chance(unsigned percent) { return random_() % 100 < percent; }
  unsigned pick(unsigned n) { return random_() % n; }

  AddressSet addresses() { return {ranges<AddressRange>(kAddresses, address), ranges<AddressRange>(kAddresses, address)}; }
  PortSet ports() { return ranges<PortRange>(kPorts, [](unsigned n) { return static_cast<std::uint16_t>(n); }); }
  EndpointSet endpoints() {
    EndpointSet set;
    set.others = chance(40);
    for (unsigned a = 0; a < 3; ++a) {
      for (unsigned p = 0; p < 2; ++p) {
        if (chance(40)) set.listed.push_back({false, address(a), static_cast<std::uint16_t>(p)});
      }
    }
    return set;
  }
  PathTest paths() {
    if (chance(25)) return {{}, {}, Pattern{{chance(50) ? "/a" : "/a/b", ""}}};
    std::vector<std::string> files, trees;
    for (const std::string& path : all_paths()) {
      if (chance(25)) files.push_back(path);
      if (chance(15) && path[0] == '/') trees.push_back(path);
    }
    return path_set(std::move(files), std::move(trees));
  }
  std::vector<Requirement> requirements(unsigned atoms, bool errors) {
    std::vector<Requirement> list;
    for (std::uint32_t atom = 0; atom < atoms; ++atom) {
      if (chance(35)) list.push_back({atom, static_cast<Outcome>(pick(errors ? 3 : 2))});
    }
    return list;
  }

 private:
  // Sorted, disjoint, with a gap between them.
  template <class Range, class At>
  std::vector<Range> ranges(unsigned end, At at) {
    std::vector<Range> list;
    for (unsigned n = pick(3); n < end; n += 2 + pick(3)) {
      const unsigned last = std::min(end - 1, n + pick(4));
      list.push_back({at(n), at(last)});
      n = last;
    }
    return list;
  }
  std::mt19937 random_;
};

bool required(const std::vector<Requirement>& list, const std::vector<Outcome>& outcomes) {
  return std::all_of(list.begin(), list.end(), [&](const Requirement& r) { return outcomes[r.atom] == r.outcome; });
}

template <class Ranges, class Value>
bool in_ranges(const Ranges& ranges, const Value& value) {
  return std::any_of(ranges.begin(), ranges.end(), [&](const auto& r) { return r.first <= value && value <= r.last; });
}

bool holds(const KernelEnv& env, const KernelRow& row, const Event& e) {
  if (row.address && !in_ranges(e.v6 ? row.address->v6 : row.address->v4, address(e.address))) return false;
  if (row.port && !in_ranges(*row.port, static_cast<std::uint16_t>(e.port))) return false;
  if (row.endpoint && !row.endpoint->holds({e.v6, address(e.address), static_cast<std::uint16_t>(e.port)})) return false;
  for (const Requirement& r : row.path) {
    if (env.paths[r.atom].holds(*e.path) != (r.outcome == Outcome::true_)) return false;
  }
  return required(row.bind, e.bind) && required(row.code, e.code);
}

std::vector<Event> all_events() {
  std::vector<Event> events;
  std::mt19937 random(5);
  auto outcomes = [&](unsigned n) {
    std::vector<Outcome> list;
    for (unsigned i = 0; i < n; ++i) list.push_back(static_cast<Outcome>(random() % 3));
    return list;
  };
  for (unsigned v6 = 0; v6 < 2; ++v6) {
    for (unsigned a = 0; a < kAddresses; ++a) {
      for (unsigned p = 0; p < kPorts; ++p) {
        for (const std::string& path : all_paths()) events.push_back({v6 == 1, a, p, &path, outcomes(3), outcomes(2)});
      }
    }
  }
  return events;
}

KernelRow row() { return {PolicyId(0), Outcome::true_, {}, {}, {}, {}, {}, {}}; }

// Is there an event of `inner` that is none of `outer`?
bool counterexample(const KernelEnv& env, const KernelRow& outer, const KernelRow& inner, const std::vector<Event>& events) {
  return std::any_of(events.begin(), events.end(), [&](const Event& e) { return holds(env, inner, e) && !holds(env, outer, e); });
}

}  // namespace

TEST_CASE("a row that covers another holds of every event of it") {
  Random random(11);
  const std::vector<Event> events = all_events();
  unsigned covered = 0;
  for (int i = 0; i < 3000; ++i) {
    KernelEnv env{};
    for (int p = 0; p < 3; ++p) env.paths.push_back(random.paths());
    auto any = [&] {
      KernelRow made = row();
      if (random.chance(30)) made.address = random.addresses();
      if (random.chance(30)) made.port = random.ports();
      if (random.chance(20)) made.endpoint = random.endpoints();
      if (random.chance(30)) made.path = random.requirements(3, false);
      if (random.chance(30)) made.bind = random.requirements(3, true);
      if (random.chance(30)) made.code = random.requirements(2, true);
      return made;
    };
    const KernelRow outer = any(), inner = any();
    CHECK(covers(env, outer, outer));
    CHECK(covers(env, row(), outer));
    CHECK(holds_always(outer) == covers(env, outer, row()));
    if (!covers(env, outer, inner)) continue;
    ++covered;
    CHECK_FALSE(counterexample(env, outer, inner, events));
  }
  CHECK(covered > 300);
}

TEST_CASE("of one part alone, what holds of every event is found") {
  Random random(12);
  const std::vector<Event> events = all_events();
  unsigned covered[4] = {};
  for (int i = 0; i < 4000; ++i) {
    KernelEnv env{};
    env.paths = {random.paths(), random.paths()};
    KernelRow outer = row(), inner = row();
    const int part = i % 4;
    if (part == 0) outer.address = random.addresses(), inner.address = random.addresses();
    if (part == 1) outer.port = random.ports(), inner.port = random.ports();
    if (part == 2) outer.endpoint = random.endpoints(), inner.endpoint = random.endpoints();
    if (part == 3) outer.path = {{0, Outcome::true_}}, inner.path = {{1, Outcome::true_}};
    const bool claimed = covers(env, outer, inner), wrong = counterexample(env, outer, inner, events);
    if (claimed) CHECK_FALSE(wrong);
    // A tree or pattern is more than the paths that are here, and `others` more than these endpoints.
    const bool open = part == 3 ? env.paths[1].pattern || !env.paths[1].trees.empty() : part == 2 && inner.endpoint->others;
    if (!claimed && !open) CHECK(wrong);
    covered[part] += claimed;
  }
  for (unsigned count : covered) CHECK(count > 5);
}
