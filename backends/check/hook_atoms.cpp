// The one decision: an atom over an observable is a function from classes to outcomes, so that rows, which are sets of
// classes, can be compared with it whatever the atom looks like.
#include "backends/check/hook_atoms.h"

#include <algorithm>
#include <set>

#include "ir/base/check.h"
#include "ir/canonical.h"
#include "ir/values/extension.h"
#include "runtime/abi/policy_abi.h"

namespace kerf::proof {

namespace {

// What an atom depends on, as bits.
enum Origin : unsigned { kUser = 1, kAddress = 2, kPort = 4, kIdentity = 8, kPath = 16, kScalar = 32, kUnknown = 64 };

std::optional<AddressKey> after(AddressKey key) {
  if (!key.v6) return key.key.low == 0xffffffffu ? std::nullopt : std::optional(AddressKey{false, {0, key.key.low + 1}});
  if (++key.key.low == 0 && ++key.key.high == 0) return std::nullopt;
  return key;
}

// Where comparisons with this address, or with the range that it is, can change.
void add_bounds(const IpAddr& ip, std::set<AddressKey>& bounds) {
  IpAddr first = ip, last = ip;
  const unsigned bits = ip.v6 ? 128 : 32;
  for (unsigned bit = ip.prefix; bit < bits; ++bit) {
    const auto mask = static_cast<std::uint8_t>(0x80u >> bit % 8);
    first.bytes[bit / 8] = static_cast<std::uint8_t>(first.bytes[bit / 8] & ~mask);
    last.bytes[bit / 8] = static_cast<std::uint8_t>(last.bytes[bit / 8] | mask);
  }
  for (const IpAddr& at : {first, ip}) bounds.insert(address_key(at));
  for (const IpAddr& at : {last, ip}) {
    if (auto next = after(address_key(at))) bounds.insert(*next);
  }
}

template <class Visit>
void visit_values(const Value& value, const Visit& visit) {
  visit(value);
  if (const ValueSet* set = value.as_set()) {
    for (const Value& element : *set) visit_values(element, visit);
  } else if (const ValueRecord* record = value.as_record()) {
    for (const auto& [name, field] : *record) visit_values(field, visit);
  }
}

template <class K>
void append(Steps<K>& steps, K key, Outcome outcome) {
  if (steps.empty() || steps.back().second != outcome) steps.emplace_back(key, outcome);
}

bool has(unsigned origins, unsigned only) { return origins != 0 && (origins & ~only) == 0; }

}  // namespace

IpAddr address_of(const AddressKey& key) {
  IpAddr address{key.v6, static_cast<std::uint8_t>(key.v6 ? 128 : 32), {}};
  auto put = [&](std::size_t from, std::size_t count, std::uint64_t value) {
    for (std::size_t i = count; i-- > 0; value >>= 8) address.bytes[from + i] = static_cast<std::uint8_t>(value);
  };
  if (key.v6) {
    put(0, 8, key.key.high);
    put(8, 8, key.key.low);
  } else {
    put(0, 4, key.key.low);
  }
  return address;
}

AddressKey address_key(const IpAddr& address) {
  auto number = [&](std::size_t from, std::size_t count) {
    std::uint64_t value = 0;
    for (std::size_t i = from; i < from + count; ++i) value = value << 8 | address.bytes[i];
    return value;
  };
  if (!address.v6) return {false, {0, number(0, 4)}};
  return {true, {number(0, 8), number(8, 8)}};
}

HookAtoms::HookAtoms(Knowledge& knowledge, PathClasses& paths, PathClasses& executables)
    : knowledge_(knowledge), terms_(knowledge.terms()), paths_(paths), executables_(executables) {
  std::set<EntityUid> named;
  auto add = [&](const Value& value) {
    const EntityUid* uid = value.as_entity();
    if (uid && uid->type == knowledge.env().resource) named.insert(*uid);
  };
  for (const Entity& entity : knowledge.module().entities.all()) {
    add(Value(entity.uid));
    for (const EntityUid& parent : entity.parents) add(Value(parent));
    for (const auto& [name, value] : entity.attrs) visit_values(value, add);
    for (const auto& [name, value] : entity.tags) visit_values(value, add);
  }
  named_.assign(named.begin(), named.end());
}

Term HookAtoms::residual(Term t) {
  if (auto done = residual_.find(t); done != residual_.end()) return done->second;
  Term made = t;
  const Knowledge::Known known = knowledge_.value(t);
  if (known.kind == Knowledge::Known::Kind::value) {
    made = known.value;
  } else if (terms_.op(t) == Op::if_ && knowledge_.outcome(terms_.arg(t, 0)).value_or(Outcome::error) != Outcome::error) {
    made = residual(terms_.arg(t, *knowledge_.outcome(terms_.arg(t, 0)) == Outcome::true_ ? 1 : 2));
  } else if (!terms_.args(t).empty()) {
    std::vector<Term> args;
    for (std::size_t i = 0; i < terms_.args(t).size(); ++i) args.push_back(residual(terms_.arg(t, i)));
    made = terms_.add_like(t, std::move(args));
  }
  residual_.emplace(t, made);
  return made;
}

unsigned HookAtoms::attribute_origins(Term t) {
  const Term object = terms_.arg(t, 0);
  if (const AttrBinding* binding = knowledge_.binding_of(t)) {
    if (binding->kind == AttrBinding::Kind::fact) return kUser;
    const Observable* observable = find_observable(binding->name);
    if (!observable) return kUnknown;
    switch (observable->from) {
      case ObservedFrom::address: return kAddress;
      case ObservedFrom::port: return kPort;
      case ObservedFrom::host: return kUser;   // learned: userspace evaluates it
      case ObservedFrom::call:
      case ObservedFrom::argument: return kUnknown;   // a filter decides
      case ObservedFrom::path: return kPath;
      case ObservedFrom::executable:
      case ObservedFrom::name:
      case ObservedFrom::scalar: return kScalar;
    }
  }
  return terms_.is_variable(object, Var::context) ? unsigned{kUnknown} : origins(object);
}

bool HookAtoms::has_member(const Value& value, const std::string& type) const {
  if (const EntityUid* uid = value.as_entity()) {
    if (uid->type == type) return true;
    for (const Entity* entity : knowledge_.module().entities.descendants(*uid)) {
      if (entity->uid.type == type) return true;
    }
  }
  const ValueSet* set = value.as_set();
  return set && std::any_of(set->begin(), set->end(), [&](const Value& element) { return has_member(element, type); });
}

// Of an endpoint: by storage, by hosts, or by both.
unsigned HookAtoms::membership_origins(Term t) {
  const unsigned all = kIdentity | origins(terms_.arg(t, 1));
  const Schema& schema = knowledge_.module().schema;
  const EntityType* host = schema.kernel_type(KernelKind::host);
  if (!host || !schema.find_type(knowledge_.env().resource)->ancestors.contains(host->name)) return all;
  if (terms_.op(terms_.arg(t, 1)) != Op::literal) return all | kUser;
  const Value& groups = terms_.literal(terms_.arg(t, 1));
  if (!has_member(groups, host->name)) return all;
  return has_member(groups, knowledge_.env().resource) ? kIdentity | kUser : kUser;
}

bool HookAtoms::only_hosts(Term t) {
  if (terms_.is_variable(t, Var::resource)) return false;
  const bool reads = terms_.op(t) == Op::get_attr || terms_.op(t) == Op::has_attr;
  if (reads && terms_.is_variable(terms_.arg(t, 0), Var::resource)) {
    const AttrBinding* binding = knowledge_.binding_of(t);
    return binding && binding->kind == AttrBinding::Kind::observable && find_observable(binding->name)->id == ObservableId::endpoint_host;
  }
  if (terms_.op(t) == Op::in && terms_.is_variable(terms_.arg(t, 0), Var::resource)) {
    return terms_.op(terms_.arg(t, 1)) == Op::literal && (membership_origins(t) & kUser) != 0;
  }
  const auto args = terms_.args(t);
  return std::all_of(args.begin(), args.end(), [&](Term arg) { return only_hosts(arg); });
}

unsigned HookAtoms::origins(Term t) {
  if (auto done = origins_.find(t); done != origins_.end()) return done->second;
  unsigned all = 0;
  if (terms_.op(t) == Op::variable) {
    switch (terms_.variable(t)) {
      case Var::principal: all = kUser; break;
      case Var::resource: all = kIdentity; break;
      case Var::context: all = kUnknown; break;
      case Var::action: break;
    }
  } else if (terms_.op(t) == Op::get_attr || terms_.op(t) == Op::has_attr) {
    all = attribute_origins(t);
  } else {
    for (std::size_t i = 0; i < terms_.args(t).size(); ++i) all |= origins(terms_.arg(t, i));
    const bool file = knowledge_.module().schema.find_type(knowledge_.env().resource)->kernel != KernelKind::endpoint;
    if (terms_.op(t) == Op::in && terms_.is_variable(terms_.arg(t, 0), Var::resource)) all = file ? (all & ~kIdentity) | kPath : membership_origins(t);
  }
  origins_.emplace(t, all);
  return all;
}

template <class Visit>
void HookAtoms::literals(Term t, const Visit& visit) {
  if (terms_.op(t) == Op::literal) return visit_values(Value(terms_.literal(t)), visit);
  for (std::size_t i = 0; i < terms_.args(t).size(); ++i) literals(terms_.arg(t, i), visit);
}

bool HookAtoms::only_user(Term t) { return has(origins(t), kUser); }
bool HookAtoms::only_identity(Term t) { return has(origins(t), kIdentity); }
bool HookAtoms::asks_resource(Term t) { return (origins(t) & (kIdentity | kPath)) != 0; }

std::set<EntityUid> HookAtoms::resources_named(Term t) {
  const std::string& type = knowledge_.env().resource;
  std::set<EntityUid> found(named_.begin(), named_.end());
  found.insert({type, "none"});
  literals(t, [&](const Value& value) {
    if (value.as_entity() && value.as_entity()->type == type) found.insert(*value.as_entity());
  });
  return found;
}

AtomKind HookAtoms::kind(Term t) {
  const unsigned from = origins(t);
  if (has(from, kUser)) return AtomKind::userspace;
  const bool literal_group = terms_.op(t) == Op::in && terms_.op(terms_.arg(t, 1)) == Op::literal;
  if (literal_group && from == (kIdentity | kUser)) return AtomKind::named;
  if (has(from, kAddress)) return hides_addresses(t) ? AtomKind::unknown : AtomKind::address;
  if (has(from, kPort)) return AtomKind::port;
  if (has(from, kIdentity)) {
    const bool endpoint = knowledge_.module().schema.find_type(knowledge_.env().resource)->kernel == KernelKind::endpoint;
    return endpoint ? AtomKind::endpoint : AtomKind::path;
  }
  if (has(from, kPath)) return asks_path(t) ? AtomKind::path : AtomKind::unknown;
  if (has(from, kScalar) && asks_number(t)) return AtomKind::number;
  return from & (kUnknown | kIdentity | kPath) ? AtomKind::unknown : AtomKind::code;
}

// A comparison with constants of the number that there are tables for. Other forms need instructions, and so they have them.
bool HookAtoms::asks_number(Term t) {
  if (!number_is_) return false;
  if (*number_is_ == ObservableId::process_exe) return asks_executable(t);
  std::vector<Term> read;
  observe(t, {*number_is_}, read);
  if (!compares(t, read)) return false;
  const Term other = terms_.arg(t, terms_.arg(t, 0) == read[0] ? 1 : 0);
  return terms_.op(other) == Op::literal;
}

bool HookAtoms::asks_executable(Term t) {
  auto read = [&](std::size_t i) {
    const Term side = terms_.arg(t, i);
    const Observable* observable = terms_.op(side) == Op::get_attr ? knowledge_.observable_of(side) : nullptr;
    return observable && observable->id == ObservableId::process_exe;
  };
  auto constant = [&](std::size_t i) { return terms_.op(terms_.arg(t, i)) == Op::literal; };
  switch (terms_.op(t)) {
    case Op::like: return read(0);
    case Op::eq: return (read(0) && constant(1)) || (read(1) && constant(0));
    case Op::contains: return constant(0) && read(1);
    default: return false;
  }
}

const PathOutcomes& HookAtoms::executable(Term t) {
  auto [it, fresh] = executable_.try_emplace(t);
  if (fresh) it->second = text_outcomes(t, executables_);
  return it->second;
}

std::optional<std::vector<std::uint32_t>> HookAtoms::executable_classes(Term t) {
  const PathOutcomes& outcomes = executable(t);
  const std::vector<std::uint32_t>& reached = executables_.reached(KERF_EXE_AUTOMATON);
  if (outcomes.pattern) {
    const PathClasses::DecidedPattern& decided = executables_.pattern(*outcomes.pattern);
    return decided.automaton == 0 ? std::nullopt : std::optional(decided.classes);
  }
  if (outcomes.others == Outcome::true_) return reached;
  std::set<std::uint32_t> classes;
  for (auto [test, outcome] : outcomes.tests) {
    const auto own = executables_.classes_of(test);
    if (!own) return std::nullopt;
    classes.insert(own->begin(), own->end());
  }
  return std::vector<std::uint32_t>(classes.begin(), classes.end());
}

const std::vector<std::uint32_t>& HookAtoms::executables_reached() const { return executables_.reached(KERF_EXE_AUTOMATON); }

std::string_view HookAtoms::number_name() const {
  if (number_is_ == ObservableId::process_exe) return "the match class of process.exe";
  for (const Observable& observable : observables()) {
    if (number_is_ && observable.id == *number_is_) return observable.text;
  }
  return "number";
}

bool HookAtoms::is_unobserved(Term t) { return (origins(t) & kUnknown) != 0; }

// The forms that path_outcomes() knows.
bool HookAtoms::asks_path(Term t) {
  auto constant = [&](std::size_t i) { return terms_.op(terms_.arg(t, i)) == Op::literal; };
  auto read = [&](std::size_t i) { return terms_.op(terms_.arg(t, i)) == Op::get_attr; };
  switch (terms_.op(t)) {
    case Op::in: return constant(1);
    case Op::like: return read(0);
    case Op::eq: return (read(0) && constant(1)) || (read(1) && constant(0));
    case Op::contains: return constant(0) && terms_.literal(terms_.arg(t, 0)).as_set() && read(1);
    default: return false;
  }
}

// Addresses that no literal shows: made from texts, or read from entities.
bool HookAtoms::hides_addresses(Term t) {
  if (terms_.op(t) == Op::call && terms_.name(t) == "ip") return true;
  if (terms_.op(t) == Op::get_tag) return true;
  if (terms_.op(t) == Op::get_attr && terms_.op(terms_.arg(t, 0)) != Op::variable && terms_.op(terms_.arg(t, 0)) != Op::record &&
      terms_.op(terms_.arg(t, 0)) != Op::literal) {
    return true;
  }
  for (std::size_t i = 0; i < terms_.args(t).size(); ++i) {
    if (hides_addresses(terms_.arg(t, i))) return true;
  }
  return false;
}

bool HookAtoms::calls(Term t, std::string_view function) const {
  if (terms_.op(t) == Op::call && terms_.name(t) == function) return true;
  const auto args = terms_.args(t);
  return std::any_of(args.begin(), args.end(), [&](Term arg) { return calls(arg, function); });
}

void HookAtoms::observe(Term t, std::initializer_list<ObservableId> ids, std::vector<Term>& found) {
  if (terms_.op(t) == Op::get_attr) {
    const Observable* observable = knowledge_.observable_of(t);
    if (observable && std::find(ids.begin(), ids.end(), observable->id) != ids.end()) return found.push_back(t);
  }
  for (std::size_t i = 0; i < terms_.args(t).size(); ++i) observe(terms_.arg(t, i), ids, found);
}

Outcome HookAtoms::ask(Term t, const EntityUid& resource, const std::unordered_map<Term, EvalResult>& observed) {
  const Request request{{knowledge_.env().principal, ""}, knowledge_.env().action, resource, {}};
  return evaluate(terms_, t, {request, knowledge_.module().entities, observed});
}

const Steps<AddressKey>& HookAtoms::address(Term t) {
  auto [it, fresh] = address_.try_emplace(t);
  if (!fresh) return it->second;
  std::set<AddressKey> bounds{{false, {}}, {true, {}}};
  literals(t, [&](const Value& value) {
    if (value.as_ip()) add_bounds(*value.as_ip(), bounds);
  });
  if (calls(t, "isLoopback") || calls(t, "isMulticast")) {
    for (const char* text : {"127.0.0.0/8", "::1", "224.0.0.0/4", "ff00::/8"}) add_bounds(*parse_ip(text), bounds);
  }
  std::vector<Term> read;
  observe(t, {ObservableId::endpoint_ip}, read);
  std::unordered_map<Term, EvalResult> observed;
  Steps<AddressKey> steps;
  for (const AddressKey& key : bounds) {
    for (Term attribute : read) observed.insert_or_assign(attribute, Value(address_of(key)));
    append(steps, key, ask(t, {knowledge_.env().resource, ""}, observed));
  }
  return it->second = std::move(steps);
}

// One number beside something else.
bool HookAtoms::compares(Term t, const std::vector<Term>& read) {
  const Op op = terms_.op(t);
  return (op == Op::eq || op == Op::less || op == Op::less_eq || op == Op::contains) && read.size() == 1 &&
         (terms_.arg(t, 0) == read[0] || terms_.arg(t, 1) == read[0]);
}

Steps<std::uint32_t> HookAtoms::steps(Term t, const std::vector<Term>& read, const std::set<std::uint32_t>& bounds) {
  std::unordered_map<Term, EvalResult> observed;
  Steps<std::uint32_t> made;
  for (std::uint32_t number : bounds) {
    for (Term attribute : read) observed.insert_or_assign(attribute, Value(std::int64_t{number}));
    append(made, number, ask(t, {knowledge_.env().resource, ""}, observed));
  }
  return made;
}

namespace {

// Where a comparison with this number can change.
void add_steps(std::int64_t number, std::int64_t last, std::set<std::uint32_t>& bounds) {
  if (number >= 0 && number <= last) bounds.insert(static_cast<std::uint32_t>(number));
  if (number >= -1 && number < last) bounds.insert(static_cast<std::uint32_t>(number + 1));
}

}  // namespace

const Steps<std::uint32_t>& HookAtoms::port(Term t) {
  auto [it, fresh] = port_.try_emplace(t);
  if (!fresh) return it->second;
  std::vector<Term> read;
  observe(t, {ObservableId::endpoint_port}, read);
  std::set<std::uint32_t> bounds{0};
  if (compares(t, read)) {
    literals(t, [&](const Value& value) {
      if (value.as_long()) add_steps(*value.as_long(), 65535, bounds);
    });
  } else {
    for (std::uint32_t port = 0; port <= 65535; ++port) bounds.insert(bounds.end(), port);
  }
  return it->second = steps(t, read, bounds);
}

Steps<std::uint32_t> HookAtoms::executable_steps(Term t) {
  const std::vector<std::uint32_t> classes = executable_classes(t).value_or(std::vector<std::uint32_t>{});
  Steps<std::uint32_t> made;
  const std::uint32_t end = classes.empty() ? 0 : classes.back() + 1;
  for (std::uint32_t match = 0; match <= end; ++match) {
    append(made, match, std::binary_search(classes.begin(), classes.end(), match) ? Outcome::true_ : Outcome::false_);
  }
  return made;
}

const Steps<std::uint32_t>& HookAtoms::number(Term t) {
  auto [it, fresh] = number_.try_emplace(t);
  if (!fresh) return it->second;
  if (*number_is_ == ObservableId::process_exe) return it->second = executable_steps(t);
  std::vector<Term> read;
  observe(t, {*number_is_}, read);
  std::set<std::uint32_t> bounds{0};
  literals(t, [&](const Value& value) {
    if (value.as_long()) add_steps(*value.as_long(), 0xffffffff, bounds);
  });
  return it->second = steps(t, read, bounds);
}

// Resources for which a comparison of identities can hold; all that have a name somewhere for anything else.
std::vector<EntityUid> HookAtoms::candidates(Term t) {
  std::set<EntityUid> found;
  const std::string& type = knowledge_.env().resource;
  const Entities& entities = knowledge_.module().entities;
  const Op op = terms_.op(t);
  const bool member = op == Op::in && terms_.is_variable(terms_.arg(t, 0), Var::resource) && terms_.op(terms_.arg(t, 1)) == Op::literal;
  auto with_literal = [&](std::size_t subject) {
    return terms_.is_variable(terms_.arg(t, subject), Var::resource) && terms_.op(terms_.arg(t, 1 - subject)) == Op::literal;
  };
  const bool equal = (op == Op::eq && (with_literal(0) || with_literal(1))) || (op == Op::contains && with_literal(1));
  if (!member && !equal) found.insert(named_.begin(), named_.end());
  literals(t, [&](const Value& value) {
    const EntityUid* uid = value.as_entity();
    if (!uid) return;
    if (uid->type == type) found.insert(*uid);
    if (!member) return;
    for (const Entity* entity : entities.descendants(*uid)) {
      if (entity->uid.type == type) found.insert(entity->uid);
    }
  });
  return {found.begin(), found.end()};
}

const EndpointOutcomes& HookAtoms::endpoint(Term t) {
  auto [it, fresh] = endpoint_.try_emplace(t);
  if (!fresh) return it->second;
  EndpointOutcomes made;
  made.others = ask(t, {knowledge_.env().resource, "no endpoint"}, {});
  for (const EntityUid& uid : candidates(t)) {
    auto parsed = parse_endpoint_id(uid.id);
    const Outcome outcome = ask(t, uid, {});
    if (!parsed || outcome == made.others) continue;
    const AddressKey key = address_key(parsed->first);
    made.listed.push_back({{key.v6, key.key, parsed->second}, outcome});
  }
  std::sort(made.listed.begin(), made.listed.end());
  return it->second = std::move(made);
}

const PathOutcomes& HookAtoms::path(Term t) {
  auto [it, fresh] = path_.try_emplace(t);
  if (fresh) it->second = path_outcomes(t);
  return it->second;
}

PathOutcomes HookAtoms::equal_to(const std::vector<std::string>& texts, PathClasses& paths) {
  PathOutcomes made;
  for (const std::string& text : texts) {
    if (is_canonical_text(text)) made.tests.emplace_back(paths.add(PathTestKind::exact, text), Outcome::true_);
  }
  return made;
}

PathOutcomes HookAtoms::path_outcomes(Term t) {
  const Op op = terms_.op(t);
  if (op == Op::in && terms_.is_variable(terms_.arg(t, 0), Var::resource) && terms_.op(terms_.arg(t, 1)) == Op::literal) {
    return membership(terms_.literal(terms_.arg(t, 1)));
  }
  if (origins(t) == kIdentity) return identity(t);
  return text_outcomes(t, paths_);
}

PathOutcomes HookAtoms::text_outcomes(Term t, PathClasses& paths) {
  const Op op = terms_.op(t);
  if (op == Op::like) {
    const Pattern& pattern = terms_.pattern(t);
    if (pattern.pieces.size() == 1) return equal_to(pattern.pieces, paths);
    PathOutcomes made;
    if (pattern.pieces.size() == 2 && pattern.pieces[1].empty()) {
      if (pattern.pieces[0].empty()) made.others = Outcome::true_;
      else made.tests.emplace_back(paths.add(PathTestKind::prefix, pattern.pieces[0]), Outcome::true_);
    } else {
      made.pattern = paths.add(pattern);
    }
    return made;
  }
  std::vector<std::string> texts;   // == and contains
  for (std::size_t i = 0; i < 2; ++i) {
    if (terms_.op(terms_.arg(t, i)) != Op::literal) continue;
    const Value& constant = terms_.literal(terms_.arg(t, i));
    if (constant.as_string()) texts.push_back(*constant.as_string());
    if (op != Op::contains || !constant.as_set()) continue;
    for (const Value& element : *constant.as_set()) {
      if (element.as_string()) texts.push_back(*element.as_string());
    }
  }
  return equal_to(texts, paths);
}

// By stored members: files by name, directories with all below them.
PathOutcomes HookAtoms::membership(const Value& groups) {
  PathOutcomes made;
  const Schema& schema = knowledge_.module().schema;
  const std::string& type = knowledge_.env().resource;
  const EntityType* directory = schema.kernel_type(KernelKind::directory);
  if (directory && !schema.find_type(type)->ancestors.contains(directory->name)) directory = nullptr;
  auto add = [&](const EntityUid& member) {
    if (member.type == type && is_canonical_text(member.id)) made.tests.emplace_back(paths_.add(PathTestKind::exact, member.id), Outcome::true_);
    if (directory && member.type == directory->name && is_canonical_path(member.id)) {
      made.tests.emplace_back(paths_.add(PathTestKind::tree, member.id), Outcome::true_);
    }
  };
  visit_values(groups, [&](const Value& value) {
    const EntityUid* uid = value.as_entity();
    if (!uid) {
      if (!value.as_set()) made.others = Outcome::error;
      return;
    }
    add(*uid);
    for (const Entity* entity : knowledge_.module().entities.descendants(*uid)) add(entity->uid);
  });
  return made;
}

PathOutcomes HookAtoms::identity(Term t) {
  PathOutcomes made;
  made.others = ask(t, {knowledge_.env().resource, "no file"}, {});
  for (const EntityUid& uid : candidates(t)) {
    const Outcome outcome = ask(t, uid, {});
    if (outcome != made.others && is_canonical_text(uid.id)) made.tests.emplace_back(paths_.add(PathTestKind::exact, uid.id), outcome);
  }
  return made;
}

}  // namespace kerf::proof
