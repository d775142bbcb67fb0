// Extension functions and methods by name: one row each, with its operand types. A call checks the name, then the
// number of arguments, then their types from left to right, as the official evaluator does.
#include <fmt/format.h>

#include <array>
#include <span>

#include "ir/values/extension.h"
#include "ir/values/operations.h"

namespace kerf {

namespace {

constexpr std::int64_t kDay = 86'400'000;

EvalError extension_error(std::string_view function, std::string_view what) {
  return {EvalErrorKind::extension_function_error,
          fmt::format("error while evaluating `{}` extension function: {}", function, what)};
}

template <class T>
EvalResult constructed(std::string_view extension, Result<T> read) {
  if (!read.ok()) return extension_error(extension, read.error().message);
  return Value(read.value());
}

std::string verbose(Datetime d) { return fmt::format("(datetime(\"1970-01-01\")).offset(duration(\"{}ms\"))", d.ms); }

EvalResult offset(Datetime base, Duration by) {
  std::int64_t ms = 0;
  if (__builtin_add_overflow(base.ms, by.ms, &ms)) {
    return extension_error("offset", fmt::format("overflows when adding an offset: {}+({}ms)", verbose(base), by.ms));
  }
  return Value(Datetime{ms});
}

EvalResult duration_since(Datetime later, Datetime earlier) {
  std::int64_t ms = 0;
  if (__builtin_sub_overflow(later.ms, earlier.ms, &ms)) {
    return extension_error("durationSince", fmt::format("overflows when computing the duration between {} and {}",
                                                        verbose(later), verbose(earlier)));
  }
  return Value(Duration{ms});
}

// Milliseconds since midnight, in [0, 24h) before the epoch too.
std::int64_t time_of_day(Datetime d) { return (d.ms % kDay + kDay) % kDay; }

EvalResult to_date(Datetime d) {
  std::int64_t ms = 0;
  if (__builtin_sub_overflow(d.ms, time_of_day(d), &ms)) {
    return extension_error("toDate", fmt::format("overflows when computing the date of {}", verbose(d)));
  }
  return Value(Datetime{ms});
}

using Args = std::span<const Value>;

struct Function {
  std::string_view name;
  bool constructor;
  std::vector<ValueKind> operands;
  EvalResult (*apply)(Args);
};

const std::vector<Function>& functions() {
  constexpr auto string = ValueKind::string;
  constexpr auto ip = ValueKind::ip;
  constexpr auto decimal = ValueKind::decimal;
  constexpr auto datetime = ValueKind::datetime;
  constexpr auto duration = ValueKind::duration;
  static const std::vector<Function> rows = {
      {"ip", true, {string}, [](Args a) { return constructed("ipaddr", read_ip(*a[0].as_string())); }},
      {"decimal", true, {string}, [](Args a) { return constructed("decimal", read_decimal(*a[0].as_string())); }},
      {"datetime", true, {string}, [](Args a) { return constructed("datetime", read_datetime(*a[0].as_string())); }},
      {"duration", true, {string}, [](Args a) { return constructed("duration", read_duration(*a[0].as_string())); }},
      {"isIpv4", false, {ip}, [](Args a) -> EvalResult { return Value(!a[0].as_ip()->v6); }},
      {"isIpv6", false, {ip}, [](Args a) -> EvalResult { return Value(a[0].as_ip()->v6); }},
      {"isLoopback", false, {ip}, [](Args a) -> EvalResult { return Value(ip_is_loopback(*a[0].as_ip())); }},
      {"isMulticast", false, {ip}, [](Args a) -> EvalResult { return Value(ip_is_multicast(*a[0].as_ip())); }},
      {"isInRange", false, {ip, ip},
       [](Args a) -> EvalResult { return Value(ip_in_range(*a[0].as_ip(), *a[1].as_ip())); }},
      {"lessThan", false, {decimal, decimal},
       [](Args a) -> EvalResult { return Value(*a[0].as_decimal() < *a[1].as_decimal()); }},
      {"lessThanOrEqual", false, {decimal, decimal},
       [](Args a) -> EvalResult { return Value(*a[0].as_decimal() <= *a[1].as_decimal()); }},
      {"greaterThan", false, {decimal, decimal},
       [](Args a) -> EvalResult { return Value(*a[0].as_decimal() > *a[1].as_decimal()); }},
      {"greaterThanOrEqual", false, {decimal, decimal},
       [](Args a) -> EvalResult { return Value(*a[0].as_decimal() >= *a[1].as_decimal()); }},
      {"offset", false, {datetime, duration}, [](Args a) { return offset(*a[0].as_datetime(), *a[1].as_duration()); }},
      {"durationSince", false, {datetime, datetime},
       [](Args a) { return duration_since(*a[0].as_datetime(), *a[1].as_datetime()); }},
      {"toDate", false, {datetime}, [](Args a) { return to_date(*a[0].as_datetime()); }},
      {"toTime", false, {datetime},
       [](Args a) -> EvalResult { return Value(Duration{time_of_day(*a[0].as_datetime())}); }},
      {"toMilliseconds", false, {duration}, [](Args a) -> EvalResult { return Value(a[0].as_duration()->ms); }},
      {"toSeconds", false, {duration}, [](Args a) -> EvalResult { return Value(a[0].as_duration()->ms / 1000); }},
      {"toMinutes", false, {duration}, [](Args a) -> EvalResult { return Value(a[0].as_duration()->ms / 60'000); }},
      {"toHours", false, {duration}, [](Args a) -> EvalResult { return Value(a[0].as_duration()->ms / 3'600'000); }},
      {"toDays", false, {duration}, [](Args a) -> EvalResult { return Value(a[0].as_duration()->ms / kDay); }},
  };
  return rows;
}

const Function* find_function(std::string_view name) {
  for (const Function& function : functions()) {
    if (function.name == name) return &function;
  }
  return nullptr;
}

}  // namespace

bool is_extension_function(std::string_view name) {
  const Function* function = find_function(name);
  return function != nullptr && function->constructor;
}

bool is_extension_method(std::string_view name) {
  const Function* function = find_function(name);
  return function != nullptr && !function->constructor;
}

EvalResult op_call(std::string_view name, const std::vector<Value>& args) {
  const Function* function = find_function(name);
  if (function == nullptr) {
    return EvalError{EvalErrorKind::extension_function_error, fmt::format("extension function `{}` does not exist", name)};
  }
  if (args.size() != function->operands.size()) {
    return EvalError{EvalErrorKind::wrong_number_of_arguments,
                     fmt::format("wrong number of arguments provided to extension function `{}`: expected {}, got {}",
                                 name, function->operands.size(), args.size())};
  }
  for (std::size_t i = 0; i < args.size(); ++i) {
    if (args[i].kind() != function->operands[i]) return type_error(kind_name(function->operands[i]), args[i]);
  }
  return function->apply(args);
}

}  // namespace kerf
