// Match classes -> classes of rows. A class differs from the base only in rows that mention a test which holds in it, so
// the work is that of the tests that hold and not of all rows. The one decision: a test that holds in most classes is
// taken to hold in the base, so that "everywhere but" is as cheap as "only there".
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "backends/bpf/path_tables.h"
#include "runtime/abi/policy_abi.h"

namespace kerf::bpf {
namespace {

class MatchClasses {
 public:
  MatchClasses(ClassStore& classes, std::uint32_t blocks, const std::vector<TestSet>& matches, const std::vector<MatchRow>& rows)
      : classes_(classes), rows_(rows), base_(classes.rows()), list_(blocks), seen_(rows.size()) {
    for (std::uint32_t i = 0; i < rows.size(); ++i) {
      for (auto [test, holds] : rows[i].wants) rows_of_[test].push_back(i);
    }
    for (auto& [test, asked] : rows_of_) asked.erase(std::unique(asked.begin(), asked.end()), asked.end());
    usual_ = usual(matches);
    for (const MatchRow& row : rows) {
      if (!holds(row, usual_)) base_[row.row / 64] &= ~(std::uint64_t{1} << (row.row & 63));
    }
    base_at_ = classes.add_base(base_);
    for (std::uint32_t block = 0; block < blocks; ++block) list_[block] = classes.add_block(base_at_, base_, block);
  }
  std::uint32_t base_at() const { return base_at_; }

  // The class of the rows that hold where exactly these tests hold.
  std::uint32_t class_of(const TestSet& match) {
    TestSet asked = known(match);
    auto [it, fresh] = done_.emplace(std::move(asked), 0);
    if (fresh) it->second = build(it->first);
    return it->second;
  }

 private:
  // The tests that some row asks for.
  TestSet known(const TestSet& match) const {
    TestSet known;
    for (std::uint32_t test : match) {
      if (rows_of_.contains(test)) known.push_back(test);
    }
    return known;
  }
  TestSet usual(const std::vector<TestSet>& matches) const {
    std::map<std::uint32_t, std::size_t> count;
    for (const TestSet& match : matches) {
      for (std::uint32_t test : match) ++count[test];
    }
    TestSet usual;
    for (auto [test, n] : count) {
      if (n * 2 > matches.size() && rows_of_.contains(test)) usual.push_back(test);
    }
    return usual;
  }
  static bool holds(const MatchRow& row, const TestSet& match) {
    return std::all_of(row.wants.begin(), row.wants.end(), [&](auto want) {
      return std::binary_search(match.begin(), match.end(), want.first) == want.second;
    });
  }
  std::uint32_t build(const TestSet& match) {
    TestSet unusual;
    std::set_symmetric_difference(match.begin(), match.end(), usual_.begin(), usual_.end(), std::back_inserter(unusual));
    std::vector<std::uint32_t> toggled;
    ++turn_;
    for (std::uint32_t test : unusual) {
      for (std::uint32_t i : rows_of_.at(test)) {
        if (seen_[i] == turn_) continue;
        seen_[i] = turn_;
        std::uint32_t row = rows_[i].row;
        bool in_base = base_[row / 64] >> (row & 63) & 1;
        if (holds(rows_[i], match) != in_base) toggled.push_back(row);
      }
    }
    toggle(toggled);
    std::vector<bool> touched(list_.size());
    for (std::uint32_t row : toggled) touched[row / 4096] = true;
    std::vector<std::uint32_t> list = list_;
    for (std::uint32_t block = 0; block < list.size(); ++block) {
      if (touched[block]) list[block] = classes_.add_block(base_at_, base_, block);
    }
    toggle(toggled);
    return classes_.add_class(list);
  }
  void toggle(const std::vector<std::uint32_t>& rows) {
    for (std::uint32_t row : rows) base_[row / 64] ^= std::uint64_t{1} << (row & 63);
  }

  ClassStore& classes_;
  const std::vector<MatchRow>& rows_;
  std::unordered_map<std::uint32_t, std::vector<std::uint32_t>> rows_of_;   // by test: those that ask for it
  TestSet usual_;
  Words base_;
  std::uint32_t base_at_ = 0;
  std::vector<std::uint32_t> list_;
  std::map<TestSet, std::uint32_t> done_;
  std::vector<std::uint32_t> seen_;
  std::uint32_t turn_ = 0;
};

}  // namespace

Result<MatchTable> build_matches(Tables& tables, ClassStore& classes, std::uint32_t blocks,
                                 const std::vector<TestSet>& matches, const std::vector<MatchRow>& rows) {
  MatchClasses builder(classes, blocks, matches, rows);
  MatchTable table{static_cast<std::uint32_t>(tables.ranks.size()), builder.base_at()};
  for (const TestSet& match : matches) {
    tables.ranks.push_back(builder.class_of(match));
    if (tables.bytes() > kMaxTableBytes) {
      return Error{fmt::format("the kernel tables for paths pass {} MiB; use fewer or more alike conditions on them",
                               kMaxTableBytes >> 20)};
    }
  }
  return table;
}

}  // namespace kerf::bpf
