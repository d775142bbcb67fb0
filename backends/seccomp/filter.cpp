// The one decision: a filter is written from its end, so that every jump goes to what is there already, equal parts are
// written once, and a target out of a conditional jump's reach gets a jump of its own in between.
#include "backends/seccomp/filter.h"

#include <linux/seccomp.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <map>
#include <tuple>

#include "ir/base/check.h"

namespace kerf::seccomp {
namespace {

constexpr std::uint32_t kX32Bit = 0x40000000;
constexpr std::size_t kReach = 255;

std::uint32_t errno_number(const std::string& name) {
  if (name == "EPERM") return EPERM;
  if (name == "EACCES") return EACCES;
  internal_error("an errno of the kernel model");
}

// A place is a count of instructions from the end: stable while more are written before it.
using Place = std::size_t;

class Writer {
 public:
  Place answer(std::uint32_t value) {
    auto [at, added] = answers_.emplace(value, 0);
    if (added) at->second = put(BPF_RET | BPF_K, 0, 0, value);
    return at->second;
  }
  Place load(std::uint32_t offset) { return put(BPF_LD | BPF_W | BPF_ABS, 0, 0, offset); }
  // Where the comparison of the accumulator with `value` holds to `then`, else to `otherwise`.
  Place branch(std::uint16_t comparison, std::uint32_t value, Place then, Place otherwise) {
    if (then == otherwise) return then;
    const bool far = out_.size() + 1 - then > kReach, far_otherwise = out_.size() + (far ? 1 : 0) - otherwise > kReach;
    if (far) then = jump(then);
    if (far_otherwise) otherwise = jump(otherwise);
    return put(static_cast<std::uint16_t>(BPF_JMP | comparison | BPF_K), distance(then), distance(otherwise), value);
  }
  bool too_long() const { return out_.size() > BPF_MAXINSNS; }
  Place end() const { return out_.size(); }
  std::vector<sock_filter> take() {
    std::reverse(out_.begin(), out_.end());
    return std::move(out_);
  }

 private:
  std::uint8_t distance(Place target) const {
    check(out_.size() >= target && out_.size() - target <= kReach, "a jump reaches its target");
    return static_cast<std::uint8_t>(out_.size() - target);
  }
  Place jump(Place target) { return put(BPF_JMP | BPF_JA, 0, 0, static_cast<std::uint32_t>(out_.size() - target)); }
  Place put(std::uint16_t code, std::uint8_t yes, std::uint8_t no, std::uint32_t value) {
    out_.push_back({code, yes, no, value});
    return out_.size();
  }

  std::vector<sock_filter> out_;
  std::map<std::uint32_t, Place> answers_;
};

class FilterMaker {
 public:
  FilterMaker(const SyscallPlan& plan, const CallFilter& filter) : plan_(plan), refused_(SECCOMP_RET_ERRNO | errno_number(filter.refusal_errno)) {}

  std::optional<std::vector<sock_filter>> run(const CallFilter& filter, const Architecture& architecture, const std::vector<Call>& calls) {
    const Place unknown = out_.answer(SECCOMP_RET_ERRNO | ENOSYS);
    std::vector<std::pair<std::uint32_t, Place>> ranges{{0, unknown}};   // from this number on
    std::uint32_t next = 0;
    auto begin = [&](std::uint32_t number, Place place) {
      if (ranges.back().first == number) ranges.back().second = place;
      else if (ranges.back().second != place) ranges.emplace_back(number, place);
    };
    for (const Call& call : calls) {
      if (call.number > next) begin(next, unknown);
      auto name = std::lower_bound(plan_.names.begin(), plan_.names.end(), call.name);
      check(name != plan_.names.end() && *name == call.name, "the plan knows every call");
      begin(call.number, decision(filter.calls.at(static_cast<std::size_t>(name - plan_.names.begin()))));
      next = call.number + 1;
      if (out_.too_long()) return std::nullopt;
    }
    begin(next, unknown);
    Place start = search(ranges, 0, ranges.size());
    if (architecture.has_x32) start = out_.branch(BPF_JGE, kX32Bit, unknown, start);
    // a load is no target of two branches here, so what follows falls through to it
    check(start == out_.end(), "the search was written last");
    const Place number = out_.load(offsetof(seccomp_data, nr));
    out_.branch(BPF_JEQ, architecture.audit, number, unknown);
    out_.load(offsetof(seccomp_data, arch));
    if (out_.too_long()) return std::nullopt;
    return out_.take();
  }

 private:
  Place search(const std::vector<std::pair<std::uint32_t, Place>>& ranges, std::size_t begin, std::size_t end) {
    if (end - begin == 1) return ranges[begin].second;
    const std::size_t middle = begin + (end - begin) / 2;
    const Place above = search(ranges, middle, end), below = search(ranges, begin, middle);
    return out_.branch(BPF_JGE, ranges[middle].first, above, below);
  }

  Place decision(std::uint32_t index) {
    auto known = decisions_.find(index);
    if (known != decisions_.end()) return known->second;
    const CallDecision& decision = plan_.decisions.at(index);
    const Place place = cells(decision, 0, 0, decision.allow.size());
    decisions_.emplace(index, place);
    return place;
  }

  // The cells [first, first + count), which differ in the arguments from `arg` on.
  Place cells(const CallDecision& decision, std::size_t arg, std::size_t first, std::size_t count) {
    const bool same = std::all_of(decision.allow.begin() + static_cast<std::ptrdiff_t>(first), decision.allow.begin() + static_cast<std::ptrdiff_t>(first + count),
                                  [&](bool allow) { return allow == decision.allow[first]; });
    if (same) return out_.answer(decision.allow[first] ? SECCOMP_RET_ALLOW : refused_);
    const auto& bounds = decision.bounds.at(arg);
    const std::size_t each = count / (bounds.size() + 1);
    std::vector<std::pair<std::uint64_t, Place>> ranges;
    for (std::size_t i = 0; i <= bounds.size(); ++i) {
      const Place place = cells(decision, arg + 1, first + i * each, each);
      if (ranges.empty() || ranges.back().second != place) ranges.emplace_back(i == 0 ? 0 : bounds[i - 1], place);
    }
    return search_argument(arg, ranges, 0, ranges.size());
  }

  Place search_argument(std::size_t arg, const std::vector<std::pair<std::uint64_t, Place>>& ranges, std::size_t begin, std::size_t end) {
    if (end - begin == 1) return ranges[begin].second;
    const std::size_t middle = begin + (end - begin) / 2;
    const Place above = search_argument(arg, ranges, middle, end), below = search_argument(arg, ranges, begin, middle);
    return at_least(arg, ranges[middle].first, above, below);
  }

  // Two words of 32 bits, little-endian on both architectures.
  Place at_least(std::size_t arg, std::uint64_t bound, Place above, Place below) {
    auto key = std::tuple(arg, bound, above, below);
    auto known = tests_.find(key);
    if (known != tests_.end()) return known->second;
    const auto offset = static_cast<std::uint32_t>(offsetof(seccomp_data, args) + 8 * arg);
    const auto high = static_cast<std::uint32_t>(bound >> 32), low = static_cast<std::uint32_t>(bound);
    Place equal = above;
    if (low != 0) {
      out_.branch(BPF_JGE, low, above, below);
      equal = out_.load(offset);
    }
    const Place not_greater = out_.branch(BPF_JEQ, high, equal, below);
    out_.branch(BPF_JGT, high, above, not_greater);
    const Place place = out_.load(offset + 4);
    tests_.emplace(key, place);
    return place;
  }

  const SyscallPlan& plan_;
  std::uint32_t refused_;
  Writer out_;
  std::map<std::uint32_t, Place> decisions_;
  std::map<std::tuple<std::size_t, std::uint64_t, Place, Place>, Place> tests_;
};

}  // namespace

std::optional<std::vector<sock_filter>> make_filter(const SyscallPlan& plan, const CallFilter& filter, const Architecture& architecture,
                                                    const std::vector<Call>& calls) {
  return FilterMaker(plan, filter).run(filter, architecture, calls);
}

}  // namespace kerf::seccomp
