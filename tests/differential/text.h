// Cedar text from parts: literals with the escapes one may choose, and policies from their JSON form.
#pragma once
#include <string>

#include "ir/values/json.h"
#include "tests/differential/random.h"

namespace kerf::test {

bool is_identifier(const std::string& text);                        // and no reserved word
std::string string_literal(Random& random, const std::string& text);
// A policy or template of the JSON format as text: with more or less space, brackets, commas, comments.
std::string policy_text(Random& random, const Json& policy);

}  // namespace kerf::test
