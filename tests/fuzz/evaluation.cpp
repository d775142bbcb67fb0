// Expressions and whole programs: the reference evaluator, the decision table and the engine give the same answers.
#include <sstream>

#include "backends/table/emit.h"
#include "driver/pipeline.h"
#include "frontend/parse/parse.h"
#include "frontend/sema/policies.h"
#include "ir/expr_json.h"
#include "tests/fuzz/answers.h"
#include "tests/fuzz/target.h"

namespace kerf::fuzz {
namespace {

std::string show(const EvalResult& result) {
  return result.ok() ? to_text(*result) : "error: " + result.error().message;
}

// A policy whose condition is the expression.
std::optional<Module> lower_expression(std::string_view input, Read& read) {
  ParsedExpr parsed = parse_expression(read.sources, read.add(input), read.diagnostics);
  require(parsed.expr.has_value() == read.render_all(), "an expression and errors");
  if (!parsed.expr) return std::nullopt;
  ast::Policy policy;
  policy.effect = ast::Effect::permit;
  policy.conditions.push_back({false, *parsed.expr, {parsed.file.source, 0, static_cast<std::uint32_t>(input.size())}});
  parsed.file.policies.push_back(std::move(policy));
  Module module;
  lower_policies({parsed.file}, module, read.diagnostics);
  if (!read.render_all()) return std::nullopt;
  std::optional<std::string> violation = verify(module);
  require(!violation, "the IR of an expression is wrong", violation.value_or(""));
  return module;
}

std::string by_reference(const Module& module, const Request& request) {
  Decision d = authorize(module, request, module.entities);
  Answered out{d.allow, {}, {}};
  for (PolicyId id : d.determining) out.determining.push_back(id.index);
  for (const PolicyError& e : d.errors) out.errors.push_back(e.policy.index);
  return out.text();
}

void check_decisions(const Program& program) {
  std::string text = emit_table(program.module, program.sources);
  Result<gateway::Table> read = gateway::Table::read(text);
  require(read.ok(), "an emitted table does not read", text, read.ok() ? "" : read.error().message);
  auto table = std::make_shared<const gateway::Table>(std::move(*read));
  Result<gateway::Engine> engine = gateway::Engine::build(table, program.module.entities);
  require(engine.ok(), "no engine for an emitted table", text);
  gateway::Query query(*engine);
  for (const Request& request : requests_of(program.module, 24)) {
    std::string expected = by_reference(program.module, request);
    require_equal("table and reference", expected, by_table(*table, request, program.module.entities));
    require_equal("engine and reference", expected, by_engine(*engine, query, request));
  }
}

}  // namespace

void expression(std::string_view input) {
  Read read;
  std::optional<Module> module = lower_expression(input, read);
  if (!module) return;
  const Body& body = module->policies.at(0).body;
  NodeId condition = body.arg(body.arg(body.arg(body.root, 1), 1), 1);
  Result<gateway::Expr> expr = gateway::Expr::from_json(expr_to_json(body, condition));
  require(expr.ok(), "the JSON of an expression does not read", input, expr.ok() ? "" : expr.error().message);
  const Entities& entities = world().module.entities;
  for (const Request& request : {world().requests.front(), world().requests.back()}) {
    EvalResult reference = evaluate(body, condition, {&request, &entities});
    EvalResult table = expr->evaluate({&request.principal, &request.action, &request.resource, &request.context}, entities);
    require(reference.ok() == table.ok() && (!reference.ok() || *reference == *table) &&
                (reference.ok() || reference.error().kind == table.error().kind),
            "the two evaluators differ", show(reference), show(table));
  }
}

// `=== policies`, `=== policies json`, `=== schema`, `=== schema json`, `=== entities`, `=== links` on lines of their own
// begin the parts; other parts are skipped, so that golden tests are inputs. A missing schema is the world's.
void program(std::string_view input) {
  ProgramText text;
  std::string* part = nullptr;
  std::istringstream lines{std::string(input)};
  auto begin = [](std::optional<InputFile>& file, const char* name, bool json) {
    file = InputFile{name, "", json ? InputFormat::json : InputFormat::cedar};
    return &file->text;
  };
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("=== ")) {
      if (part != nullptr) (*part += line) += '\n';
      continue;
    }
    bool json = line.ends_with("json");
    part = nullptr;
    if (line.starts_with("=== policies")) {
      text.policies.push_back({"p", "", json ? InputFormat::json : InputFormat::cedar});
      part = &text.policies.back().text;
    } else if (line.starts_with("=== schema")) part = begin(text.schema, "s", json);
    else if (line.starts_with("=== entities")) part = begin(text.entities, "e", true);
    else if (line.starts_with("=== links")) part = begin(text.links, "l", true);
  }
  if (!text.schema) text.schema = InputFile{"s", world().schema};
  if (!text.entities && text.schema->text == world().schema) text.entities = InputFile{"e", world().entities};
  for (ValidationOptions options : {ValidationOptions{ValidationMode::permissive, 1, true}, ValidationOptions{}}) {
    Program program = check_program(text, options);
    for (ErrorFormat format : {ErrorFormat::human, ErrorFormat::plain, ErrorFormat::json}) render(program.sources, program.diagnostics, format, false);
    if (program.diagnostics.has_errors() || options.mode == ValidationMode::permissive) continue;
    check_decisions(program);
    for (const char* stage : {"ast", "ir", "plan", "split"}) require(print_stage(program, text, stage).has_value(), "a stage does not print");
  }
}

}  // namespace kerf::fuzz
