// Cedar's JSON forms, read field by field: what an object may have, what it must have, of which kind. Internal to this
// folder. Every report is one of K1301 to K1306, or a code that text has too.
#pragma once
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "frontend/ast/policy.h"
#include "frontend/json/text.h"

namespace kerf {

class Form {
 public:
  Form(const JsonText& json, Diagnostics& diagnostics) : json_(json), diagnostics_(diagnostics) {}

  const JsonText& json() const { return json_; }
  const JsonNode& node(JsonId id) const { return json_[id]; }
  Span span(JsonId id) const { return json_.span(id); }
  Diagnostics& diagnostics() { return diagnostics_; }

  template <class... Args>
  Diagnostic& report(Code code, Span at, const Args&... args) { return diagnostics_.report(code, at, args...); }

  bool is(JsonId id, JsonKind kind, std::string_view wanted);   // reports K1301
  // An object that has no other fields than these; reports K1301, K1303.
  bool object(JsonId id, std::string_view what, std::initializer_list<std::string_view> fields);
  // Where the official reader takes no notice of other fields: K1312, a warning.
  void warn_others(JsonId object, std::string_view what, std::initializer_list<std::string_view> fields);
  JsonId required(JsonId object, std::string_view field);       // not valid after K1302
  JsonId optional(JsonId object, std::string_view field) const { return json_.find(object, field); }
  std::optional<std::string> string(JsonId id);
  // One of these words; reports K1304 with what is near.
  std::optional<std::size_t> one_of(JsonId id, std::string_view what, std::initializer_list<std::string_view> words);
  // A path of words without white space, none of them reserved; `reserved_ok`: `__cedar` may begin it.
  std::optional<ast::Name> name(JsonId id, bool reserved_ok = false);
  std::optional<ast::Name> name(std::string_view text, Span at, bool reserved_ok = false);
  bool is_uid(JsonId id) const;    // has the form of {type, id}, whatever other keys there are
  bool is_call(JsonId id) const;   // of {fn, arg} or {fn, args}
  std::optional<ast::EntityRef> entity(JsonId id);               // {type,id} or {"__entity":{type,id}}
  // `annotations`: an object of strings and nulls; nothing if absent.
  std::vector<ast::Annotation> annotations(JsonId holder);

 private:
  const JsonText& json_;
  Diagnostics& diagnostics_;
};

std::string listed(std::initializer_list<std::string_view> words);  // "`a`, `b` or `c`"

}  // namespace kerf
