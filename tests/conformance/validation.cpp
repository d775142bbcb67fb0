// The validator: verdicts, kinds of errors and places, strict and permissive. Kinds are compared as sets: officially an
// error is one per type that an environment gives it, for us one per place and message.
#include <fmt/core.h>

#include <fstream>
#include <set>

#include "frontend/json/policies.h"
#include "frontend/json/schema.h"
#include "frontend/parse/parse.h"
#include "frontend/sema/policies.h"
#include "frontend/sema/schema.h"
#include "tests/conformance/suite.h"
#include "tests/support/official_kinds.h"

namespace kerf::conformance {
namespace {

bool is_type_error(const Diagnostic& d) { return d.severity == Severity::error && d.code >= Code::K3101 && d.code <= Code::K3114; }

bool is_text_warning(Code code) { return code == Code::K3202 || (code >= Code::K3204 && code <= Code::K3207); }

struct Checked : Read {
  Module module;
  bool parsed = false;

  // Each in its own form: text, or JSON.
  void run(const Json& schema, const std::vector<Json>& policies, ValidationMode mode) {
    auto text = [](const Json& json) { return json.is_string() ? json.get<std::string>() : json.dump(); };
    SourceId schema_source = add(text(schema), "schema");
    ast::SchemaFile file = schema.is_string() ? parse_schema(sources, schema_source, diagnostics) : read_schema_json(sources, schema_source, diagnostics);
    if (good()) module.schema = resolve_schema(file, diagnostics);
    module.environments = module.schema.environments();
    std::vector<ast::PolicyFile> files;
    for (const Json& one : policies) {
      SourceId source = add(text(one), "policies");
      files.push_back(one.is_string() ? parse_policies(sources, source, diagnostics) : read_policies_json(sources, source, diagnostics));
    }
    if (good()) lower_policies(files, module, diagnostics);
    parsed = good();
    if (parsed) typecheck(module, diagnostics, {mode, std::nullopt, false});
  }
  std::set<Code> errors() const {
    std::set<Code> out;
    for (const Diagnostic& d : diagnostics.all()) {
      if (is_type_error(d)) out.insert(d.code);
    }
    return out;
  }
  std::set<Code> text() const {
    std::set<Code> out;
    for (const Diagnostic& d : diagnostics.all()) {
      if (is_text_warning(d.code)) out.insert(d.code);
    }
    return out;
  }
  bool impossible() const {
    for (const Diagnostic& d : diagnostics.all()) {
      if (d.code == Code::K3201) return true;
    }
    return false;
  }
};

struct Official {
  std::set<Code> errors, text;
  bool impossible = false;
  std::multimap<Code, std::pair<std::uint32_t, std::uint32_t>> spans;

  void read(const Json& entries) {
    for (const Json& entry : entries) {
      std::optional<Code> code = test::code_of_official(entry.is_string() ? entry.get<std::string>() : entry["message"].get<std::string>());
      if (!code) continue;
      if (*code == Code::K3201) impossible = true;
      else if (is_text_warning(*code)) text.insert(*code);
      else errors.insert(*code);
      if (!entry.is_object() || !entry.contains("locs")) continue;
      for (const Json& loc : entry["locs"]) spans.emplace(*code, std::pair(loc[0].get<std::uint32_t>(), loc[1].get<std::uint32_t>()));
    }
  }
};

std::string names(const std::set<Code>& codes) {
  std::string text;
  for (Code code : codes) text += std::string(catalogue_row(code).name) + " ";
  return text;
}

void compare(const std::string& suite, const std::string& name, const Checked& ours, const Official& official, bool spans, Report& report) {
  std::set<Code> mine = ours.errors();
  report.check(suite + ".kinds", name, mine == official.errors, fmt::format("ours {}theirs {}", names(mine), names(official.errors)));
  report.check(suite + ".text", name, ours.text() == official.text, fmt::format("ours {}theirs {}", names(ours.text()), names(official.text)));
  if (!official.errors.contains(Code::K3104)) report.check(suite + ".impossible", name, ours.impossible() == official.impossible);
  if (!spans) return;
  bool inside = true;
  std::string reason;
  for (const Diagnostic& d : ours.diagnostics.all()) {
    auto [first, last] = official.spans.equal_range(d.code);
    if (!is_type_error(d) || first == last) continue;
    bool here = std::any_of(first, last, [&](const auto& e) { return e.second.first <= d.span.begin && d.span.end <= e.second.second; });
    if (!here) reason = fmt::format("{} at {}..{}", d.message, d.span.begin, d.span.end);
    inside = inside && here;
  }
  report.check(suite + ".spans", name, inside, reason);
}

void run_edge(Corpus& corpus, Report& report) {
  std::optional<Json> data = corpus.json("derived/edge/validation.json");
  if (!data) return;
  std::string pattern = (*data)["template"];
  std::size_t index = 0;
  for (const Json& entry : (*data)["cases"]) {
    std::string name = fmt::format("derived/edge/validation.json#{}", index++), policy;
    if (entry.contains("policy")) policy = entry["policy"];
    else policy = std::string(pattern).replace(pattern.find("COND"), 4, entry["cond"].get<std::string>());
    Checked ours;
    ours.run((*data)["schema"], {policy}, ValidationMode::strict);
    report.check("validate.edge", name, ours.good() == entry["pass"].get<bool>(), ours.first());
    if (!ours.parsed) continue;
    Official official;
    official.read(entry["errors"]);
    official.read(entry["warnings"]);
    compare("validate.edge", name, ours, official, true, report);
  }
}

// Policies of a record: text, or JSON of a set, or a map of either.
std::optional<std::vector<Json>> policies_of(const Json& policies) {
  if (policies.is_string()) return std::vector<Json>{policies};
  if (!policies.is_object()) return std::nullopt;
  for (const char* key : {"staticPolicies", "templates"}) {
    if (!policies.contains(key)) continue;
    for (const Json& one : policies[key]) {
      if (!policies[key].is_object() || !one.is_object()) return std::nullopt;   // text inside of JSON: the wasm interface's own
    }
  }
  return std::vector<Json>{policies};
}

void run_pairs(Corpus& corpus, Report& report) {
  std::size_t index = 0;
  for (const Json& entry : corpus.json("derived/validate_pairs.json").value_or(Json::array())) {
    std::string name = fmt::format("derived/validate_pairs.json#{}", index++);
    std::optional<std::vector<Json>> policies = policies_of(entry["policies"]);
    if (!policies) continue;
    Checked ours;
    ours.run(entry["schema"], *policies, ValidationMode::strict);
    report.check("validate.pairs", name, ours.good() == entry["pass"].get<bool>(), ours.good() ? "accepted" : ours.first());
    if (!ours.parsed) continue;
    Official official;
    official.read(entry["errors"]);
    official.read(entry["warnings"]);
    compare("validate.pairs", name, ours, official, entry["policies"].is_string(), report);
  }
}

// One golden file of cedar-go: verdicts and messages in both modes, by policy.
void judge_modes(const std::string& suite, const std::string& name, const fs::path& stem, const Json& golden, Report& report) {
  for (ValidationMode mode : {ValidationMode::strict, ValidationMode::permissive}) {
    bool strict = mode == ValidationMode::strict;
    const char* key = strict ? "strict" : "permissive";
    std::string full = fmt::format("{}.{}", suite, key);
    Checked ours;
    ours.run(read_text(stem.string() + ".cedarschema"), {read_text(stem.string() + ".cedar")}, mode);
    report.check(full, name, ours.good() == golden[key].get<bool>(), ours.good() ? "accepted" : ours.first());
    Official official;
    for (const auto& [position, verdict] : golden["perPolicy"].items()) {
      const char* errors = strict ? "strictErrors" : "permissiveErrors";
      if (verdict.contains(errors)) official.read(verdict[errors]);
    }
    if (ours.parsed) {
      report.check(full + ".kinds", name, ours.errors() == official.errors,
                   fmt::format("ours {}theirs {}", names(ours.errors()), names(official.errors)));
    }
  }
}

void run_go(Corpus& corpus, Report& report) {
  for (const fs::path& file : corpus.files("cedar-go/validate-cases", ".validation.json")) {
    std::string stem = file.string().substr(0, file.string().size() - std::string(".validation.json").size());
    judge_modes("validate.go", file.filename().string(), stem, Json::parse(read_text(file))["policyValidation"], report);
  }
  std::optional<fs::path> cases = corpus.archive("integration/corpus-tests.tar.gz");
  std::optional<fs::path> verdicts = corpus.archive("cedar-go/corpus-tests-validation.tar.gz");
  if (!cases || !verdicts) return;
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(*verdicts)) {
    if (entry.path().string().ends_with(".validation.json")) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  for (const fs::path& file : files) {
    std::string name = file.filename().string();
    name.resize(name.size() - std::string(".validation.json").size());
    fs::path stem = *cases / "corpus-tests" / name;
    if (!fs::exists(stem.string() + ".cedar")) continue;
    judge_modes("validate.go_corpus", name, stem, Json::parse(read_text(file))["policyValidation"], report);
  }
}

void run_golden(Corpus& corpus, Report& report) {
  std::optional<fs::path> cases = corpus.archive("integration/corpus-tests.tar.gz");
  std::optional<fs::path> golden = corpus.archive("golden/corpus-tests-oracle-4.12.0.tar.gz");
  if (!cases || !golden) return;
  std::ifstream lines(*golden / "corpus-golden-4.12.0.jsonl");
  for (std::string line; std::getline(lines, line);) {
    Json entry = Json::parse(line);
    std::string name = entry["case"];
    fs::path stem = *cases / "corpus-tests" / name;
    bool wanted = Json::parse(read_text(stem.string() + ".json"))["shouldValidate"];
    Checked ours;
    ours.run(read_text(stem.string() + ".cedarschema"), {read_text(stem.string() + ".cedar")}, ValidationMode::strict);
    report.check("validate.corpus", name, ours.good() == wanted, ours.good() ? "accepted" : ours.first());
    if (!ours.parsed) continue;
    Official official;
    official.read(entry["validation"]["errors"]);
    official.read(entry["validation"]["warnings"]);
    compare("validate.corpus", name, ours, official, false, report);
  }
}

}  // namespace

void run_validation(Corpus& corpus, Report& report) {
  run_edge(corpus, report);
  run_pairs(corpus, report);
  run_go(corpus, report);
  run_golden(corpus, report);
}

}  // namespace kerf::conformance
