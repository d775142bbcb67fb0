// Cedar's forms from one another. The one decision: whatever is written has been resolved first, so that a translation
// of something wrong fails here and not at its reader.
#include "driver/language.h"

#include <algorithm>
#include <chrono>

#include "driver/read_forms.h"
#include "frontend/format/format.h"
#include "frontend/json/policies.h"
#include "frontend/json/schema.h"
#include "frontend/parse/parse.h"
#include "frontend/sema/data.h"
#include "frontend/sema/policies.h"
#include "frontend/sema/schema.h"
#include "ir/eval.h"

namespace kerf {
namespace {

// Ids are unique, links fit their templates.
bool check_set(Session& session, const std::vector<ast::PolicyFile>& files) {
  if (session.diagnostics.has_errors()) return false;
  Module module;
  lower_policies(files, module, session.diagnostics);
  return !session.diagnostics.has_errors();
}

std::optional<ast::SchemaFile> read_schema(Session& session, const InputFile& input) {
  ast::SchemaFile file = read_schema_form(session.sources, session.sources.add(input.name, input.text, input.path), input.format, session.diagnostics);
  if (session.diagnostics.has_errors()) return std::nullopt;
  resolve_schema(file, session.diagnostics);
  if (session.diagnostics.has_errors()) return std::nullopt;
  return file;
}

// policy2 before policy10, so that positions give the same ids again.
bool id_less(const std::string& a, const std::string& b) {
  auto number = [](const std::string& id) -> std::optional<std::uint64_t> {
    constexpr std::string_view prefix = "policy";
    if (!id.starts_with(prefix) || id.size() == prefix.size() || id.size() > 15) return std::nullopt;
    std::string digits = id.substr(prefix.size());
    if (digits.find_first_not_of("0123456789") != std::string::npos) return std::nullopt;
    return std::stoull(digits);
  };
  auto x = number(a), y = number(b);
  return x && y ? *x < *y : a < b;
}

}  // namespace

std::vector<ast::PolicyFile> read_policy_forms(Session& session, const std::vector<InputFile>& policies,
                                               const std::optional<InputFile>& links) {
  std::vector<ast::PolicyFile> files;
  for (const InputFile& input : policies) {
    SourceId source = session.sources.add(input.name, input.text, input.path);
    files.push_back(read_policy_form(session.sources, source, input.format, session.diagnostics));
  }
  if (!links) return files;
  ast::PolicyFile& more = files.emplace_back();
  more.source = session.sources.add(links->name, links->text, links->path);
  more.links = read_links_json(session.sources, more.source, session.diagnostics);
  return files;
}

std::optional<std::string> policies_to_json(Session& session, const std::vector<InputFile>& policies,
                                            const std::optional<InputFile>& links) {
  std::vector<ast::PolicyFile> files = read_policy_forms(session, policies, links);
  if (!check_set(session, files)) return std::nullopt;
  std::optional<Json> json = policy_set_to_json(files, session.diagnostics);
  if (!json) return std::nullopt;
  return json->dump() + "\n";
}

std::optional<std::string> policies_to_text(Session& session, const std::vector<InputFile>& policies) {
  std::vector<ast::PolicyFile> files = read_policy_forms(session, policies, std::nullopt);
  if (!check_set(session, files)) return std::nullopt;
  struct Printed {
    std::string id, text;
    const ast::Policy* policy;
  };
  std::vector<Printed> all;
  for (const ast::PolicyFile& file : files) {
    for (const ast::TemplateLink& link : file.links) session.diagnostics.report(Code::K7908, link.id_span, link.id);
    for (const ast::Policy& policy : file.policies) {
      all.push_back({policy_id(policy, all.size()), ast::print_official(file, policy), &policy});
    }
  }
  if (session.diagnostics.has_errors()) return std::nullopt;
  std::stable_sort(all.begin(), all.end(), [](const Printed& a, const Printed& b) { return id_less(a.id, b.id); });
  std::string out;
  for (std::size_t i = 0; i < all.size(); ++i) {
    ast::Policy unnamed = *all[i].policy;
    unnamed.id.reset();
    std::string id = policy_id(unnamed, i);
    if (id != all[i].id) session.diagnostics.report(Code::K7909, all[i].policy->effect_span, all[i].id, id);
    (out += (i == 0 ? "" : "\n")) += all[i].text + "\n";
  }
  return out;
}

std::optional<std::string> schema_to_json_text(Session& session, const InputFile& schema, bool resolved) {
  std::optional<ast::SchemaFile> file = read_schema(session, schema);
  if (!file) return std::nullopt;
  return schema_to_json(resolved ? resolve_names(*file) : *file).dump() + "\n";
}

std::optional<std::string> schema_to_text(Session& session, const InputFile& schema) {
  std::optional<ast::SchemaFile> file = read_schema(session, schema);
  if (!file || !check_text_form(*file, session.diagnostics)) return std::nullopt;
  return ast::print(*file);
}

void check_policies_parse(Session& session, const std::vector<InputFile>& policies, const std::optional<InputFile>& links) {
  check_set(session, read_policy_forms(session, policies, links));
}

void check_schema_parse(Session& session, const InputFile& schema) { read_schema(session, schema); }

void check_entities_parse(Session& session, const std::optional<InputFile>& schema, const InputFile& entities) {
  SourceId source = session.sources.add(entities.name, entities.text, entities.path);
  if (!schema) {
    read_untyped_entities(session.sources, source, session.diagnostics);
    return;
  }
  std::optional<ast::SchemaFile> file = read_schema(session, *schema);
  if (!file) return;
  Diagnostics again;
  read_entities(session.sources, source, resolve_schema(*file, again), session.diagnostics);
}

void check_expression_parse(Session& session, const std::string& text) {
  parse_expression(session.sources, session.sources.add("<expression>", text), session.diagnostics);
}

std::optional<Linked> link_template(Session& session, const std::vector<InputFile>& policies,
                                    const std::optional<InputFile>& links, const NewLink& wanted) {
  std::vector<ast::PolicyFile> files = read_policy_forms(session, policies, links);
  SourceId source = session.sources.add("<arguments>", wanted.arguments);
  std::optional<ast::TemplateLink> link = read_link_arguments(session.sources, source, session.diagnostics);
  if (!link) return std::nullopt;
  link->template_id = wanted.template_id;
  link->id = wanted.id;
  ast::PolicyFile& last = files.emplace_back();
  last.links.push_back(*link);
  if (!check_set(session, files)) return std::nullopt;
  std::vector<ast::TemplateLink> all = links ? files[files.size() - 2].links : std::vector<ast::TemplateLink>();
  all.push_back(*link);
  Linked out{links_to_json(all).dump(2) + "\n", ""};
  std::size_t position = 0;
  for (const ast::PolicyFile& file : files) {
    for (const ast::Policy& policy : file.policies) {
      if (policy_id(policy, position++) == link->template_id && policy.is_template()) out.policy = ast::print(file, ast::link(policy, *link));
    }
  }
  return out;
}

std::optional<std::string> format_text(Session& session, const InputFile& input, std::size_t line_width, std::size_t indent_width) {
  SourceId source = session.sources.add(input.name, input.text, input.path);
  return format_policies(session.sources, source, {line_width, indent_width}, session.diagnostics);
}

namespace {

RequestText add_request(Session& session, const RequestInput& request) {
  RequestText text{request.principal, request.action, request.resource, {}};
  if (request.context) text.context = session.sources.add(request.context->name, request.context->text, request.context->path);
  return text;
}

std::optional<Entities> untyped_entities(Session& session, const std::optional<InputFile>& entities) {
  if (!entities) return Entities();
  return read_untyped_entities(session.sources, session.sources.add(entities->name, entities->text, entities->path), session.diagnostics);
}

}  // namespace

namespace {

// Entities and perhaps a request, with the schema's types if there is one.
struct Data {
  Schema schema;
  std::optional<Entities> entities;
  std::optional<Request> request;
};

Data read_data(Session& session, const std::optional<InputFile>& schema, const std::optional<InputFile>& entities,
               const std::optional<RequestInput>& request, bool validate) {
  Data data;
  if (!schema) {
    data.entities = untyped_entities(session, entities);
    if (request) data.request = read_untyped_request(session.sources, add_request(session, *request), session.diagnostics);
    return data;
  }
  std::optional<ast::SchemaFile> file = read_schema(session, *schema);
  if (!file) return data;
  Diagnostics again;
  data.schema = resolve_schema(*file, again);
  InputFile none{"<no entities>", "[]"};
  const InputFile& input = entities ? *entities : none;
  data.entities = read_entities(session.sources, session.sources.add(input.name, input.text, input.path), data.schema, session.diagnostics);
  if (request) data.request = read_request(session.sources, add_request(session, *request), data.schema, validate, session.diagnostics);
  return data;
}

}  // namespace

Span failure_span(const Body& body, NodeId failed, EvalErrorKind kind) {
  switch (kind) {
    case EvalErrorKind::attribute_does_not_exist: case EvalErrorKind::tag_does_not_exist: return body.name_span(failed);
    case EvalErrorKind::entity_does_not_exist: return body[body.arg(failed, 0)].span;
    case EvalErrorKind::type_error: case EvalErrorKind::integer_overflow: case EvalErrorKind::extension_function_error:
    case EvalErrorKind::wrong_number_of_arguments: case EvalErrorKind::unlinked_slot: case EvalErrorKind::unobserved:
    case EvalErrorKind::recursion_limit: return body[failed].span;
  }
  internal_error("unknown kind of evaluation error");
}

std::optional<Decided> decide(Session& session, const DecisionInput& input, const RequestInput& request, bool validate) {
  std::vector<ast::PolicyFile> files = read_policy_forms(session, input.policies, input.links);
  Module module;
  if (!session.diagnostics.has_errors()) lower_policies(files, module, session.diagnostics);
  Data data = read_data(session, input.schema, input.entities, request, validate);
  if (session.diagnostics.has_errors() || !data.entities || !data.request) return std::nullopt;
  auto start = std::chrono::steady_clock::now();
  Decision decision = authorize(module, *data.request, *data.entities);
  Decided out;
  out.microseconds = std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count();
  out.allow = decision.allow;
  for (PolicyId id : decision.determining) {
    const Policy& policy = module.policies[id.index];
    out.determining.push_back({policy.id, policy.effect == Effect::forbid, policy.span});
  }
  for (const PolicyError& e : decision.errors) {
    const Policy& policy = module.policies[e.policy.index];
    out.errors.push_back({policy.id, e.error.message, failure_span(policy.body, e.failed, e.error.kind)});
  }
  return out;
}

std::optional<std::string> evaluate_expression(Session& session, const std::string& expression, const std::optional<InputFile>& schema,
                                               const std::optional<InputFile>& entities, const std::optional<RequestInput>& request, bool validate) {
  SourceId source = session.sources.add("<expression>", expression);
  ParsedExpr parsed = parse_expression(session.sources, source, session.diagnostics);
  Data data = read_data(session, schema, entities, request, validate);
  if (session.diagnostics.has_errors() || !parsed.expr || !data.entities || (request && !data.request)) return std::nullopt;
  ast::Policy policy;   // whose condition it is
  policy.effect = ast::Effect::permit;
  policy.conditions.push_back({false, *parsed.expr, {source, 0, static_cast<std::uint32_t>(expression.size())}});
  parsed.file.policies.push_back(std::move(policy));
  Module module;
  lower_policies({parsed.file}, module, session.diagnostics);
  if (session.diagnostics.has_errors()) return std::nullopt;
  const Body& body = module.policies.at(0).body;
  NodeId condition = body.arg(body.arg(body.arg(body.root, 1), 1), 1);
  NodeId failed = condition;
  EvalResult value = evaluate(body, condition, {data.request ? &*data.request : nullptr, &*data.entities}, &failed);
  if (value) return to_text(*value) + "\n";
  session.diagnostics.report(Code::K7912, failure_span(body, failed, value.error().kind), value.error().message);
  return std::nullopt;
}

}  // namespace kerf
