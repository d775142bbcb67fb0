// Test file -> outcomes. Policies and schema are read once; each test brings its own entities.
#include "driver/policy_tests.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "driver/read_forms.h"
#include "frontend/sema/data.h"
#include "frontend/sema/policies.h"
#include "frontend/sema/schema.h"
#include "ir/eval.h"

namespace kerf {
namespace {

namespace fs = std::filesystem;

struct Case {
  std::string principal, action, resource, context, entities;
  bool allow = false;
  std::vector<std::string> reason;
  std::size_t errors = 0;
};

Result<std::string> text_field(const Json& object, const char* name) {
  if (!object.contains(name) || !object[name].is_string()) return Error{fmt::format("`{}` must be a string", name)};
  return object[name].get<std::string>();
}

// Entities in a file must lie below the directory of the tests, so that a test file cannot read elsewhere.
Result<std::string> entities_text(const Json& entities, const std::string& directory) {
  if (!entities.is_string()) return entities.dump();
  std::string name = entities.get<std::string>();
  std::error_code error;
  fs::path base = fs::canonical(directory.empty() ? "." : directory, error);
  fs::path path = error ? fs::path() : fs::canonical(base / name, error);
  if (error) return Error{fmt::format("cannot read `{}`: {}", name, error.message())};
  fs::path relative = path.lexically_relative(base);
  if (relative.empty() || *relative.begin() == "..") return Error{fmt::format("`{}` is outside of the directory of the tests", name)};
  Diagnostics diagnostics;
  std::optional<InputFile> file = read_file(path.string(), diagnostics);
  if (!file) return Error{diagnostics.all().front().message};
  return std::move(file->text);
}

Result<Unit> read_request_fields(const Json& json, Case& out) {
  if (!json.contains("request") || !json["request"].is_object()) return Error{"`request` must be an object"};
  const Json& request = json["request"];
  for (auto [name, field] : {std::pair("principal", &out.principal), std::pair("action", &out.action), std::pair("resource", &out.resource)}) {
    Result<std::string> text = text_field(request, name);
    if (!text) return text.error();
    *field = std::move(*text);
  }
  if (!request.contains("context")) return Error{"`request` has no `context`"};
  out.context = request["context"].dump();
  return Unit{};
}

Result<Unit> read_expected_fields(const Json& json, Case& out) {
  Result<std::string> decision = text_field(json, "decision");
  if (!decision) return decision.error();
  if (*decision != "allow" && *decision != "deny") return Error{fmt::format("`decision` is `allow` or `deny`, not `{}`", *decision)};
  out.allow = *decision == "allow";
  if (!json.contains("reason") || !json["reason"].is_array()) return Error{"`reason` must be an array of policy ids"};
  for (const Json& id : json["reason"]) {
    if (!id.is_string()) return Error{"`reason` must be an array of policy ids"};
    out.reason.push_back(id.get<std::string>());
  }
  bool counted = json.contains("num_errors") && json["num_errors"].is_number_integer() && json["num_errors"].get<std::int64_t>() >= 0;
  if (!counted) return Error{"`num_errors` must be a number"};
  out.errors = json["num_errors"].get<std::size_t>();
  return Unit{};
}

Result<Case> read_case(const Json& json, const std::string& directory) {
  if (!json.is_object()) return Error{"a test must be an object"};
  Case out;
  if (Result<Unit> read = read_request_fields(json, out); !read) return read.error();
  if (Result<Unit> read = read_expected_fields(json, out); !read) return read.error();
  if (!json.contains("entities")) return Error{"`entities` is missing"};
  Result<std::string> entities = entities_text(json["entities"], directory);
  if (!entities) return entities.error();
  out.entities = std::move(*entities);
  return out;
}

std::string messages(const Diagnostics& diagnostics) {
  std::string out;
  for (const Diagnostic& d : diagnostics.all()) {
    out += fmt::format("{}{} [{}]", out.empty() ? "" : "; ", d.message, catalogue_row(d.code).name);
  }
  return out;
}

// What differs from the expectation, or nothing.
std::string difference(const Case& expected, const Decision& decision, const Module& module) {
  if (decision.allow != expected.allow) {
    return fmt::format("expected {}, got {}", expected.allow ? "allow" : "deny", decision.allow ? "allow" : "deny");
  }
  std::string missing, errors, out;
  for (const std::string& id : expected.reason) {
    bool found = std::any_of(decision.determining.begin(), decision.determining.end(), [&](PolicyId p) { return module.policies[p.index].id == id; });
    if (!found) missing += fmt::format("{}`{}`", missing.empty() ? "" : ", ", id);
  }
  if (!missing.empty()) out = fmt::format("missing reason(s): {}", missing);
  if (decision.errors.size() == expected.errors) return out;
  for (const PolicyError& e : decision.errors) errors += fmt::format("{}policy `{}`: {}", errors.empty() ? ": " : "; ", module.policies[e.policy.index].id, e.error.message);
  return fmt::format("{}{}expected {} error(s), but got {} runtime error(s){}", out, out.empty() ? "" : "; ", expected.errors, decision.errors.size(), errors);
}

TestOutcome run_one(const Json& json, const Module& module, bool typed, const std::string& directory) {
  bool named = json.is_object() && json.contains("name") && json["name"].is_string();
  TestOutcome out{named ? json["name"].get<std::string>() : "(unnamed)"};
  Result<Case> expected = read_case(json, directory);
  if (!expected) return out.why = expected.error().message, out;
  Sources sources;
  Diagnostics diagnostics;
  SourceId context = sources.add("context", expected->context), data = sources.add("entities", expected->entities);
  RequestText asked{expected->principal, expected->action, expected->resource, context};
  std::optional<Request> request = typed ? read_request(sources, asked, module.schema, true, diagnostics)
                                         : read_untyped_request(sources, asked, diagnostics);
  std::optional<Entities> entities = typed ? read_entities(sources, data, module.schema, diagnostics) : read_untyped_entities(sources, data, diagnostics);
  if (!request || !entities || diagnostics.has_errors()) return out.why = messages(diagnostics), out;
  out.ran = true;
  out.why = difference(*expected, authorize(module, *request, *entities), module);
  out.passed = out.why.empty();
  return out;
}

std::optional<Module> read_module(Session& session, const std::vector<InputFile>& policies, const std::optional<InputFile>& links,
                                  const std::optional<InputFile>& schema) {
  Module module;
  std::vector<ast::PolicyFile> files = read_policy_forms(session, policies, links);
  if (schema) {
    SourceId source = session.sources.add(schema->name, schema->text, schema->path);
    ast::SchemaFile file = read_schema_form(session.sources, source, schema->format, session.diagnostics);
    if (session.diagnostics.has_errors()) return std::nullopt;
    module.schema = resolve_schema(file, session.diagnostics);
    module.environments = module.schema.environments();
  }
  if (session.diagnostics.has_errors()) return std::nullopt;
  lower_policies(files, module, session.diagnostics);
  if (session.diagnostics.has_errors()) return std::nullopt;
  std::size_t before = session.diagnostics.all().size();
  if (schema) typecheck(module, session.diagnostics);
  session.diagnostics.sort();
  if (session.diagnostics.all().size() != before) return std::nullopt;
  return module;
}

}  // namespace

std::optional<std::vector<TestOutcome>> run_policy_tests(Session& session, const std::vector<InputFile>& policies,
                                                         const std::optional<InputFile>& links, const std::optional<InputFile>& schema,
                                                         const InputFile& tests, const std::string& directory) {
  Result<Json> json = parse_json(tests.text);
  if (!json || !json->is_array()) {
    session.diagnostics.report(Code::K7914, {}, tests.path, json ? "it is not a JSON array" : json.error().message);
    return std::nullopt;
  }
  std::optional<Module> module = read_module(session, policies, links, schema);
  if (!module) return std::nullopt;
  std::vector<TestOutcome> outcomes;
  for (const Json& one : *json) outcomes.push_back(run_one(one, *module, schema.has_value(), directory));
  return outcomes;
}

}  // namespace kerf
