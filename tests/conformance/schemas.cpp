// Schemas as text and as JSON: verdicts, each form from the other, names resolved.
#include <fmt/core.h>

#include <fstream>

#include "frontend/json/schema.h"
#include "frontend/parse/parse.h"
#include "frontend/sema/schema.h"
#include "tests/conformance/suite.h"

namespace kerf::conformance {
namespace {

struct Loaded : Read {
  ast::SchemaFile file;
  Schema schema;
  Loaded(std::string text, bool json) {
    SourceId source = add(std::move(text));
    file = json ? read_schema_json(sources, source, diagnostics) : parse_schema(sources, source, diagnostics);
    if (good()) schema = resolve_schema(file, diagnostics);
  }
};

// What a schema says, however it is written: common types expanded, hierarchies closed.
std::string meaning(const Schema& schema) {
  std::string out;
  for (const auto& [name, type] : schema.entity_types) {
    out += fmt::format("entity {} {} tags {}:", name, schema.types.text(type.attrs), type.tags ? schema.types.text(*type.tags) : "none");
    for (const std::string& id : type.enum_ids.value_or(std::vector<std::string>())) out += " " + id;
    for (const std::string& ancestor : type.ancestors) out += " in " + ancestor;
    out += "\n";
  }
  for (const auto& [uid, action] : schema.actions) {
    out += fmt::format("action {} {}:", to_text(uid), schema.types.text(action.context));
    for (const std::string& type : action.principals) out += " principal " + type;
    for (const std::string& type : action.resources) out += " resource " + type;
    for (const EntityUid& ancestor : action.ancestors) out += " in " + to_text(ancestor);
    out += "\n";
  }
  return out;
}

// `in a` and `in Action::"a"` mean the same; of some texts the corpus has the JSON of the other spelling.
Json normal(Json schema) {
  for (Json& space : schema) {
    for (Json& action : space["actions"]) {
      if (!action.contains("memberOf")) continue;
      for (Json& parent : action["memberOf"]) parent.emplace("type", "Action");
    }
  }
  return schema;
}

void check_json(const std::string& suite, const std::string& name, const Json& ours, const Json& theirs, Report& report) {
  Json a = normal(ours), b = normal(theirs);
  report.check(suite, name, a == b, a == b ? "" : first_difference(a, b));
}

std::size_t shadowing(const Diagnostics& diagnostics) {
  std::size_t count = 0;
  for (const Diagnostic& d : diagnostics.all()) count += d.code == Code::K2004 || d.code == Code::K2007;
  return count;
}

Json official_warnings(const Json& record) {
  const Json& holder = record.contains("translate") ? record["translate"] : record;
  return holder.value("warnings", Json::array());
}

void run_text(Corpus& corpus, Report& report, const std::string& file, const std::string& suite) {
  std::size_t index = 0;
  for (const Json& r : corpus.json(file).value_or(Json::array())) {
    std::string name = fmt::format("{}#{}", file, index++);
    if (!r.at("text").is_string()) continue;
    Loaded ours(r["text"], false);
    bool ok = r.at("ok");
    report.check("schema." + suite, name, ours.good() == ok, ours.good() ? "accepted" : ours.first());
    if (!ok || !ours.good()) continue;
    report.check("schema." + suite + ".warnings", name, shadowing(ours.diagnostics) == official_warnings(r).size());
    Json json = r.contains("json") ? r["json"] : r.contains("translate") ? r["translate"].value("json", Json()) : Json();
    if (json.is_object()) check_json("schema." + suite + ".json", name, schema_to_json(ours.file), json, report);
    if (r.contains("resolved") && r["resolved"].is_object()) {
      check_json("schema." + suite + ".resolved", name, schema_to_json(resolve_names(ours.file)), r["resolved"], report);
    }
    Loaded again(ast::print(ours.file), false);
    bool same = again.good() && normal(schema_to_json(again.file)) == normal(schema_to_json(ours.file));
    report.check("schema." + suite + ".round_trip", name, same, again.first());
  }
}

void run_json(Corpus& corpus, Report& report, const std::string& file, const std::string& suite) {
  std::size_t index = 0;
  for (const Json& r : corpus.json(file).value_or(Json::array())) {
    std::string name = fmt::format("{}#{}", file, index++);
    Loaded ours(r.at("json").dump(), true);
    bool ok = r.at("ok");
    report.check("schema." + suite, name, ours.good() == ok, ours.good() ? "accepted" : ours.first());
    if (!ok || !ours.good()) continue;
    bool text = check_text_form(ours.file, ours.diagnostics);
    bool wanted = r.contains("text") && r["text"].is_string();
    report.check("schema." + suite + ".has_text", name, text == wanted, ours.first());
    if (!text || !wanted) continue;
    std::string printed = ast::print(ours.file);
    report.check("schema." + suite + ".text", name, printed == r["text"], first_difference(printed, r["text"].get<std::string>()));
  }
}

// Upstream's samples: a schema, what its names resolve to, and the text that prints from that.
void run_samples(Corpus& corpus, Report& report) {
  for (const fs::path& path : corpus.files("cedar/schemas", ".resolved.json")) {
    std::string stem = path.string().substr(0, path.string().size() - std::string(".resolved.json").size());
    std::string name = path.filename().string();
    Loaded ours(read_text(stem + ".cedarschema"), false);
    report.check("schema.samples", name, ours.good(), ours.first());
    if (!ours.good()) continue;
    Json resolved = Json::parse(read_text(path));
    check_json("schema.samples.resolved", name, schema_to_json(resolve_names(ours.file)), resolved, report);
    if (!fs::exists(stem + ".roundtrip.cedarschema")) continue;
    Loaded theirs(read_text(stem + ".roundtrip.cedarschema"), false);
    std::string a = meaning(ours.schema), b = meaning(theirs.schema);
    report.check("schema.samples.meaning", name, theirs.good() && a == b, first_difference(a, b));
  }
}

void run_golden(Corpus& corpus, Report& report) {
  std::optional<fs::path> cases = corpus.archive("integration/corpus-tests.tar.gz");
  std::optional<fs::path> golden = corpus.archive("golden/corpus-tests-oracle-4.12.0.tar.gz");
  if (!cases || !golden) return;
  std::ifstream lines(*golden / "corpus-golden-4.12.0.jsonl");
  for (std::string line; std::getline(lines, line);) {
    Json record = Json::parse(line);
    std::string name = record.at("case");
    Loaded ours(read_text(*cases / "corpus-tests" / (name + ".cedarschema")), false);
    report.check("schema.corpus", name, ours.good(), ours.first());
    if (!ours.good()) continue;
    if (record.contains("schema_json")) check_json("schema.corpus.json", name, schema_to_json(ours.file), record["schema_json"], report);
    if (record.contains("schema_resolved")) {
      check_json("schema.corpus.resolved", name, schema_to_json(resolve_names(ours.file)), record["schema_resolved"], report);
    }
  }
}

}  // namespace

void run_schemas(Corpus& corpus, Report& report) {
  run_text(corpus, report, "derived/schemas.json", "text");
  run_text(corpus, report, "derived/edge/schemas.json", "text.edge");
  run_json(corpus, report, "derived/json_schemas.json", "json");
  run_json(corpus, report, "derived/edge/json_schemas.json", "json.edge");
  run_samples(corpus, report);
  run_golden(corpus, report);
}

}  // namespace kerf::conformance
