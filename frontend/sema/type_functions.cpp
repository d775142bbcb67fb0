// One row a function; the meanings are in ir/values/operations.h.
#include "frontend/sema/type_functions.h"

#include "ir/base/check.h"
#include "ir/values/extension.h"

namespace kerf {

const FunctionType* find_function_type(std::string_view name) {
  using enum TypeKind;
  static const std::vector<FunctionType> rows = {
      {"ip", true, {string}, ip},
      {"isIpv4", false, {ip}, boolean},
      {"isIpv6", false, {ip}, boolean},
      {"isLoopback", false, {ip}, boolean},
      {"isMulticast", false, {ip}, boolean},
      {"isInRange", false, {ip, ip}, boolean},
      {"decimal", true, {string}, decimal},
      {"lessThan", false, {decimal, decimal}, boolean},
      {"lessThanOrEqual", false, {decimal, decimal}, boolean},
      {"greaterThan", false, {decimal, decimal}, boolean},
      {"greaterThanOrEqual", false, {decimal, decimal}, boolean},
      {"datetime", true, {string}, datetime},
      {"offset", false, {datetime, duration}, datetime},
      {"durationSince", false, {datetime, datetime}, duration},
      {"toDate", false, {datetime}, datetime},
      {"toTime", false, {datetime}, duration},
      {"duration", true, {string}, duration},
      {"toMilliseconds", false, {duration}, long_},
      {"toSeconds", false, {duration}, long_},
      {"toMinutes", false, {duration}, long_},
      {"toHours", false, {duration}, long_},
      {"toDays", false, {duration}, long_},
  };
  for (const FunctionType& row : rows) {
    if (row.name == name) return &row;
  }
  return nullptr;
}

bool constructs(std::string_view function, const std::string& text) {
  if (function == "ip") return parse_ip(text).has_value();
  if (function == "decimal") return parse_decimal(text).has_value();
  if (function == "datetime") return parse_datetime(text).has_value();
  if (function == "duration") return parse_duration(text).has_value();
  internal_error("unknown constructor");
}

}  // namespace kerf
