// Only numbers that every event has, of 32 bits without a sign: a comparison is then never an error, and its truth is a
// set of ranges.
#include "backends/bpf/numbers.h"

#include <algorithm>
#include <cstddef>
#include <map>

#include "runtime/abi/policy_abi.h"

namespace kerf::bpf {
namespace {

using Ranges = std::vector<KeyRange>;   // ascending, with room between them

constexpr std::int64_t kLast = 0xffffffff;

enum class When { always, exists, told };

// Those of seen.def that are whole fields of 32 bits. Rows have a set of ports already.
std::optional<std::uint32_t> offset_of(CodeObservable observable) {
  if (observable == CodeObservable::endpoint_port) return std::nullopt;
  auto whole = [](std::size_t offset, std::size_t bytes, std::uint64_t bits, When when) -> std::optional<std::uint32_t> {
    if (bytes != 4 || bits != kLast || when == When::exists) return std::nullopt;
    return static_cast<std::uint32_t>(offset);
  };
  switch (observable) {
#define KERF_SEEN(observable, field, bits, when, type, events) \
  case CodeObservable::observable: \
    static_assert(TypeKind::type != TypeKind::boolean || (bits) != kLast, "a Bool is some bits of its field"); \
    return whole(offsetof(kerf_seen, field), sizeof(kerf_seen{}.field), bits, When::when);
#include "runtime/abi/seen.def"
    case CodeObservable::exe: return offsetof(kerf_seen, exe_match);
    case CodeObservable::ip: case CodeObservable::name: case CodeObservable::comm: return std::nullopt;
  }
  return std::nullopt;
}

Ranges range(std::int64_t first, std::int64_t last) {
  first = std::max<std::int64_t>(first, 0);
  last = std::min(last, kLast);
  if (first > last) return {};
  return {{{0, static_cast<std::uint64_t>(first)}, {0, static_cast<std::uint64_t>(last)}}};
}

Ranges complement(const Ranges& ranges) {
  Ranges rest;
  std::uint64_t next = 0;
  for (const KeyRange& r : ranges) {
    if (r.first.low > next) rest.push_back({{0, next}, {0, r.first.low - 1}});
    next = r.last.low + 1;
  }
  if (next <= static_cast<std::uint64_t>(kLast)) rest.push_back({{0, next}, {0, static_cast<std::uint64_t>(kLast)}});
  return rest;
}

Ranges both(const Ranges& a, const Ranges& b) {
  Ranges all;
  for (std::size_t i = 0, j = 0; i < a.size() && j < b.size();) {
    const Key first = std::max(a[i].first, b[j].first), last = std::min(a[i].last, b[j].last);
    if (first <= last) all.push_back({first, last});
    (a[i].last < b[j].last ? i : j) += 1;
  }
  return all;
}

Ranges one_of(const std::vector<std::int64_t>& sorted) {
  Ranges ranges;
  for (std::int64_t member : sorted) {
    Ranges one = range(member, member);
    if (one.empty()) continue;
    if (!ranges.empty() && ranges.back().last.low + 1 >= one[0].first.low) ranges.back().last = one[0].last;
    else ranges.push_back(one[0]);
  }
  return ranges;
}

// Where a comparison is true.
struct NumberTest {
  CodeObservable observable;
  Ranges holds;
};

std::optional<NumberTest> number_test(const CodeExpr& expr) {
  const CodeNode& root = expr.back();
  auto observed = [&](std::size_t arg) {
    const CodeNode& node = expr[root.args[arg]];
    return node.op == CodeOp::observe && offset_of(node.observable);
  };
  auto constant = [&](std::size_t arg) { return expr[root.args[arg]].op == CodeOp::constant; };
  if (root.op == CodeOp::one_of) {
    if (!observed(0)) return std::nullopt;
    return NumberTest{expr[root.args[0]].observable, one_of(root.members)};
  }
  if (root.op != CodeOp::eq && root.op != CodeOp::less && root.op != CodeOp::less_eq) return std::nullopt;
  const bool left = observed(0) && constant(1);
  if (!left && !(observed(1) && constant(0))) return std::nullopt;
  const CodeObservable observable = expr[root.args[left ? 0 : 1]].observable;
  const auto limit = static_cast<std::int64_t>(expr[root.args[left ? 1 : 0]].low);
  if (root.op == CodeOp::eq) return NumberTest{observable, range(limit, limit)};
  const bool strict = root.op == CodeOp::less;
  const std::int64_t near = std::clamp<std::int64_t>(limit, -2, kLast + 2);   // one more and one less stay in range
  return NumberTest{observable, left ? range(0, strict ? near - 1 : near) : range(strict ? near + 1 : near, kLast)};
}

// The number that most rows ask for.
std::optional<CodeObservable> most_asked(const KernelEnv& env, const std::vector<std::optional<NumberTest>>& tests) {
  std::map<CodeObservable, std::size_t> asked;
  for (const KernelRow& row : env.rows) {
    for (const Requirement& r : row.code) {
      if (tests[r.atom]) ++asked[tests[r.atom]->observable];
    }
  }
  auto most = std::max_element(asked.begin(), asked.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  return most == asked.end() ? std::nullopt : std::optional(most->first);
}

Ranges wanted(const NumberTest& test, Outcome outcome) {
  switch (outcome) {
    case Outcome::true_: return test.holds;
    case Outcome::false_: return complement(test.holds);
    case Outcome::error: return {};
  }
  return {};
}

}  // namespace

NumberPlan plan_numbers(const KernelEnv& env, const std::vector<CodeExpr>& exprs) {
  std::vector<std::optional<NumberTest>> tests;
  for (const CodeExpr& expr : exprs) tests.push_back(number_test(expr));
  NumberPlan plan;
  const std::optional<CodeObservable> number = most_asked(env, tests);
  if (number) plan.seen_offset = *offset_of(*number);
  for (const KernelRow& row : env.rows) {
    std::optional<Ranges>& ranges = plan.ranges.emplace_back();
    std::vector<Requirement>& code = plan.code.emplace_back();
    for (const Requirement& r : row.code) {
      if (!tests[r.atom] || tests[r.atom]->observable != number) {
        code.push_back(r);
        continue;
      }
      const Ranges here = wanted(*tests[r.atom], r.outcome);
      ranges = ranges ? both(*ranges, here) : here;
    }
  }
  return plan;
}

}  // namespace kerf::bpf
