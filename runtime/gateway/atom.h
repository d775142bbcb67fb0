// Atoms in the forms that a decision computes without allocating; everything else goes to the general evaluator
// (expr.h). Private to runtime/gateway.
#pragma once
#include "runtime/gateway/program.h"
#include "runtime/gateway/query.h"

namespace kerf::gateway {

// `principal.a.b`: a variable and the attributes after it.
struct Subject {
  static constexpr std::size_t kLongest = 4;
  std::uint8_t variable = 0, length = 0;
  std::array<std::uint32_t, kLongest> attributes{};
  friend auto operator<=>(const Subject&, const Subject&) = default;
};

struct Operand {
  bool is_literal = false;
  Subject subject;
  const Value* value = nullptr;   // of the program, or folded
  Cell literal;                   // its view, when the store is known
};

struct Atom {
  enum class Kind : std::uint8_t {
    general,                      // by Expr
    truth, has, like,             // left
    equal, less, less_eq, in, contains, in_range,
  };
  Kind kind = Kind::general;
  Operand left, right;
  std::uint32_t attribute = 0;    // has
  const Pattern* pattern = nullptr;
};

// Notes the names and literals that it meets; literals that it makes are kept in `folded`.
Atom read_atom(const Program& program, Names& names, std::vector<EntityUid>& mentioned, std::deque<Value>& folded);
// When a store was built with the names: an atom of another attribute is general.
Atom read_later_atom(const Program& program, const Names& names, std::vector<EntityUid>& mentioned, std::deque<Value>& folded);

// Evaluates atoms of one environment for one request.
class Asker {
 public:
  Asker(const Store& store, const Names& names, Workspace& work) : store_(store), names_(names), work_(work) {}

  // Null: reaching it is an evaluation error. Made in `own` if it lies nowhere; else it stays for the decision.
  const Cell* resolve(const Subject& subject, Cell& own) const {
    if (subject.length != 1 || subject.variable == kContext) return resolve_other(subject, own);
    return Store::attribute(work_.rows[subject.variable]->object, subject.attributes[0]);
  }
  Outcome ask(const Atom& atom, const Expr& expr) const;

 private:
  enum class Quick : std::uint8_t { false_, true_, error, unknown };
  static Quick quick(bool value) { return value ? Quick::true_ : Quick::false_; }
  static constexpr std::uint8_t kContext = 3;
  [[gnu::always_inline]] Quick try_quick(const Atom& atom) const;
  const Cell* resolve_other(const Subject& subject, Cell& own) const;
  Quick has(const Cell& base, std::uint32_t attribute) const;
  Quick equal(const Cell& a, const Cell& b) const;
  Quick less(const Cell& a, const Cell& b, bool or_equal) const;
  Quick in(const Cell& a, const Cell& b) const;
  bool in_one(const Cell& a, const Cell& b) const;
  Quick contains(const Cell& a, const Cell& b) const;
  const Cell* load(const Operand& operand, Cell& own) const { return operand.is_literal ? &operand.literal : resolve(operand.subject, own); }
  const Cell* attribute(const Cell& base, std::uint32_t name, Cell& own) const;
  const Workspace::Entry& context_entry(std::uint32_t name) const;
  Cell view(const Value& value) const;
  void finish(std::uint32_t name, Workspace::Entry& entry) const;

  const Store& store_;
  const Names& names_;
  Workspace& work_;
};

}  // namespace kerf::gateway
