// Syntax trees as Cedar's policy JSON (EST), which the corpus has from the official engine, and as a dump that keeps
// everything but spans, to compare a policy with its printed and parsed self.
#pragma once
#include <nlohmann/json.hpp>

#include "frontend/ast/policy.h"
#include "frontend/ast/schema.h"

namespace kerf::test {

nlohmann::json to_est(const ast::PolicyFile& file, const ast::Policy& policy);
nlohmann::json to_est(const ast::PolicyFile& file, ast::ExprId expr);

nlohmann::json dump(const ast::PolicyFile& file);
nlohmann::json dump(const ast::PolicyFile& file, ast::ExprId expr);
nlohmann::json dump(const ast::SchemaFile& file);

}  // namespace kerf::test
