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
  static constexpr std::size_t kObjects = 12, kTests = 32, kRules = 32, kRuns = 12;
  static constexpr std::uint8_t kVariables = 3;

  // Objects are those of the three variables, then those that lie at the end of these ways.
  struct Way {
    std::uint8_t from;
    std::uint32_t attribute;
  };
  // `variable OP object.attribute`, or of the attribute alone.
  struct Test {
    std::uint8_t variable = 0, object = 0, bit = 0;
    std::uint32_t attribute = 0;
  };
  // `variable in object.attribute` for some attributes, whose tests have bits that follow one another.
  struct Run {
    std::uint8_t variable, object, bit, count;
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
  void test_rest(const Store& store, const Names& names, Workspace& work, const Object* const* objects, std::uint32_t bad, Bits& bits) const;
  Result result(const Rule& rule, const Bits& bits, std::uint32_t& failed) const;

  std::array<Way, kObjects> ways_;
  std::array<Run, kRuns> runs_;           // the most common tests, in loops of their own
  std::array<std::uint32_t, kTests> attributes_;   // of the runs
  std::uint8_t way_count_ = 0, run_count_ = 0;
  std::vector<Test> equal_, contains_, truth_, has_;
  std::vector<Fixed> fixed_;
  struct Other {
    std::uint32_t atom;
    std::uint8_t bit;
  };
  std::vector<Other> others_;
  std::array<std::uint32_t, 64> atoms_;   // by bit
  bool rest_ = false;                     // whether there are tests beside the runs
  bool links_ = false;
  std::uint64_t single_permits_ = 0;      // tests that permit alone
  std::vector<Need> needs_;
  std::vector<Row> rows_;
  std::vector<Rule> forbids_, permits_;
  std::vector<Rule> longer_permits_;      // those without the single ones
};

}  // namespace kerf::gateway
