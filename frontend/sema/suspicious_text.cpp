// Texts of a body -> warnings. The one decision: as officially, a pattern is looked at in its printed form, in which
// what has no glyph is an escape and thus ASCII; so a directional control in a pattern is never reported.
#include "frontend/sema/suspicious_text.h"

#include <algorithm>
#include <set>

#include "frontend/ast/text.h"
#include "frontend/ast/unicode_security.h"

namespace kerf {
namespace {

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

bool is_directional_control(char32_t c) { return (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069); }

std::vector<char32_t> scalars(std::string_view text) {
  std::vector<char32_t> out;
  for (std::size_t i = 0; i < text.size();) {
    ast::Scalar scalar = ast::scalar_at(text, i);
    out.push_back(scalar.value);
    i += scalar.length;
  }
  return out;
}

std::string show(char32_t c) { return fmt::format("U+{:04X}", static_cast<std::uint32_t>(c)); }

std::string script_text(const ast::ScriptSet& set) {
  std::string_view name = ast::name_of_script(set);
  return name.empty() ? "not assigned" : std::string(name);
}

// The first character that has no script in common with all before it: what to say of it.
std::optional<std::string> stranger(const std::vector<char32_t>& text) {
  constexpr std::uint64_t all = ~std::uint64_t{0};
  ast::ScriptSet common = {all, all, all};
  for (char32_t c : text) {
    ast::ScriptSet own = ast::scripts_of(c), both = {};
    for (std::size_t i = 0; i < own.size(); ++i) both[i] = common[i] & own[i];
    if (both == ast::ScriptSet{}) {
      bool first = common == ast::ScriptSet{all, all, all};
      return fmt::format("{} is {}{}", show(c), script_text(own), first ? "" : fmt::format(", the text before it {}", script_text(common)));
    }
    common = both;
  }
  return std::nullopt;
}

class TextChecker {
 public:
  TextChecker(const Body& body, Diagnostics& diagnostics) : body_(body), diagnostics_(diagnostics) {}

  void node(NodeId id) {
    switch (body_[id].op) {
      case Op::literal: return literal(id);
      case Op::has_attr: case Op::get_attr: return identifier(body_.name_span(id), body_.name(id));
      case Op::like: return string(body_.name_span(id), printed(body_.pattern(id)));
      case Op::record:
        for (std::size_t i = 0; i < body_.args(id).size(); ++i) identifier(body_.name_span(id), body_.field(id, i));
        return;
      case Op::variable: case Op::and_: case Op::or_: case Op::not_: case Op::if_: case Op::eq: case Op::less:
      case Op::less_eq: case Op::add: case Op::sub: case Op::mul: case Op::neg: case Op::in: case Op::is: case Op::has_tag:
      case Op::get_tag: case Op::contains: case Op::contains_all: case Op::contains_any: case Op::is_empty: case Op::set:
      case Op::call: return;   // type and function names are ASCII
    }
  }

 private:
  void literal(NodeId id) {
    if (const std::string* text = body_.literal(id).as_string()) return string(body_[id].span, *text);
    if (const EntityUid* uid = body_.literal(id).as_entity()) identifier(body_[id].span, uid->id);
  }

  static std::string printed(const Pattern& pattern) {
    std::string out;
    for (std::size_t i = 0; i < pattern.pieces.size(); ++i) (out += i == 0 ? "" : "*") += ast::debug_pattern(pattern.pieces[i]);
    return out;
  }

  void string(Span span, std::string_view text) {
    if (is_ascii(text)) return;
    std::vector<char32_t> all = scalars(text);
    if (std::any_of(all.begin(), all.end(), is_directional_control)) return report(Code::K3202, span, text);
    if (std::optional<std::string> why = stranger(all)) report(Code::K3205, span, text, *why);
  }

  void identifier(Span span, std::string_view text) {
    std::vector<char32_t> all = scalars(text);
    if (std::any_of(all.begin(), all.end(), is_directional_control)) return report(Code::K3204, span, text);
    auto odd = std::find_if_not(all.begin(), all.end(), ast::is_identifier_character);
    if (odd != all.end()) {
      if (is_first(Code::K3207, span, text)) diagnostics_.report(Code::K3207, span, show(*odd)).with_help(spelled(text));
      return;
    }
    if (std::optional<std::string> why = stranger(all)) report(Code::K3206, span, text, *why);
  }

  static std::string spelled(std::string_view text) {
    std::string out;
    for (char32_t c : scalars(text)) {
      if (c >= 0x20 && c < 0x7f) out += static_cast<char>(c);
      else out += fmt::format("\\u{{{:x}}}", static_cast<std::uint32_t>(c));
    }
    return fmt::format("spelled out, it is \"{}\"", out);
  }

  void report(Code code, Span span, std::string_view text, std::string label = "") {
    if (!is_first(code, span, text)) return;
    diagnostics_.report(code, span).with_label(std::move(label)).with_help(spelled(text));
  }

  // Desugaring repeats operands; each place is reported once.
  bool is_first(Code code, Span span, std::string_view text) { return reported_.emplace(code, span, text).second; }

  const Body& body_;
  Diagnostics& diagnostics_;
  std::set<std::tuple<Code, Span, std::string>> reported_;
};

}  // namespace

void check_text(const Body& body, Diagnostics& diagnostics) {
  TextChecker checker(body, diagnostics);
  for (std::size_t i = 0; i < body.size(); ++i) checker.node(NodeId(i));
}

}  // namespace kerf
