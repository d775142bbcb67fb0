// JSON values under a schema's types: Cedar's implicit and explicit forms. Used inside sema only.
#pragma once
#include <optional>
#include <string>

#include "frontend/json/text.h"
#include "ir/schema.h"

namespace kerf {

// `shape`: what the official engine checks while it reads (forms, missing and unexpected attributes), enough for a
// request that is not validated. `full`: types, enumerated ids, declared actions and canonical ids too.
enum class Strictness { shape, full };

class ValueReader {
 public:
  ValueReader(const JsonText& json, const Schema& schema, Strictness strictness, Diagnostics& diagnostics)
      : json_(json), schema_(schema), strictness_(strictness), diagnostics_(diagnostics),
        errors_before_(diagnostics.error_count()) {}

  // So many errors that more of them help nobody: loops over data end.
  static constexpr std::size_t kMaxErrors = 100;
  bool exhausted() const { return diagnostics_.error_count() >= errors_before_ + kMaxErrors; }

  // Reports and returns nothing when the JSON is not a value of the type.
  std::optional<Value> read(JsonId id, TypeId type);
  std::optional<EntityUid> read_uid(JsonId id);
  Span id_span(JsonId uid) const;  // the string with the id, in what read_uid accepted

  // Said in every report until the next call: "attribute `n` of U::"a"".
  void set_place(const EntityUid* entity, std::string_view kind, std::string_view name) {
    entity_ = entity;
    place_kind_ = kind;
    place_name_ = name;
  }

  template <class... Args>
  Diagnostic& report(Code code, Span span, const Args&... args) {
    Diagnostic& diagnostic = diagnostics_.report(code, span, args...);
    if (std::string place = place_text(); !place.empty()) diagnostic.with_note("in " + place);
    return diagnostic;
  }

 private:
  std::optional<Value> read_primitive(JsonId id, TypeId type);
  std::optional<Value> read_entity(JsonId id, const Type& type);
  std::optional<Value> read_set(JsonId id, TypeId type);
  std::optional<Value> read_record(JsonId id, TypeId type);
  std::optional<Value> read_extension(JsonId id, TypeId type);
  std::optional<Value> read_untyped(JsonId id);
  std::optional<Value> call(JsonId function, JsonId args, bool list, bool typed);
  std::optional<Value> checked(JsonId id, TypeId type, Value value);
  std::nullopt_t mismatch(JsonId id, TypeId type);
  bool refuse_null_and_expr(JsonId id);
  JsonId uid_body(JsonId id) const;
  bool has_name(const EntityUid& uid, JsonId id);   // a type that is a name; reports
  bool is_uid(JsonId id) const;    // has the form of {type, id}; other keys do not count
  bool is_call(JsonId id) const;   // of {fn, arg} or {fn, args}
  std::string place_text() const;

  const JsonText& json_;
  const Schema& schema_;
  Strictness strictness_;
  Diagnostics& diagnostics_;
  std::size_t errors_before_;
  const EntityUid* entity_ = nullptr;
  std::string_view place_kind_, place_name_;
};

// Is this an id that the schema and the kernel model allow: enumerated ids, declared actions, canonical spelling.
// Reports through `reader`; `span` is the JSON string with the id, or nowhere.
bool check_uid(const EntityUid& uid, Span span, const Schema& schema, ValueReader& reader);

// For messages: `Long`, `Set<String>`, `a record`.
std::string expected_text(const Types& types, TypeId type);

}  // namespace kerf
