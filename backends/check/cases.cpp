// The one decision: rewritings are of the source's terms and keep its outcome for every event; were one of them wrong, the
// artefact would have to be wrong in the same way to pass.
#include "backends/check/cases.h"

#include <algorithm>

#include "backends/check/conditions.h"
#include "ir/base/check.h"

namespace kerf::proof {

namespace {

constexpr std::size_t kMaxValues = 256;         // of one operand: docs/limits.md
constexpr std::size_t kMaxCases = 1u << 20;     // of an environment
constexpr unsigned kMaxDepth = 16;

bool less(const Value& a, const Value& b) { return compare(a, b) < 0; }

bool slot_value(const Value& value) {
  return value.as_bool() || value.as_long() || value.as_ip() || value.as_datetime() || value.as_duration();
}
bool is_number(TypeKind kind) { return kind == TypeKind::long_ || kind == TypeKind::datetime || kind == TypeKind::duration; }

}  // namespace

Term Cases::expand(Term t) {
  if (auto done = expanded_.find(t); done != expanded_.end()) return done->second;
  Term made = t;
  const Op op = terms_.op(t);
  if (!is_structure(knowledge_, t)) {
    if (!knowledge_.outcome(t)) {
      const Term atom = atoms_.residual(t), by_cases = expand_atom(atom);
      made = by_cases == atom ? t : by_cases;
    }
  } else if (op == Op::and_ || op == Op::or_) {
    made = expand_chain(t);
  } else {
    const auto decided = op == Op::if_ ? knowledge_.outcome(terms_.arg(t, 0)) : std::nullopt;
    std::vector<Term> args(terms_.args(t).begin(), terms_.args(t).end());
    for (std::size_t i = 0; i < args.size(); ++i) {
      if (!decided || i == (*decided == Outcome::true_ ? 1u : 2u)) args[i] = expand(args[i]);
    }
    made = std::equal(args.begin(), args.end(), terms_.args(t).begin()) ? t : terms_.add_node(op, std::move(args));
  }
  expanded_.emplace(t, made);
  return made;
}

// Along the chain, which may be long, and back.
Term Cases::expand_chain(Term t) {
  const Op op = terms_.op(t);
  std::vector<Term> links;
  for (; terms_.op(t) == op; t = terms_.arg(t, 1)) links.push_back(t);
  Term rest = expand(t);
  for (auto link = links.rbegin(); link != links.rend(); ++link) {
    const Term first = expand(terms_.arg(*link, 0));
    const bool same = first == terms_.arg(*link, 0) && rest == terms_.arg(*link, 1);
    rest = same ? *link : terms_.add_node(op, {first, rest});
  }
  return rest;
}

Term Cases::expand_atom(Term atom) {
  const AtomKind kind = atoms_.kind(atom);
  if ((kind != AtomKind::code && kind != AtomKind::unknown) || made_ > kMaxCases || depth_ > kMaxDepth) return atom;
  ++depth_;
  const Term by_cases = split(atom);
  const Term made = by_cases == atom ? atom : expand(by_cases);
  --depth_;
  return made;
}

Term Cases::split(Term atom) {
  if (Term made = by_elements(atom); made != atom) return made;
  if (Term made = by_fields(atom); made != atom) return made;
  if (field_of(atom)) return by_field(atom, atom);
  const std::vector<Term> operands = strict_operands(atom);
  for (Term operand : operands) {
    if (field_of(operand)) return by_field(atom, operand);
    if (terms_.op(operand) != Op::if_ || atoms_.only_user(operand) || atoms_.only_identity(operand)) continue;
    if (!fits_number(operand) || atoms_.asks_resource(operand)) return by_branches(atom, operand);
  }
  for (Term operand : operands) {
    if (!atoms_.only_identity(operand) || terms_.op(operand) == Op::variable) continue;
    if (auto values = values_of(operand, true)) return by_values(atom, operand, *values);
  }
  for (Term operand : operands) {
    if (!atoms_.only_user(operand) || fits_slot(operand).value_or(false)) continue;
    if (auto values = reads_context(operand) ? values_of_fact(operand) : values_of(operand, false)) {
      if (!values->empty() && slot_value(values->front())) continue;
      return by_values(atom, operand, *values);
    }
  }
  return atom;
}

bool Cases::reads_context(Term t) const {
  if (terms_.is_variable(t, Var::context)) return true;
  const auto args = terms_.args(t);
  return std::any_of(args.begin(), args.end(), [&](Term arg) { return reads_context(arg); });
}

// ---- types ----
std::optional<bool> Cases::fits_slot(Term t) {
  const auto kind = knowledge_.kind_of(t);
  if (!kind) return std::nullopt;
  return kind == TypeKind::boolean || is_number(*kind) || kind == TypeKind::ip;
}

bool Cases::fits_number(Term t) {
  const auto kind = knowledge_.kind_of(t);
  return kind == TypeKind::boolean || (kind && is_number(*kind));
}

// ---- what is evaluated whenever the atom is, outermost first ----
std::vector<Term> Cases::strict_operands(Term atom) {
  std::vector<Term> found, open{atom};
  while (!open.empty()) {
    const Term t = open.back();
    open.pop_back();
    const Op op = terms_.op(t);
    if (op == Op::literal) continue;
    if (t != atom) found.push_back(t);
    if (op == Op::and_ || op == Op::or_ || op == Op::if_ || (atoms_.only_user(t) && fits_slot(t).value_or(false))) continue;
    const auto args = terms_.args(t);
    open.insert(open.end(), args.rbegin(), args.rend());
  }
  return found;
}

// ---- values ----
std::optional<std::vector<Value>> Cases::values_of(Term operand, bool of_resource) {
  const RequestEnv& env = knowledge_.env();
  const std::string& type = of_resource ? env.resource : env.principal;
  std::set<EntityUid> uids;
  if (of_resource) uids = atoms_.resources_named(operand);
  for (const Entity& entity : knowledge_.module().entities.all()) {
    if (entity.uid.type == type) uids.insert(entity.uid);
  }
  std::vector<Value> values;
  const std::unordered_map<Term, EvalResult> nothing;
  for (const EntityUid& uid : uids) {
    const Request request{of_resource ? EntityUid{env.principal, ""} : uid, env.action, of_resource ? uid : EntityUid{env.resource, ""}, {}};
    EvalResult value = evaluate_value(terms_, operand, {request, knowledge_.module().entities, nothing});
    if (value.ok()) values.push_back(std::move(value).value());
  }
  std::sort(values.begin(), values.end(), less);
  values.erase(std::unique(values.begin(), values.end()), values.end());
  if (values.size() > kMaxValues) return std::nullopt;
  return values;
}

// A fact of an enumerated type.
std::optional<std::vector<Value>> Cases::values_of_fact(Term operand) {
  if (terms_.op(operand) != Op::get_attr || !terms_.is_variable(terms_.arg(operand, 0), Var::context)) return std::nullopt;
  const auto type = knowledge_.type_of(operand);
  if (!type || knowledge_.module().schema.types[*type].kind != TypeKind::entity) return std::nullopt;
  const auto& names = knowledge_.module().schema.types[*type].entity_types;
  const EntityType* declared = names.size() == 1 ? knowledge_.module().schema.find_type(names.front()) : nullptr;
  if (!declared || !declared->enum_ids || declared->enum_ids->size() > kMaxValues) return std::nullopt;
  std::vector<Value> values;
  for (const std::string& id : *declared->enum_ids) values.emplace_back(EntityUid{declared->name, id});
  std::sort(values.begin(), values.end(), less);
  return values;
}

// ---- rewritings ----
Term Cases::replaced(Term t, Term operand, Term by) {
  if (t == operand) return by;
  if (terms_.args(t).empty()) return t;
  std::vector<Term> args(terms_.args(t).begin(), terms_.args(t).end());
  for (Term& arg : args) arg = replaced(arg, operand, by);
  return terms_.add_like(t, std::move(args));
}

Term Cases::by_values(Term atom, Term operand, const std::vector<Value>& values) {
  made_ += values.size();
  Term rest = truth(false);
  if (values.empty()) return terms_.add_node(Op::and_, {terms_.add_node(Op::eq, {operand, operand}), rest});
  for (auto value = values.rbegin(); value != values.rend(); ++value) {
    const Term literal = terms_.add_literal(*value);
    const Term same = terms_.add_node(Op::eq, {operand, literal});
    rest = terms_.add_node(Op::if_, {same, replaced(atom, operand, literal), rest});
  }
  return rest;
}

Term Cases::by_branches(Term atom, Term choice) {
  made_ += 2;
  const Term on_true = replaced(atom, choice, terms_.arg(choice, 1)), on_false = replaced(atom, choice, terms_.arg(choice, 2));
  return terms_.add_node(Op::if_, {terms_.arg(choice, 0), on_true, on_false});
}

bool Cases::lists(Term t) const {
  return terms_.op(t) == Op::set || (terms_.op(t) == Op::literal && terms_.literal(t).as_set());
}

Term Cases::by_elements(Term atom) {
  const Op op = terms_.op(atom);
  if (op == Op::eq) {
    const Term a = terms_.arg(atom, 0), b = terms_.arg(atom, 1);
    if (!lists(a) || !lists(b) || (terms_.op(a) != Op::set && terms_.op(b) != Op::set)) return atom;
    made_ += 2;
    return terms_.add_node(Op::and_, {terms_.add_node(Op::contains_all, {a, b}), terms_.add_node(Op::contains_all, {b, a})});
  }
  if (op != Op::contains && op != Op::contains_all && op != Op::contains_any && op != Op::is_empty) return atom;
  const Term first = terms_.arg(atom, 0), second = op == Op::is_empty ? first : terms_.arg(atom, 1);
  const bool first_made = terms_.op(first) == Op::set, second_made = op != Op::contains && terms_.op(second) == Op::set;
  if (!first_made && !second_made) return atom;
  const bool over_first = op == Op::contains || (op == Op::contains_any && !second_made);
  const Term list = over_first ? first : second, other = over_first ? second : first;
  if (op != Op::is_empty && !lists(list)) return atom;
  std::vector<Term> elements(terms_.args(list).begin(), terms_.args(list).end());
  if (terms_.op(list) == Op::literal) {
    const ValueSet values = *terms_.literal(list).as_set();
    for (const Value& value : values) elements.push_back(terms_.add_literal(value));
  }
  const bool all = op == Op::contains_all;
  Term result = truth(all);
  if (op != Op::is_empty) {
    for (auto element = elements.rbegin(); element != elements.rend(); ++element) {
      const Term part = terms_.add_node(op == Op::contains ? Op::eq : Op::contains, {op == Op::contains ? *element : other, op == Op::contains ? other : *element});
      result = element == elements.rbegin() ? part : terms_.add_node(all ? Op::and_ : Op::or_, {part, result});
    }
  }
  made_ += elements.size();
  return evaluated_first(parts_of(atom), result);
}

// The field that is read of a record which the atom makes.
std::optional<Term> Cases::field_of(Term t) const {
  if (terms_.op(t) != Op::get_attr || terms_.op(terms_.arg(t, 0)) != Op::record) return std::nullopt;
  return field(terms_.arg(t, 0), terms_.name(t));
}

std::optional<Term> Cases::field(Term record, const std::string& name) const {
  for (std::size_t i = 0; i < terms_.args(record).size(); ++i) {
    if (terms_.field(record, i) == name) return terms_.arg(record, i);
  }
  return std::nullopt;
}

Term Cases::by_field(Term atom, Term read) {
  ++made_;
  const Term record = terms_.arg(read, 0), own = *field_of(read);
  std::vector<Term> others;
  for (Term field : terms_.args(record)) {
    if (field != own) others.push_back(field);
  }
  return evaluated_first(others, replaced(atom, read, own));
}

// A record is another if their fields are.
Term Cases::by_fields(Term atom) {
  if (terms_.op(atom) != Op::eq) return atom;
  Term made = terms_.arg(atom, 0), other = terms_.arg(atom, 1);
  if (terms_.op(made) != Op::record) std::swap(made, other);
  const bool constant = terms_.op(other) == Op::literal && terms_.literal(other).as_record();
  if (terms_.op(made) != Op::record || (!constant && terms_.op(other) != Op::record)) return atom;
  const ValueRecord values = constant ? *terms_.literal(other).as_record() : ValueRecord{};
  const std::size_t count = terms_.args(made).size();
  bool comparable = count == (constant ? values.size() : terms_.args(other).size());
  std::vector<std::pair<Term, Term>> pairs;
  for (std::size_t i = 0; i < count && comparable; ++i) {
    const std::string name = terms_.field(made, i);
    std::optional<Term> wanted;
    if (!constant) wanted = field(other, name);
    else if (auto value = values.find(name); value != values.end()) wanted = terms_.add_literal(value->second);
    comparable = wanted.has_value();
    if (comparable) pairs.emplace_back(terms_.arg(made, i), *wanted);
  }
  made_ += count;
  Term result = truth(comparable);
  for (auto pair = pairs.rbegin(); comparable && pair != pairs.rend(); ++pair) {
    result = terms_.add_node(Op::and_, {terms_.add_node(Op::eq, {pair->first, pair->second}), result});
  }
  return evaluated_first(parts_of(atom), result);
}

std::vector<Term> Cases::parts_of(Term atom) const {
  std::vector<Term> parts;
  for (Term operand : terms_.args(atom)) {
    const bool made = terms_.op(operand) == Op::set || terms_.op(operand) == Op::record;
    if (made) parts.insert(parts.end(), terms_.args(operand).begin(), terms_.args(operand).end());
    else parts.push_back(operand);
  }
  return parts;
}

// These are evaluated before the atom is, so an error of any is an error of the whole.
Term Cases::evaluated_first(const std::vector<Term>& parts, Term result) {
  for (Term part : parts) {
    if (!knowledge_.can_fail(part)) continue;
    result = terms_.add_node(Op::if_, {terms_.add_node(Op::eq, {part, part}), result, truth(false)});
  }
  return result;
}

}  // namespace kerf::proof
