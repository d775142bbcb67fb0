#include "ir/base/diagnostic.h"

#include <algorithm>
#include <utility>
#include <tuple>

#include "ir/base/check.h"

namespace kerf {

const std::vector<CatalogueRow>& catalogue() {
  static const std::vector<CatalogueRow> rows = {
#define DIAG(code, severity, message, cause, example, cure) \
  {Code::code, #code, Severity::severity, message, cause, example, cure},
#include "ir/base/diagnostics/all.def"
#undef DIAG
  };
  return rows;
}

const CatalogueRow& catalogue_row(Code code) {
  const CatalogueRow& row = catalogue().at(static_cast<std::size_t>(code));
  check(row.code == code, "catalogue rows are in enum order");
  return row;
}

std::optional<Code> find_code(std::string_view name) {
  for (const CatalogueRow& row : catalogue()) {
    if (row.name == name) return row.code;
  }
  return std::nullopt;
}

Diagnostic& Diagnostics::add(Diagnostic diagnostic) {
  const bool error = diagnostic.severity == Severity::error;
  const std::size_t kept = error ? errors_ - errors_not_kept_ : all_.size() - (errors_ - errors_not_kept_);
  if (error) ++errors_;
  if (kept >= kMaxKept) {
    ++(error ? errors_not_kept_ : others_not_kept_);
    return not_kept_ = std::move(diagnostic);
  }
  all_.push_back(std::move(diagnostic));
  return all_.back();
}

void Diagnostics::append(Diagnostics other) {
  for (Diagnostic& diagnostic : other.all_) add(std::move(diagnostic));
  errors_ += other.errors_not_kept_;
  errors_not_kept_ += other.errors_not_kept_;
  others_not_kept_ += other.others_not_kept_;
}

void Diagnostics::sort() {
  auto key = [](const Diagnostic& d) { return std::tie(d.span.source, d.span.begin, d.span.end, d.code, d.message); };
  std::stable_sort(all_.begin(), all_.end(), [&](const auto& a, const auto& b) { return key(a) < key(b); });
  auto last = std::unique(all_.begin(), all_.end(), [&](const auto& a, const auto& b) {
    return key(a) == key(b) && a.notes == b.notes && a.help == b.help;
  });
  all_.erase(last, all_.end());
  errors_ = errors_not_kept_ + static_cast<std::size_t>(
      std::count_if(all_.begin(), all_.end(), [](const auto& d) { return d.severity == Severity::error; }));
}

std::optional<std::string> closest(std::string_view word, const std::vector<std::string>& candidates) {
  constexpr std::size_t kMaxWord = 256;   // longer ones are no slip of the finger, and comparing them takes long
  std::optional<std::string> best;
  std::size_t best_distance = 3;
  if (word.size() > kMaxWord) return best;
  for (const std::string& candidate : candidates) {
    if (std::max(word.size(), candidate.size()) - std::min(word.size(), candidate.size()) >= best_distance) continue;
    if (candidate == word) continue;   // of another kind, or hidden: no way out
    std::vector<std::size_t> before, above, row(candidate.size() + 1);
    for (std::size_t j = 0; j <= candidate.size(); ++j) row[j] = j;
    for (std::size_t i = 1; i <= word.size(); ++i) {
      before = std::exchange(above, row);
      row[0] = i;
      for (std::size_t j = 1; j <= candidate.size(); ++j) {
        row[j] = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + (word[i - 1] != candidate[j - 1])});
        bool swapped = i > 1 && j > 1 && word[i - 1] == candidate[j - 2] && word[i - 2] == candidate[j - 1];
        if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
    if (row.back() < best_distance && row.back() * 2 < std::max(word.size(), candidate.size())) {
      best_distance = row.back();
      best = candidate;
    }
  }
  return best;
}

}  // namespace kerf
