// Values: construction, the total order, and their text in Cedar syntax. Sets are kept sorted by compare(), so
// equality of sets is equality of vectors. Recursion is bounded by the nesting bounds of the readers (JSON, parser).
#include "ir/values/value.h"

#include <fmt/format.h>

#include <algorithm>
#include <type_traits>

#include "ir/values/extension.h"

namespace kerf {

Value::Value(ValueRecord r) : data_(std::make_shared<const ValueRecord>(std::move(r))) {}

Value Value::set(std::vector<Value> elements) {
  std::sort(elements.begin(), elements.end(), [](const Value& a, const Value& b) { return compare(a, b) < 0; });
  elements.erase(std::unique(elements.begin(), elements.end()), elements.end());
  Value value;
  value.data_ = std::make_shared<const ValueSet>(std::move(elements));
  return value;
}

namespace {
template <class T, class Data>
const T* pointee(const Data& data) {
  auto* shared = std::get_if<std::shared_ptr<const T>>(&data);
  return shared == nullptr ? nullptr : shared->get();
}
}  // namespace

const std::string* Value::as_string() const { return pointee<std::string>(data_); }
const EntityUid* Value::as_entity() const { return pointee<EntityUid>(data_); }
const ValueSet* Value::as_set() const { return pointee<ValueSet>(data_); }
const ValueRecord* Value::as_record() const { return pointee<ValueRecord>(data_); }

namespace {

std::strong_ordering compare_sets(const ValueSet& a, const ValueSet& b) {
  if (&a == &b) return std::strong_ordering::equal;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    if (auto order = compare(a[i], b[i]); order != 0) return order;
  }
  return a.size() <=> b.size();
}

std::strong_ordering compare_records(const ValueRecord& a, const ValueRecord& b) {
  if (&a == &b) return std::strong_ordering::equal;
  auto x = a.begin();
  auto y = b.begin();
  for (; x != a.end() && y != b.end(); ++x, ++y) {
    if (auto order = x->first <=> y->first; order != 0) return order;
    if (auto order = compare(x->second, y->second); order != 0) return order;
  }
  return a.size() <=> b.size();
}

}  // namespace

std::strong_ordering compare(const Value& a, const Value& b) {
  if (a.kind() != b.kind()) return a.kind() <=> b.kind();
  switch (a.kind()) {
    case ValueKind::boolean: return *a.as_bool() <=> *b.as_bool();
    case ValueKind::long_: return *a.as_long() <=> *b.as_long();
    case ValueKind::string: return *a.as_string() <=> *b.as_string();
    case ValueKind::entity: return *a.as_entity() <=> *b.as_entity();
    case ValueKind::set: return compare_sets(*a.as_set(), *b.as_set());
    case ValueKind::record: return compare_records(*a.as_record(), *b.as_record());
    case ValueKind::decimal: return *a.as_decimal() <=> *b.as_decimal();
    case ValueKind::ip: return *a.as_ip() <=> *b.as_ip();
    case ValueKind::datetime: return *a.as_datetime() <=> *b.as_datetime();
    case ValueKind::duration: return *a.as_duration() <=> *b.as_duration();
  }
  internal_error("unknown kind of value");
}

std::string_view kind_name(ValueKind kind) {
  switch (kind) {
    case ValueKind::boolean: return "bool";
    case ValueKind::long_: return "long";
    case ValueKind::string: return "string";
    case ValueKind::entity: return "entity";
    case ValueKind::set: return "set";
    case ValueKind::record: return "record";
    case ValueKind::decimal: return "decimal";
    case ValueKind::ip: return "ipaddr";
    case ValueKind::datetime: return "datetime";
    case ValueKind::duration: return "duration";
  }
  internal_error("unknown kind of value");
}

namespace {

std::string datetime_text(const Datetime& d) {
  if (has_text(d)) return fmt::format("datetime(\"{}\")", to_text(d));
  return fmt::format("datetime(\"1970-01-01\").offset(duration(\"{}ms\"))", d.ms);
}

std::string set_text(const ValueSet& set) {
  std::string out = "[";
  for (const Value& element : set) {
    if (out.size() > 1) out += ", ";
    out += to_text(element);
  }
  return out + "]";
}

std::string record_text(const ValueRecord& record) {
  std::string out = "{";
  for (const auto& [key, value] : record) {
    if (out.size() > 1) out += ", ";
    out += quote(key) + ": " + to_text(value);
  }
  return out + "}";
}

}  // namespace

std::string to_text(const Value& value) {
  switch (value.kind()) {
    case ValueKind::boolean: return *value.as_bool() ? "true" : "false";
    case ValueKind::long_: return std::to_string(*value.as_long());
    case ValueKind::string: return quote(*value.as_string());
    case ValueKind::entity: return to_text(*value.as_entity());
    case ValueKind::set: return set_text(*value.as_set());
    case ValueKind::record: return record_text(*value.as_record());
    case ValueKind::decimal: return fmt::format("decimal(\"{}\")", to_text(*value.as_decimal()));
    case ValueKind::ip: return fmt::format("ip(\"{}\")", to_text(*value.as_ip()));
    case ValueKind::datetime: return datetime_text(*value.as_datetime());
    case ValueKind::duration: return fmt::format("duration(\"{}\")", to_text(*value.as_duration()));
  }
  internal_error("unknown kind of value");
}

}  // namespace kerf
