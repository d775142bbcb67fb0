// Policies as text and as JSON: verdicts, the JSON form, and the text that the JSON form prints.
#include <fmt/core.h>

#include <fstream>

#include "frontend/json/policies.h"
#include "frontend/parse/parse.h"
#include "frontend/sema/policies.h"
#include "tests/conformance/suite.h"

namespace kerf::conformance {
namespace {

// The official engine ran out of stack, or knows the function of partial evaluation that no release enables.
bool is_no_verdict(const Json& record, const std::string& text) {
  if (text.find("unknown(") != std::string::npos || record.contains("long") || record.contains("panic")) return true;
  if (!record.contains("errors") || record["errors"].empty()) return false;
  return record["errors"][0].value("message", "").starts_with("PANIC");
}

struct Parsed : Read {
  ast::PolicyFile file;
  explicit Parsed(std::string text) { file = parse_policies(sources, add(std::move(text)), diagnostics); }
};

// The official result lists static policies and templates apart.
void check_json(const std::string& suite, const std::string& name, Parsed& parsed, const Json& record, Report& report) {
  std::size_t statics = 0, templates = 0;
  for (const ast::Policy& policy : parsed.file.policies) {
    bool is_template = policy.is_template();
    const Json& list = record.at(is_template ? "templates" : "static");
    std::size_t index = is_template ? templates++ : statics++;
    std::optional<Json> ours = policy_to_json(parsed.file, policy, parsed.diagnostics);
    bool there = index < list.size();
    bool same = ours && there && *ours == list[index].at("est");
    report.check(suite, name, same, !ours || !there ? "missing" : same ? "" : first_difference(*ours, list[index].at("est")));
  }
}

// What is printed reads as the same policies, and prints the same.
void check_round_trip(const std::string& suite, const std::string& name, Parsed& parsed, Report& report) {
  std::string text = ast::print(parsed.file);
  Parsed again(text);
  Diagnostics deep;
  std::optional<Json> ours = policy_set_to_json({parsed.file}, deep), theirs = policy_set_to_json({again.file}, deep);
  bool same = again.good() && ours == theirs && ast::print(again.file) == text;
  report.check("print." + suite, name, same, again.good() ? first_difference(ast::print(again.file), text) : again.first());
}

// Files that the official engine refuses too.
bool is_wrong(const fs::path& path) {
  for (const char* wrong : {"notfound/policy.cedar", "triple/entities.cedar", "context/commonTypes.cedar",
                            "test-resources/malformed_policy_set.cedar", "parser/policies.cedar"}) {
    if (path.generic_string().ends_with(wrong)) return true;
  }
  return false;
}

void run_files(Corpus& corpus, Report& report) {
  for (const fs::path& path : corpus.files(".", ".cedar")) {
    Parsed parsed(read_text(path));
    std::string name = fs::relative(path, corpus.root()).string();
    report.check("parse.files", name, parsed.good() != is_wrong(path), parsed.good() ? "accepted" : parsed.first());
    if (parsed.good()) check_round_trip("files", name, parsed, report);
  }
}

void run_texts(Corpus& corpus, Report& report, const std::string& file, const char* key, const std::string& suite) {
  std::optional<Json> records = corpus.json(file);
  if (!records) return;
  std::size_t index = 0;
  for (const Json& record : *records) {
    std::string text = record.at(key), name = fmt::format("{}#{}", file, index++);
    if (is_no_verdict(record, text)) continue;
    if (key == std::string("expr")) text = "permit(principal,action,resource) when { " + text + " };";
    Parsed parsed(text);
    bool ok = record.at("ok");
    report.check("parse." + suite, name, parsed.good() == ok, parsed.good() ? "accepted" : parsed.first());
    if (parsed.good()) check_round_trip(suite, name, parsed, report);
    if (ok && parsed.good() && record.contains("static") && record["static"].is_array()) {
      check_json("est." + suite, name, parsed, record, report);
    }
  }
}

void check_json_policy(const std::string& suite, const std::string& name, const Json& input, const Json& as_policy,
                       const Json& as_template, Report& report) {
  if (input.dump().find("\"unknown\":[") != std::string::npos) return;   // as in text
  Read read;
  ast::PolicyFile file = read_policies_json(read.sources, read.add(input.dump()), read.diagnostics);
  bool ok = as_policy.at("ok").get<bool>() || as_template.at("ok").get<bool>();
  report.check("json." + suite, name, read.good() == ok, read.good() ? "accepted" : read.first());
  if (!ok || !read.good()) return;
  bool is_template = !as_policy.at("ok").get<bool>();
  const Json& theirs = is_template ? as_template : as_policy;
  const ast::Policy& policy = file.policies.at(0);
  report.check("json." + suite + ".kind", name, policy.is_template() == is_template);
  if (theirs.contains("text") && theirs["text"].is_string()) {
    std::string text = ast::print_official(file, policy);
    report.check("json." + suite + ".text", name, text == theirs["text"], first_difference(text, theirs["text"].get<std::string>()));
  }
  const char* again = theirs.contains("est") ? "est" : "reparsed_est";
  if (theirs.contains(again)) {
    // What JSON alone can write (`{"Value": [1]}`) comes back as text would give it, so the text is compared.
    Parsed reparsed(ast::print(file));
    std::optional<Json> est = reparsed.good() ? policy_to_json(reparsed.file, reparsed.file.policies.at(0), reparsed.diagnostics) : std::nullopt;
    std::optional<Json> ours = policy_to_json(file, policy, read.diagnostics);
    report.check("json." + suite + ".round_trip", name, est && ours && *est == *ours,
                 est && ours ? first_difference(*est, *ours) : reparsed.first());
    if (again == std::string("reparsed_est")) {
      report.check("json." + suite + ".est", name, ours && *ours == theirs[again], ours ? first_difference(*ours, theirs[again]) : "");
    }
  }
}

// The wasm interface also takes policies as text here; that is its own, not the format's.
bool has_text(const Json& set) {
  for (const char* key : {"staticPolicies", "templates"}) {
    if (!set.contains(key)) continue;
    if (!set[key].is_object()) return true;
    for (const Json& policy : set[key]) {
      if (!policy.is_object()) return true;
    }
  }
  return false;
}

void run_policy_sets(Corpus& corpus, Report& report) {
  std::size_t index = 0;
  for (const Json& r : corpus.json("derived/json_policysets.json").value_or(Json::array())) {
    std::string name = fmt::format("derived/json_policysets.json#{}", index++);
    if (has_text(r.at("json")) || is_no_verdict(r, "")) continue;
    Read read;
    std::vector<ast::PolicyFile> files = {read_policies_json(read.sources, read.add(r["json"].dump()), read.diagnostics)};
    Module module;
    if (read.good()) lower_policies(files, module, read.diagnostics);
    report.check("json.policy_sets", name, read.good() == r.at("ok").get<bool>(), read.good() ? "accepted" : read.first());
  }
}

// The integration corpus has one policy a file; the golden archive has its JSON form and the text printed from that.
void run_golden(Corpus& corpus, Report& report) {
  std::optional<fs::path> cases = corpus.archive("integration/corpus-tests.tar.gz");
  std::optional<fs::path> golden = corpus.archive("golden/corpus-tests-oracle-4.12.0.tar.gz");
  if (!cases || !golden) return;
  std::ifstream lines(*golden / "corpus-golden-4.12.0.jsonl");
  for (std::string line; std::getline(lines, line);) {
    Json record = Json::parse(line);
    std::string name = record.at("case");
    Parsed parsed(read_text(*cases / "corpus-tests" / (name + ".cedar")));
    bool one = parsed.good() && parsed.file.policies.size() == 1;
    report.check("parse.corpus", name, one, parsed.first());
    if (!one) continue;
    std::optional<Json> est = policy_to_json(parsed.file, parsed.file.policies[0], parsed.diagnostics);
    report.check("est.corpus", name, est && *est == record.at("est"), est ? first_difference(*est, record["est"]) : parsed.first());
    Read read;
    ast::PolicyFile from_json = read_policies_json(read.sources, read.add(record["est"].dump()), read.diagnostics);
    std::string text = from_json.policies.size() == 1 ? ast::print_official(from_json, from_json.policies[0]) : read.first();
    report.check("json.corpus.text", name, text == record.at("text_from_est"), first_difference(text, record["text_from_est"].get<std::string>()));
  }
}

}  // namespace

void run_policies(Corpus& corpus, Report& report) {
  run_texts(corpus, report, "derived/policies.json", "text", "policies");
  run_texts(corpus, report, "derived/exprs.json", "expr", "expressions");
  run_texts(corpus, report, "derived/edge/policies.json", "text", "edge");
  std::size_t index = 0;
  for (const Json& r : corpus.json("derived/json_policies.json").value_or(Json::array())) {
    check_json_policy("policies", fmt::format("derived/json_policies.json#{}", index++), r.at("json"), r.at("as_policy"), r.at("as_template"), report);
  }
  index = 0;
  for (const Json& r : corpus.json("derived/edge/est.json").value_or(Json::array())) {
    check_json_policy("edge", fmt::format("derived/edge/est.json#{}", index++), r.at("json"), r.at("policy"), r.at("template"), report);
  }
  run_policy_sets(corpus, report);
  run_files(corpus, report);
  run_golden(corpus, report);
}

}  // namespace kerf::conformance
