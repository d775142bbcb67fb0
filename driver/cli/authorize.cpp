// authorize: decides a request from the decision table, the very text that a gateway gets. With -p the table is
// emitted in memory first and read back, so both ways go through the same evaluator.
#include <fmt/core.h>

#include <chrono>

#include "backends/table/emit.h"
#include "driver/cli/commands.h"
#include "driver/language.h"
#include "frontend/sema/data.h"
#include "ir/eval.h"
#include "runtime/gateway/table.h"

namespace kerf::cli {
namespace {

struct RequestOptions {
  RequestFlags request;
  std::string table;         // table.json, or a bundle directory
  std::string requests;      // JSON lines
  std::string format = "human";
  bool verbose = false, timing = false;
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

std::optional<Request> request_without_schema(Globals& globals, const RequestInput& asked) {
  Request request;
  auto uid = [&](const char* what, const std::string& text, EntityUid& out) {
    std::optional<EntityUid> parsed = parse_uid(text);
    if (parsed) out = *parsed;
    else fail(globals, fmt::format("the {} `{}` is no entity", what, text), {"write it as Type::\"id\""});
    return parsed.has_value();
  };
  if (!uid("principal", asked.principal, request.principal) || !uid("action", asked.action, request.action) ||
      !uid("resource", asked.resource, request.resource)) {
    return std::nullopt;
  }
  if (!asked.context) return request;
  Result<Json> json = parse_json(asked.context->text);
  Result<Value> value = json ? value_from_json(*json) : Result<Value>(Error{json.error().message});
  if (!value || !value->as_record()) {
    fail(globals, "the context is no JSON record" + (value ? std::string() : ": " + value.error().message));
    return std::nullopt;
  }
  request.context = *value->as_record();
  return request;
}

struct Determining {
  std::string id, text;
};

std::string determining_text(bool forbid, const std::string& id, const std::string& file, std::uint32_t line, std::uint32_t column) {
  return fmt::format("{} {} ({}:{}:{})", forbid ? "forbid" : "permit", id, file, line, column);
}

Json skipped_json(const Sources& sources, const Decided::Skipped& skipped) {
  Json out = {{"policy", skipped.policy}, {"message", skipped.message}};
  if (!skipped.span.valid()) return out;
  LineColumn at = sources.locate(skipped.span.source, skipped.span.begin);
  out.update(Json{{"file", sources.path(skipped.span.source)}, {"line", at.line}, {"column", at.column}});
  return out;
}

void print_decision(Globals& globals, const RequestOptions& options, const Sources& sources, bool allow,
                    const std::vector<Determining>& determining, const std::vector<Decided::Skipped>& skipped) {
  globals.exit = allow ? kOk : kDeny;
  if (options.format == "json") {
    Json ids = Json::array(), errors = Json::array();
    for (const Determining& one : determining) ids.push_back(one.id);
    for (const Decided::Skipped& one : skipped) errors.push_back(skipped_json(sources, one));
    Json out = {{"schema", "kerf.decision"}, {"version", 1}, {"decision", allow ? "allow" : "deny"},
                {"determining", std::move(ids)}, {"errors", std::move(errors)}};
    fmt::print("{}\n", out.dump(-1, ' ', false, Json::error_handler_t::replace));
    return;
  }
  fmt::print("{}\n", allow ? "ALLOW" : "DENY");
  if (options.verbose && determining.empty()) fmt::print("no policy is satisfied\n");
  for (const Determining& one : determining) {
    if (options.verbose) fmt::print("  {}\n", one.text);
  }
  Diagnostics diagnostics;
  for (const Decided::Skipped& one : skipped) {
    diagnostics.report(Code::K7915, one.span, one.policy, one.message).policy = one.policy;
  }
  print_diagnostics(globals, sources, diagnostics);
}

// Where the policy's condition failed, told by the reference evaluator.
Span skipped_at(const Module& module, std::uint32_t policy, const Request& request, const Entities& entities) {
  const Body& body = module.policies.at(policy).body;
  NodeId failed = body.root;
  EvalResult result = evaluate(body, body.root, {&request, &entities}, &failed);
  check(!result.ok(), "both evaluators find the error");
  return failure_span(body, failed, result.error().kind);
}

// Beside a decision in JSON it would be in the way.
void print_time(const RequestOptions& options, double microseconds) {
  fmt::print(options.format == "json" ? stderr : stdout, "Authorization Time (micro seconds) : {:.0f}\n", microseconds);
}

// `program` is what the table was made from, if that is at hand.
void decide(Globals& globals, const RequestOptions& options, const gateway::Table& table, const Request& request, const Entities& entities,
            const Program* program = nullptr) {
  auto start = std::chrono::steady_clock::now();
  Result<gateway::Decision> decision = table.decide(request, entities);
  std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - start;
  if (!decision) return fail(globals, decision.error().message);
  if (options.timing) print_time(options, took.count());
  std::vector<Determining> determining;
  for (std::uint32_t p : decision->determining) {
    const gateway::PolicyInfo& policy = table.policies().at(p);
    determining.push_back({policy.id, determining_text(policy.forbid, policy.id, policy.file, policy.line, policy.column)});
  }
  std::vector<Decided::Skipped> skipped;
  for (const auto& e : decision->errors) {
    Span at = program == nullptr ? Span() : skipped_at(program->module, e.policy, request, entities);
    skipped.push_back({table.policies().at(e.policy).id, e.error.message, at});
  }
  print_decision(globals, options, program == nullptr ? Sources{} : program->sources, decision->allow, determining, skipped);
}

void from_table(Globals& globals, const ProgramOptions& program, const RequestOptions& options, const RequestInput& asked) {
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
  if (std::optional<Request> request = request_without_schema(globals, asked)) decide(globals, options, *table, *request, entities);
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

void by_reference(Globals& globals, const ProgramText& text, const RequestOptions& options, const RequestInput& asked) {
  Session session;
  std::optional<Decided> decided =
      decide(session, {text.policies, text.links, text.schema, text.entities}, asked, options.request.validate);
  print_diagnostics(globals, session.sources, session.diagnostics);
  if (decided && options.timing) print_time(options, decided->microseconds);
  if (!decided) {
    globals.exit = kFailure;
    return;
  }
  std::vector<Determining> determining;
  for (const Decided::Satisfied& one : decided->determining) {
    LineColumn at = session.sources.locate(one.span.source, one.span.begin);
    determining.push_back({one.policy, determining_text(one.forbid, one.policy, session.sources.path(one.span.source), at.line, at.column)});
  }
  print_decision(globals, options, session.sources, decided->allow, determining, decided->errors);
}

// As Cedar's command line, it decides by policies that do not validate too; those have no table.
void from_program(Globals& globals, const ProgramOptions& program_options, const RequestOptions& options, const RequestInput& given) {
  std::optional<ProgramText> text = load(globals, program_options);
  if (!text) return;
  // A table has only requests that fit the schema.
  if (!text->schema || !options.request.validate) return by_reference(globals, *text, options, given);
  Program program = check_program(*text);
  if (program.diagnostics.has_errors()) {
    if (can_be_decided(program.diagnostics)) return by_reference(globals, *text, options, given);
    print_diagnostics(globals, program.sources, program.diagnostics);
    globals.exit = kFailure;
    return;
  }
  print_diagnostics(globals, program.sources, program.diagnostics);
  RequestText asked{given.principal, given.action, given.resource, {}};
  if (given.context) asked.context = program.sources.add(given.context->name, given.context->text, given.context->path);
  Diagnostics diagnostics;
  std::optional<Request> request = read_request(program.sources, asked, program.module.schema, options.request.validate, diagnostics);
  print_diagnostics(globals, program.sources, diagnostics);
  if (!request || diagnostics.has_errors()) {
    globals.exit = kFailure;
    return;
  }
  Result<gateway::Table> table = gateway::Table::read(emit_table(program.module, program.sources));
  if (!table) internal_error("the emitted table cannot be read back: " + table.error().message);
  decide(globals, options, *table, *request, program.module.entities, &program);
}

void authorize(Globals& globals, const ProgramOptions& program, const RequestOptions& options) {
  if (!options.requests.empty()) {
    if (options.table.empty()) return fail(globals, "`--requests` needs a table", {"add --table PATH"});
    return authorize_lines(globals, options.table, program.entities, options.requests);
  }
  std::optional<RequestInput> asked = options.request.read(globals);
  if (!asked) return;
  if (asked->principal.empty() || asked->action.empty() || asked->resource.empty()) {
    return fail(globals, "the request is incomplete", {"give -l, -a and -r, or --request-json with principal, action and resource"});
  }
  if (options.table.empty()) from_program(globals, program, options, *asked);
  else from_table(globals, program, options, *asked);
}

}  // namespace

void add_authorize(CLI::App& app, Globals& globals) {
  auto program = std::make_shared<ProgramOptions>();
  auto options = std::make_shared<RequestOptions>();
  CLI::App* command = app.add_subcommand("authorize", "decide a request: 0 ALLOW, 2 DENY");
  program->declare(*command, false);
  command->add_option("--table", options->table, "decide from this table.json or bundle directory")->type_name("PATH");
  options->request.declare(*command);
  command->add_option("--requests", options->requests, "JSON lines with a request each, decided by --table; - for standard input")->type_name("FILE");
  command->add_option("--format", options->format)->check(CLI::IsMember({"human", "json"}))->type_name("human|json");
  command->add_flag("-v,--verbose", options->verbose, "name the determining policies");
  command->add_flag("-t,--timing", options->timing, "say how long the decision took");
  command->callback([&globals, program, options] {
    if (options->table.empty() && program->policies.empty()) program->policies.push_back("-");
    authorize(globals, *program, *options);
  });
}

}  // namespace kerf::cli
