// What the command line does with Cedar's own forms: one from another, links of templates, parsing alone. No kernel here.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "driver/inputs.h"
#include "ir/base/diagnostic.h"

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

}  // namespace kerf
