// Suites of the conformance run: what the official engine said, case by case, against what we say.
#pragma once
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "frontend/ast/policy.h"
#include "ir/base/diagnostic.h"
#include "ir/values/json.h"

namespace kerf::conformance {

namespace fs = std::filesystem;

// The directory under test. What it lacks is skipped.
class Corpus {
 public:
  explicit Corpus(fs::path root);
  ~Corpus();
  Corpus(const Corpus&) = delete;
  Corpus& operator=(const Corpus&) = delete;

  const fs::path& root() const { return root_; }
  bool has(const std::string& name) const { return fs::exists(root_ / name); }
  std::optional<Json> json(const std::string& name) const;
  std::optional<fs::path> archive(const std::string& name);   // unpacked once, in a directory that goes away
  std::vector<fs::path> files(const std::string& folder, std::string_view ending) const;   // sorted, recursive

 private:
  fs::path root_;
  std::optional<fs::path> temporary_;
  std::map<std::string, fs::path> unpacked_;
};

std::string read_text(const fs::path& path);

// Counts by suite, in order of first use; names of failing cases with the reason.
class Report {
 public:
  void check(std::string_view suite, const std::string& name, bool good, const std::string& reason = "");
  void print() const;
  bool write_failures(const fs::path& path) const;
  bool all_good() const;
  std::size_t total() const;

 private:
  struct Counts {
    std::string suite;
    std::size_t passed = 0, total = 0;
    std::vector<std::string> failures;
  };
  std::vector<Counts> suites_;
};

// One source text and what was said about it.
struct Read {
  Sources sources;
  Diagnostics diagnostics;

  SourceId add(std::string text, std::string name = "input") { return sources.add(std::move(name), std::move(text)); }
  bool good() const { return !diagnostics.has_errors(); }
  std::string first() const;   // the first error, or ""
};

std::string first_difference(const Json& ours, const Json& theirs);
std::string first_difference(const std::string& ours, const std::string& theirs);

void run_policies(Corpus& corpus, Report& report);   // parsing, the JSON format, the printed text
void run_schemas(Corpus& corpus, Report& report);
void run_formatter(Corpus& corpus, Report& report);
void run_data(Corpus& corpus, Report& report);       // entities and requests
void run_validation(Corpus& corpus, Report& report);
void run_evaluation(Corpus& corpus, Report& report);

}  // namespace kerf::conformance
