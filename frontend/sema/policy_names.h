// What is checked once per policy, outside of request environments: names, enumerated ids, and whether any action fits.
#pragma once
#include "frontend/sema/type_body.h"
#include "ir/base/diagnostic.h"
#include "ir/module.h"

namespace kerf {

// Entity types, actions and enumerated ids that the schema does not declare, wherever they stand.
void check_names(const Policy& policy, const SchemaTypes& schema_types, Diagnostics& diagnostics);

// Does some action fit the scope, with a principal and a resource type that it applies to? Reports if not, with `code`.
bool check_application(const Policy& policy, const Module& module, const SchemaTypes& schema_types, Code code,
                       Diagnostics& diagnostics);

}  // namespace kerf
