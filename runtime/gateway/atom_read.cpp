// Program -> Atom. The stack machine's code is followed with a stack of operands; what does not fit an atom's forms
// stays general.
#include "runtime/gateway/atom.h"

namespace kerf::gateway {
namespace {

class Follower {
 public:
  // `added`: the same names, if they may grow.
  Follower(const Program& program, const Names& names, Names* added, std::deque<Value>& folded)
      : program_(program), names_(names), added_(added), folded_(folded) {}

  Atom follow() {
    for (const Instruction& instruction : program_.code) {
      if (done_ || !step(instruction)) return {};
    }
    if (done_) return atom_;
    if (stack_.size() != 1 || stack_[0].is_literal) return {};
    return {Atom::Kind::truth, stack_[0], {}, 0, nullptr};
  }

 private:
  bool binary(Atom::Kind kind) {
    if (stack_.size() != 2) return false;
    atom_ = {kind, stack_[0], stack_[1], 0, nullptr};
    if (kind == Atom::Kind::equal && atom_.left.is_literal) std::swap(atom_.left, atom_.right);
    done_ = !(atom_.left.is_literal && atom_.right.is_literal);
    return done_;
  }
  bool unary(Atom::Kind kind) {
    if (stack_.size() != 1 || stack_[0].is_literal) return false;
    atom_ = {kind, stack_[0], {}, 0, nullptr};
    return done_ = true;
  }

  bool attribute(const std::string& name, std::uint32_t& number) {
    number = added_ != nullptr ? added_->attribute(name) : names_.find_attribute(name);
    return number != TextMap::kNone;
  }

  // `ip("10.0.0.0/8")` is a literal.
  bool fold(const std::string& constructor, std::uint32_t arguments) {
    if (arguments != 1 || stack_.empty() || !stack_.back().is_literal) return false;
    EvalResult value = op_call(constructor, {*stack_.back().value});
    if (!value.ok()) return false;
    stack_.back().value = &folded_.emplace_back(*std::move(value));
    return true;
  }

  bool step(const Instruction& instruction) {
    switch (instruction.code) {
      case Code::literal: {
        Operand operand;
        operand.is_literal = true;
        operand.value = &program_.literals[instruction.a];
        stack_.push_back(operand);
        return true;
      }
      case Code::variable: {
        Operand operand;
        operand.subject.variable = static_cast<std::uint8_t>(instruction.a);
        stack_.push_back(operand);
        return true;
      }
      case Code::get_attr: {
        if (stack_.empty() || stack_.back().is_literal || stack_.back().subject.length == Subject::kLongest) return false;
        Subject& subject = stack_.back().subject;
        return attribute(program_.names[instruction.a], subject.attributes[subject.length++]);
      }
      case Code::has_attr:
        return unary(Atom::Kind::has) && attribute(program_.names[instruction.a], atom_.attribute);
      case Code::like:
        if (!unary(Atom::Kind::like)) return false;
        atom_.pattern = &program_.patterns[instruction.a];
        return true;
      case Code::call: {
        const std::string& name = program_.names[instruction.a];
        if (is_extension_function(name)) return fold(name, instruction.b);
        return name == "isInRange" && instruction.b == 2 && binary(Atom::Kind::in_range);
      }
      case Code::eq: return binary(Atom::Kind::equal);
      case Code::less: return binary(Atom::Kind::less);
      case Code::less_eq: return binary(Atom::Kind::less_eq);
      case Code::in: return binary(Atom::Kind::in);
      case Code::contains: return binary(Atom::Kind::contains);
      case Code::and_test:
      case Code::or_test:
      case Code::if_test:
      case Code::jump:
      case Code::bool_check:
      case Code::not_:
      case Code::add:
      case Code::sub:
      case Code::mul:
      case Code::neg:
      case Code::is:
      case Code::has_tag:
      case Code::get_tag:
      case Code::contains_all:
      case Code::contains_any:
      case Code::is_empty:
      case Code::set:
      case Code::record: return false;
    }
    internal_error("an instruction outside the set");
  }

  const Program& program_;
  const Names& names_;
  Names* added_;
  std::deque<Value>& folded_;
  std::vector<Operand> stack_;
  Atom atom_;
  bool done_ = false;
};

void note(const Value& value, Names* names, std::vector<EntityUid>& mentioned) {
  if (const std::string* text = value.as_string(); text != nullptr && names != nullptr) names->text(*text);
  if (const EntityUid* uid = value.as_entity()) mentioned.push_back(*uid);
  if (const ValueSet* set = value.as_set()) {
    for (const Value& element : *set) note(element, names, mentioned);
  }
}

Atom read(const Program& program, const Names& names, Names* added, std::vector<EntityUid>& mentioned, std::deque<Value>& folded) {
  Atom atom = Follower(program, names, added, folded).follow();
  for (const Operand* operand : {&atom.left, &atom.right}) {
    if (operand->is_literal) note(*operand->value, added, mentioned);
  }
  return atom;
}

}  // namespace

Atom read_atom(const Program& program, Names& names, std::vector<EntityUid>& mentioned, std::deque<Value>& folded) {
  return read(program, names, &names, mentioned, folded);
}
Atom read_later_atom(const Program& program, const Names& names, std::vector<EntityUid>& mentioned, std::deque<Value>& folded) {
  return read(program, names, nullptr, mentioned, folded);
}

}  // namespace kerf::gateway
