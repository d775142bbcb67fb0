// The user's failures: one catalogue (diagnostics/*.def), one data type, many renderers (driver/render.h).
// A diagnostic names the thing, the place and the way out; its primary span is the narrowest wrong token.
#pragma once
#include <fmt/format.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ir/base/source.h"

namespace kerf {

enum class Severity { error, warning, note };

// Catalogue row: DIAG(code, severity, message, cause, example, cure). `message` is a fmt format string.
enum class Code {
#define DIAG(code, severity, message, cause, example, cure) code,
#include "ir/base/diagnostics/all.def"
#undef DIAG
};

struct CatalogueRow {
  Code code;
  std::string_view name;  // "K1001"
  Severity severity;
  std::string_view message;
  std::string_view cause;
  std::string_view example;
  std::string_view cure;
};

const std::vector<CatalogueRow>& catalogue();
const CatalogueRow& catalogue_row(Code code);
std::optional<Code> find_code(std::string_view name);

struct Label {
  Span span;
  std::string text;
};

struct Edit {
  Span span;
  std::string replacement;
};

struct Diagnostic {
  Code code;
  Severity severity;
  std::string message;
  Span span;                        // primary; may be invalid (no place)
  std::string label;                // text under the primary span
  std::vector<Label> related;       // e.g. the declaration that the error conflicts with
  std::vector<std::string> notes;   // facts: policy id, request environment
  std::vector<std::string> help;    // ways out
  std::vector<Edit> fix;            // machine-applicable, may be empty
  std::string policy = {};                      // id of the policy that it is about, if any; a note says it too
  std::vector<std::string> environments = {};   // request environments in which it is so; likewise

  Diagnostic& with_label(std::string text) { label = std::move(text); return *this; }
  Diagnostic& with_related(Span at, std::string text) { related.push_back({at, std::move(text)}); return *this; }
  Diagnostic& with_note(std::string text) { notes.push_back(std::move(text)); return *this; }
  Diagnostic& with_help(std::string text) { help.push_back(std::move(text)); return *this; }
  Diagnostic& with_fix(Span at, std::string text) { fix.push_back({at, std::move(text)}); return *this; }
};

class Diagnostics {
 public:
  // So many errors and so many other messages are kept, those reported first. The rest are counted, and render() says so.
  static constexpr std::size_t kMaxKept = 1000;

  // The reference is valid until the next report().
  template <class... Args>
  Diagnostic& report(Code code, Span span, const Args&... args) {
    const CatalogueRow& row = catalogue_row(code);
    return add({code, row.severity, fmt::vformat(row.message, fmt::make_format_args(args...)), span, {}, {}, {}, {}, {}});
  }
  Diagnostic& add(Diagnostic diagnostic);

  const std::vector<Diagnostic>& all() const { return all_; }
  bool has_errors() const { return errors_ != 0; }
  std::size_t error_count() const { return errors_; }    // those not kept included
  std::size_t not_kept() const { return errors_not_kept_ + others_not_kept_; }
  // By source, offset and code; exact repetitions are dropped.
  void sort();
  void append(Diagnostics other);

 private:
  std::vector<Diagnostic> all_;
  Diagnostic not_kept_{};                                // where what is added to such a one goes
  std::size_t errors_ = 0, errors_not_kept_ = 0, others_not_kept_ = 0;
};

// Levenshtein distance at most 2 and less than half of the word: the "did you mean" candidate, or nothing.
std::optional<std::string> closest(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace kerf
