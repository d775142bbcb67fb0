// Rules of a group -> BlockIndex. A rule with a literal that asks for one of many values goes to the list of that value;
// other rules become bits of bitmaps, one dimension for each subject; a rule without a usable literal is always evaluated.
#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <tuple>

#include "runtime/gateway/plan.h"
#include "runtime/gateway/plan_run.h"

namespace kerf::gateway {
namespace {

constexpr std::size_t kManyValues = 64;       // past it, lists instead of maps
constexpr std::size_t kManyPatterns = 8;     // the same: each would be a dimension, and evaluated
constexpr std::size_t kMaxAtoms = 4096;      // of one dimension
constexpr std::size_t kMaxBounds = 256;
constexpr std::size_t kMaxTruths = 24;
constexpr std::size_t kMaxMapBytes = 16u << 20;

constexpr std::uint16_t mask(ValueKind kind) { return static_cast<std::uint16_t>(1u << static_cast<unsigned>(kind)); }
constexpr std::uint16_t kAnyKind = 0xffff;

struct Literal {
  std::uint32_t atom;
  bool wanted;
};

using Needs = std::vector<std::pair<Subject, std::uint16_t>>;

// Of a variable alone the kind is known.
bool need(Needs& needs, const Operand& operand, std::uint16_t kinds) {
  if (operand.is_literal) return (mask(operand.literal.kind) & kinds) != 0;
  if (operand.subject.length != 0) {
    if (kinds != 0) needs.emplace_back(operand.subject, kinds);
    return kinds != 0;
  }
  return (mask(operand.subject.variable == 3 ? ValueKind::record : ValueKind::entity) & kinds) != 0;
}

std::uint16_t ordered_kinds(const Operand& other) {
  if (!other.is_literal) return mask(ValueKind::long_);
  const ValueKind kind = other.literal.kind;
  return kind == ValueKind::long_ || kind == ValueKind::datetime || kind == ValueKind::duration ? mask(kind) : 0;
}

std::uint16_t scope_kinds(const Operand& right) {
  if (!right.is_literal || right.literal.kind != ValueKind::set) return mask(ValueKind::entity);
  const ValueSet& set = *right.value->as_set();
  const bool entities = std::all_of(set.begin(), set.end(), [](const Value& v) { return v.kind() == ValueKind::entity; });
  return entities ? mask(ValueKind::set) : 0;
}

// What must hold of its subjects so that the atom cannot err; nothing if that cannot be said.
std::optional<Needs> needs_of(const Atom& atom) {
  Needs needs;
  bool known = false;
  switch (atom.kind) {
    case Atom::Kind::general: break;
    case Atom::Kind::truth: known = need(needs, atom.left, mask(ValueKind::boolean)); break;
    case Atom::Kind::has: known = need(needs, atom.left, mask(ValueKind::entity) | mask(ValueKind::record)); break;
    case Atom::Kind::like: known = need(needs, atom.left, mask(ValueKind::string)); break;
    case Atom::Kind::equal: known = need(needs, atom.left, kAnyKind) && need(needs, atom.right, kAnyKind); break;
    case Atom::Kind::less:
    case Atom::Kind::less_eq:
      known = need(needs, atom.left, ordered_kinds(atom.right)) && need(needs, atom.right, ordered_kinds(atom.left));
      break;
    case Atom::Kind::in:
      known = need(needs, atom.left, mask(ValueKind::entity)) && need(needs, atom.right, scope_kinds(atom.right));
      break;
    case Atom::Kind::contains: known = need(needs, atom.left, mask(ValueKind::set)) && need(needs, atom.right, kAnyKind); break;
    case Atom::Kind::in_range:
      known = need(needs, atom.left, mask(ValueKind::ip)) && need(needs, atom.right, mask(ValueKind::ip));
      break;
  }
  return known ? std::optional(needs) : std::nullopt;
}

bool has_key(ValueKind kind) {
  return kind == ValueKind::string || kind == ValueKind::entity || kind == ValueKind::long_ || kind == ValueKind::boolean;
}
bool is_value_test(const Atom& atom) {
  return atom.kind == Atom::Kind::equal && !atom.left.is_literal && atom.right.is_literal && has_key(atom.right.literal.kind);
}
bool is_member_test(const Atom& atom) {
  return atom.kind == Atom::Kind::contains && !atom.left.is_literal && atom.right.is_literal &&
         (atom.right.literal.kind == ValueKind::string || atom.right.literal.kind == ValueKind::entity);
}
bool is_order_test(const Atom& atom) {
  if (atom.kind != Atom::Kind::less && atom.kind != Atom::Kind::less_eq) return false;
  return atom.left.is_literal != atom.right.is_literal &&
         (atom.left.is_literal ? atom.left : atom.right).literal.kind == ValueKind::long_;
}
bool is_range_test(const Atom& atom) {
  return atom.kind == Atom::Kind::in_range && !atom.left.is_literal && atom.right.is_literal && !atom.right.value->as_ip()->v6;
}

bool order_holds(const Atom& atom, std::int64_t value) {
  const std::int64_t left = atom.left.is_literal ? atom.left.literal.number : value;
  const std::int64_t right = atom.right.is_literal ? atom.right.literal.number : value;
  return atom.kind == Atom::Kind::less ? left < right : left <= right;
}
// The least value from which on the test has its other outcome; nothing if it never changes.
std::optional<std::int64_t> order_bound(const Atom& atom) {
  const bool literal_first = atom.left.is_literal;
  const std::int64_t literal = literal_first ? atom.left.literal.number : atom.right.literal.number;
  const bool after = (atom.kind == Atom::Kind::less) == literal_first;   // c < x, x <= c
  if (after && literal == std::numeric_limits<std::int64_t>::max()) return std::nullopt;
  return literal + (after ? 1 : 0);
}

using Family = std::tuple<Feature::Kind, Subject, ValueKind, std::uint32_t>;   // the last: the atom, for truth

Family family_of(const Atom& atom, std::uint32_t number) {
  if (is_value_test(atom)) return {Feature::Kind::value, atom.left.subject, atom.right.literal.kind, 0};
  if (is_member_test(atom)) return {Feature::Kind::members, atom.left.subject, atom.right.literal.kind, 0};
  if (is_range_test(atom)) return {Feature::Kind::ranges, atom.left.subject, ValueKind::ip, 0};
  if (is_order_test(atom)) {
    return {Feature::Kind::order, (atom.left.is_literal ? atom.right : atom.left).subject, ValueKind::long_, 0};
  }
  return {Feature::Kind::truth, {}, ValueKind::boolean, number};
}

std::uint64_t class_key(Feature::Kind kind, const Atom& atom) {
  return kind == Feature::Kind::ranges ? range_key(*atom.right.value->as_ip(), atom.right.value->as_ip()->prefix)
                                       : value_key(atom.right.literal);
}

class Indexer {
 public:
  Indexer(const EnvironmentPlan& plan, const Group& group) : plan_(plan), rules_(plan.source->rules_of(group)), first_(group.first), forbids_(group.forbids) {
    index_.first_permit = group.first + group.forbids;
  }

  BlockIndex build() {
    for (const Rule& rule : rules_) literals_.push_back(needed(rule));
    count_keys();
    for (std::uint32_t i = 0; i < rules_.size(); ++i) {
      if (i == forbids_) index_.forbid_words = fill_word();
      place(i);
    }
    if (forbids_ == rules_.size()) index_.forbid_words = fill_word();
    build_features();
    for (auto& [what, watch] : watches_) {
      Watch& out = index_.watches.emplace_back();
      out.subject = what.first;
      out.kinds = what.second;
      for (auto& [guard, rules] : watch) out.uses.push_back({guard, std::move(rules)});
    }
    for (Feature& feature : index_.features) feature.watch = watch_of(feature.subject);
    for (Keyed& keyed : index_.keyed) keyed.watch = watch_of(keyed.subject);
    // Those that leave out most come first, so that most runs of rules are empty early.
    std::stable_sort(index_.features.begin(), index_.features.end(), [&](const Feature& a, const Feature& b) { return density(a) < density(b); });
    return std::move(index_);
  }

 private:
  const Atom& atom(const Literal& literal) const { return plan_.atoms[literal.atom]; }

  std::uint32_t watch_of(const Subject& subject) const {
    auto same = [&](const Watch& watch) { return watch.subject == subject; };
    const auto at = std::find_if(index_.watches.begin(), index_.watches.end(), same);
    return at == index_.watches.end() ? Watch::kNone : static_cast<std::uint32_t>(at - index_.watches.begin());
  }
  // Rules that are left, in the mean of the maps.
  double density(const Feature& feature) const {
    std::size_t bits = 0;
    for (std::uint64_t word : feature.maps) bits += static_cast<std::size_t>(std::popcount(word));
    return static_cast<double>(bits) / static_cast<double>(std::max<std::size_t>(feature.maps.size(), 1));
  }

  // The literals that all rows of a rule start with, up to the first of which it is not known when it errs.
  std::vector<Literal> needed(const Rule& rule) const {
    std::vector<Literal> common;
    if (rule.is_formula) return common;
    const Environment& source = *plan_.source;
    for (std::uint32_t i = 0; i < source.rows[rule.first].count; ++i) {
      const Requirement& required = source.requirements[source.rows[rule.first].first + i];
      if (required.outcome == Outcome::error || !needs_of(plan_.atoms[required.atom])) break;
      for (std::uint32_t r = 1; r < rule.count; ++r) {
        const Row& row = source.rows[rule.first + r];
        if (i >= row.count) return common;
        const Requirement& other = source.requirements[row.first + i];
        if (other.atom != required.atom || other.outcome != required.outcome) return common;
      }
      common.push_back({required.atom, required.outcome == Outcome::true_});
    }
    return common;
  }
  bool is_conjunction(std::uint32_t i) const {
    const Rule& rule = rules_[i];
    return !rule.is_formula && rule.count == 1 && plan_.source->rows[rule.first].then == Outcome::true_ &&
           literals_[i].size() == plan_.source->rows[rule.first].count;
  }

  using KeyFamily = std::tuple<bool, Subject, ValueKind>;   // like?
  std::optional<KeyFamily> key_family(const Literal& literal) const {
    const Atom& test = atom(literal);
    if (!literal.wanted) return std::nullopt;
    if (test.kind == Atom::Kind::like) return KeyFamily{true, test.left.subject, ValueKind::string};
    if (is_value_test(test)) return KeyFamily{false, test.left.subject, test.right.literal.kind};
    return std::nullopt;
  }

  void count_keys() {
    for (const std::vector<Literal>& literals : literals_) {
      for (const Literal& literal : literals) {
        if (auto family = key_family(literal)) keys_[*family].insert(literal.atom);
      }
    }
  }

  // The words so far; the rules that follow are in another one.
  std::size_t fill_word() {
    const std::size_t words = (dense_.size() + 63) / 64;
    index_.dense.resize(words * 64, BlockIndex::kNoRule);
    dense_.resize(words * 64, kNone);
    return words;
  }

  void place(std::uint32_t i) {
    const std::uint32_t rule = first_ + i;
    std::size_t best = 0, position = 0;
    for (std::size_t l = 0; l < literals_[i].size(); ++l) {
      auto family = key_family(literals_[i][l]);
      const std::size_t keys = family ? keys_.at(*family).size() : 0;
      const std::size_t many = family && std::get<0>(*family) ? kManyPatterns : kManyValues;
      if (keys > std::max(best, many)) best = keys, position = l;
    }
    if (best != 0) {
      watch(rule, literals_[i], position + 1);
      add_key(*key_family(literals_[i][position]), literals_[i][position], rule);
    } else if (literals_[i].empty()) {
      index_.always.push_back(rule);
    } else {
      watch(rule, literals_[i], literals_[i].size());
      index_.dense.push_back(rule);
      dense_.push_back(i);
    }
  }

  // The rule may err where one of its first `count` literals does.
  void watch(std::uint32_t rule, const std::vector<Literal>& literals, std::size_t count) {
    for (std::size_t l = 0; l < count; ++l) {
      const std::optional<Needs> needs = needs_of(atom(literals[l]));
      for (const auto& [subject, kinds] : *needs) {
        std::vector<std::uint32_t>& rules = watches_[{subject, kinds}][guard_of(subject, literals, l)];
        if (rules.empty() || rules.back() != rule) rules.push_back(rule);
      }
    }
  }

  std::uint32_t guard_of(const Subject& subject, const std::vector<Literal>& literals, std::size_t before) const {
    for (std::size_t l = 0; l < before; ++l) {
      const Atom& test = atom(literals[l]);
      if (!literals[l].wanted || test.kind != Atom::Kind::has) continue;
      const Subject& base = test.left.subject;
      const bool prefix = base.variable == subject.variable && base.length < subject.length &&
                          std::equal(base.attributes.begin(), base.attributes.begin() + base.length, subject.attributes.begin());
      if (prefix && subject.attributes[base.length] == test.attribute) return literals[l].atom;
    }
    return 0xffffffffu;
  }

  void add_key(const KeyFamily& family, const Literal& literal, std::uint32_t rule) {
    auto [entry, added] = keyed_.emplace(family, index_.keyed.size());
    if (added) {
      Keyed& keyed = index_.keyed.emplace_back();
      std::tie(keyed.is_like, keyed.subject, keyed.kind) = family;
    }
    Keyed& keyed = index_.keyed[entry->second];
    std::uint64_t key = 0;
    if (!keyed.is_like) {
      key = value_key(atom(literal).right.literal);
    } else {
      const Pattern& pattern = *atom(literal).pattern;
      const std::string &begin = pattern.pieces.front(), &end = pattern.pieces.back();
      if (begin.empty() && end.empty()) return keyed.unanchored.push_back(rule);
      const bool prefix = !begin.empty();
      key = affix_key(prefix ? begin : end, prefix);
      std::vector<std::size_t>& lengths = prefix ? keyed.prefixes : keyed.suffixes;
      const std::size_t length = prefix ? begin.size() : end.size();
      auto at = std::lower_bound(lengths.begin(), lengths.end(), length);
      if (at == lengths.end() || *at != length) lengths.insert(at, length);
    }
    std::uint32_t list = keyed.lists.find(key);
    if (list == FlatMap::kNone) {
      list = static_cast<std::uint32_t>(keyed.rules.size());
      keyed.rules.emplace_back();
      keyed.lists.insert(key, list);
    }
    keyed.rules[list].push_back(rule);
  }

  struct Draft {
    std::vector<std::uint32_t> atoms;   // distinct
    std::size_t uses = 0;
  };

  void build_features() {
    index_.words = fill_word();
    std::map<Family, Draft> drafts;
    for (std::uint32_t i : dense_) {
      if (i == kNone) continue;
      for (const Literal& literal : literals_[i]) {
        Draft& draft = drafts[family_of(atom(literal), literal.atom)];
        if (std::find(draft.atoms.begin(), draft.atoms.end(), literal.atom) == draft.atoms.end() && draft.atoms.size() <= kMaxAtoms) {
          draft.atoms.push_back(literal.atom);
        }
        ++draft.uses;
      }
    }
    std::vector<std::size_t> uses;
    for (const auto& [family, draft] : drafts) {
      if (std::get<0>(family) == Feature::Kind::truth) uses.push_back(draft.uses);
    }
    std::sort(uses.rbegin(), uses.rend());
    const std::size_t least = uses.size() > kMaxTruths ? uses[kMaxTruths] + 1 : 0;
    for (const auto& [family, draft] : drafts) {
      const bool truth = std::get<0>(family) == Feature::Kind::truth;
      if (draft.atoms.size() > kMaxAtoms) continue;
      if (truth ? draft.uses >= least : (draft.atoms.size() + 1) * index_.words * 8 <= kMaxMapBytes) add_feature(family, draft);
    }
    index_.exact.assign(index_.words, 0);
    index_.all_exact = true;
    for (std::size_t bit = 0; bit < dense_.size(); ++bit) {
      if (dense_[bit] == kNone) continue;
      if (is_conjunction(dense_[bit]) && covered_[bit] == literals_[dense_[bit]].size()) set_bit(index_.exact, bit);
      else index_.all_exact = false;
    }
  }

  static void set_bit(std::vector<std::uint64_t>& map, std::size_t bit) { map[bit / 64] |= std::uint64_t{1} << (bit % 64); }

  void add_feature(const Family& family, const Draft& draft) {
    Feature feature;
    std::tie(feature.kind, feature.subject, feature.value_kind, feature.atom) = family;
    covered_.resize(dense_.size(), 0);
    std::size_t maps = 2;
    switch (feature.kind) {
      case Feature::Kind::truth: break;
      case Feature::Kind::value:
      case Feature::Kind::members:
      case Feature::Kind::ranges:
        maps = 1;
        for (std::uint32_t number : draft.atoms) {
          const std::uint64_t key = class_key(feature.kind, plan_.atoms[number]);
          if (feature.classes.find(key) == FlatMap::kNone) feature.classes.insert(key, static_cast<std::uint32_t>(maps++));
          if (feature.kind == Feature::Kind::ranges) feature.prefixes.push_back(plan_.atoms[number].right.value->as_ip()->prefix);
        }
        std::sort(feature.prefixes.begin(), feature.prefixes.end());
        feature.prefixes.erase(std::unique(feature.prefixes.begin(), feature.prefixes.end()), feature.prefixes.end());
        break;
      case Feature::Kind::order:
        for (std::uint32_t number : draft.atoms) {
          if (auto bound = order_bound(plan_.atoms[number])) feature.bounds.push_back(*bound);
        }
        std::sort(feature.bounds.begin(), feature.bounds.end());
        feature.bounds.erase(std::unique(feature.bounds.begin(), feature.bounds.end()), feature.bounds.end());
        maps = feature.bounds.size() + 1;
        break;
    }
    if (feature.kind == Feature::Kind::order && feature.bounds.size() > kMaxBounds) return;
    if (feature.kind == Feature::Kind::value && maps > kManyValues + 1) return;
    feature.maps.assign(maps * index_.words, 0);
    for (std::size_t bit = 0; bit < dense_.size(); ++bit) {
      if (dense_[bit] != kNone) fill(feature, family, maps, bit);
    }
    index_.features.push_back(std::move(feature));
  }

  // Sets the rule's bit in the maps that do not exclude it.
  void fill(Feature& feature, const Family& family, std::size_t maps, std::size_t bit) {
    std::vector<Literal> own;
    for (const Literal& literal : literals_[dense_[bit]]) {
      if (family_of(atom(literal), literal.atom) == family) own.push_back(literal);
    }
    const bool sparse = feature.kind == Feature::Kind::members || feature.kind == Feature::Kind::ranges;
    const std::uint64_t flag = std::uint64_t{1} << (bit % 64);
    auto map = [&](std::size_t m) -> std::uint64_t& { return feature.maps[m * index_.words + bit / 64]; };
    if (sparse) {
      auto positive = std::find_if(own.begin(), own.end(), [](const Literal& literal) { return literal.wanted; });
      if (positive == own.end()) {
        map(0) |= flag;
      } else {
        map(feature.classes.find(class_key(feature.kind, atom(*positive)))) |= flag;
        ++covered_[bit];
      }
      return;
    }
    covered_[bit] += own.size();
    for (std::size_t m = 0; m < maps; ++m) {
      const bool holds = std::all_of(own.begin(), own.end(), [&](const Literal& literal) {
        return holds_in(feature, atom(literal), m) == literal.wanted;
      });
      if (holds) map(m) |= flag;
    }
  }

  static bool holds_in(const Feature& feature, const Atom& test, std::size_t map) {
    switch (feature.kind) {
      case Feature::Kind::truth: return map == 1;
      case Feature::Kind::value: return feature.classes.find(value_key(test.right.literal)) == map;
      case Feature::Kind::order: {
        if (feature.bounds.empty()) return order_holds(test, 0);
        const std::int64_t least = std::numeric_limits<std::int64_t>::min();
        const std::int64_t below = feature.bounds[0] == least ? least : feature.bounds[0] - 1;
        return order_holds(test, map == 0 ? below : feature.bounds[map - 1]);
      }
      case Feature::Kind::members:
      case Feature::Kind::ranges: break;
    }
    internal_error("a dimension without classes");
  }

  const EnvironmentPlan& plan_;
  std::span<const Rule> rules_;
  std::uint32_t first_, forbids_;
  BlockIndex index_;
  std::vector<std::vector<Literal>> literals_;
  std::map<KeyFamily, std::set<std::uint32_t>> keys_;
  std::map<KeyFamily, std::size_t> keyed_;
  std::map<std::pair<Subject, std::uint16_t>, std::map<std::uint32_t, std::vector<std::uint32_t>>> watches_;
  static constexpr std::uint32_t kNone = 0xffffffffu;
  std::vector<std::uint32_t> dense_;     // positions in rules_, by bit; kNone behind forbids and behind permits
  std::vector<std::size_t> covered_;     // literals that the features decide, by bit
};

}  // namespace

BlockIndex index_block(const EnvironmentPlan& plan, const Group& group) { return Indexer(plan, group).build(); }

}  // namespace kerf::gateway
