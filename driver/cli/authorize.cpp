// authorize: decides a request from the decision table, the very text that a gateway gets. With -p the table is
// emitted in memory first and read back, so both ways go through the same evaluator.
#include <fmt/core.h>

#include "backends/table/emit.h"
#include "driver/cli/commands.h"
#include "driver/language.h"
#include "frontend/sema/data.h"
#include "runtime/gateway/table.h"

namespace kerf::cli {
namespace {

struct RequestOptions {
  std::string principal, action, resource, context_file, request_file;
  std::string table;         // table.json, or a bundle directory
  std::string requests;      // JSON lines
  std::string format = "human";
  bool verbose = false;
  bool validate = true;
};

void fail(Globals& globals, const std::string& message, std::vector<std::string> help = {}) {
  Diagnostics diagnostics;
  Diagnostic& d = diagnostics.report(Code::K7906, {}, message);
  d.help = std::move(help);
  print_diagnostics(globals, Sources{}, diagnostics);
  globals.exit = kFailure;
}

std::optional<std::string> read_text(Globals& globals, const std::string& path) {
  Diagnostics diagnostics;
  if (std::optional<InputFile> file = read_file(path, diagnostics)) return std::move(file->text);
  print_diagnostics(globals, Sources{}, diagnostics);
  globals.exit = kFailure;
  return std::nullopt;
}

// --request-json: {"principal": "U::\"a\"", "action": …, "resource": …, "context": {…}}
bool expand_request_json(Globals& globals, RequestOptions& options, std::string& context) {
  std::optional<std::string> text = read_text(globals, options.request_file);
  if (!text) return false;
  Result<Json> json = parse_json(*text);
  if (!json) return fail(globals, fmt::format("{}: {}", options.request_file, json.error().message)), false;
  auto field = [&](const char* name, std::string& out) {
    if (!json->is_object() || !json->contains(name)) return;
    const Json& value = (*json)[name];
    if (value.is_string()) {
      out = value.get<std::string>();
    } else if (Result<EntityUid> uid = uid_from_json(value); uid) {
      out = to_text(*uid);
    }
  };
  field("principal", options.principal);
  field("action", options.action);
  field("resource", options.resource);
  if (json->is_object() && json->contains("context")) context = (*json)["context"].dump();
  return true;
}

std::optional<Request> request_without_schema(Globals& globals, const RequestOptions& options, const std::string& context) {
  Request request;
  auto uid = [&](const char* what, const std::string& text, EntityUid& out) {
    std::optional<EntityUid> parsed = parse_uid(text);
    if (parsed) out = *parsed;
    else fail(globals, fmt::format("the {} `{}` is no entity", what, text), {"write it as Type::\"id\""});
    return parsed.has_value();
  };
  if (!uid("principal", options.principal, request.principal) || !uid("action", options.action, request.action) ||
      !uid("resource", options.resource, request.resource)) {
    return std::nullopt;
  }
  if (context.empty()) return request;
  Result<Json> json = parse_json(context);
  Result<Value> value = json ? value_from_json(*json) : Result<Value>(Error{json.error().message});
  if (!value || !value->as_record()) {
    fail(globals, "the context is no JSON record" + (value ? std::string() : ": " + value.error().message));
    return std::nullopt;
  }
  request.context = *value->as_record();
  return request;
}

void print_decision(Globals& globals, const RequestOptions& options, const gateway::Table& table, const gateway::Decision& decision) {
  auto id = [&](std::uint32_t policy) { return table.policies().at(policy).id; };
  globals.exit = decision.allow ? kOk : kDeny;
  if (options.format == "json") {
    Json determining = Json::array(), errors = Json::array();
    for (std::uint32_t p : decision.determining) determining.push_back(id(p));
    for (const auto& e : decision.errors) errors.push_back({{"policy", id(e.policy)}, {"message", e.error.message}});
    Json out = {{"schema", "kerf.decision"}, {"version", 1}, {"decision", decision.allow ? "allow" : "deny"},
                {"determining", std::move(determining)}, {"errors", std::move(errors)}};
    fmt::print("{}\n", out.dump(-1, ' ', false, Json::error_handler_t::replace));
    return;
  }
  fmt::print("{}\n", decision.allow ? "ALLOW" : "DENY");
  if (options.verbose) {
    if (decision.determining.empty()) fmt::print("no policy is satisfied\n");
    for (std::uint32_t p : decision.determining) {
      const gateway::PolicyInfo& policy = table.policies().at(p);
      fmt::print("  {} {} ({}:{}:{})\n", policy.forbid ? "forbid" : "permit", policy.id, policy.file, policy.line, policy.column);
    }
  }
  for (const auto& e : decision.errors) fmt::print(stderr, "warning: policy {} was skipped: {}\n", id(e.policy), e.error.message);
}

void decide(Globals& globals, const RequestOptions& options, const gateway::Table& table, const Request& request, const Entities& entities) {
  Result<gateway::Decision> decision = table.decide(request, entities);
  if (!decision) return fail(globals, decision.error().message);
  print_decision(globals, options, table, *decision);
}

void from_table(Globals& globals, const ProgramOptions& program, const RequestOptions& options, const std::string& context) {
  bool directory = std::filesystem::is_directory(options.table);
  std::optional<std::string> text = read_text(globals, directory ? options.table + "/table.json" : options.table);
  if (!text) return;
  Result<gateway::Table> table = gateway::Table::read(*text);
  if (!table) return fail(globals, fmt::format("{}: {}", options.table, table.error().message));
  std::string entities_path = !program.entities.empty() ? program.entities : directory ? options.table + "/entities.json" : "";
  Entities entities;
  if (!entities_path.empty()) {
    std::optional<std::string> entities_text = read_text(globals, entities_path);
    if (!entities_text) return;
    Result<Json> json = parse_json(*entities_text);
    Result<std::vector<Entity>> list = json ? entities_from_json(*json) : Result<std::vector<Entity>>(json.error());
    Result<Entities> built = list ? Entities::build(std::move(*list)) : Result<Entities>(list.error());
    if (!built) return fail(globals, fmt::format("{}: {}", entities_path, built.error().message));
    entities = std::move(*built);
  }
  if (std::optional<Request> request = request_without_schema(globals, options, context)) decide(globals, options, *table, *request, entities);
}

void print_decided(Globals& globals, const RequestOptions& options, const Decided& decided) {
  globals.exit = decided.allow ? kOk : kDeny;
  if (options.format == "json") {
    Json errors = Json::array();
    for (const auto& [policy, message] : decided.errors) errors.push_back({{"policy", policy}, {"message", message}});
    Json out = {{"schema", "kerf.decision"}, {"version", 1}, {"decision", decided.allow ? "allow" : "deny"},
                {"determining", decided.determining}, {"errors", std::move(errors)}};
    fmt::print("{}\n", out.dump(-1, ' ', false, Json::error_handler_t::replace));
    return;
  }
  fmt::print("{}\n", decided.allow ? "ALLOW" : "DENY");
  if (options.verbose && decided.determining.empty()) fmt::print("no policy is satisfied\n");
  for (const std::string& id : decided.determining) {
    if (options.verbose) fmt::print("  {}\n", id);
  }
  for (const auto& [policy, message] : decided.errors) fmt::print(stderr, "warning: policy {} was skipped: {}\n", policy, message);
}

// The validator's errors and the kernel's, which say nothing against a decision.
bool can_be_decided(const Diagnostics& diagnostics) {
  for (const Diagnostic& d : diagnostics.all()) {
    std::string_view name = catalogue_row(d.code).name;
    bool validation = (name >= "K3101" && name < "K4000") || name.starts_with("K4") || name.starts_with("K5") || name.starts_with("K805");
    if (d.severity == Severity::error && !validation) return false;
  }
  return true;
}

void by_reference(Globals& globals, const ProgramText& text, const RequestOptions& options, const std::string& context) {
  Session session;
  RequestInput request{options.principal, options.action, options.resource, {}};
  if (!context.empty()) request.context = InputFile{options.context_file.empty() ? options.request_file : options.context_file, context};
  std::optional<Decided> decided = decide(session, {text.policies, text.links, text.schema, text.entities}, request, options.validate);
  print_diagnostics(globals, session.sources, session.diagnostics);
  if (decided) print_decided(globals, options, *decided);
  else globals.exit = kFailure;
}

// As Cedar's command line, it decides by policies that do not validate too; those have no table.
void from_program(Globals& globals, const ProgramOptions& program_options, const RequestOptions& options, const std::string& context) {
  std::optional<ProgramText> text = load(globals, program_options);
  if (!text) return;
  if (!text->schema) return by_reference(globals, *text, options, context);
  Program program = check_program(*text);
  if (program.diagnostics.has_errors()) {
    if (can_be_decided(program.diagnostics)) return by_reference(globals, *text, options, context);
    print_diagnostics(globals, program.sources, program.diagnostics);
    globals.exit = kFailure;
    return;
  }
  print_diagnostics(globals, program.sources, program.diagnostics);
  SourceId context_source;
  if (!context.empty()) {
    context_source = program.sources.add(options.context_file.empty() ? options.request_file : options.context_file, context);
  }
  Diagnostics diagnostics;
  RequestText asked{options.principal, options.action, options.resource, context_source};
  std::optional<Request> request = read_request(program.sources, asked, program.module.schema, options.validate, diagnostics);
  print_diagnostics(globals, program.sources, diagnostics);
  if (!request || diagnostics.has_errors()) {
    globals.exit = kFailure;
    return;
  }
  Result<gateway::Table> table = gateway::Table::read(emit_table(program.module, program.sources));
  if (!table) internal_error("the emitted table cannot be read back: " + table.error().message);
  decide(globals, options, *table, *request, program.module.entities);
}

void authorize(Globals& globals, const ProgramOptions& program, RequestOptions options) {
  if (!options.requests.empty()) {
    if (options.table.empty()) return fail(globals, "`--requests` needs a table", {"add --table PATH"});
    return authorize_lines(globals, options.table, program.entities, options.requests);
  }
  std::string context;
  if (!options.request_file.empty() && !expand_request_json(globals, options, context)) return;
  if (!options.context_file.empty()) {
    std::optional<std::string> text = read_text(globals, options.context_file);
    if (!text) return;
    context = std::move(*text);
  }
  if (options.principal.empty() || options.action.empty() || options.resource.empty()) {
    return fail(globals, "the request is incomplete", {"give -l, -a and -r, or --request-json with principal, action and resource"});
  }
  if (options.table.empty()) from_program(globals, program, options, context);
  else from_table(globals, program, options, context);
}

}  // namespace

void add_authorize(CLI::App& app, Globals& globals) {
  auto program = std::make_shared<ProgramOptions>();
  auto options = std::make_shared<RequestOptions>();
  CLI::App* command = app.add_subcommand("authorize", "decide a request: 0 ALLOW, 2 DENY");
  program->declare(*command, false);
  command->add_option("--table", options->table, "decide from this table.json or bundle directory")->type_name("PATH");
  command->add_option("-l,--principal", options->principal, "e.g. User::\"alice\"");
  command->add_option("-a,--action", options->action, "e.g. Action::\"view\"");
  command->add_option("-r,--resource", options->resource, "e.g. Photo::\"a.jpg\"");
  command->add_option("-c,--context", options->context_file, "JSON file with the context record")->type_name("FILE");
  command->add_option("--request-json", options->request_file, "JSON file with principal, action, resource, context")->type_name("FILE");
  command->add_option("--requests", options->requests, "JSON lines with a request each, decided by --table; - for standard input")->type_name("FILE");
  command->add_option("--request-validation", options->validate, "validate the request against the schema")->type_name("true|false");
  command->add_option("--format", options->format)->check(CLI::IsMember({"human", "json"}))->type_name("human|json");
  command->add_flag("-v,--verbose", options->verbose, "name the determining policies");
  command->callback([&globals, program, options] {
    if (options->table.empty() && program->policies.empty()) program->policies.push_back("-");
    authorize(globals, *program, *options);
  });
}

}  // namespace kerf::cli
