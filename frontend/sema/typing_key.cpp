// A body to the bytes that stand for it. Of literals the typechecker asks for the kind, for the type of entities, for
// actions by name, whether two are equal (of `==`, and of attributes and tags that `has` has tested), and whether a
// constructor takes the text; so much is in the key and no more.
#include "frontend/sema/typing_key.h"

#include "frontend/sema/type_body.h"

namespace kerf {
namespace {

constexpr std::size_t kMostNodes = 512, kMostLiterals = 64;

class KeyWriter {
 public:
  explicit KeyWriter(const Body& body) : body_(body) {}

  std::optional<std::string> run() {
    if (body_.size() > kMostNodes) return std::nullopt;
    key_.reserve(body_.size() * 12);
    for (std::size_t i = 0; i < body_.size(); ++i) {
      if (!node(NodeId(i))) return std::nullopt;
    }
    number(body_.root.index);
    return std::move(key_);
  }

 private:
  void number(std::size_t n) {
    key_ += static_cast<char>(n & 0xff);
    key_ += static_cast<char>(n >> 8 & 0xff);
  }
  void text(std::string_view text) {
    number(text.size() & 0xffff);
    number(text.size() >> 16);
    key_ += text;
  }

  bool node(NodeId id) {
    key_ += static_cast<char>(body_[id].op);
    switch (body_[id].op) {
      case Op::literal:
        if (!literal(id)) return false;
        break;
      case Op::variable: number(static_cast<std::size_t>(body_.variable(id))); break;
      case Op::is: case Op::has_attr: case Op::get_attr: text(body_.name(id)); break;
      case Op::call: call(id); break;
      case Op::like:
        if (!pattern(id)) return false;
        break;
      case Op::record:
        for (std::size_t i = 0; i < body_.args(id).size(); ++i) text(body_.field(id, i));
        break;
      case Op::and_: case Op::or_: case Op::not_: case Op::if_: case Op::eq: case Op::less: case Op::less_eq:
      case Op::add: case Op::sub: case Op::mul: case Op::neg: case Op::in: case Op::has_tag: case Op::get_tag:
      case Op::contains: case Op::contains_all: case Op::contains_any: case Op::is_empty: case Op::set: break;
    }
    number(body_.args(id).size());
    for (NodeId arg : body_.args(id)) number(arg.index);
    return true;
  }

  // Which of the body's different values it is.
  bool literal(NodeId id) {
    const Value& value = body_.literal(id);
    std::size_t which = 0;
    while (which < literals_.size() && !(*literals_[which] == value)) ++which;
    if (which == literals_.size()) literals_.push_back(&value);
    number(static_cast<std::size_t>(value.kind()));
    number(which);
    if (const bool* boolean = value.as_bool()) number(*boolean ? 1 : 0);
    if (const EntityUid* uid = value.as_entity()) {
      text(uid->type);
      if (is_action_type(uid->type)) text(uid->id);
    }
    return literals_.size() <= kMostLiterals;
  }

  bool pattern(NodeId id) {
    const Pattern& pattern = body_.pattern(id);
    std::size_t which = 0;
    while (which < patterns_.size() && !(*patterns_[which] == pattern)) ++which;
    if (which == patterns_.size()) patterns_.push_back(&pattern);
    number(which);
    return patterns_.size() <= kMostLiterals;
  }

  void call(NodeId id) {
    text(body_.name(id));
    if (body_.args(id).size() != 1) return;
    NodeId arg = body_.arg(id, 0);
    const std::string* argument = body_[arg].op == Op::literal ? body_.literal(arg).as_string() : nullptr;
    const FunctionType* function = find_function_type(body_.name(id));
    bool constructor = argument != nullptr && function != nullptr && function->constructor;
    number(constructor && constructs(function->name, *argument) ? 1 : 0);
  }

  const Body& body_;
  std::string key_;
  std::vector<const Value*> literals_;
  std::vector<const Pattern*> patterns_;
};

}  // namespace

std::optional<std::string> typing_key(const Body& body) { return KeyWriter(body).run(); }

}  // namespace kerf
