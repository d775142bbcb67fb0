// The form of an input file decides its reader. Internal to this folder.
#pragma once
#include "driver/language.h"
#include "frontend/json/policies.h"
#include "frontend/json/schema.h"
#include "frontend/parse/parse.h"

namespace kerf {

inline ast::PolicyFile read_policy_form(const Sources& sources, SourceId source, InputFormat format, Diagnostics& diagnostics,
                                        std::size_t jobs = 1) {
  switch (format) {
    case InputFormat::cedar: return parse_policies(sources, source, diagnostics, jobs);
    case InputFormat::json: return read_policies_json(sources, source, diagnostics);
  }
  internal_error("every format has a reader");
}

inline ast::SchemaFile read_schema_form(const Sources& sources, SourceId source, InputFormat format, Diagnostics& diagnostics) {
  switch (format) {
    case InputFormat::cedar: return parse_schema(sources, source, diagnostics);
    case InputFormat::json: return read_schema_json(sources, source, diagnostics);
  }
  internal_error("every format has a reader");
}

std::vector<ast::PolicyFile> read_policy_forms(Session& session, const std::vector<InputFile>& policies,
                                               const std::optional<InputFile>& links);

}  // namespace kerf
