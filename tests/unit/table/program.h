// Policies and schema as text -> module, without type checking: tables must be right for whatever can be lowered.
#pragma once
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "backends/table/emit.h"
#include "frontend/parse/parse.h"
#include "frontend/sema/policies.h"
#include "frontend/sema/schema.h"
#include "ir/eval.h"
#include "runtime/gateway/table.h"

namespace kerf::test {

struct Program {
  Sources sources;
  Diagnostics diagnostics;
  Module module;

  std::string problems() const {
    std::string text;
    for (const Diagnostic& diagnostic : diagnostics.all()) text += diagnostic.message + "\n";
    return text;
  }
};

// Each text is a file. Check diagnostics.has_errors() before use.
inline void lower(Program& program, const std::string& schema, const std::vector<std::string>& policies) {
  SourceId source = program.sources.add("schema.cedarschema", schema);
  ast::SchemaFile schema_file = parse_schema(program.sources, source, program.diagnostics);
  if (program.diagnostics.has_errors()) return;
  program.module.schema = resolve_schema(schema_file, program.diagnostics);
  if (program.diagnostics.has_errors()) return;
  program.module.environments = program.module.schema.environments();
  program.module.entities = *Entities::build(program.module.schema.action_entities());
  std::vector<ast::PolicyFile> files;
  for (std::size_t i = 0; i < policies.size(); ++i) {
    SourceId file = program.sources.add("p" + std::to_string(i) + ".cedar", policies[i]);
    files.push_back(parse_policies(program.sources, file, program.diagnostics));
  }
  if (!program.diagnostics.has_errors()) lower_policies(files, program.module, program.diagnostics);
}

inline gateway::Table table_of(const Program& program) {
  const std::string text = emit_table(program.module, program.sources);
  Result<gateway::Table> table = gateway::Table::read(text);
  if (!table.ok()) FAIL(table.error().message << "\n" << text);
  return *std::move(table);
}

// One line that says all of a decision: "allow [a b] error c: message".
template <class Decision, class Name>
std::string show(const Decision& decision, Name name) {
  std::string text = decision.allow ? "allow [" : "deny [";
  for (const auto& policy : decision.determining) text += " " + name(policy);
  text += " ]";
  for (const auto& failure : decision.errors) text += " error " + name(failure.policy) + ": " + failure.error.message;
  return text;
}

inline std::string decide_by_table(const gateway::Table& table, const Request& request, const Entities& entities) {
  Result<gateway::Decision> decision = table.decide(request, entities);
  if (!decision.ok()) return decision.error().message;
  return show(*decision, [&](std::uint32_t policy) { return table.policies()[policy].id; });
}

inline std::string decide_by_reference(const Module& module, const Request& request, const Entities& entities) {
  return show(authorize(module, request, entities), [&](PolicyId policy) { return module.policies[policy.index].id; });
}

}  // namespace kerf::test
