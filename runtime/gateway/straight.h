// An environment of few policies whose conditions read stored entities alone: a decision makes all of its tests in a few
// loops without branches that depend on one another, each leaves a bit, and policies are masks over these bits. Gives what
// the pass over groups gives (engine.cpp), with reasons and errors. Beside these policies there may be any number of *links*:
// `permit (principal in …, …)` without conditions, each in a group of its own, as links of templates are. Private to runtime/gateway.
#pragma once
#include <memory>
#include <optional>

#include "runtime/gateway/atom.h"
#include "runtime/gateway/reach.h"

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

  bool allows(const Store& store, Workspace& work) const;
  // Whether the usual way may be tried with the request: its entities are as the example of their type, and those that they
  // lead to are so most likely.
  bool is_usual(const Workspace& work) const { return is_plain_ && fits_example(work); }
  // Of a request whose usual way may be tried.
  const Reach::Of* reach(const Workspace& work) const { return reach_ == nullptr ? nullptr : reach_->find(work.nodes[0], *work.rows[0]); }
  std::size_t reach_bytes() const { return reach_ == nullptr ? 0 : reach_->bytes(); }
  bool allows_usual(const Store& store, Workspace& work) const { return usual_(*this, store, work); }
  void decide(const Store& store, Workspace& work, Answer& answer) const;

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
  // An object as the example of its type has it (Store::example): where in it lies what is asked for. An object of the same
  // shape has the same attributes of the same kinds, so nothing but the shape is checked, and what a missing attribute or
  // one of another kind does is known before.
  struct Stop {
    const std::uint16_t* shape;         // of what a way leads to
    std::uint32_t offset;               // bytes from the cells of the object `from` to the way's cell
    std::uint8_t from, object;
    bool is_record;                     // where the way leads
    std::uint8_t variable;              // of sufficient tests: `variable in` entities of another type, and in sets
    std::uint8_t entities, sets;        // so many of them follow in `placed`, then so many others
    std::uint8_t others;
  };
  struct Placed {
    std::uint32_t offset;               // in bytes
    Kind kind;
    bool is_set;                        // a member of a set, not of an entity
    std::uint8_t variable;
  };
  struct Program {
    std::uint8_t stop_count = 0;
    std::array<Stop, kTests + kObjects> stops;   // some objects have more than one
    std::array<Placed, kTests> placed;
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

  static bool allows_by_all(const Straight& straight, const Store& store, Workspace& work);
  static bool allows_by_entities(const Straight& straight, const Store& store, Workspace& work);
  static bool allows_by_reach(const Straight& straight, const Store& store, Workspace& work);
  Bits test(const Store& store, Workspace& work) const;
  static unsigned outcome(Kind kind, const Cell& cell, const Workspace& work, std::size_t variable);
  bool fits_example(const Workspace& work) const;
  // Of a request that fits. False if an object has another shape. `truth`: of the others of `placed`, the last one first.
  // `sufficient`: likewise, but for a decision its lowest bit says whether any of them holds.
  enum class Extent : std::uint8_t { all, decision, entities };   // entities: a decision that has sufficient tests of these alone
  template <Extent kExtent>
  bool test_by_example(const Program& program, const Store& store, const Workspace& work, std::uint64_t& truth, std::uint64_t& sufficient) const;
  static std::uint64_t test_placed(const Placed& test, const Cell& cell, const Workspace& work);
  bool allows_by_rows(std::uint64_t truth, std::uint64_t sufficient, bool links, const Store& store, Workspace& work) const;
  Bits test_by_shape(const Store& store, const Workspace& work) const;
  std::uint64_t test_fixed(const Workspace& work) const;
  Bits test_others(const Store& store, Workspace& work) const;
  bool any_satisfied(const std::vector<Rule>& rules, Bits bits) const;
  Result result(const Rule& rule, Bits bits, std::uint32_t& failed) const;

  std::array<Way, kObjects> ways_;
  std::uint8_t way_count_ = 0, other_count_ = 0;
  std::array<const std::uint16_t*, kVariables> shapes_{};   // of the examples; null: it is not asked for
  bool has_example_ = true;
  bool is_plain_ = false;                 // it has, and there are no `others_`
  bool (*usual_)(const Straight&, const Store&, Workspace&) = &allows_by_all;
  bool only_single_ = false;              // and only single tests permit, beside links
  std::vector<Test> tests_;
  // Of the example. Of the others of `placed` the last has bit 0, those before it the next ones; then the sufficient ones.
  Program example_;
  std::unique_ptr<const Reach> reach_;    // of a principal: links, and the sufficient tests of its attributes for the resource
  Program rest_;                          // the example's without these
  Bits known_;                            // of the tests that the example's shapes decide
  std::uint64_t static_ = 0;              // these tests
  std::vector<Fixed> fixed_;
  struct Other {
    std::uint32_t atom;
    std::uint8_t bit;
  };
  std::vector<Other> others_;
  std::array<std::uint32_t, 64> atoms_;   // by bit
  bool links_ = false;
  std::vector<Need> needs_;
  std::vector<Row> rows_;
  std::vector<Rule> forbids_, permits_;
  // What is left of them where objects are as the example and nothing else errs: rows, permits that one test satisfies, and
  // rules that may still err before they are satisfied.
  struct Bare {
    std::uint64_t mask, wanted;
  };
  std::vector<Bare> bare_forbids_, bare_permits_;
  std::uint64_t single_permits_ = 0;      // tests
  std::vector<Rule> erring_forbids_, erring_permits_;
};

}  // namespace kerf::gateway
