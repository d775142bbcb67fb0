// Our side of a case beside the official answers. A check that has no official answer (the engine broke down, or says
// nothing because an earlier part is refused) is left out; the tally shows what was asked.
#include "tests/differential/checks.h"

#include <fmt/core.h>

#include <algorithm>
#include <optional>
#include <set>

#include "backends/table/emit.h"
#include "frontend/format/format.h"
#include "frontend/json/policies.h"
#include "frontend/json/schema.h"
#include "frontend/parse/parse.h"
#include "frontend/sema/data.h"
#include "frontend/sema/policies.h"
#include "frontend/sema/schema.h"
#include "ir/eval.h"
#include "runtime/gateway/engine.h"
#include "runtime/gateway/table.h"
#include "tests/support/official_kinds.h"

namespace kerf::test {
namespace {

std::string why(const Json& answer);

// None where the engine broke down, at this call or at an earlier one whose result is gone with it.
std::optional<bool> verdict(const Json& answer) {
  if (!answer.is_object() || answer.contains("panic")) return std::nullopt;
  bool good = answer.contains("type") && answer["type"] == "success";
  if (!good && why(answer).starts_with("preparsed ")) return std::nullopt;
  return good;
}

std::string why(const Json& answer) {
  if (answer.contains("refused")) return answer["refused"];
  if (answer.contains("errors") && !answer["errors"].empty()) return answer["errors"][0].value("message", "");
  return answer.value("error", answer.dump());
}

std::string first_error(const Diagnostics& diagnostics) {
  for (const Diagnostic& d : diagnostics.all()) {
    if (d.severity == Severity::error) return fmt::format("{}: {}", catalogue_row(d.code).name, d.message);
  }
  return "";
}

// One loaded part: what was read, and what was said about it.
struct Loaded {
  Diagnostics said;
  bool good() const { return !said.has_errors(); }
};

class Checker {
 public:
  Checker(const Case& c, const Answers& answers, Tally& tally) : c_(c), answers_(answers), tally_(tally) {}
  std::vector<Difference> run();

 private:
  void count(const std::string& what) { ++tally_[what]; }
  void differ(const std::string& check, std::string ours, std::string theirs) { out_.push_back({check, std::move(ours), std::move(theirs)}); }
  void same_text(const std::string& check, const std::string& ours, const std::string& theirs) {
    count("checks");
    if (ours != theirs) differ(check, ours, theirs);
  }
  // Both accept. Reports a difference of the verdicts.
  bool same_verdict(const std::string& check, bool ours, const Diagnostics& said, const Json& answer);
  bool same_verdict(const std::string& check, const Loaded& loaded, const Json& answer) {
    return same_verdict(check, loaded.good(), loaded.said, answer);
  }

  SourceId add(const std::string& text, const char* name) { return sources_.add(name, text); }
  void load_schema();
  void check_schema();
  void load_policies();
  void load_pieces();
  void add_links();
  bool refused_on_purpose() const;
  void check_policies();
  void check_file();
  void check_print(const ast::PolicyFile& file);
  void check_piece(const PolicyInput& input, const ast::PolicyFile& file, const ast::Policy& policy);
  void check_validation();
  void check_entities();
  void check_requests();
  void check_request(std::size_t i, const std::string& kind);
  void check_tables(const std::string& check, const Request& request, const kerf::Decision& decision);
  std::string decision_text(const kerf::Decision& decision) const;

  const Case& c_;
  const Answers& answers_;
  Tally& tally_;
  std::vector<Difference> out_;
  Sources sources_;
  ast::SchemaFile schema_file_;
  Module module_;
  Loaded schema_, policies_, entities_, untyped_;
  std::vector<ast::PolicyFile> files_;
  bool valid_ = false, permissive_ = false;
  std::optional<Entities> untyped_entities_;
  std::optional<gateway::Table> table_;
  std::optional<gateway::Engine> engine_;
};

bool Checker::same_verdict(const std::string& check, bool ours, const Diagnostics& said, const Json& answer) {
  std::optional<bool> theirs = verdict(answer);
  if (!theirs) {
    count("official engine broke down: " + check.substr(0, check.find_first_of("0123456789")));
    return false;
  }
  count("checks");
  if (ours != *theirs) differ(check, ours ? "accepted" : first_error(said), *theirs ? "accepted" : why(answer));
  return ours && *theirs;
}

// --- schema

void Checker::load_schema() {
  SourceId source = add(c_.schema, "schema");
  schema_file_ = c_.schema_json ? read_schema_json(sources_, source, schema_.said) : parse_schema(sources_, source, schema_.said);
  if (schema_.good()) module_.schema = resolve_schema(schema_file_, schema_.said);
  if (!schema_.good()) module_.schema = {};
  module_.environments = module_.schema.environments();
}

void Checker::check_schema() {
  bool both = same_verdict("schema", schema_, answers_.of("schema"));
  count(schema_.good() ? "schema accepted" : "schema refused");
  if (!both) return;
  const Json& translated = answers_.of("schema.translate");
  if (c_.schema_json) {
    Diagnostics said;
    bool has_text = check_text_form(schema_file_, said);
    if (!same_verdict("schema.text", has_text, said, translated)) return;
    std::string text = translated["text"];
    if (text.starts_with("\n")) text.erase(0, 1);   // what stands outside of any namespace is printed although it is nothing
    same_text("schema.text", ast::print(schema_file_), text);
    return;
  }
  same_text("schema.json", schema_to_json(schema_file_).dump(), translated.value("json", Json()).dump());
  std::size_t shadowing = 0;
  for (const Diagnostic& d : schema_.said.all()) shadowing += d.code == Code::K2004 || d.code == Code::K2007;
  same_text("schema.warnings", fmt::format("{}", shadowing), fmt::format("{}", translated["warnings"].size()));
  const Json& resolved = answers_.of("schema.resolved");
  if (verdict(resolved) == true) same_text("schema.resolved", schema_to_json(resolve_names(schema_file_)).dump(), resolved["json"].dump());
}

// --- policies

void Checker::add_links() {
  if (c_.links.empty()) return;
  Json list = Json::array();
  for (const LinkInput& link : c_.links) list.push_back({{"templateId", link.template_id}, {"newId", link.id}, {"values", Json(link.values)}});
  files_.push_back(read_policies_json(sources_, add(Json{{"templateLinks", list}}.dump(), "links"), policies_.said));
}

// Each policy is a text of its own with an id; it must hold one policy of the kind that it is given as.
void Checker::load_pieces() {
  for (const PolicyInput& input : c_.policies) {
    SourceId source = add(input.text, "policy");
    files_.push_back(c_.policies_json ? read_policies_json(sources_, source, policies_.said) : parse_policies(sources_, source, policies_.said));
    ast::PolicyFile& file = files_.back();
    bool fits = file.policies.size() == 1 && file.policies[0].is_template() == input.is_template;
    if (!fits && policies_.good()) policies_.said.report(Code::K3003, Span());
    if (fits) file.policies[0].id = input.id;
  }
  add_links();
}

void Checker::load_policies() {
  if (c_.one_file) {
    files_.push_back(parse_policies(sources_, add(c_.joined(), "policies"), policies_.said));
    std::size_t position = 0;
    for (ast::Policy& policy : files_[0].policies) policy.id = fmt::format("policy{}", position++);
    bool templates = std::any_of(files_[0].policies.begin(), files_[0].policies.end(), [](const ast::Policy& p) { return p.is_template(); });
    if (templates && policies_.good()) policies_.said.report(Code::K3003, Span());   // the interface takes them apart only
  } else {
    load_pieces();
  }
  if (policies_.good()) lower_policies(files_, module_, policies_.said);
  if (policies_.good()) {
    if (std::optional<std::string> violation = verify(module_)) differ("verify", *violation, "");
  }
}

void Checker::check_piece(const PolicyInput& input, const ast::PolicyFile& file, const ast::Policy& policy) {
  if (c_.policies_json) {   // whose JSON form the engine gives back as it is
    const Json& text = answers_.of("text." + input.id);
    if (verdict(text) == true) same_text("text", ast::print_official(file, policy), text["text"]);
    return;
  }
  const Json& json = answers_.of("json." + input.id);
  Diagnostics said;
  std::optional<Json> ours = policy_to_json(file, policy, said);
  if (ours && verdict(json) == true) same_text("json", ours->dump(), json["json"].dump());
}

// All texts as one file, templates among them.
void Checker::check_file() {
  Diagnostics said;
  std::string text = c_.joined();
  ast::PolicyFile file = parse_policies(sources_, add(text, "file"), said);
  for (ast::Policy& policy : file.policies) policy.id.reset();
  bool both = same_verdict("policies.file", !said.has_errors(), said, answers_.of("policies.file"));
  if (!both) return;
  const Json& parts = answers_.of("policies.file");
  std::size_t templates = 0;
  for (const ast::Policy& policy : file.policies) templates += policy.is_template();
  same_text("policies.count", fmt::format("{} {}", file.policies.size() - templates, templates),
            fmt::format("{} {}", parts["policies"].size(), parts["policy_templates"].size()));
  check_print(file);
  Diagnostics formatting;
  std::optional<std::string> formatted = format_policies(sources_, add(text, "format"), {80, 2}, formatting);
  const Json& theirs = answers_.of("format");
  if (!same_verdict("format", formatted.has_value(), formatting, theirs)) return;
  // Layouts are compared in the corpus; where nesting is odd the widths that both break at may differ.
  if (*formatted == theirs["formatted_policy"]) count("formatted alike");
  else count("formatted otherwise");
}

// What is printed reads as the same.
void Checker::check_print(const ast::PolicyFile& file) {
  Diagnostics again;
  std::string printed = ast::print(file);
  ast::PolicyFile reread = parse_policies(sources_, add(printed, "print"), again);
  same_text("print", again.has_errors() ? first_error(again) : ast::print(reread), printed);
}

// docs/cedar.md: calls in JSON that kerf refuses where it reads them, the engine when it comes to them.
bool Checker::refused_on_purpose() const {
  const auto& all = policies_.said.all();
  return c_.policies_json && !policies_.good() && std::all_of(all.begin(), all.end(), [](const Diagnostic& d) {
    return d.severity != Severity::error || d.code == Code::K6013 || d.code == Code::K1133;
  });
}

void Checker::check_policies() {
  if (refused_on_purpose()) count("calls in JSON refused on purpose");
  else same_verdict("policies", policies_, answers_.of("policies"));
  count(policies_.good() ? "policies accepted" : "policies refused");
  if (!c_.policies_json) check_file();
  for (std::size_t i = 0; i < c_.policies.size(); ++i) {
    if (c_.one_file) {
      if (policies_.good() && files_[0].policies.size() == c_.policies.size()) check_piece(c_.policies[i], files_[0], files_[0].policies[i]);
    } else if (files_[i].policies.size() == 1 && files_[i].policies[0].is_template() == c_.policies[i].is_template) {
      check_piece(c_.policies[i], files_[i], files_[i].policies[0]);
    }
  }
}

// --- validation

using Kinds = std::set<std::string>;   // "policy0 K3105"

std::string joined(const Kinds& kinds) {
  std::string out;
  for (const std::string& one : kinds) out += one + ", ";
  return out;
}

// A link's findings do not count where its template has errors: those come first, see typecheck().
void Checker::check_validation() {
  if (!schema_.good() || !policies_.good()) return;
  const Json& answer = answers_.of("validate");
  if (verdict(answer) != true) {
    if (verdict(answer) == false) differ("validate", "an answer", why(answer));
    return;
  }
  Diagnostics said;
  typecheck(module_, said);
  Kinds ours, theirs, inapplicable;
  std::set<std::string> ids;
  for (const Diagnostic& d : said.all()) {
    std::string note = d.notes.empty() ? "" : d.notes.back(), id;
    if (note.starts_with("policy `")) id = note.substr(8, note.find('`', 8) - 8);
    std::string_view code = catalogue_row(d.code).name;
    ours.insert(fmt::format("{} {}", id, code));
    count(fmt::format("validation {}", code));
    if (d.code == Code::K3104) inapplicable.insert(id);
  }
  for (const char* list : {"validationErrors", "validationWarnings"}) {
    for (const Json& one : answer[list]) {
      std::string message = one["error"]["message"], id = one["policyId"];
      std::optional<Code> code = code_of_official(message);
      if (list == std::string("validationErrors") && !code) differ("validate", "", "an unknown kind of error: " + message);
      if (code && !(*code == Code::K3201 && inapplicable.contains(id))) theirs.insert(fmt::format("{} {}", id, catalogue_row(*code).name));
    }
  }
  valid_ = !said.has_errors();
  bool official = answer["validationErrors"].empty();
  count(valid_ ? "policies valid" : "policies invalid");
  count("checks");
  if (valid_ != official) differ("validate", first_error(said), official ? "valid" : answer["validationErrors"][0]["error"]["message"].get<std::string>());
  for (const LinkInput& link : c_.links) {
    if (valid_) break;
    for (Kinds* kinds : {&ours, &theirs}) std::erase_if(*kinds, [&](const std::string& k) { return k.starts_with(link.id + " "); });
  }
  same_text("validate.kinds", joined(ours), joined(theirs));
  Diagnostics permissive;
  typecheck(module_, permissive, {ValidationMode::permissive, std::nullopt, false});
  permissive_ = !permissive.has_errors();
  if (permissive_ && !valid_) count("policies valid in permissive mode only");
  if (valid_ && !permissive_) differ("validate.permissive", first_error(permissive), "strict validation accepts it");
}

// --- data

void Checker::check_entities() {
  SourceId source = add(c_.entities, "entities");
  if (schema_.good()) {
    module_.entities = read_entities(sources_, source, module_.schema, entities_.said);
    same_verdict("entities", entities_, answers_.of("entities"));
    count(entities_.good() ? "entities accepted" : "entities refused");
  }
  untyped_entities_ = read_untyped_entities(sources_, source, untyped_.said);
  same_verdict("entities.untyped", untyped_, answers_.of("entities.untyped"));
  count(untyped_.good() ? "entities without schema accepted" : "entities without schema refused");
}

std::string Checker::decision_text(const kerf::Decision& decision) const {
  std::set<std::string> determining, errors;
  for (PolicyId p : decision.determining) determining.insert(module_.policies[p.index].id);
  for (const PolicyError& e : decision.errors) errors.insert(fmt::format("{}: {}", module_.policies[e.policy.index].id, e.error.message));
  return fmt::format("{} because of {}; errors: {}", decision.allow ? "allow" : "deny", joined(determining), joined(errors));
}

std::string official_decision(const Json& answer) {
  std::set<std::string> determining, errors;
  const Json& response = answer["response"];
  for (const Json& id : response["diagnostics"]["reason"]) determining.insert(id);
  for (const Json& e : response["diagnostics"]["errors"]) {
    errors.insert(fmt::format("{}: {}", e["policyId"].get<std::string>(), e["error"]["message"].get<std::string>()));
  }
  return fmt::format("{} because of {}; errors: {}", response["decision"].get<std::string>(), joined(determining), joined(errors));
}

// Whatever validates cannot fail but for these.
bool is_left_to_run_time(EvalErrorKind kind) {
  return kind == EvalErrorKind::entity_does_not_exist || kind == EvalErrorKind::integer_overflow || kind == EvalErrorKind::extension_function_error;
}

std::string plain_decision(bool allow, std::set<std::string> determining, std::set<std::string> errors) {
  return fmt::format("{} because of {}; errors: {}", allow, joined(determining), joined(errors));
}

void Checker::check_tables(const std::string& check, const Request& request, const kerf::Decision& decision) {
  if (!table_) {
    Result<gateway::Table> table = gateway::Table::read(emit_table(module_, sources_));
    if (!table) return differ("table", table.error().message, "a table");
    table_.emplace(std::move(*table));
    Result<gateway::Engine> engine =
        gateway::Engine::build(std::make_shared<const gateway::Table>(*gateway::Table::read(emit_table(module_, sources_))), module_.entities);
    if (!engine) return differ("engine", engine.error().message, "an engine");
    engine_.emplace(std::move(*engine));
  }
  auto id = [&](std::uint32_t p) { return table_->policies().at(p).id; };
  std::set<std::string> determining, errors;
  for (PolicyId p : decision.determining) determining.insert(module_.policies[p.index].id);
  for (const PolicyError& e : decision.errors) errors.insert(module_.policies[e.policy.index].id);
  std::string reference = plain_decision(decision.allow, determining, errors);
  determining.clear(), errors.clear();
  Result<gateway::Decision> decided = table_->decide(request, module_.entities);
  if (!decided) return differ(check + ".table", decided.error().message, reference);
  for (std::uint32_t p : decided->determining) determining.insert(id(p));
  for (const auto& e : decided->errors) errors.insert(id(e.policy));
  same_text(check + ".table", plain_decision(decided->allow, determining, errors), reference);
  determining.clear(), errors.clear();
  gateway::Query query(*engine_);
  if (!engine_->set(query, request.principal, request.action, request.resource, request.context)) return differ(check + ".engine", "refused", reference);
  gateway::Answer answer;
  engine_->decide(query, answer);
  for (std::uint32_t p : answer.determining) determining.insert(id(p));
  for (const auto& e : answer.errors) errors.insert(id(e.policy));
  same_text(check + ".engine", plain_decision(answer.allow, determining, errors), reference);
  count("decisions by table and engine");
}

void Checker::check_request(std::size_t i, const std::string& kind) {
  const RequestInput& r = c_.requests[i];
  std::string check = fmt::format("request{}{}", i, kind);
  bool typed = kind != ".untyped", checked = kind.empty();
  auto literal = [](const Json& uid) { return to_text(EntityUid{uid["type"], uid["id"]}); };
  RequestText text{literal(r.principal), literal(r.action), literal(r.resource), add(r.context, "context")};
  Loaded read;
  std::optional<Request> request = typed ? read_request(sources_, text, module_.schema, checked, read.said) : read_untyped_request(sources_, text, read.said);
  const Loaded& data = typed ? entities_ : untyped_;
  bool good = request && read.good() && data.good();
  if (!same_verdict(check, good, data.good() ? read.said : data.said, answers_.of(check))) return count("requests refused");
  kerf::Decision decision = authorize(module_, *request, typed ? module_.entities : *untyped_entities_);
  same_text(check, decision_text(decision), official_decision(answers_.of(check)));
  count(decision.allow ? "allowed" : decision.determining.empty() ? "denied by no permit" : "denied by forbid");
  if (!decision.errors.empty()) count("with errors");
  for (const PolicyError& e : decision.errors) {
    if (checked && (valid_ || permissive_) && !is_left_to_run_time(e.error.kind)) differ(check + ".sound", e.error.message, "the policy is valid");
  }
  if (checked && valid_) check_tables(check, *request, decision);
}

void Checker::check_requests() {
  if (!policies_.good()) return;
  for (std::size_t i = 0; i < c_.requests.size(); ++i) {
    if (schema_.good()) check_request(i, "");
    if (schema_.good() && i == 0) check_request(i, ".unchecked");
    check_request(i, ".untyped");
  }
}

std::vector<Difference> Checker::run() {
  load_schema();
  check_schema();
  load_policies();
  check_policies();
  check_validation();
  check_entities();
  check_requests();
  return std::move(out_);
}

}  // namespace

std::vector<Difference> compare(const Case& c, const Answers& answers, Tally& tally) { return Checker(c, answers, tally).run(); }

std::vector<Difference> judge_case(Judge& judge, const Case& c, Tally& tally) {
  Questions questions(c);
  judge.send(questions.calls());
  Answers answers(questions, judge.receive(questions.calls().size()));
  if (!answers.complete()) return {{"judge", "", "the official engine's process ended"}};
  return compare(c, answers, tally);
}

}  // namespace kerf::test
