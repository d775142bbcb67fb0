// Schema syntax to a resolved schema.
#pragma once
#include "frontend/ast/schema.h"
#include "ir/base/diagnostic.h"
#include "ir/schema.h"

namespace kerf {

// Name resolution and shadowing as the official validator does (RFC 24, RFC 70); errors are K2xxx. Also reads
// `@kernel` and `@errno` annotations, checks them against the kernel model (K4xxx) and fills the kernel fields.
// On errors the result holds what could be resolved and must not be used for more checks than messages.
Schema resolve_schema(const ast::SchemaFile& file, Diagnostics& diagnostics);

// The same file with every name in full and of a known kind. Only for a file that resolve_schema has accepted.
ast::SchemaFile resolve_names(const ast::SchemaFile& file);

}  // namespace kerf
