// Atoms -> diagrams at a hook. An atom whose class cannot be told makes the policy "not proved"; it is never guessed.
#include "backends/check/event_conditions.h"

#include <fmt/format.h>

#include <algorithm>

#include "ir/base/check.h"
#include "ir/canonical.h"
#include "ir/values/extension.h"

namespace kerf::proof {

namespace {

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

EventConditions::EventConditions(HookAtoms& atoms, const PathClasses& paths, bool files, EventClasses classes, std::size_t max_nodes)
    : Conditions(atoms.knowledge(), max_nodes), hook_(atoms), paths_(paths), files_(files), classes_(std::move(classes)) {
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
  values_[code] = std::max(count(classes_.code.atoms), 1u);
  for (std::uint32_t values : values_) diagrams.add_variable(values);
}

Diagram EventConditions::atom(Term t) {
  t = hook_.residual(t);
  if (auto known = made_.find(t); known != made_.end()) return known->second;
  auto make = [&]() -> Diagram {
    switch (hook_.kind(t)) {
      case AtomKind::userspace: return add_atom(t);
      case AtomKind::address: {
        const Steps<AddressKey>& steps = hook_.address(t);
        return by_value(address, [&](std::uint32_t value) { return at(steps, classes_.addresses[value]); });
      }
      case AtomKind::port: {
        const Steps<std::uint32_t>& steps = hook_.port(t);
        return by_value(port, [&](std::uint32_t value) { return at(steps, classes_.ports[value]); });
      }
      case AtomKind::endpoint: {
        const EndpointOutcomes& outcomes = hook_.endpoint(t);
        return by_value(endpoint, [&](std::uint32_t value) {
          if (value == 0) return outcomes.others;
          const Endpoint& wanted = classes_.endpoints[value - 1];
          auto found = std::lower_bound(outcomes.listed.begin(), outcomes.listed.end(), std::pair(wanted, Outcome::false_));
          return found != outcomes.listed.end() && found->first == wanted ? found->second : outcomes.others;
        });
      }
      case AtomKind::path: return path_atom(t, hook_.path(t));
      case AtomKind::number: {
        const Steps<std::uint32_t>& steps = hook_.number(t);
        return by_value(number, [&](std::uint32_t value) { return at(steps, classes_.numbers[value]); });
      }
      case AtomKind::code: {
        auto place = std::lower_bound(classes_.code_atoms.begin(), classes_.code_atoms.end(), t);
        if (place == classes_.code_atoms.end() || *place != t || classes_.code.atoms.empty()) break;
        const auto number = static_cast<std::size_t>(place - classes_.code_atoms.begin());
        return by_value(code, [&](std::uint32_t value) { return classes_.code.atoms[value][number]; });
      }
      case AtomKind::unknown:
        if (hook_.is_unobserved(t)) return add_atom(t);   // no row can ask it, so it is a variable like any other
        break;
    }
    has_unknown_ = true;
    return add_atom(t);
  };
  const Diagram made = make();
  made_.emplace(t, made);
  return made;
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
  if (op == Op::get_attr ? !knowledge_.always_there(t) : op_row(op).fallible && op != Op::call) return false;
  if (op == Op::call && !knowledge_.gives_bool(t)) return false;
  for (std::size_t i = 0; i < terms_.args(t).size(); ++i) {
    if (!only_guarded(terms_.arg(t, i), guards)) return false;
  }
  return true;
}

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
  for (const auto& [variable, t] : atoms) add(t, diagrams.select(of(t), Diagrams::kFalse, Diagrams::kFalse, Diagrams::kTrue));
  for (std::size_t i = 0; i < classes_.slots.size() && !classes_.code.slot_errs.empty(); ++i) {
    add(classes_.slots[i].expression, where(code, [&](std::uint32_t value) { return bool{classes_.code.slot_errs[value][i]}; }));
  }
  return diagrams.fold(all, true);
}

std::vector<std::string> EventConditions::text(const std::vector<Choice>& choices) const {
  std::vector<std::string> lines;
  std::vector<Choice> atoms;
  for (const Choice& choice : choices) {
    const std::uint32_t value = choice.value;
    if (choice.variable == code) {
      for (std::size_t i = 0; i < classes_.code_atoms.size(); ++i) {
        lines.push_back(fmt::format("`{}` is {}", terms_.text(classes_.code_atoms[i]), kerf::to_text(classes_.code.atoms[value][i])));
      }
    } else if (choice.variable == number) {
      lines.push_back(fmt::format("{} is {}", hook_.number_name(), classes_.numbers[value]));
    } else if (choice.variable > code) {
      atoms.push_back(choice);
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
  return lines;
}

}  // namespace kerf::proof
