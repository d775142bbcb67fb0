// Cedar's JSON schema format, in and out.
#pragma once
#include "frontend/ast/schema.h"
#include "ir/base/diagnostic.h"
#include "ir/values/json.h"

namespace kerf {

// Errors are K13xx, K20xx and codes that text has too; spans point into the JSON.
ast::SchemaFile read_schema_json(const Sources& sources, SourceId source, Diagnostics& diagnostics);

// Names of text are `EntityOrCommon`, names of JSON what they were.
Json schema_to_json(const ast::SchemaFile& file);

// JSON can say what text cannot; reports that (K1310, K1311). ast::print() is for what passes.
bool check_text_form(const ast::SchemaFile& file, Diagnostics& diagnostics);

}  // namespace kerf
