// A value of a long JSON text, taken apart only as far as it is asked for: an object into its fields, an array into its
// elements, one after the other. What is short is parsed by simdjson, where the piece before it was: a table then needs
// memory for what it becomes and for one piece of its text. Says nothing of what is wrong: `wrong` is set, and the caller
// reads the text again in another way. Private to runtime/gateway.
#pragma once
#include "runtime/gateway/tree.h"

namespace kerf::gateway {

// Walks an array's elements or an object's members. Only what lies between them is checked.
class TextPieces {
 public:
  explicit TextPieces(std::string_view container);
  bool next();                                             // false behind the last, and where the text is wrong
  std::string_view key() const { return key_; }            // of a member, as it is written
  std::string_view value() const { return value_; }
  bool is_wrong() const { return wrong_; }

 private:
  bool fail() { return wrong_ = true, false; }
  void skip_space();

  const char *at_, *end_;
  char close_;
  bool first_ = true, wrong_ = false;
  std::string_view key_, value_;
};

class TextNode {
 public:
  struct Memory {
    simdjson::dom::parser parser;
    std::size_t longest;                                   // piece, in bytes, that is parsed with others
    std::string copy;                                      // of what is parsed, with the room behind it that simdjson wants
    bool wrong = false;
  };

  TextNode() = default;
  TextNode(std::string_view text, Memory& memory) : text_(text), memory_(&memory) {}

  bool is_object() const { return text_.starts_with('{'); }
  bool is_array() const { return text_.starts_with('['); }
  // All of it, until another is asked for. Null if it is not JSON.
  TapeNode whole() const;
  std::optional<TapeNode> find(std::string_view key) const;     // in an object; the first
  template <std::size_t N>
  bool fields(const std::array<std::string_view, N>& keys, std::array<TextNode, N>& out) const {
    std::array<bool, N> found{};
    TextPieces pieces(text_);
    std::size_t count = 0;
    for (; pieces.next(); ++count) {
      const std::size_t i = static_cast<std::size_t>(std::find(keys.begin(), keys.end(), pieces.key()) - keys.begin());
      if (i == N || found[i]) return false;
      found[i] = true;
      out[i] = TextNode(pieces.value(), *memory_);
    }
    return !pieces.is_wrong() && count == N;
  }
  template <class Visit>
  void each(Visit visit) const {                                // whole elements, until one says false
    walk(visit, [&](std::string_view element) { return each_whole(element, visit); });
  }
  template <class Visit>
  void each_part(Visit visit) const {                           // long elements are to be taken apart further
    walk(visit, [&](std::string_view element) { return visit(TextNode(element, *memory_)); });
  }

 private:
  // Short elements that follow one another are parsed together.
  template <class Visit, class VisitLong>
  void walk(Visit visit, VisitLong visit_long) const {
    TextPieces pieces(text_);
    std::string_view run;
    while (pieces.next()) {
      const std::string_view element = pieces.value();
      const bool is_long = element.size() > memory_->longest;
      if (!run.empty() && !is_long) {
        const std::string_view joined(run.data(), static_cast<std::size_t>(element.data() + element.size() - run.data()));
        if (joined.size() <= memory_->longest) {
          run = joined;
          continue;
        }
      }
      if (!each_whole(run, visit)) return;
      run = is_long ? std::string_view() : element;
      if (is_long && !visit_long(element)) return;
    }
    memory_->wrong |= pieces.is_wrong();
    each_whole(run, visit);
  }
  template <class Visit>
  bool each_whole(std::string_view elements, Visit visit) const {
    if (elements.empty()) return true;
    const TapeNode array = parse("[", elements, "]", *memory_);
    bool go_on = array.is_array();
    if (go_on) array.each([&](const TapeNode& element) { return go_on = visit(element); });
    return go_on;
  }
  static TapeNode parse(std::string_view before, std::string_view text, std::string_view behind, Memory& memory);

  std::string_view text_;
  Memory* memory_ = nullptr;
};

}  // namespace kerf::gateway
