// Sources, and what the compiler makes of them: each function is one call of the pipeline.
#include <algorithm>
#include <mutex>

#include "driver/capi/result.h"
#include "driver/language.h"
#include "driver/pipeline.h"

using namespace kerf;
using namespace kerf::capi;

struct kerf_sources {
  ProgramText text;
};

namespace {

constexpr std::uint32_t kCheckFlags = KERF_CHECK_PERMISSIVE | KERF_CHECK_LEVEL | KERF_CHECK_APPLICABILITY_WARNS;

// ANTLR's parsers share tables, and its runtime (4.9) does not protect all of them: what parses takes its turn. The rest
// of a compile, the code generator above all, does not wait.
std::mutex parsing;

template <class Work>
auto in_turn(Work work) {
  std::lock_guard hold(parsing);
  return work();
}

bool is_utf8(std::string_view text) { return find_invalid_utf8(text) == std::string_view::npos; }

// Empty if the text can be added.
std::string why_not(const ProgramText& sources, std::int32_t kind, std::int32_t format, kerf_text name, kerf_text text) {
  bool known = kind >= KERF_POLICIES && kind <= KERF_LINKS && format >= KERF_BY_NAME && format <= KERF_JSON;
  if (!known || !is_text(name) || !is_text(text) || name.size == 0 || !is_utf8(view(name))) return "bad argument";
  if (text.size > kMaxInputMiB << 20) return "too large";
  bool again = (kind == KERF_SCHEMA && sources.schema) || (kind == KERF_ENTITIES && sources.entities) ||
               (kind == KERF_LINKS && sources.links) ||
               (kind == KERF_POLICIES && std::any_of(sources.policies.begin(), sources.policies.end(),
                                                     [&](const InputFile& file) { return file.name == view(name); }));
  return again ? "added before" : "";
}

// Policies lie in the order of their names, as the command line gives them to the pipeline.
void add(ProgramText& sources, std::int32_t kind, InputFile file) {
  switch (kind) {
    case KERF_POLICIES: {
      auto at = std::upper_bound(sources.policies.begin(), sources.policies.end(), file.name,
                                 [](const std::string& name, const InputFile& other) { return name < other.name; });
      sources.policies.insert(at, std::move(file));
      break;
    }
    case KERF_SCHEMA: sources.schema = std::move(file); break;
    case KERF_ENTITIES: sources.entities = std::move(file); break;
    case KERF_LINKS: sources.links = std::move(file); break;
  }
}

std::vector<std::string> split_names(std::string_view text) {
  std::vector<std::string> names;
  while (!text.empty()) {
    std::size_t comma = std::min(text.find(','), text.size());
    names.emplace_back(text.substr(0, comma));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return names;
}

ValidationOptions validation_of(const kerf_check_options& options) {
  ValidationOptions validation;
  if (options.flags & KERF_CHECK_PERMISSIVE) validation.mode = ValidationMode::permissive;
  if (options.flags & KERF_CHECK_LEVEL) validation.level = options.level;
  validation.applicability_warns = (options.flags & KERF_CHECK_APPLICABILITY_WARNS) != 0;
  return validation;
}

bool is_worlds(const Diagnostics& diagnostics) {
  return std::any_of(diagnostics.all().begin(), diagnostics.all().end(), [](const Diagnostic& d) { return d.code == Code::K7904; });
}

void compile_bundle(Program& program, const ProgramText& text, const kerf_compile_options& options, kerf_result& result, Report& report) {
  std::string helper = options.helper.size ? std::string(view(options.helper)) : codegen_helper_path();
  Diagnostics before = std::exchange(program.diagnostics, {});
  keep(result, report, program.sources, before);
  std::optional<Artefacts> artefacts = compile_program(program, text, {helper, split_names(view(options.waived))});
  keep(result, report, program.sources, program.diagnostics);
  if (is_worlds(program.diagnostics)) report.status = KERF_FAILED;
  if (!artefacts) return;
  if (options.directory.size != 0) {
    if (Status written = write_bundle(artefacts->bundle, std::string(view(options.directory))); !written) {
      report = {KERF_FAILED, written.error().message};
    }
  }
  result.files = std::move(artefacts->bundle.files);
}

void compile(const ProgramText& text, const kerf_compile_options& options, kerf_result& result, Report& report) {
  Program program = in_turn([&] { return check_program(text); });
  bool table_only = (options.flags & KERF_COMPILE_TABLE_ONLY) != 0;
  if (!table_only && !program.diagnostics.has_errors()) return compile_bundle(program, text, options, result, report);
  keep(result, report, program.sources, program.diagnostics);
  if (report.status == KERF_OK) result.files = gateway_files(program);
}

std::optional<std::string> translate(Session& session, const ProgramText& text, std::int32_t direction) {
  switch (direction) {
    case KERF_POLICIES_TO_JSON: return policies_to_json(session, text.policies, text.links);
    case KERF_POLICIES_TO_CEDAR: return policies_to_text(session, text.policies);
    case KERF_SCHEMA_TO_JSON: return schema_to_json_text(session, *text.schema, false);
    case KERF_SCHEMA_TO_JSON_RESOLVED: return schema_to_json_text(session, *text.schema, true);
    case KERF_SCHEMA_TO_CEDAR: return schema_to_text(session, *text.schema);
  }
  internal_error("directions are checked before");
}

const char* name_of(std::int32_t direction) {
  switch (direction) {
    case KERF_POLICIES_TO_JSON: return "policies.json";
    case KERF_POLICIES_TO_CEDAR: return "policies.cedar";
    case KERF_SCHEMA_TO_CEDAR: return "schema.cedarschema";
    default: return "schema.json";
  }
}

void give(kerf_result& result, Report& report, const Session& session, std::string name, std::optional<std::string> text) {
  keep(result, report, session.sources, session.diagnostics);
  if (!text && report.status == KERF_OK) internal_error("nothing was made and nothing was reported");
  if (text) result.files.push_back({std::move(name), "", std::move(*text)});
}

void keep_answer(kerf_result& result, Decided decided) {
  kerf_answer& answer = result.answer.emplace();
  answer.allow = decided.allow;
  for (auto& determining : decided.determining) answer.ids.push_back(std::move(determining.policy));
  std::size_t count = answer.ids.size();
  for (auto& error : decided.errors) answer.ids.push_back(std::move(error.policy));
  for (std::size_t i = 0; i < answer.ids.size(); ++i) {
    if (i < count) answer.determining.push_back(text_of(answer.ids[i]));
    else answer.errors.push_back({text_of(answer.ids[i]), std::move(decided.errors[i - count].message)});
  }
}

// An entity of a request as a literal; false if it is no text.
bool read_uid(const kerf_uid& uid, std::string& out) {
  if (!is_text(uid.type) || !is_text(uid.id) || !is_utf8(view(uid.id))) return false;
  out = to_text(EntityUid{std::string(view(uid.type)), std::string(view(uid.id))});
  return true;
}

}  // namespace

kerf_status kerf_sources_new(kerf_sources** out) {
  if (out == nullptr) return KERF_BAD_ARGUMENT;
  *out = nullptr;
  return guarded([&](Report&) { *out = new kerf_sources; }).status;
}

kerf_status kerf_sources_add(kerf_sources* sources, int32_t kind, int32_t format, kerf_text name, kerf_text text) {
  if (sources == nullptr) return KERF_BAD_ARGUMENT;
  return guarded([&](Report& report) {
    if (std::string why = why_not(sources->text, kind, format, name, text); !why.empty()) return refuse(report, why);
    std::string shown(view(name));
    InputFormat form = format == KERF_BY_NAME ? format_of("", shown) : format == KERF_JSON ? InputFormat::json : InputFormat::cedar;
    add(sources->text, kind, {std::move(shown), std::string(view(text)), form});
  }).status;
}

void kerf_sources_free(kerf_sources* sources) { delete sources; }

kerf_status kerf_check(const kerf_sources* sources, const kerf_check_options* options, kerf_result** out) {
  return operate(out, [&](kerf_result& result, Report& report) {
    kerf_check_options ours;
    if (sources == nullptr) return refuse(report, "no sources");
    if (!read_options(options, ours) || (ours.flags & ~kCheckFlags) != 0) return refuse(report, "options of no known kind");
    Program program = in_turn([&] { return check_program(sources->text, validation_of(ours)); });
    keep(result, report, program.sources, program.diagnostics);
  });
}

kerf_status kerf_compile(const kerf_sources* sources, const kerf_compile_options* options, kerf_result** out) {
  return operate(out, [&](kerf_result& result, Report& report) {
    kerf_compile_options ours;
    if (sources == nullptr) return refuse(report, "no sources");
    bool known = read_options(options, ours) && (ours.flags & ~std::uint32_t{KERF_COMPILE_TABLE_ONLY}) == 0 && ours.reserved == 0;
    if (!known) return refuse(report, "options of no known kind");
    for (kerf_text text : {ours.directory, ours.helper, ours.waived}) {
      if (!is_text(text) || view(text).find('\0') != std::string_view::npos) return refuse(report, "an option is no text");
    }
    if (ours.helper.size != 0 && *ours.helper.data != '/') return refuse(report, "the helper's path must be absolute");
    if ((ours.flags & KERF_COMPILE_TABLE_ONLY) && (ours.directory.size || ours.helper.size || ours.waived.size)) {
      return refuse(report, "a table alone has no directory, helper or guards");
    }
    compile(sources->text, ours, result, report);
  });
}

kerf_status kerf_format(kerf_text name, kerf_text policies, const kerf_format_options* options, kerf_result** out) {
  return operate(out, [&](kerf_result& result, Report& report) {
    kerf_format_options ours;
    if (!read_options(options, ours)) return refuse(report, "options of no known kind");
    if (std::string why = why_not({}, KERF_POLICIES, KERF_CEDAR, name, policies); !why.empty()) return refuse(report, why);
    Session session;
    InputFile file{std::string(view(name)), std::string(view(policies)), InputFormat::cedar};
    std::size_t line = ours.line_width ? ours.line_width : 80, indent = ours.indent_width ? ours.indent_width : 2;
    std::optional<std::string> formatted = in_turn([&] { return format_text(session, file, line, indent); });
    give(result, report, session, file.name, std::move(formatted));
  });
}

kerf_status kerf_translate(const kerf_sources* sources, int32_t direction, kerf_result** out) {
  return operate(out, [&](kerf_result& result, Report& report) {
    if (sources == nullptr) return refuse(report, "no sources");
    if (direction < KERF_POLICIES_TO_JSON || direction > KERF_SCHEMA_TO_CEDAR) return refuse(report, "no such direction");
    if (direction >= KERF_SCHEMA_TO_JSON && !sources->text.schema) return refuse(report, "the sources have no schema");
    Session session;
    std::optional<std::string> text = in_turn([&] { return translate(session, sources->text, direction); });
    give(result, report, session, name_of(direction), std::move(text));
  });
}

kerf_status kerf_authorize(const kerf_sources* sources, const kerf_request* request, const kerf_authorize_options* options,
                           kerf_result** out) {
  return operate(out, [&](kerf_result& result, Report& report) {
    kerf_request asked;
    kerf_authorize_options ours;
    if (sources == nullptr || request == nullptr) return refuse(report, "no sources or no request");
    bool known = read_options(request, asked) && read_options(options, ours) &&
                 (ours.flags & ~std::uint32_t{KERF_AUTHORIZE_UNCHECKED_REQUEST}) == 0 && ours.reserved == 0;
    if (!known) return refuse(report, "options of no known kind");
    RequestInput input;
    bool read = read_uid(asked.principal, input.principal) && read_uid(asked.action, input.action) &&
                read_uid(asked.resource, input.resource);
    if (!read) return refuse(report, "an entity of the request is no text");
    if (!is_text(asked.context)) return refuse(report, "the context is no text");
    if (asked.context.size != 0) input.context = InputFile{"<context>", std::string(view(asked.context)), InputFormat::json};
    Session session;
    const ProgramText& text = sources->text;
    const bool validate = (ours.flags & KERF_AUTHORIZE_UNCHECKED_REQUEST) == 0;
    std::optional<Decided> decided =
        in_turn([&] { return decide(session, {text.policies, text.links, text.schema, text.entities}, input, validate); });
    keep(result, report, session.sources, session.diagnostics);
    if (!decided) return check(report.status != KERF_OK, "no decision has a report");
    keep_answer(result, std::move(*decided));
  });
}
