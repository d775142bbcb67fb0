// NAME and VALUE as a user writes them -> a typed value, or what is wrong with them. The one decision: the manifest's
// type decides how the text is read; nothing is guessed from its looks.
#include "runtime/loader/facts.h"

#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "ir/values/extension.h"
#include "ir/values/json.h"
#include "runtime/loader/failure.h"
#include "runtime/loader/files.h"

namespace kerf::loader {
namespace {

std::optional<Value> read_long(std::string_view text) {
  std::int64_t number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return Value(number);
}

std::optional<Value> read_bool(std::string_view text) {
  if (text == "true") return Value(true);
  if (text == "false") return Value(false);
  return std::nullopt;
}

// A string literal with Cedar's escapes, through the one reader of entity ids that the values library has.
std::optional<std::string> read_quoted(std::string_view text) {
  if (text.size() < 2 || text.front() != '"') return std::nullopt;
  auto uid = parse_uid("T::" + std::string(text));
  if (!uid) return std::nullopt;
  return uid->id;
}

// NAME("argument")
std::optional<std::string> read_call(std::string_view text, std::string_view function) {
  if (!text.starts_with(function) || !text.ends_with(')')) return std::nullopt;
  text.remove_prefix(function.size());
  if (text.empty() || text.front() != '(') return std::nullopt;
  return read_quoted(text.substr(1, text.size() - 2));
}

template <class T>
std::optional<Value> extension(const std::optional<std::string>& argument, std::optional<T> (*parse)(std::string_view)) {
  if (!argument) return std::nullopt;
  auto parsed = parse(*argument);
  if (!parsed) return std::nullopt;
  return Value(*parsed);
}

std::optional<Value> read_literal(std::string_view text, const std::string& type) {
  if (type == "Long") return read_long(text);
  if (type == "Bool") return read_bool(text);
  if (type == "String") {
    auto string = read_quoted(text);
    return string ? std::optional(Value(*string)) : std::nullopt;
  }
  if (type == "ipaddr") return extension(read_call(text, "ip"), parse_ip);
  if (type == "decimal") return extension(read_call(text, "decimal"), parse_decimal);
  if (type == "datetime") return extension(read_call(text, "datetime"), parse_datetime);
  if (type == "duration") return extension(read_call(text, "duration"), parse_duration);
  auto uid = parse_uid(text);
  return uid && uid->type == type ? std::optional(Value(*uid)) : std::nullopt;
}

std::string type_of(const Value& value) {
  switch (value.kind()) {
    case ValueKind::boolean: return "Bool";
    case ValueKind::long_: return "Long";
    case ValueKind::string: return "String";
    case ValueKind::ip: return "ipaddr";
    case ValueKind::decimal: return "decimal";
    case ValueKind::datetime: return "datetime";
    case ValueKind::duration: return "duration";
    case ValueKind::entity: return value.as_entity()->type;
    case ValueKind::set:
    case ValueKind::record: return "";
  }
  return "";
}

bool fits(const Value& value, const FactRow& fact) {
  if (type_of(value) != fact.type) return false;
  const EntityUid* uid = value.as_entity();
  return !fact.ids || (uid && std::find(fact.ids->begin(), fact.ids->end(), uid->id) != fact.ids->end());
}

std::set<std::string> fact_names(const Manifest& manifest) {
  std::set<std::string> names;
  for (const Environment& env : manifest.environments) {
    for (const FactRow& fact : env.facts) names.insert(fact.name);
  }
  return names;
}

std::string example_of(const FactRow& fact) {
  const std::string& type = fact.type;
  if (fact.ids && !fact.ids->empty()) return fmt::format("'{}'", to_text(EntityUid{type, fact.ids->front()}));
  if (type == "Long") return "3";
  if (type == "Bool") return "true";
  if (type == "String") return "'\"text\"'";
  if (type == "ipaddr") return "'ip(\"10.0.0.1\")'";
  return type + " as a Cedar literal";
}

Failure wrong_value(const FactRow& fact, const std::string& text) {
  return with_help(fail(Code::K7305, escape_bytes(text), fact.name, fact.type), fmt::format("for example: {}={}", fact.name, example_of(fact)));
}

}  // namespace

LoaderResult<Unit> check_fact_name(const Manifest& manifest, const std::string& name) {
  std::set<std::string> names = fact_names(manifest);
  if (names.contains(name)) return Unit{};
  Failure failure = fail(Code::K7304, escape_bytes(name));
  auto near = closest(name, {names.begin(), names.end()});
  if (near) return with_help(failure, fmt::format("did you mean `{}`?", *near));
  if (names.empty()) return with_help(failure, "this bundle reads no facts");
  return with_help(failure, fmt::format("this bundle reads: {}", fmt::join(names, ", ")));
}

LoaderResult<Value> parse_fact(const Manifest& manifest, const std::string& name, const std::string& text) {
  if (auto known = check_fact_name(manifest, name); !known) return known.error();
  std::optional<Value> value;
  for (const Environment& env : manifest.environments) {
    for (const FactRow& fact : env.facts) {
      if (fact.name != name) continue;
      value = find_invalid_utf8(text) == std::string::npos ? read_literal(text, fact.type) : std::nullopt;
      if (!value || !fits(*value, fact)) return wrong_value(fact, text);
    }
  }
  check(value.has_value(), "a known fact has a type");
  return *value;
}

LoaderResult<Unit> check_facts(const Manifest& manifest, const Facts& facts) {
  for (const Environment& env : manifest.environments) {
    for (const FactRow& row : env.facts) {
      auto fact = facts.find(row.name);   // others are kept by name, and read by nobody
      if (fact != facts.end() && !fits(fact->second.value, row)) return wrong_value(row, to_text(fact->second.value));
    }
  }
  return Unit{};
}

std::uint64_t boot_time_ns() {
  timespec now{};
  check(::clock_gettime(CLOCK_BOOTTIME, &now) == 0, "the boot clock can be read");
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(now.tv_nsec);
}

}  // namespace kerf::loader
