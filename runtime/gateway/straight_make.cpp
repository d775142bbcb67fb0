// EnvironmentPlan -> Straight, where the environment is small enough and its conditions are of these forms.
#include <algorithm>
#include <bit>
#include <map>
#include <optional>
#include <set>
#include <tuple>

#include "runtime/gateway/plan.h"

namespace kerf::gateway {

class StraightMaker {
 public:
  // `links`: whether they are beside the rest. `sufficient`: atoms that permit alone where nothing errs, and say nothing else.
  StraightMaker(const EnvironmentPlan& plan, const Store& store, bool links, std::set<std::uint32_t> sufficient)
      : plan_(plan), source_(*plan.source), store_(store), links_(links), sufficient_(std::move(sufficient)) {}

  bool make(const Table::State& table, const std::vector<Node>& scope_nodes) {
    auto is_large = [](const Group& group) { return std::max(group.forbids, group.permits) >= kAlwaysIndexFrom; };
    if (!source_.steps.empty() || std::any_of(source_.groups.begin(), source_.groups.end(), is_large)) return false;
    out.links_ = links_ && std::ranges::any_of(source_.groups, is_of_members) &&
                 std::ranges::all_of(source_.groups, [&](const Group& group) { return !is_of_members(group) || is_link(group); });
    std::size_t rules = 0, groups = 0;
    for (const Group& group : source_.groups) {
      if (is_beside(group) || group.forbids + group.permits == 0) continue;
      rules += group.forbids + group.permits;
      ++groups;
    }
    if (rules > Straight::kRules || 2 * groups > Straight::kTests || !add_atoms()) return false;
    for (const Group& group : source_.groups) {
      if (is_beside(group) || group.forbids + group.permits == 0) continue;
      needs_.clear();
      scope(0, group.principal, scope_nodes);
      scope(2, group.resource, scope_nodes);
      for (const gateway::Rule& rule : source_.rules_of(group)) add_rule(table, rule);
    }
    finish();
    return next_bit_ <= Straight::kTests;
  }
  // After make(). One set takes the place of links, or of a test of a set and others.
  void add_reach(const std::vector<Node>& scope_nodes) {
    if (!out.is_plain_ || (!out.links_ && !reaches_set_)) return;
    out.reach_ = Reach::make(source_, scope_nodes, store_, out.shapes_[0], reached_, out.links_);
    if (out.reach_ == nullptr) return;
    const auto ways = std::span(out.ways_).first(out.way_count_);
    const bool leads_on = std::ranges::any_of(ways, [](const Straight::Way& way) { return way.from == 0; });
    const Straight::Placed* from = out.example_.placed.data();
    Straight::Placed* to = out.rest_.placed.data();
    for (Straight::Stop stop : std::span(out.example_.stops).first(out.example_.stop_count)) {
      const int count = stop.entities + stop.sets + stop.others;
      if (stop.object == 0 && stop.variable == 2) {
        if (!leads_on) {
          from += count;
          continue;
        }
        stop.entities = stop.sets = 0;
      } else {
        to = std::copy_n(from, count, to);
      }
      from += count;
      out.rest_.stops[out.rest_.stop_count++] = stop;
    }
    out.usual_ = &Straight::allows_by_reach;
  }
  Straight out;

  std::set<std::uint32_t> sufficient() const {
    std::uint64_t bits = out.is_plain_ ? out.single_permits_ : 0;
    for (const auto& rows : {out.bare_forbids_, out.bare_permits_}) {
      for (const Straight::Bare& row : rows) bits &= ~row.mask;
    }
    for (const auto& rules : {out.erring_forbids_, out.erring_permits_}) {
      for (const Straight::Rule& rule : rules) bits &= ~rule.mask;
    }
    std::set<std::uint32_t> atoms;
    for (const auto& [atom, bit] : bits_) {
      if (bits >> bit & 1) atoms.insert(atom);
    }
    return atoms;
  }

 private:
  using Test = Straight::Test;

  static bool is_of_members(const Group& group) { return group.principal != kAnyScope && group.principal % 2 == 0; }
  bool is_link(const Group& group) const {
    if (group.forbids != 0 || group.permits != 1) return false;
    const auto rows = source_.rows_of(source_.rules[group.first]);
    return rows.size() == 1 && rows[0].count == 0 && rows[0].then == Outcome::true_;
  }
  bool is_beside(const Group& group) const { return out.links_ && is_of_members(group); }

  // A test of the variable's entity; the same one for all rules that have the scope.
  void scope(std::uint8_t variable, ScopeKey key, const std::vector<Node>& nodes) {
    if (key == kAnyScope) return;
    auto [entry, added] = scopes_.try_emplace({variable, key}, static_cast<std::uint8_t>(next_bit_));
    if (added) out.fixed_.push_back({variable, next_bit_++, key % 2 == 0, store_.entity_cell(nodes[(key - 1) / 2])});
    needs_.push_back({entry->second, Outcome::true_});
  }

  // `needs_` has the group's scopes.
  void add_rule(const Table::State& table, const Rule& rule) {
    Straight::Rule& to = (table.policies[rule.policy].forbid ? out.forbids_ : out.permits_).emplace_back();
    to.policy = rule.policy;
    to.first = static_cast<std::uint32_t>(out.rows_.size());
    for (const Row& from : source_.rows_of(rule)) {
      Straight::Row& row = out.rows_.emplace_back();
      row.first = static_cast<std::uint32_t>(out.needs_.size());
      out.needs_.insert(out.needs_.end(), needs_.begin(), needs_.end());
      bool possible = true;
      for (const Requirement& required : source_.needs_of(from)) {
        out.needs_.push_back({bits_.at(required.atom), required.outcome});
      }
      row.count = static_cast<std::uint32_t>(out.needs_.size()) - row.first;
      for (const Straight::Need& need : std::span(out.needs_).subspan(row.first)) {
        const std::uint64_t flag = std::uint64_t{1} << need.bit;
        const std::uint64_t wanted = need.outcome == Outcome::true_ ? flag : 0;
        if (need.outcome == Outcome::error || ((row.mask & flag) != 0 && (row.wanted & flag) != wanted)) possible = false;
        row.mask |= flag;
        row.wanted |= wanted;
      }
      to.mask |= row.mask;
      ++to.count;
      // A row that wants an error, or both of a test, is satisfied by no bits; where a test errs its needs say the rest.
      if (!possible) row.mask |= kNever, row.wanted |= kNever;
    }
  }

  // The object whose attributes come after `length` of the subject's; its number, or kObjects if there are too many.
  std::uint8_t object(const Subject& subject, std::size_t length) {
    if (length == 0) return subject.variable;
    const std::uint8_t from = object(subject, length - 1);
    if (from == Straight::kObjects) return from;
    const std::pair<std::uint8_t, std::uint32_t> way{from, subject.attributes[length - 1]};
    auto known = objects_.find(way);
    if (known != objects_.end()) return known->second;
    if (Straight::kVariables + out.way_count_ == Straight::kObjects) return Straight::kObjects;
    const auto number = static_cast<std::uint8_t>(Straight::kVariables + out.way_count_);
    out.ways_[out.way_count_++] = {from, way.second};
    return objects_.emplace(way, number).first->second;
  }

  static bool is_variable(const Operand& operand) { return !operand.is_literal && operand.subject.length == 0; }
  static bool is_path(const Operand& operand) { return !operand.is_literal && operand.subject.length != 0; }
  static bool reads_context(const Operand& operand) { return !operand.is_literal && operand.subject.variable == 3; }

  bool add_atoms() {
    std::set<std::uint32_t> used;
    for (const Requirement& required : source_.requirements) used.insert(required.atom);
    if (used.size() > Straight::kTests) return false;
    std::map<std::uint32_t, Test> tests;   // by atom
    for (std::uint32_t number : used) {
      const Atom& atom = plan_.atoms[number];
      if (reads_context(atom.left) || reads_context(atom.right)) return false;
      const std::optional<Test> test = test_of(atom);
      if (!test) continue;
      if (test->object == Straight::kObjects) return false;
      tests.emplace(number, *test);
    }
    find_example();
    place(tests);
    for (std::uint32_t number : used) {
      const bool is_placed = bits_.contains(number);
      if (!is_placed) name(number);
      const std::uint8_t bit = bits_.at(number);
      const auto test = tests.find(number);
      if (test == tests.end()) {
        if (!add_other(plan_.atoms[number], number, bit)) return false;
        continue;
      }
      test->second.bit = bit;
      out.tests_.push_back(test->second);
      if (!is_placed) add_known(test->second);
    }
    return true;
  }

  // The objects of an example of each variable's type.
  void find_example() {
    auto example = [&](const std::string& type) { return store_.example(store_.find_type(type)); };
    const Node nodes[] = {example(source_.principal), store_.find(source_.action.type, source_.action.id), example(source_.resource)};
    for (std::size_t i = 0; i < Straight::kVariables; ++i) {
      if (nodes[i] != kNoNode) example_[i] = &store_.row(nodes[i]).object;
    }
    for (std::size_t i = 0; i < out.way_count_; ++i) {
      const Straight::Way& way = out.ways_[i];
      const Cell* cell = example_[way.from] == nullptr ? nullptr : Store::attribute(*example_[way.from], way.attribute);
      if (cell == nullptr) continue;
      const Object*& to = example_[Straight::kVariables + i];
      if (cell->kind == ValueKind::entity) to = &store_.row(cell->data).object;
      else if (cell->kind == ValueKind::record && cell->data != kNoData) to = cell->object;
      else out.has_example_ = false;   // no object: nothing can be said of the next one
    }
  }

  static bool is_numbered(const Cell& cell) { return cell.kind == ValueKind::set && cell.data != kNoData && cell.text != kTexts; }

  std::uint32_t variable_type(std::uint8_t variable) const {
    const std::string& type = variable == 0 ? source_.principal : variable == 1 ? source_.action.type : source_.resource;
    return store_.find_type(type);
  }

  // What a test of an attribute of the example does, by the attribute's kind; so with any object of that shape.
  enum class Placing : std::uint8_t { entity, set, other, false_, error, none };   // entity: a member of one, of another type; set: of a set;
  // none: it must be seen
  Placing placing_of(const Test& test, const Cell& cell) const {
    const bool is_entity = cell.kind == ValueKind::entity;
    switch (test.kind) {
      case Straight::Kind::member:
        if (is_entity) return store_.type(cell.data) == variable_type(test.variable) ? Placing::other : Placing::entity;
        return is_numbered(cell) ? Placing::set : Placing::error;
      case Straight::Kind::equal: return is_entity ? Placing::other : Placing::false_;
      case Straight::Kind::contains:
        if (cell.kind != ValueKind::set) return Placing::error;
        if (is_numbered(cell)) return Placing::other;
        return cell.data == kNoData ? Placing::none : Placing::false_;
      case Straight::Kind::truth: return cell.kind == ValueKind::boolean ? Placing::other : Placing::error;
      case Straight::Kind::has: break;
    }
    internal_error("a test that has no place");
  }

  // Where in the example lies what tests ask for; these tests get the first bits.
  void place(const std::map<std::uint32_t, Test>& tests) {
    std::vector<std::uint32_t> sufficient, others;   // atoms
    for (std::uint8_t i = 0; i < Straight::kVariables + out.way_count_; ++i) {
      auto is_of = [&](const auto& test) { return test.second.object == i; };
      const auto ways = std::span(out.ways_).first(out.way_count_);
      if (std::none_of(tests.begin(), tests.end(), is_of) && std::ranges::none_of(ways, [&](const auto& way) { return way.from == i; })) continue;
      if (example_[i] == nullptr) {
        if (i < Straight::kVariables) out.has_example_ = false;
        continue;
      }
      Straight::Stop stop{example_[i]->shape, 0, i, i, false, 0, 0, 0, 0};
      if (i < Straight::kVariables) {
        out.shapes_[i] = stop.shape;
      } else {
        const Straight::Way& way = ways[i - Straight::kVariables];
        const Cell* cell = Store::attribute(*example_[way.from], way.attribute);
        stop.from = way.from;
        stop.offset = offset_of(*example_[way.from], cell);
        stop.is_record = cell->kind == ValueKind::record;
      }
      auto place_if = [&](std::vector<std::uint32_t>& placed, auto&& wanted) {
        std::uint8_t count = 0;
        for (const auto& [atom, test] : tests) {
          const Cell* cell = test.object == i && test.kind != Straight::Kind::has ? Store::attribute(*example_[i], test.attribute) : nullptr;
          if (cell == nullptr) continue;
          const Placing placing = placing_of(test, *cell);
          if (placing == Placing::none) out.has_example_ = false;
          if (!wanted(atom, test, placing)) continue;
          out.example_.placed[sufficient.size() + others.size()] = {offset_of(*example_[i], cell), test.kind, cell->kind == ValueKind::set, test.variable};
          placed.push_back(atom);
          ++count;
        }
        return count;
      };
      auto sufficient_if = [&](bool set) {
        return place_if(sufficient, [&](std::uint32_t atom, const Test& test, Placing placing) {
          const bool is = placing == (set ? Placing::set : Placing::entity) && test.variable == stop.variable && sufficient_.contains(atom);
          if (is && i == 0 && test.variable == 2) {
            reached_.push_back(test.attribute);
            reaches_set_ = reaches_set_ || set;
          }
          return is;
        });
      };
      const std::uint8_t before = out.example_.stop_count;
      for (; stop.variable < Straight::kVariables; ++stop.variable) {
        stop.entities = sufficient_if(false);
        stop.sets = sufficient_if(true);
        if (stop.entities + stop.sets != 0) out.example_.stops[out.example_.stop_count++] = stop;
      }
      stop.variable = stop.entities = stop.sets = 0;
      stop.others = place_if(others, [&](std::uint32_t atom, const Test&, Placing placing) {
        return placing == Placing::other || ((placing == Placing::entity || placing == Placing::set) && !sufficient_.contains(atom));
      });
      if (out.example_.stop_count == before || stop.others != 0) out.example_.stops[out.example_.stop_count++] = stop;
    }
    out.other_count_ = static_cast<std::uint8_t>(others.size());
    for (const auto& atoms : {others, sufficient}) std::for_each(atoms.rbegin(), atoms.rend(), [&](std::uint32_t atom) { name(atom); });
  }
  static std::uint32_t offset_of(const Object& object, const Cell* cell) {
    return static_cast<std::uint32_t>((cell - object.cells) * static_cast<std::ptrdiff_t>(sizeof(Cell)));
  }

  // A test that any object of the example's shape decides.
  void add_known(const Test& test) {
    const std::uint64_t flag = std::uint64_t{1} << test.bit;
    out.static_ |= flag;
    const Object* object = example_[test.object];
    const Cell* cell = object == nullptr ? nullptr : Store::attribute(*object, test.attribute);
    if (test.kind == Straight::Kind::has && object != nullptr) {
      if (cell != nullptr) out.known_.truth |= flag;
    } else if (cell == nullptr || placing_of(test, *cell) == Placing::error) {
      out.known_.error |= flag;
    }
  }

  std::uint8_t name(std::uint32_t atom) {
    out.atoms_[next_bit_] = atom;
    bits_.emplace(atom, next_bit_);
    return next_bit_++;
  }

  // Of the forms that tests have; its object is kObjects if there are too many.
  std::optional<Test> test_of(const Atom& atom) {
    const Operand &left = atom.left, &right = atom.right;
    auto test = [&](Straight::Kind kind, const Subject& variable, const Subject& path) {
      return Test{kind, variable.variable, object(path, path.length - 1u), 0, path.attributes[path.length - 1u]};
    };
    switch (atom.kind) {
      case Atom::Kind::truth:
        if (is_path(left)) return test(Straight::Kind::truth, {}, left.subject);
        break;
      case Atom::Kind::has: return Test{Straight::Kind::has, 0, object(left.subject, left.subject.length), 0, atom.attribute};
      case Atom::Kind::equal:
        if (is_path(left) && is_variable(right)) return test(Straight::Kind::equal, right.subject, left.subject);
        if (is_variable(left) && is_path(right)) return test(Straight::Kind::equal, left.subject, right.subject);
        break;
      case Atom::Kind::in:
        if (is_variable(left) && is_path(right)) return test(Straight::Kind::member, left.subject, right.subject);
        break;
      case Atom::Kind::contains:
        if (is_path(left) && is_variable(right)) return test(Straight::Kind::contains, right.subject, left.subject);
        break;
      case Atom::Kind::general:
      case Atom::Kind::like:
      case Atom::Kind::less:
      case Atom::Kind::less_eq:
      case Atom::Kind::in_range: break;
    }
    return {};
  }
  bool add_other(const Atom& atom, std::uint32_t number, std::uint8_t bit) {
    if (atom.kind == Atom::Kind::general || atom.kind == Atom::Kind::like) return false;   // may take long, and may not be reached
    if (atom.kind == Atom::Kind::in && is_variable(atom.left) && atom.right.is_literal && atom.right.literal.kind == ValueKind::entity) {
      out.fixed_.push_back({atom.left.subject.variable, bit, true, atom.right.literal});
      return true;
    }
    out.others_.push_back({number, bit});
    return out.others_.size() <= kMostOthers;
  }

  void finish() {
    auto by_policy = [](const Straight::Rule& a, const Straight::Rule& b) { return a.policy < b.policy; };
    std::sort(out.forbids_.begin(), out.forbids_.end(), by_policy);
    std::sort(out.permits_.begin(), out.permits_.end(), by_policy);
    for (const Straight::Rule& rule : out.forbids_) bare(rule, out.bare_forbids_, out.erring_forbids_);
    for (const Straight::Rule& rule : out.permits_) bare(rule, out.bare_permits_, out.erring_permits_);
    widen(out.bare_permits_);
    std::erase_if(out.bare_permits_, [&](const Straight::Bare& row) {
      const bool single = std::has_single_bit(row.mask) && row.mask == row.wanted && row.mask != kNever;
      if (single) out.single_permits_ |= row.mask;
      return single;
    });
    out.is_plain_ = out.has_example_ && out.others_.empty();
    out.only_single_ = out.fixed_.empty() && out.bare_forbids_.empty() && out.bare_permits_.empty() &&
                       out.erring_forbids_.empty() && out.erring_permits_.empty();
    auto has_entities = [](const Straight::Stop& stop) { return stop.sets + stop.others == 0; };
    const bool only_entities = std::ranges::all_of(std::span(out.example_.stops).first(out.example_.stop_count), has_entities);
    if (out.only_single_ && only_entities && !out.links_) out.usual_ = &Straight::allows_by_entities;
  }

  // Of rows of which one is enough: `a` or `not a and b` is `a` or `b`.
  static void widen(std::vector<Straight::Bare>& rows) {
    for (const Straight::Bare& row : rows) {
      if (!std::has_single_bit(row.mask)) continue;
      for (Straight::Bare& other : rows) {
        if (other.mask == row.mask || (other.mask & row.mask) == 0 || ((other.wanted ^ row.wanted) & row.mask) == 0) continue;
        other.mask &= ~row.mask;
        other.wanted &= ~row.mask;
      }
    }
  }

  // The rule's rows where objects are as the example: without the tests whose results are known.
  void bare(const Straight::Rule& rule, std::vector<Straight::Bare>& rows, std::vector<Straight::Rule>& erring) const {
    std::vector<Straight::Bare> left;
    for (const Straight::Row& row : std::span(out.rows_).subspan(rule.first, rule.count)) {
      Straight::Bare bare{row.mask & row.wanted & kNever, row.mask & row.wanted & kNever};
      bool holds = true;
      for (const Straight::Need& need : std::span(out.needs_).subspan(row.first, row.count)) {
        const std::uint64_t flag = std::uint64_t{1} << need.bit;
        if ((out.known_.error & flag) != 0) {
          if (bare.mask != 0) erring.push_back(rule);   // it depends on the tests before it
          else rows.insert(rows.end(), left.begin(), left.end());
          return;
        }
        const std::uint64_t wanted = need.outcome == Outcome::true_ ? flag : 0;
        if ((out.static_ & flag) == 0) {
          bare.mask |= flag;
          bare.wanted |= wanted;
        } else if ((out.known_.truth & flag) != wanted || need.outcome == Outcome::error) {
          holds = false;
          break;
        }
      }
      if (holds) left.push_back(bare);
    }
    rows.insert(rows.end(), left.begin(), left.end());
  }

  static constexpr std::size_t kMostOthers = 4;
  static constexpr std::uint64_t kNever = std::uint64_t{1} << 63;   // the bit of no test
  const EnvironmentPlan& plan_;
  const Environment& source_;
  const Store& store_;
  bool links_;
  std::set<std::uint32_t> sufficient_;
  std::vector<std::uint32_t> reached_;           // attributes of the principal, for the resource
  bool reaches_set_ = false;
  std::uint8_t next_bit_ = 0;
  std::map<std::uint32_t, std::uint8_t> bits_;   // of atoms
  std::array<const Object*, Straight::kObjects> example_{};
  std::vector<Straight::Need> needs_;
  std::map<std::pair<std::uint8_t, ScopeKey>, std::uint8_t> scopes_;
  std::map<std::pair<std::uint8_t, std::uint32_t>, std::uint8_t> objects_;
};

std::unique_ptr<const Straight> Straight::make(const Table::State& table, const EnvironmentPlan& plan,
                                               const std::vector<Node>& scope_nodes, const Store& store) {
  auto make = [&](bool links) -> std::unique_ptr<const Straight> {
    StraightMaker first(plan, store, links, {});
    if (!first.make(table, scope_nodes)) return nullptr;
    StraightMaker maker(plan, store, links, first.sufficient());
    if (!maker.make(table, scope_nodes)) internal_error("the same environment is too large now");
    maker.add_reach(scope_nodes);
    return std::make_unique<const Straight>(std::move(maker.out));
  };
  std::unique_ptr<const Straight> straight = make(true);
  // Few links are tests like others, where no set has them.
  if (straight != nullptr && straight->links_ && !plan.has_lists && straight->reach_ == nullptr) straight = make(false);
  return straight;
}

}  // namespace kerf::gateway
