// What the command line does with Cedar's own forms: one from another, links of templates, parsing alone. No kernel here.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "driver/inputs.h"
#include "ir/base/diagnostic.h"
#include "ir/body.h"
#include "ir/values/operations.h"

namespace kerf {

// Sources and messages of one command.
struct Session {
  Sources sources;
  Diagnostics diagnostics;
};

// Each gives nothing after a report.
std::optional<std::string> policies_to_json(Session& session, const std::vector<InputFile>& policies,
                                            const std::optional<InputFile>& links);
std::optional<std::string> policies_to_text(Session& session, const std::vector<InputFile>& policies);
std::optional<std::string> schema_to_json_text(Session& session, const InputFile& schema, bool resolved);
std::optional<std::string> schema_to_text(Session& session, const InputFile& schema);

// Parses and reports; what is parsed is dropped.
void check_policies_parse(Session& session, const std::vector<InputFile>& policies, const std::optional<InputFile>& links);
void check_schema_parse(Session& session, const InputFile& schema);
// With a schema, against it.
void check_entities_parse(Session& session, const std::optional<InputFile>& schema, const InputFile& entities);
void check_expression_parse(Session& session, const std::string& text);

// The links file with one link more. `arguments` is JSON: {"?principal": "User::\"a\""}.
struct NewLink {
  std::string template_id, id, arguments;
};
struct Linked {
  std::string links;    // the new text of the file
  std::string policy;   // the static policy that the link stands for
};
std::optional<Linked> link_template(Session& session, const std::vector<InputFile>& policies,
                                    const std::optional<InputFile>& links, const NewLink& link);

// The layout of the official formatter, or nothing after a report.
std::optional<std::string> format_text(Session& session, const InputFile& input, std::size_t line_width, std::size_t indent_width);

// A request as the command line gives it; `context` is the JSON text.
struct RequestInput {
  std::string principal, action, resource;
  std::optional<InputFile> context;
};

// Decisions by the reference evaluator. Policies are not validated. With a schema, entities and the request are read
// with its types and the request is validated if `validate`; without one they are in explicit JSON forms.
struct Decided {
  bool allow = false;
  struct Satisfied {
    std::string policy;
    bool forbid = false;
    Span span;
  };
  std::vector<Satisfied> determining;
  struct Skipped {
    std::string policy, message;
    Span span;   // of the operation that failed
  };
  std::vector<Skipped> errors;
  double microseconds = 0;   // of deciding alone
};
struct DecisionInput {
  const std::vector<InputFile>& policies;
  const std::optional<InputFile>& links;
  const std::optional<InputFile>& schema;
  const std::optional<InputFile>& entities;
};
// Where an evaluation failed: the name of what is absent, the entity that does not exist, else the whole operation.
Span failure_span(const Body& body, NodeId failed, EvalErrorKind kind);
std::optional<Decided> decide(Session& session, const DecisionInput& input, const RequestInput& request, bool validate);

// The value of an expression, as Cedar writes it. Without a request, variables have no value.
std::optional<std::string> evaluate_expression(Session& session, const std::string& expression, const std::optional<InputFile>& schema,
                                               const std::optional<InputFile>& entities, const std::optional<RequestInput>& request,
                                               bool validate = true);

}  // namespace kerf
