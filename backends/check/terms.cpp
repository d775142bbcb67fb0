// Bodies -> terms, operands first. The one decision: only what JSON and the IR may write in different ways is brought to
// one form here; everything else keeps its shape, and so two terms are equal only if the expressions are.
#include "backends/check/terms.h"

#include <fmt/format.h>

#include <algorithm>

#include "ir/base/check.h"
#include "ir/values/operations.h"

namespace kerf::proof {

namespace {

std::uint64_t mix(std::uint64_t hash, std::uint64_t value) {
  hash = (hash ^ value) * 0x9e3779b97f4a7c15ull;
  return hash ^ hash >> 29;
}

std::uint64_t hash_text(std::string_view text) { return std::hash<std::string_view>{}(text); }

std::uint64_t hash_value(const Value& value) {
  if (const std::string* text = value.as_string()) return mix(1, hash_text(*text));
  if (const EntityUid* uid = value.as_entity()) return mix(mix(2, hash_text(uid->type)), hash_text(uid->id));
  if (const std::int64_t* number = value.as_long()) return mix(3, static_cast<std::uint64_t>(*number));
  return mix(4, hash_text(to_text(value)));
}

// Nodes that are only links of a longer chain: their user is the same connective.
std::vector<bool> inner_links(const Body& body) {
  std::vector<bool> inner(body.size(), false), otherwise(body.size(), false);
  otherwise[body.root.index] = true;
  for (std::size_t i = 0; i < body.size(); ++i) {
    const NodeId id(i);
    const Op op = body[id].op;
    for (NodeId arg : body.args(id)) {
      const bool link = (op == Op::and_ || op == Op::or_) && body[arg].op == op;
      (link ? inner : otherwise)[arg.index] = true;
    }
  }
  for (std::size_t i = 0; i < inner.size(); ++i) inner[i] = inner[i] && !otherwise[i];
  return inner;
}

}  // namespace

Term Terms::add(const Body& body) { return add_all(body)[body.root.index]; }

const std::vector<Term>& Terms::add_all(const Body& body) {
  terms_.assign(body.size(), kNone);
  if (body.size() == 0) return terms_;
  const std::vector<bool> inner = inner_links(body);
  for (std::size_t i = 0; i < body.size(); ++i) {
    if (!inner[i]) terms_[i] = add_one(body, NodeId(i));
  }
  return terms_;
}

Term Terms::add_one(const Body& body, NodeId id) {
  Draft draft;
  draft.op = body[id].op;
  switch (draft.op) {
    case Op::literal: return add_literal(body.literal(id));
    case Op::variable: draft.variable = static_cast<std::uint32_t>(body.variable(id)); break;
    case Op::and_:
    case Op::or_: return add_chain(body, id);
    case Op::has_attr:
    case Op::get_attr:
    case Op::is:
    case Op::call: draft.names = {body.name(id)}; break;
    case Op::like: draft.pattern = &body.pattern(id); break;
    case Op::record: {
      std::vector<std::pair<std::string, Term>> fields;
      for (std::size_t i = 0; i < body[id].arg_count; ++i) fields.emplace_back(body.field(id, i), terms_[body.arg(id, i).index]);
      std::sort(fields.begin(), fields.end());
      for (auto& [name, value] : fields) {
        draft.names.push_back(std::move(name));
        draft.args.push_back(value);
      }
      return constant_or(std::move(draft), {&body, id});
    }
    case Op::not_:
    case Op::if_:
    case Op::eq:
    case Op::less:
    case Op::less_eq:
    case Op::add:
    case Op::sub:
    case Op::mul:
    case Op::neg:
    case Op::in:
    case Op::has_tag:
    case Op::get_tag:
    case Op::contains:
    case Op::contains_all:
    case Op::contains_any:
    case Op::is_empty:
    case Op::set: break;
  }
  for (NodeId arg : body.args(id)) draft.args.push_back(terms_[arg.index]);
  if (draft.op == Op::eq) std::sort(draft.args.begin(), draft.args.end());
  return constant_or(std::move(draft), {&body, id});
}

Term Terms::add_chain(const Body& body, NodeId id) {
  const std::vector<NodeId> operands = chain(body, id, body[id].op);
  Term rest = terms_[operands.back().index];
  for (std::size_t i = operands.size() - 1; i-- > 0;) {
    Draft draft;
    draft.op = body[id].op;
    draft.args = {terms_[operands[i].index], rest};
    rest = intern(draft, i == 0 ? Place{&body, id} : Place{nullptr, {}});
  }
  return rest;
}

Term Terms::add_literal(Value value) {
  const std::uint64_t hash = hash_value(value);
  auto [first, last] = index_.equal_range(hash);
  for (auto it = first; it != last; ++it) {
    if (op(it->second) == Op::literal && literal(it->second) == value) return it->second;
  }
  nodes_.push_back({Op::literal, 0, 0, static_cast<std::uint32_t>(literals_.size())});
  places_.push_back({nullptr, {}});
  literals_.push_back(std::move(value));
  const auto made = static_cast<Term>(nodes_.size() - 1);
  index_.emplace(hash, made);
  return made;
}

Term Terms::add_variable(Var var) {
  Draft draft;
  draft.op = Op::variable;
  draft.variable = static_cast<std::uint32_t>(var);
  return intern(draft, {nullptr, {}});
}

Term Terms::add_node(Op op, std::vector<Term> args) {
  check(payload_of(op) == Payload::none, "an operator without a name");
  Draft draft;
  draft.op = op;
  draft.args = std::move(args);
  if (op == Op::eq) std::sort(draft.args.begin(), draft.args.end());
  return intern(draft, {nullptr, {}});
}

Term Terms::add_like(Term t, std::vector<Term> args) {
  Draft draft;
  draft.op = op(t);
  draft.args = std::move(args);
  if (draft.op == Op::eq) std::sort(draft.args.begin(), draft.args.end());
  Pattern own;
  switch (payload_of(draft.op)) {
    case Payload::literal:
    case Payload::variable: return t;
    case Payload::pattern: draft.pattern = &(own = pattern(t)); break;
    case Payload::name: draft.names = {name(t)}; break;
    case Payload::names:
      for (std::size_t i = 0; i < draft.args.size(); ++i) draft.names.push_back(field(t, i));
      break;
    case Payload::none: break;
  }
  return constant_or(std::move(draft), places_[t]);
}

Term Terms::add_has(Term object, const std::string& attr) {
  Draft draft;
  draft.op = Op::has_attr;
  draft.args = {object};
  draft.names = {attr};
  return intern(draft, {nullptr, {}});
}

// Sets, records and calls of constants are constants, unless they err.
Term Terms::constant_or(Draft draft, Place place) {
  const bool makes_value = draft.op == Op::set || draft.op == Op::record || draft.op == Op::call;
  const bool constant = std::all_of(draft.args.begin(), draft.args.end(), [&](Term t) { return op(t) == Op::literal; });
  if (!makes_value || !constant) return intern(draft, place);
  std::vector<Value> values;
  for (Term t : draft.args) values.push_back(literal(t));
  if (draft.op == Op::set) return add_literal(Value::set(std::move(values)));
  if (draft.op == Op::record) {
    ValueRecord record;
    for (std::size_t i = 0; i < values.size(); ++i) record.emplace(draft.names[i], std::move(values[i]));
    return add_literal(Value(std::move(record)));
  }
  EvalResult result = op_call(draft.names.front(), values);
  return result.ok() ? add_literal(std::move(result).value()) : intern(draft, place);
}

Term Terms::intern(const Draft& draft, Place place) {
  std::uint64_t hash = mix(mix(5, static_cast<std::uint64_t>(draft.op)), draft.variable);
  for (Term arg : draft.args) hash = mix(hash, arg);
  for (const std::string& name : draft.names) hash = mix(hash, hash_text(name));
  if (draft.pattern) {
    for (const std::string& piece : draft.pattern->pieces) hash = mix(hash, hash_text(piece));
  }
  auto [first, last] = index_.equal_range(hash);
  for (auto it = first; it != last; ++it) {
    if (same(it->second, draft)) return it->second;
  }
  Node node{draft.op, static_cast<std::uint32_t>(args_.size()), static_cast<std::uint32_t>(draft.args.size()), draft.variable};
  args_.insert(args_.end(), draft.args.begin(), draft.args.end());
  if (!draft.names.empty() || draft.op == Op::record) {
    node.payload = static_cast<std::uint32_t>(names_.size());
    names_.insert(names_.end(), draft.names.begin(), draft.names.end());
  }
  if (draft.pattern) {
    node.payload = static_cast<std::uint32_t>(patterns_.size());
    patterns_.push_back(*draft.pattern);
  }
  nodes_.push_back(node);
  places_.push_back(place);
  const auto made = static_cast<Term>(nodes_.size() - 1);
  index_.emplace(hash, made);
  return made;
}

bool Terms::same(Term t, const Draft& draft) const {
  if (op(t) != draft.op || !std::equal(draft.args.begin(), draft.args.end(), args(t).begin(), args(t).end())) return false;
  switch (payload_of(draft.op)) {
    case Payload::literal: return false;
    case Payload::variable: return nodes_[t].payload == draft.variable;
    case Payload::pattern: return pattern(t) == *draft.pattern;
    case Payload::name:
    case Payload::names: return std::equal(draft.names.begin(), draft.names.end(), names_.begin() + nodes_[t].payload);
    case Payload::none: return true;
  }
  internal_error("payload");
}

std::string Terms::text(Term t) const {
  if (op(t) == Op::literal) return to_text(literal(t));
  if (op(t) == Op::variable) return std::string(to_text(variable(t)));
  if (places_[t].body) return print_expr(*places_[t].body, places_[t].node);
  if (op(t) == Op::has_attr) return fmt::format("{} has {}", text(arg(t, 0)), name(t));
  if (op(t) == Op::eq || op(t) == Op::in) return fmt::format("{} {} {}", text(arg(t, 0)), op_row(op(t)).text, text(arg(t, 1)));
  return fmt::format("{} {} …", text(arg(t, 0)), op_row(op(t)).text);   // what is left of a chain
}

}  // namespace kerf::proof
