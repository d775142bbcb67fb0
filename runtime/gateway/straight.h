// An environment of few policies whose conditions read stored entities alone: a decision makes all of its tests in a few
// loops without branches that depend on one another, each leaves a bit, and policies are masks over these bits. Gives what
// the pass over groups gives (engine.cpp), with reasons and errors. Beside these policies there may be any number of *links*:
// `permit (principal in …, …)` without conditions, each in a group of its own, as links of templates are. Private to runtime/gateway.
#pragma once
#include <memory>
#include <optional>

#include "runtime/gateway/atom.h"

namespace kerf::gateway {

struct EnvironmentPlan;
struct Answer;

class Straight {
 public:
  // Of each test: whether it holds, and whether reaching it is an error (then it does not hold).
  struct Bits {
    std::uint64_t truth = 0, error = 0;
  };

  // Null if the environment is too large for it, or has conditions that it does not cover. `scope_nodes`: of the table's
  // numbers of uids in scopes.
  static std::unique_ptr<const Straight> make(const Table::State& table, const EnvironmentPlan& plan,
                                              const std::vector<Node>& scope_nodes, const Store& store);

  bool allows(const Store& store, const Names& names, Workspace& work) const;
  void decide(const Store& store, const Names& names, Workspace& work, Answer& answer) const;

 private:
  friend class StraightMaker;
  static constexpr std::size_t kObjects = 12, kTests = 32, kRules = 32;
  static constexpr std::uint8_t kVariables = 3;

  // Objects are those of the three variables, then those that lie at the end of these ways.
  struct Way {
    std::uint8_t from;
    std::uint32_t attribute;
  };
  // Of an object's attribute: `variable in` it, `variable ==` it, whether it contains the variable; it alone, whether it is there.
  enum class Kind : std::uint8_t { member, equal, contains, truth, has };
  struct Test {
    Kind kind = Kind::member;
    std::uint8_t variable = 0, object = 0, bit = 0;
    std::uint32_t attribute = 0;
  };
  // An object as the example of its type has it (Store::example): where in it lies what is asked for, if it has the same shape.
  // So a cell is read without waiting for the shape, and attributes that are missing are known before.
  struct Stop {
    const std::uint16_t* shape;
    std::uint16_t place;                // of the way, in the object `from`
    std::uint8_t from, object;
    std::uint8_t variable, members;     // so many tests of `placed_` that follow are members of this variable
    std::uint8_t others;                // and those after them
  };
  struct Placed {
    std::uint16_t place;
    Kind kind;
    std::uint8_t variable;
  };
  // `variable == entity` or `variable in entity`.
  struct Fixed {
    std::uint8_t variable, bit;
    bool in;
    Cell entity;
  };
  struct Need {
    std::uint8_t bit;
    Outcome outcome;
  };
  struct Row {
    std::uint64_t mask = 0, wanted = 0;
    std::uint32_t first = 0, count = 0;   // needs, in order
  };
  struct Rule {
    std::uint32_t policy = 0;
    std::uint64_t mask = 0;               // of all rows
    std::uint32_t first = 0, count = 0;   // rows
  };
  enum class Result : std::uint8_t { unsatisfied, satisfied, error };

  Bits test(const Store& store, const Names& names, Workspace& work) const;
  static unsigned outcome(Kind kind, const Cell& cell, const Workspace& work, std::size_t variable);
  bool test_by_example(const Store& store, const Workspace& work, Bits& bits) const;   // false if an object has another shape
  Bits test_by_shape(const Store& store, const Workspace& work) const;
  Bits test_others(const Store& store, const Names& names, Workspace& work) const;
  bool any_satisfied(const std::vector<Rule>& rules, Bits bits) const;
  Result result(const Rule& rule, Bits bits, std::uint32_t& failed) const;

  std::array<Way, kObjects> ways_;
  std::uint8_t way_count_ = 0, stop_count_ = 0, placed_count_ = 0;
  bool has_example_ = true;
  std::vector<Test> tests_;
  std::array<Stop, kTests + kObjects> stops_;   // of the example; some objects have more than one
  std::array<Placed, kTests> placed_;     // the last one has bit 0, those before it the next ones
  Bits known_;                            // of the tests that an object of this shape decides
  std::vector<Fixed> fixed_;
  struct Other {
    std::uint32_t atom;
    std::uint8_t bit;
  };
  std::vector<Other> others_;
  std::array<std::uint32_t, 64> atoms_;   // by bit
  bool links_ = false;
  std::uint64_t single_permits_ = 0;      // tests that permit alone
  std::vector<Need> needs_;
  std::vector<Row> rows_;
  std::vector<Rule> forbids_, permits_;
  struct Bare {
    std::uint64_t mask, wanted;
  };
  // Rows, of permits without the single ones: enough where nothing errs.
  std::vector<Bare> bare_forbids_, bare_permits_;
};

}  // namespace kerf::gateway
