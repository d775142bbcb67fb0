// translate-policy, translate-schema, link, check-parse: Cedar's forms, as Cedar's own command line spells the commands.
#include <fmt/core.h>

#include "driver/cli/commands.h"
#include "driver/language.h"

namespace kerf::cli {
namespace {

// Prints messages; sets the exit code if there were errors.
bool finish(Globals& globals, const Session& session, int failure = kFailure) {
  print_diagnostics(globals, session.sources, session.diagnostics);
  if (session.diagnostics.has_errors()) globals.exit = failure;
  return !session.diagnostics.has_errors();
}

void print_result(Globals& globals, const Session& session, const std::optional<std::string>& text) {
  if (finish(globals, session) && text) fmt::print("{}", *text);
}

// Nothing named means standard input.
ProgramOptions with_stdin(ProgramOptions options) {
  if (options.policies.empty()) options.policies.push_back("-");
  return options;
}

void translate_policy(Globals& globals, ProgramOptions options, const std::string& direction) {
  if (options.policy_format.empty()) options.policy_format = direction == "json-to-cedar" ? "json" : "cedar";
  std::optional<ProgramText> text = load(globals, with_stdin(options));
  if (!text) return;
  Session session;
  bool to_json = direction == "cedar-to-json";
  std::optional<std::string> result =
      to_json ? policies_to_json(session, text->policies, text->links) : policies_to_text(session, text->policies);
  print_result(globals, session, result);
}

void translate_schema(Globals& globals, ProgramOptions options, const std::string& direction) {
  if (options.schema.empty()) options.schema = "-";
  if (options.schema_format.empty()) options.schema_format = direction == "json-to-cedar" ? "json" : "cedar";
  std::optional<ProgramText> text = load(globals, options);
  if (!text) return;
  Session session;
  std::optional<std::string> result = direction == "json-to-cedar"
                                          ? schema_to_text(session, *text->schema)
                                          : schema_to_json_text(session, *text->schema, direction == "cedar-to-json-with-resolved-types");
  print_result(globals, session, result);
}

void link(Globals& globals, const ProgramOptions& options, const NewLink& wanted) {
  ProgramOptions reading = with_stdin(options);
  bool is_new = !options.links.empty() && !std::filesystem::exists(options.links);
  if (is_new) reading.links.clear();
  std::optional<ProgramText> text = load(globals, reading);
  if (!text) return;
  Session session;
  std::optional<Linked> linked = link_template(session, text->policies, text->links, wanted);
  if (linked && !options.links.empty()) {
    if (Status written = replace_file(options.links, linked->links); !written) {
      session.diagnostics.report(Code::K7910, {}, options.links, written.error().message);
    }
  }
  if (finish(globals, session) && linked) fmt::print("{}", linked->policy);
}

void check_parse(Globals& globals, const ProgramOptions& options, const std::string& expression) {
  ProgramOptions reading = options;
  bool nothing = options.policies.empty() && options.schema.empty() && options.entities.empty() && expression.empty();
  if (nothing) reading.policies.push_back("-");
  std::optional<ProgramText> text = load(globals, reading);
  if (!text) return;
  Session session;
  if (!text->policies.empty()) check_policies_parse(session, text->policies, text->links);
  if (!expression.empty()) check_expression_parse(session, expression);
  if (text->entities) check_entities_parse(session, text->schema, *text->entities);
  else if (text->schema) check_schema_parse(session, *text->schema);
  finish(globals, session);
}

}  // namespace

void add_language(CLI::App& app, Globals& globals) {
  auto policy = std::make_shared<ProgramOptions>();
  auto policy_direction = std::make_shared<std::string>();
  CLI::App* translate = app.add_subcommand("translate-policy", "policies from text to JSON and back");
  translate->add_option("--direction", *policy_direction)->required()
      ->check(CLI::IsMember({"cedar-to-json", "json-to-cedar"}))->type_name("cedar-to-json|json-to-cedar");
  policy->declare_policies(*translate, false);
  translate->callback([&globals, policy, policy_direction] { translate_policy(globals, *policy, *policy_direction); });

  auto schema = std::make_shared<ProgramOptions>();
  auto schema_direction = std::make_shared<std::string>();
  CLI::App* translate_schemas = app.add_subcommand("translate-schema", "a schema from text to JSON and back");
  translate_schemas->add_option("--direction", *schema_direction)->required()
      ->check(CLI::IsMember({"cedar-to-json", "json-to-cedar", "cedar-to-json-with-resolved-types"}))
      ->type_name("cedar-to-json|json-to-cedar|cedar-to-json-with-resolved-types");
  schema->declare_schema(*translate_schemas, false);
  translate_schemas->callback([&globals, schema, schema_direction] { translate_schema(globals, *schema, *schema_direction); });

  auto templates = std::make_shared<ProgramOptions>();
  auto wanted = std::make_shared<NewLink>();
  CLI::App* link_command = app.add_subcommand("link", "make a policy from a template; with -k, add the link to that file");
  templates->declare_policies(*link_command, false);
  link_command->add_option("--template-id", wanted->template_id, "id of the template")->required();
  link_command->add_option("-n,--new-id", wanted->id, "id of the new policy")->required();
  link_command->add_option("-a,--arguments", wanted->arguments, "entities for the slots: {\"?principal\": \"User::\\\"alice\\\"\"}")
      ->required()->type_name("JSON");
  link_command->callback([&globals, templates, wanted] { link(globals, *templates, *wanted); });

  auto parsed = std::make_shared<ProgramOptions>();
  auto expression = std::make_shared<std::string>();
  CLI::App* check = app.add_subcommand("check-parse", "parse policies, an expression, a schema or entities; say what is wrong");
  parsed->declare(*check, false);
  check->add_option("--expression", *expression, "one expression")->type_name("TEXT");
  check->callback([&globals, parsed, expression] { check_parse(globals, *parsed, *expression); });
}

}  // namespace kerf::cli
