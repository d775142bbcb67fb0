// Rules of an environment, group by group: forbids before permits, one row for all rules that always hold.
#include <algorithm>

#include "runtime/gateway/table_state.h"

namespace kerf::gateway {

void RuleWriter::begin_group(ScopeKey principal, ScopeKey resource) {
  group_ = {principal, resource, static_cast<std::uint32_t>(out_.rules.size()), 0, 0};
}

void RuleWriter::begin_rule(std::uint32_t policy, bool forbid, bool is_formula) {
  end_rule();
  rule_.policy = policy;
  rule_.first = static_cast<std::uint32_t>(is_formula ? out_.steps.size() : out_.rows.size());
  rule_.is_formula = is_formula;
  in_rule_ = true;
  forbid_ = forbid;
}

void RuleWriter::begin_row(Outcome then) {
  end_row();
  Row& row = out_.rows.emplace_back();
  row.first = static_cast<std::uint32_t>(out_.requirements.size());
  row.then = then;
  in_row_ = true;
}

void RuleWriter::end_row() {
  if (in_row_) out_.rows.back().count = static_cast<std::uint32_t>(out_.requirements.size()) - out_.rows.back().first;
  in_row_ = false;
}

void RuleWriter::end_rule() {
  end_row();
  if (!in_rule_) return;
  in_rule_ = false;
  rule_.count = static_cast<std::uint32_t>(rule_.is_formula ? out_.steps.size() : out_.rows.size()) - rule_.first;
  if (!rule_.is_formula && rule_.count == 1 && out_.rows.back().count == 0) {
    if (always_ == 0xffffffffu) {
      always_ = rule_.first;
    } else {
      out_.rows.pop_back();
      rule_.first = always_;
    }
  }
  (forbid_ ? forbids_ : permits_).push_back(rule_);
}

void RuleWriter::end_group() {
  end_rule();
  group_.forbids = static_cast<std::uint32_t>(forbids_.size());
  group_.permits = static_cast<std::uint32_t>(permits_.size());
  for (std::vector<Rule>* rules : {&forbids_, &permits_}) {
    out_.rules.insert(out_.rules.end(), rules->begin(), rules->end());
    rules->clear();
  }
  out_.groups.push_back(group_);
}

void RuleWriter::finish() {
  std::sort(out_.groups.begin(), out_.groups.end(), [](const Group& a, const Group& b) { return a.scopes() < b.scopes(); });
  auto entities = [&](ScopeKey Group::*scope, std::vector<std::uint32_t>& in) {
    for (const Group& group : out_.groups) {
      if (group.*scope != kAnyScope && group.*scope % 2 == 0) in.push_back((group.*scope - 1) / 2);
    }
    std::sort(in.begin(), in.end());
    in.erase(std::unique(in.begin(), in.end()), in.end());
    in.shrink_to_fit();
  };
  entities(&Group::principal, out_.principal_in);
  entities(&Group::resource, out_.resource_in);
  out_.atoms.shrink_to_fit();
  out_.rules.shrink_to_fit();
  out_.rows.shrink_to_fit();
  out_.requirements.shrink_to_fit();
  out_.steps.shrink_to_fit();
  out_.groups.shrink_to_fit();
}

}  // namespace kerf::gateway
