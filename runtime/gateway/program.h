// What an expression is read into: instructions for a stack machine, operands before their operator. Private to
// runtime/gateway.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "ir/values/pattern.h"
#include "ir/values/value.h"

namespace kerf::gateway {

enum class Code : std::uint8_t {
  literal,    // push literals[a]
  variable,   // push variable a: principal, action, resource, context
  and_test,   // false on top: keep it and go to a; true: drop it
  or_test,    // true on top: keep it and go to a; false: drop it
  if_test,    // drop the test; false: go to a
  jump,       // go to a
  bool_check, // the top must be a Bool
  not_, eq, less, less_eq, add, sub, mul, neg, in,
  is, has_attr, get_attr,   // names[a]
  has_tag, get_tag,
  like,       // patterns[a]
  contains, contains_all, contains_any, is_empty,
  set,        // of the top a values
  record,     // of the top b values, named names[a] …
  call,       // names[a] with the top b values
};

struct Instruction {
  Code code;
  std::uint32_t a = 0;
  std::uint32_t b = 0;
};

struct Program {
  std::vector<Instruction> code;
  std::vector<Value> literals;
  std::vector<std::string> names;
  std::vector<Pattern> patterns;
};

}  // namespace kerf::gateway
