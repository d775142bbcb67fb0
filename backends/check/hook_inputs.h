// What generated code can read, as numbers: the event and the values of a binding (runtime/abi/policy_abi.h). Instructions
// and conditions meet here: the same field, and the same expression of userspace, is the same number on both sides.
#pragma once
#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "backends/check/branching.h"
#include "backends/check/hook_atoms.h"

namespace kerf::proof {

struct CodeSlot {
  Term expression;              // residual
  std::string type;             // "Long", "Bool", "ipaddr"; "datetime", "duration": milliseconds
};

struct AddressNumber {
  bool v6 = false;
  Number prefix, high, low;
};

struct Failed {};
struct Name {                  // a text in a field, padded with zeros; its last byte is 0
  std::size_t offset, bytes;
};
using Operand = std::variant<Failed, bool, Number, AddressNumber, Name, const Value*>;   // a Value: a text or a set

class HookInputs {
 public:
  HookInputs(HookAtoms& hook, Branching& branching, const std::vector<CodeSlot>& slots) : hook_(hook), b_(branching), slots_(slots) {}

  // Little-endian fields as the code reads them. Nothing: no field has this place and width.
  std::optional<Number> seen(std::uint64_t offset, std::size_t bytes);
  std::optional<Number> value(std::uint64_t offset, std::size_t bytes);

  // An expression of userspace whose parts are numbers, Bools or addresses too: it is what its operator makes of them, so
  // that it is the same whether it comes as one value or in parts.
  bool is_composed(Term expression);
  // One that is not: a number of its own.
  bool errs(Term expression);
  Number number(Term expression);                    // of a Long; of a Bool 0 or 1
  AddressNumber address(Term expression);
  std::optional<TypeKind> kind_of(Term expression) const;
  // Those that were asked whether they fail, with the question.
  const std::map<Term, Question>& failing() const { return failing_; }
  bool was_read(Term expression) const { return read_.contains(expression); }

  AddressNumber observed_address();
  Number ipv4_address();
  Number ipv6_half(bool high);
  Number event_field(std::uint64_t offset) { return *seen(offset, 4); }

 private:
  Number read(std::string_view what, Term expression, Bounds bounds);
  const CodeSlot* slot(Term expression) const;
  bool composes(Term expression);
  Number name_bytes(std::string_view what, std::size_t at, std::size_t bytes);

  HookAtoms& hook_;
  Branching& b_;
  const std::vector<CodeSlot>& slots_;
  std::map<Term, Question> failing_;
  std::map<Term, bool> composed_;
  std::set<Term> read_;
};

// Of unsigned numbers of 64 bits; the same operands give the same number.
Number bits_and(Branching& b, const Number& a, const Number& mask);
Number bits_xor(Branching& b, const Number& a, const Number& c);
Number shift_right(Branching& b, const Number& a, const Number& by);
Number quotient(Branching& b, const Number& a, const Number& divisor);    // of a number >= 0 and one > 0
Number remainder(Branching& b, const Number& a, const Number& divisor);

}  // namespace kerf::proof
