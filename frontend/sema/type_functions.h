// Types of Cedar's extension functions.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "ir/types.h"

namespace kerf {

struct FunctionType {
  std::string_view name;
  bool constructor;               // takes a literal string and is evaluated when the policy is validated
  std::vector<TypeKind> args;     // a method's object first
  TypeKind result;
};

const FunctionType* find_function_type(std::string_view name);
bool constructs(std::string_view constructor, const std::string& text);   // does it take this text?

}  // namespace kerf
