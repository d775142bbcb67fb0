// The formatter: upstream's samples, and what the official one makes of every policy of the corpus.
#include <fmt/core.h>

#include <fstream>

#include "frontend/format/format.h"
#include "tests/conformance/suite.h"

namespace kerf::conformance {
namespace {

std::string trimmed(std::string text) {
  while (text.ends_with('\n')) text.pop_back();
  while (text.starts_with('\n')) text.erase(0, 1);
  return text;
}

void check_format(const std::string& suite, const std::string& name, const std::string& text, const std::string& wanted, Report& report) {
  Read read;
  std::optional<std::string> ours = format_policies(read.sources, read.add(text), FormatOptions{}, read.diagnostics);
  bool same = ours && trimmed(*ours) == trimmed(wanted);
  report.check(suite, name, same, ours ? first_difference(*ours, wanted) : read.first());
  if (!same) return;
  Read again;
  std::optional<std::string> twice = format_policies(again.sources, again.add(*ours), FormatOptions{}, again.diagnostics);
  report.check(suite + ".stable", name, twice == ours, twice ? first_difference(*twice, *ours) : again.first());
}

void run_records(Corpus& corpus, Report& report, const std::string& file, const char* key, const std::string& suite) {
  std::size_t index = 0;
  for (const Json& r : corpus.json(file).value_or(Json::array())) {
    std::string name = fmt::format("{}#{}", file, index++);
    if (!r.at("ok").get<bool>() || !r.contains("formatted") || !r["formatted"].is_string()) continue;
    std::string text = r.at(key);
    if (text.find("unknown(") != std::string::npos) continue;
    if (key == std::string("expr")) text = "permit(principal,action,resource) when { " + text + " };";
    check_format(suite, name, text, r["formatted"], report);
  }
}

}  // namespace

void run_formatter(Corpus& corpus, Report& report) {
  for (const fs::path& path : corpus.files("cedar/formatter/input", ".cedar")) {
    std::string name = path.filename().string();
    check_format("format.samples", name, read_text(path), read_text(corpus.root() / "cedar/formatter/expected" / name), report);
  }
  for (const fs::path& path : corpus.files("cedar/formatter/expected-cli", ".cedar")) {
    std::string name = path.filename().string(), folder = name;
    for (std::size_t at; (at = folder.find("__")) != std::string::npos;) folder.replace(at, 2, "/");
    check_format("format.cli_samples", name, read_text(corpus.root() / "cedar/cli-sample-data" / folder), read_text(path), report);
  }
  run_records(corpus, report, "derived/policies.json", "text", "format.policies");
  run_records(corpus, report, "derived/exprs.json", "expr", "format.expressions");
  std::optional<fs::path> cases = corpus.archive("integration/corpus-tests.tar.gz");
  std::optional<fs::path> golden = corpus.archive("golden/corpus-tests-oracle-4.12.0.tar.gz");
  if (!cases || !golden) return;
  std::ifstream lines(*golden / "corpus-golden-4.12.0.jsonl");
  for (std::string line; std::getline(lines, line);) {
    Json record = Json::parse(line);
    std::string name = record.at("case");
    if (record.contains("formatted") && record["formatted"].is_string()) {
      check_format("format.corpus", name, read_text(*cases / "corpus-tests" / (name + ".cedar")), record["formatted"], report);
    }
  }
}

}  // namespace kerf::conformance
