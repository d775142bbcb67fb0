// Cedar values: Bool, Long (i64), String, entity, Set, Record, and the extension types. Immutable, cheap to copy.
// Equality is Cedar's `==` (cedar-policy-core ast/value.rs, evaluated by the rules in docs): sets ignore order and
// repetitions, extension values compare by value, and values of different types are unequal, never an error.
#pragma once
#include <array>
#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "ir/base/result.h"

namespace kerf {

struct EntityUid {
  std::string type;  // fully qualified: "Acme::Agent"
  std::string id;    // unescaped
  friend auto operator<=>(const EntityUid&, const EntityUid&) = default;
};

// `Type::"id"` with Cedar's escapes; parse is the inverse and accepts exactly one entity literal.
std::string to_text(const EntityUid& uid);
std::optional<EntityUid> parse_uid(std::string_view text);
// "..." with Cedar's string escapes.
std::string quote(std::string_view text);
// The inverse: exactly one string literal, quotes included. Nothing for escapes that Cedar has not.
std::optional<std::string> unquote(std::string_view literal);
// `A::B::C` without white space; no reserved word (`if`, `in`, …, `__cedar`).
bool is_name(std::string_view text);
void append_utf8(std::string& out, std::uint32_t scalar);

struct Decimal { std::int64_t ten_thousandths = 0; friend auto operator<=>(const Decimal&, const Decimal&) = default; };
struct Datetime { std::int64_t ms = 0; friend auto operator<=>(const Datetime&, const Datetime&) = default; };
struct Duration { std::int64_t ms = 0; friend auto operator<=>(const Duration&, const Duration&) = default; };

// Address with prefix length; host bits are kept. IPv4 uses the first four bytes of `bytes` (network order).
struct IpAddr {
  bool v6 = false;
  std::uint8_t prefix = 32;
  std::array<std::uint8_t, 16> bytes{};
  friend auto operator<=>(const IpAddr&, const IpAddr&) = default;
};

class Value;
using ValueSet = std::vector<Value>;                // sorted by compare(), without repetitions
using ValueRecord = std::map<std::string, Value>;

enum class ValueKind { boolean, long_, string, entity, set, record, decimal, ip, datetime, duration };

class Value {
 public:
  Value() : data_(false) {}
  Value(bool b) : data_(b) {}
  Value(std::int64_t n) : data_(n) {}
  Value(const char*) = delete;
  Value(std::string s) : data_(std::make_shared<const std::string>(std::move(s))) {}
  Value(EntityUid uid) : data_(std::make_shared<const EntityUid>(std::move(uid))) {}
  Value(Decimal d) : data_(d) {}
  Value(IpAddr a) : data_(a) {}
  Value(Datetime d) : data_(d) {}
  Value(Duration d) : data_(d) {}
  Value(ValueRecord r);
  static Value set(std::vector<Value> elements);    // sorts and removes repetitions

  ValueKind kind() const { return static_cast<ValueKind>(data_.index()); }
  const bool* as_bool() const { return std::get_if<bool>(&data_); }
  const std::int64_t* as_long() const { return std::get_if<std::int64_t>(&data_); }
  const std::string* as_string() const;
  const EntityUid* as_entity() const;
  const ValueSet* as_set() const;
  const ValueRecord* as_record() const;
  const Decimal* as_decimal() const { return std::get_if<Decimal>(&data_); }
  const IpAddr* as_ip() const { return std::get_if<IpAddr>(&data_); }
  const Datetime* as_datetime() const { return std::get_if<Datetime>(&data_); }
  const Duration* as_duration() const { return std::get_if<Duration>(&data_); }

 private:
  std::variant<bool, std::int64_t, std::shared_ptr<const std::string>, std::shared_ptr<const EntityUid>,
               std::shared_ptr<const ValueSet>, std::shared_ptr<const ValueRecord>, Decimal, IpAddr, Datetime,
               Duration>
      data_;
};

// A total order, for sets and determinism; compare(a, b) == 0 iff Cedar's a == b.
std::strong_ordering compare(const Value& a, const Value& b);
inline bool operator==(const Value& a, const Value& b) { return compare(a, b) == 0; }

// Cedar syntax of a value: `ip("10.0.0.1")`, `{"a": 1}`, `[1, 2]`. For messages and prints.
std::string to_text(const Value& value);
// "long", "set", "record", ... as the official evaluator names types in messages.
std::string_view kind_name(ValueKind kind);

}  // namespace kerf
