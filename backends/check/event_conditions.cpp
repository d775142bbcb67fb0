// Atoms -> diagrams at a hook. An atom that cannot be told is a variable that no row asks, and is never guessed.
#include "backends/check/event_conditions.h"

#include <fmt/format.h>
#include <linux/types.h>

#include <algorithm>
#include <cstddef>

#include "backends/check/code_atoms.h"
#include "backends/check/feasible.h"
#include "ir/base/check.h"
#include "ir/canonical.h"
#include "ir/values/extension.h"
#include "runtime/abi/policy_abi.h"

namespace kerf::proof {

namespace {

constexpr std::size_t kMaxSearched = 1u << 18;

template <class K>
Outcome at(const Steps<K>& steps, const K& key) {
  auto next = std::upper_bound(steps.begin(), steps.end(), key, [](const K& k, const auto& step) { return k < step.first; });
  return std::prev(next)->second;
}

std::string endpoint_text(const Endpoint& endpoint) {
  return endpoint_id(address_of({endpoint.v6, endpoint.address}), endpoint.port);
}

bool contains(const std::vector<std::uint32_t>& sorted, std::uint32_t number) {
  return std::binary_search(sorted.begin(), sorted.end(), number);
}

}  // namespace

EventConditions::EventConditions(HookAtoms& atoms, const PathClasses& paths, bool files, bool by_numbers, EventClasses classes,
                                 const std::vector<CodeSlot>& slots, std::size_t max_nodes)
    : Conditions(atoms.knowledge(), max_nodes), hook_(atoms), paths_(paths), files_(files), by_numbers_(by_numbers), classes_(std::move(classes)), branching_(numbers_),
      inputs_(atoms, branching_, slots) {
  auto count = [](const auto& list) { return static_cast<std::uint32_t>(list.size()); };
  if (files) {
    values_[literals] = count(classes_.points) + 1;
    for (std::uint32_t a : {0u, 1u}) values_[patterns + a] = count(classes_.matches[a]) + 1;
  } else {
    values_[address] = count(classes_.addresses);
    values_[port] = count(classes_.ports);
    values_[endpoint] = count(classes_.endpoints) + 1;
  }
  values_[number] = count(classes_.numbers);
  for (std::uint32_t values : values_) diagrams.add_variable(values);
}

Diagram EventConditions::atom(Term t) {
  t = hook_.residual(t);
  if (auto known = made_.find(t); known != made_.end()) return known->second;
  auto make = [&]() -> Diagram {
    if (hook_.asks_executable(t) && !hook_.executable_classes(t)) return add_atom(t);   // the object does not tell, so no row can ask it
    switch (hook_.kind(t)) {
      case AtomKind::userspace: return by_numbers_ ? code_atom(t) : add_atom(t);
      case AtomKind::named: return diagrams.either(endpoint_atom(t), by_hosts(t));
      case AtomKind::address: {
        const Steps<AddressKey>& steps = hook_.address(t);
        return by_value(address, [&](std::uint32_t value) { return at(steps, classes_.addresses[value]); });
      }
      case AtomKind::port: {
        const Steps<std::uint32_t>& steps = hook_.port(t);
        return by_value(port, [&](std::uint32_t value) { return at(steps, classes_.ports[value]); });
      }
      case AtomKind::endpoint: return endpoint_atom(t);
      case AtomKind::path: return path_atom(t, hook_.path(t));
      case AtomKind::number: {
        const Steps<std::uint32_t>& steps = hook_.number(t);
        return by_value(number, [&](std::uint32_t value) { return at(steps, classes_.numbers[value]); });
      }
      case AtomKind::code: return code_atom(t);
      case AtomKind::unknown:
        if (hook_.is_unobserved(t)) return add_atom(t);   // no row can ask it, so it is a variable like any other
        break;
    }
    const Diagram variable = add_atom(t);
    not_understood_.insert(diagrams.variable_of(variable));
    return variable;
  };
  const Diagram made = make();
  made_.emplace(t, made);
  return made;
}

Diagram EventConditions::endpoint_atom(Term t) {
  const EndpointOutcomes& outcomes = hook_.endpoint(t);
  return by_value(endpoint, [&](std::uint32_t value) {
    if (value == 0) return outcomes.others;
    const Endpoint& wanted = classes_.endpoints[value - 1];
    auto found = std::lower_bound(outcomes.listed.begin(), outcomes.listed.end(), std::pair(wanted, Outcome::false_));
    return found != outcomes.listed.end() && found->first == wanted ? found->second : outcomes.others;
  });
}

Diagram EventConditions::by_hosts(Term t) {
  auto [place, fresh] = by_hosts_.try_emplace(t);
  if (fresh) place->second = add_atom(t);
  return place->second;
}

Diagram EventConditions::predicate(Term t) {
  t = hook_.residual(t);
  return hook_.kind(t) == AtomKind::named ? by_hosts(t) : of(t);
}

Diagram EventConditions::path_atom(Term t, const PathOutcomes& outcomes) {
  if (outcomes.pattern) {
    const PathClasses::DecidedPattern& decided = paths_.pattern(*outcomes.pattern);
    if (decided.automaton == 0) return add_atom(t);   // no automaton of the object answers it, so no row can ask it
    const std::uint32_t a = decided.automaton - 1;
    return where(patterns + a, [&](std::uint32_t value) {
      if (value == 0 && classes_.others[patterns + a]) return false;
      return contains(decided.classes, classes_.matches[a][value == 0 ? 0 : value - 1]);
    });
  }
  std::vector<Outcome> by_point(values_[literals], outcomes.others);
  for (auto [test, outcome] : outcomes.tests) {
    for (std::uint32_t point : paths_.points().of_test[test]) {
      auto place = std::lower_bound(classes_.points.begin(), classes_.points.end(), point);
      check(place != classes_.points.end() && *place == point, "points of a test are among the classes");
      by_point[static_cast<std::size_t>(place - classes_.points.begin()) + 1] = outcome;
    }
  }
  if (!classes_.others[literals]) by_point[0] = by_point.at(1);
  return by_value(literals, [&](std::uint32_t value) { return by_point[value]; });
}

// Could it fail only because attributes of variables are not there? Then `guards` asks for them.
bool EventConditions::only_guarded(Term t, std::vector<Term>& guards) {
  if (!knowledge_.can_fail(t)) return true;
  const Op op = terms_.op(t);
  if (op == Op::get_attr && terms_.op(terms_.arg(t, 0)) == Op::variable) {
    guards.push_back(terms_.add_has(terms_.arg(t, 0), std::string(terms_.name(t))));
    return true;
  }
  if (op == Op::get_tag && terms_.op(terms_.arg(t, 0)) == Op::variable) {
    guards.push_back(terms_.add_node(Op::has_tag, {terms_.arg(t, 0), terms_.arg(t, 1)}));
    return only_guarded(terms_.arg(t, 1), guards);
  }
  if (op == Op::get_attr ? !knowledge_.always_there(t) : op_row(op).fallible && op != Op::call) return false;
  if (op == Op::call && !knowledge_.gives_bool(t)) return false;
  for (std::size_t i = 0; i < terms_.args(t).size(); ++i) {
    if (!only_guarded(terms_.arg(t, i), guards)) return false;
  }
  return true;
}

// What is impossible: that reading an attribute fails where it is there.
Diagram EventConditions::possible() {
  std::vector<Diagram> all;
  auto add = [&](Term t, Diagram fails) {
    std::vector<Term> guards;
    if (!knowledge_.can_fail(t) || !only_guarded(t, guards)) return;
    Diagram there = Diagrams::kTrue;
    for (Term guard : guards) there = diagrams.both(there, of(guard));
    all.push_back(diagrams.negation(diagrams.both(fails, there)));
  };
  const auto atoms = atoms_;   // asking for guards adds some
  for (const auto& [variable, t] : atoms) {   // what is compared with itself is equal, or an error
    if (terms_.op(t) == Op::eq && terms_.arg(t, 0) == terms_.arg(t, 1)) all.push_back(diagrams.select(of(t), Diagrams::kFalse, Diagrams::kTrue, Diagrams::kTrue));
  }
  for (const auto& [variable, t] : atoms) add(t, diagrams.select(of(t), Diagrams::kFalse, Diagrams::kFalse, Diagrams::kTrue));
  const auto failing = inputs_.failing();
  for (const auto& [t, fails] : failing) {
    if (auto asked = asked_.find(fails); asked != asked_.end()) add(t, asked->second);
  }
  return diagrams.fold(all, true);
}

// ---- numbers ----
Diagram EventConditions::question(const Question& asked) {
  auto [it, fresh] = asked_.try_emplace(asked);
  if (!fresh) return it->second;
  static constexpr Diagrams::Case holds[] = {{1, Diagrams::kTrue}};
  const std::uint32_t variable = diagrams.add_variable(2);
  questions_.emplace(variable, asked);
  return it->second = diagrams.branch(variable, Diagrams::kFalse, holds);
}

Diagram EventConditions::code_atom(Term t) {
  const auto leaves = branching_.explore([&] { return static_cast<std::uint32_t>(walk_atom(branching_, inputs_, hook_, t)); });
  std::optional<Diagram> made;
  if (leaves) {
    made = Branching::build(diagrams, *leaves, [&](const Question& q) { return question(q); },
                            [](std::uint32_t outcome) { return Diagrams::of(static_cast<Outcome>(outcome)); });
  }
  if (!made) {
    made = add_atom(t);
    if (hook_.kind(t) == AtomKind::code) not_understood_.insert(diagrams.variable_of(*made));
    return *made;
  }
  code_atoms_.emplace_back(t, *made);
  return *made;
}

std::optional<Diagram> EventConditions::code(const HookCode& code, std::uint32_t condition) {
  const auto point = code.begin(condition);
  return point ? code_from(code, *point) : std::nullopt;
}

// Code has no loops, so points come to an end; one of an edited object that has is met again before it is known.
std::optional<Diagram> EventConditions::code_from(const HookCode& code, const CodePoint& point) {
  constexpr Diagram open = ~0u;
  auto [known, fresh] = code_points_.try_emplace(point, open);
  if (!fresh) return known->second == open ? std::nullopt : std::optional(known->second);
  std::map<CodePoint, std::uint32_t> numbers;   // of points that follow: from 3 on, after the outcomes
  std::vector<CodePoint> next;
  const auto leaves = branching_.explore([&]() -> std::uint32_t {
    HookCode::Result result = code.walk(branching_, inputs_, point);
    if (!result.next) return static_cast<std::uint32_t>(result.outcome);
    auto [it, first] = numbers.try_emplace(*result.next, static_cast<std::uint32_t>(numbers.size()) + 3);
    if (first) next.push_back(std::move(*result.next));
    return it->second;
  });
  if (!leaves) return std::nullopt;
  std::vector<Diagram> after;
  for (const CodePoint& one : next) {
    const auto made = code_from(code, one);
    if (!made) return std::nullopt;
    after.push_back(*made);
  }
  return known->second = Branching::build(diagrams, *leaves, [&](const Question& q) { return question(q); }, [&](std::uint32_t result) {
           return result < 3 ? Diagrams::of(static_cast<Outcome>(result)) : after[result - 3];
         });
}

std::optional<std::vector<Choice>> EventConditions::possible_example(Diagram d) {
  std::vector<Choice> choices;
  const Diagram all = diagrams.both(d, possible());
  if (search(all, Facts(numbers_), choices)) return choices;
  return std::nullopt;
}

// Code reads the same port, address and number of tables as numbers. False: nothing is both so and as known.
bool EventConditions::learn_value(Facts& facts, std::uint32_t variable, std::uint32_t value) {
  auto within = [&](const Number& n, Wide least, Wide most) {
    const auto [below, at_least] = normal(n, least - 1);
    const auto [up_to, more] = normal(n, most);
    return facts.learn(below, at_least) && facts.learn(up_to, !more);
  };
  auto port_within = [&](Wide least, Wide most) { return within(inputs_.event_field(offsetof(kerf_seen, net.port)), least, most); };
  auto address_within = [&](bool v6, const Key& first, const Key& last) {
    if (!within(inputs_.event_field(offsetof(kerf_seen, net.v6)), v6, v6)) return false;
    if (!v6) return within(inputs_.ipv4_address(), first.low, last.low);
    return within(inputs_.ipv6_half(true), first.high, last.high) && (first.high != last.high || within(inputs_.ipv6_half(false), first.low, last.low));
  };
  if (variable == number) {
    const auto field = inputs_.seen(hook_.number_offset(), 4);
    return !field || within(*field, classes_.numbers[value], value + 1 < classes_.numbers.size() ? Wide{classes_.numbers[value + 1]} - 1 : 0xffffffff);
  }
  if (files_ || variable >= std::size(values_)) return true;
  if (variable == port) return port_within(classes_.ports[value], value + 1 < classes_.ports.size() ? Wide{classes_.ports[value + 1]} - 1 : 65535);
  if (variable == endpoint) {
    if (value == 0) return true;
    const Endpoint& one = classes_.endpoints[value - 1];
    return port_within(one.port, one.port) && address_within(one.v6, one.address, one.address);
  }
  if (variable != address) return true;
  const AddressKey& first = classes_.addresses[value];
  const bool has_next = value + 1 < classes_.addresses.size() && classes_.addresses[value + 1].v6 == first.v6;
  Key last{first.v6 ? ~std::uint64_t{0} : 0, first.v6 ? ~std::uint64_t{0} : 0xffffffff};
  if (has_next) {
    last = classes_.addresses[value + 1].key;
    if (last.low-- == 0) --last.high;
  }
  return address_within(first.v6, first.key, last);
}

// No path has the other match classes.
bool EventConditions::is_executable(const Facts& facts) {
  if (!hook_.has_executables()) return true;
  const Bounds range = facts.of(inputs_.event_field(offsetof(kerf_seen, exe_match)));
  const std::vector<std::uint32_t>& reached = hook_.executables_reached();
  return std::any_of(reached.begin(), reached.end(), [&](std::uint32_t match) { return range.least <= match && match <= range.most; });
}

// Answers about numbers have to go together.
bool EventConditions::search(Diagram d, const Facts& facts, std::vector<Choice>& choices) {
  if (d == Diagrams::kFalse) return false;
  if (Diagrams::is_constant(d)) return is_executable(facts) && feasible(numbers_, facts);
  if (++searched_ > kMaxSearched) return too_many_ = true, false;
  const std::uint32_t variable = diagrams.variable_of(d);
  auto asked = questions_.find(variable);
  auto go = [&](std::uint32_t value, const Facts& known) {
    choices.push_back({variable, value});
    if (search(diagrams.child(d, variable, value), known, choices)) return true;
    choices.pop_back();
    return false;
  };
  if (asked == questions_.end()) {
    std::set<Diagram> seen;
    for (std::uint32_t value = 0; value < diagrams.values_of(variable); ++value) {
      if (diagrams.child(d, variable, value) == Diagrams::kFalse) continue;
      if (files_ && variable < std::size(values_) && variable != number && !seen.insert(diagrams.child(d, variable, value)).second) continue;   // no number is a path
      Facts more = facts;
      if (learn_value(more, variable, value) && go(value, more)) return true;
    }
    return false;
  }
  for (std::uint32_t value : {0u, 1u}) {
    const auto known = facts.answer(asked->second);
    if (known && *known != (value == 1)) continue;
    Facts more = facts;
    if (more.learn(asked->second, value == 1) && go(value, more)) return true;
  }
  return false;
}

std::optional<Term> EventConditions::not_understood(const std::vector<Choice>& choices) const {
  for (const Choice& choice : choices) {
    if (not_understood_.contains(choice.variable)) return atoms_.at(choice.variable);
  }
  return std::nullopt;
}

std::vector<std::string> EventConditions::text(const std::vector<Choice>& choices) const {
  std::vector<std::string> lines;
  std::vector<Choice> atoms;
  for (const Choice& choice : choices) {
    const std::uint32_t value = choice.value;
    if (questions_.contains(choice.variable)) continue;
    if (choice.variable >= std::size(values_)) {
      atoms.push_back(choice);
    } else if (choice.variable == number) {
      lines.push_back(fmt::format("{} is {}", hook_.number_name(), classes_.numbers[value]));
    } else if (files_ && choice.variable == literals) {
      lines.push_back("the path " + (value ? paths_.text(classes_.points[value - 1]) : std::string("is none of those that the policy names")));
    } else if (files_) {
      lines.push_back(fmt::format("the path has match class {} of automaton {}",
                                  value ? std::to_string(classes_.matches[choice.variable - 1][value - 1]) : "of no pattern", choice.variable));
    } else if (choice.variable == address) {
      lines.push_back("the address is " + kerf::to_text(address_of(classes_.addresses[value])));
    } else if (choice.variable == port) {
      lines.push_back(fmt::format("the port is {}", classes_.ports[value]));
    } else {
      lines.push_back(value == 0 ? std::string("the endpoint is none that is named")
                                 : "the endpoint is " + endpoint_text(classes_.endpoints[value - 1]));
    }
  }
  for (std::string& line : Conditions::text(atoms)) lines.push_back(std::move(line));
  for (auto [t, diagram] : code_atoms_) {
    if (auto outcome = diagrams.decided(diagram, choices); outcome && !Diagrams::is_constant(diagram)) {
      lines.push_back(fmt::format("`{}` is {}", terms_.text(t), kerf::to_text(*outcome)));
    }
  }
  return lines;
}

}  // namespace kerf::proof
