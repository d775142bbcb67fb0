// Cedar's JSON policy format (EST): policies, templates and policy sets, in and out.
#pragma once
#include <vector>

#include "frontend/ast/policy.h"
#include "ir/base/diagnostic.h"
#include "ir/values/json.h"

namespace kerf {

// An expression nests twice as deep in JSON as in text.
inline constexpr int kMaxPolicyJsonDepth = 2048;

// One policy or template, or a set `{"staticPolicies": …, "templates": …, "templateLinks": …}`. Errors are K13xx and
// codes that text has too; what is good is kept, and spans point into the JSON.
ast::PolicyFile read_policies_json(const Sources& sources, SourceId source, Diagnostics& diagnostics);

// `[{"template_id": "t", "link_id": "l", "args": {"?principal": "User::\"a\""}}]`: links kept in a file of their own.
std::vector<ast::TemplateLink> read_links_json(const Sources& sources, SourceId source, Diagnostics& diagnostics);
Json links_to_json(const std::vector<ast::TemplateLink>& links);
// Its `args` object alone, as on a command line; the template and the new id are the caller's.
std::optional<ast::TemplateLink> read_link_arguments(const Sources& sources, SourceId source, Diagnostics& diagnostics);

// The golden version (4.12) of the format: `e has a.b` is spelled out. A policy that nests too deep is reported.
std::optional<Json> policy_to_json(const ast::PolicyFile& file, const ast::Policy& policy, Diagnostics& diagnostics);
// Policies without an id are policyN, N their position over all files.
std::optional<Json> policy_set_to_json(const std::vector<ast::PolicyFile>& files, Diagnostics& diagnostics);

// `@id`, else what the stored form says, else policyN.
std::string policy_id(const ast::Policy& policy, std::size_t position);

}  // namespace kerf
