// Cedar's operators on values. Checks run in the official evaluator's order, so that the first error is its error;
// messages are its messages (cedar-policy-core evaluator.rs, extensions/*.rs).
#include "ir/values/operations.h"

#include <fmt/format.h>

#include <algorithm>

namespace kerf {

namespace {

constexpr std::string_view kAnyEntity = "(entity of type `any_entity_type`)";
constexpr std::string_view kOrdered = "one of [long, datetime, duration]";
constexpr std::string_view kSetOrEntity = "one of [set, (entity of type `any_entity_type`)]";
constexpr std::string_view kRecordOrEntity = "one of [record, (entity of type `any_entity_type`)]";

// As messages of the official engine have it.
std::string shown(const EntityUid& uid) {
  std::string text;
  for (char c : to_text(uid)) {
    if (c == '\'') text += '\\';
    text += c;
  }
  return text;
}

EvalError missing_entity(const EntityUid& uid) {
  return {EvalErrorKind::entity_does_not_exist, fmt::format("entity `{}` does not exist", shown(uid))};
}

template <class Compare>
EvalResult ordered(const Value& a, const Value& b, Compare holds) {
  if (a.as_long() && b.as_long()) return Value(holds(*a.as_long(), *b.as_long()));
  if (a.as_datetime() && b.as_datetime()) return Value(holds(a.as_datetime()->ms, b.as_datetime()->ms));
  if (a.as_duration() && b.as_duration()) return Value(holds(a.as_duration()->ms, b.as_duration()->ms));
  auto ordered_extension = [](const Value& value) { return value.as_datetime() || value.as_duration(); };
  if (a.as_long()) return type_error("long", b);
  if (b.as_long()) return type_error("long", a);
  if (ordered_extension(a)) return type_error(kind_name(a.kind()), b);
  if (ordered_extension(b)) return type_error(kind_name(b.kind()), a);
  return type_error(kOrdered, a);
}

template <class Arithmetic>
EvalResult arithmetic(const Value& a, const Value& b, std::string_view verb, Arithmetic overflows) {
  if (!a.as_long()) return type_error("long", a);
  if (!b.as_long()) return type_error("long", b);
  std::int64_t result = 0;
  if (overflows(*a.as_long(), *b.as_long(), &result)) {
    return EvalError{EvalErrorKind::integer_overflow,
                     fmt::format("integer overflow while attempting to {} the values `{}` and `{}`", verb,
                                 *a.as_long(), *b.as_long())};
  }
  return Value(result);
}

}  // namespace

EvalError type_error(std::string_view expected, const Value& got) {
  std::string name(kind_name(got.kind()));
  if (const EntityUid* uid = got.as_entity()) name = fmt::format("(entity of type `{}`)", uid->type);
  return {EvalErrorKind::type_error, fmt::format("type error: expected {}, got {}", expected, name)};
}

EvalResult op_less(const Value& a, const Value& b) {
  return ordered(a, b, [](std::int64_t x, std::int64_t y) { return x < y; });
}

EvalResult op_less_eq(const Value& a, const Value& b) {
  return ordered(a, b, [](std::int64_t x, std::int64_t y) { return x <= y; });
}

EvalResult op_add(const Value& a, const Value& b) {
  return arithmetic(a, b, "add",
                    [](std::int64_t x, std::int64_t y, std::int64_t* r) { return __builtin_add_overflow(x, y, r); });
}

EvalResult op_sub(const Value& a, const Value& b) {
  return arithmetic(a, b, "subtract",
                    [](std::int64_t x, std::int64_t y, std::int64_t* r) { return __builtin_sub_overflow(x, y, r); });
}

EvalResult op_mul(const Value& a, const Value& b) {
  return arithmetic(a, b, "multiply",
                    [](std::int64_t x, std::int64_t y, std::int64_t* r) { return __builtin_mul_overflow(x, y, r); });
}

EvalResult op_neg(const Value& a) {
  if (!a.as_long()) return type_error("long", a);
  std::int64_t result = 0;
  if (__builtin_sub_overflow(std::int64_t{0}, *a.as_long(), &result)) {
    return EvalError{EvalErrorKind::integer_overflow,
                     fmt::format("integer overflow while attempting to negate the value `{}`", *a.as_long())};
  }
  return Value(result);
}

EvalResult op_in(const Value& a, const Value& b, const EntitySource& entities) {
  const EntityUid* descendant = a.as_entity();
  if (descendant == nullptr) return type_error(kAnyEntity, a);
  if (const EntityUid* ancestor = b.as_entity()) return Value(entities.is_in(*descendant, *ancestor));
  const ValueSet* set = b.as_set();
  if (set == nullptr) return type_error(kSetOrEntity, b);
  // Every element must be an entity, even when another one matches.
  for (const Value& element : *set) {
    if (element.as_entity() == nullptr) return type_error(kAnyEntity, element);
  }
  return Value(entities.is_in_any(*descendant, *set));
}

EvalResult op_get_attr(const Value& a, const std::string& attr, const EntitySource& entities) {
  if (const ValueRecord* record = a.as_record()) {
    auto found = record->find(attr);
    if (found != record->end()) return found->second;
    return EvalError{EvalErrorKind::attribute_does_not_exist,
                     fmt::format("record does not have the attribute `{}`", attr)};
  }
  const EntityUid* uid = a.as_entity();
  if (uid == nullptr) return type_error(kRecordOrEntity, a);
  const Entity* entity = entities.find(*uid);
  if (entity == nullptr) return missing_entity(*uid);
  auto found = entity->attrs.find(attr);
  if (found != entity->attrs.end()) return found->second;
  return EvalError{EvalErrorKind::attribute_does_not_exist,
                   fmt::format("`{}` does not have the attribute `{}`", shown(*uid), attr)};
}

EvalResult op_has_attr(const Value& a, const std::string& attr, const EntitySource& entities) {
  if (const ValueRecord* record = a.as_record()) return Value(record->contains(attr));
  const EntityUid* uid = a.as_entity();
  if (uid == nullptr) return type_error(kRecordOrEntity, a);
  const Entity* entity = entities.find(*uid);
  return Value(entity != nullptr && entity->attrs.contains(attr));
}

EvalResult op_get_tag(const Value& a, const Value& tag, const EntitySource& entities) {
  const EntityUid* uid = a.as_entity();
  if (uid == nullptr) return type_error(kAnyEntity, a);
  const std::string* name = tag.as_string();
  if (name == nullptr) return type_error("string", tag);
  const Entity* entity = entities.find(*uid);
  if (entity == nullptr) return missing_entity(*uid);
  auto found = entity->tags.find(*name);
  if (found != entity->tags.end()) return found->second;
  return EvalError{EvalErrorKind::tag_does_not_exist,
                   fmt::format("`{}` does not have the tag `{}`", shown(*uid), *name)};
}

EvalResult op_has_tag(const Value& a, const Value& tag, const EntitySource& entities) {
  const EntityUid* uid = a.as_entity();
  if (uid == nullptr) return type_error(kAnyEntity, a);
  const std::string* name = tag.as_string();
  if (name == nullptr) return type_error("string", tag);
  const Entity* entity = entities.find(*uid);
  return Value(entity != nullptr && entity->tags.contains(*name));
}

EvalResult op_like(const Value& a, const Pattern& pattern) {
  const std::string* text = a.as_string();
  if (text == nullptr) return type_error("string", a);
  return Value(matches(pattern, *text));
}

EvalResult op_is(const Value& a, const std::string& type) {
  const EntityUid* uid = a.as_entity();
  if (uid == nullptr) return type_error(kAnyEntity, a);
  return Value(uid->type == type);
}

EvalResult op_contains(const Value& set, const Value& element) {
  const ValueSet* elements = set.as_set();
  if (elements == nullptr) return type_error("set", set);
  auto before = [](const Value& a, const Value& b) { return compare(a, b) < 0; };
  return Value(std::binary_search(elements->begin(), elements->end(), element, before));
}

EvalResult op_contains_all(const Value& a, const Value& b) {
  if (a.as_set() == nullptr) return type_error("set", a);
  if (b.as_set() == nullptr) return type_error("set", b);
  auto before = [](const Value& x, const Value& y) { return compare(x, y) < 0; };
  return Value(std::includes(a.as_set()->begin(), a.as_set()->end(), b.as_set()->begin(), b.as_set()->end(), before));
}

EvalResult op_contains_any(const Value& a, const Value& b) {
  if (a.as_set() == nullptr) return type_error("set", a);
  if (b.as_set() == nullptr) return type_error("set", b);
  auto x = a.as_set()->begin();
  auto y = b.as_set()->begin();
  while (x != a.as_set()->end() && y != b.as_set()->end()) {
    auto order = compare(*x, *y);
    if (order == 0) return Value(true);
    if (order < 0) {
      ++x;
    } else {
      ++y;
    }
  }
  return Value(false);
}

EvalResult op_is_empty(const Value& a) {
  if (a.as_set() == nullptr) return type_error("set", a);
  return Value(a.as_set()->empty());
}

}  // namespace kerf
