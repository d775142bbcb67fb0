// conformance DIR [FAILURES]: runs every suite whose data the directory has, prints `NAME: passed/total`, writes the
// failing cases to FAILURES. Exit status 1 if a case failed or nothing ran.
#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "tests/conformance/suite.h"

namespace kerf::conformance {

Corpus::Corpus(fs::path root) : root_(std::move(root)) {}

Corpus::~Corpus() {
  std::error_code ignored;
  if (temporary_) fs::remove_all(*temporary_, ignored);
}

std::string read_text(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

std::optional<Json> Corpus::json(const std::string& name) const {
  if (!has(name)) return std::nullopt;
  Json out = Json::parse(read_text(root_ / name), nullptr, false);
  if (out.is_discarded()) return std::nullopt;
  return out;
}

std::optional<fs::path> Corpus::archive(const std::string& name) {
  if (!has(name)) return std::nullopt;
  auto [entry, is_new] = unpacked_.emplace(name, fs::path());
  if (!is_new) return entry->second;
  if (!temporary_) {
    std::string pattern = (fs::temp_directory_path() / "kerf-conformance-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) return std::nullopt;
    temporary_ = pattern;
  }
  entry->second = *temporary_ / std::to_string(unpacked_.size());
  fs::create_directory(entry->second);
  std::string command = fmt::format("tar -xzf '{}' -C '{}'", (root_ / name).string(), entry->second.string());
  if (std::system(command.c_str()) != 0) return std::nullopt;
  return entry->second;
}

std::vector<fs::path> Corpus::files(const std::string& folder, std::string_view ending) const {
  std::vector<fs::path> out;
  if (!has(folder)) return out;
  for (const auto& entry : fs::recursive_directory_iterator(root_ / folder)) {
    if (entry.is_regular_file() && entry.path().string().ends_with(ending)) out.push_back(entry.path());
  }
  std::sort(out.begin(), out.end());
  return out;
}

void Report::check(std::string_view suite, const std::string& name, bool good, const std::string& reason) {
  auto at = std::find_if(suites_.begin(), suites_.end(), [&](const Counts& c) { return c.suite == suite; });
  if (at == suites_.end()) at = suites_.insert(at, Counts{std::string(suite), 0, 0, {}});
  ++at->total;
  if (good) ++at->passed;
  else at->failures.push_back(reason.empty() ? name : name + "\t" + reason);
}

void Report::print() const {
  for (const Counts& c : suites_) fmt::print("{}: {}/{}\n", c.suite, c.passed, c.total);
}

bool Report::write_failures(const fs::path& path) const {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  for (const Counts& c : suites_) {
    for (const std::string& failure : c.failures) {
      std::string line;
      for (char ch : failure) line += ch == '\n' ? std::string("\\n") : std::string(1, ch);
      out << c.suite << "\t" << line << "\n";
    }
  }
  return out.good();
}

bool Report::all_good() const {
  return std::all_of(suites_.begin(), suites_.end(), [](const Counts& c) { return c.passed == c.total; });
}

std::size_t Report::total() const {
  std::size_t sum = 0;
  for (const Counts& c : suites_) sum += c.total;
  return sum;
}

std::string Read::first() const {
  for (const Diagnostic& d : diagnostics.all()) {
    if (d.severity == Severity::error) return fmt::format("{} {} at {}", catalogue_row(d.code).name, d.message, d.span.begin);
  }
  return "";
}

std::string first_difference(const std::string& ours, const std::string& theirs) {
  std::size_t at = 0;
  while (at < ours.size() && at < theirs.size() && ours[at] == theirs[at]) ++at;
  std::size_t from = at < 30 ? 0 : at - 30;
  return fmt::format("at {}: ours `{}`, theirs `{}`", at, ours.substr(from, 80), theirs.substr(from, 80));
}

std::string first_difference(const Json& ours, const Json& theirs) {
  auto text = [](const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); };
  return first_difference(text(ours), text(theirs));
}

}  // namespace kerf::conformance

int main(int argc, char** argv) {
  using namespace kerf::conformance;
  if (argc != 2 && argc != 3) {
    fmt::print(stderr, "usage: conformance DIR [FAILURES]\n");
    return 64;
  }
  Corpus corpus(argv[1]);
  Report report;
  run_policies(corpus, report);
  run_schemas(corpus, report);
  run_formatter(corpus, report);
  run_data(corpus, report);
  run_validation(corpus, report);
  run_evaluation(corpus, report);
  report.print();
  fs::path failures = argc == 3 ? argv[2] : "conformance-failures.txt";
  if (!report.write_failures(failures)) fmt::print(stderr, "cannot write {}\n", failures.string());
  if (!report.all_good()) fmt::print("failing cases are listed in {}\n", failures.string());
  if (report.total() == 0) fmt::print("nothing to run in {}\n", corpus.root().string());
  return report.all_good() && report.total() != 0 ? 0 : 1;
}
