// Mixed conditions to cases. The one decision: each rewriting keeps the outcome of the condition for every event, errors
// included, so whatever plans or proves policies need not know that there were cases. An operand is replaced only where
// it is evaluated whenever its condition is; `S == v` then stands for its evaluation.
#include "ir/passes/cases.h"

#include <algorithm>
#include <map>
#include <set>

#include "ir/eval.h"
#include "ir/passes/hook_outcomes.h"

namespace kerf {

namespace {

// A resource that nothing names: ids of endpoints have a colon, those of files start with `/` or with `kerf:`.
constexpr std::string_view kOtherId = "other";

void sort_unique(std::vector<Value>& values) {
  std::sort(values.begin(), values.end(), [](const Value& a, const Value& b) { return compare(a, b) < 0; });
  values.erase(std::unique(values.begin(), values.end()), values.end());
}

void add_uids(const Value& value, const std::string& type, std::set<EntityUid>& to) {
  if (const EntityUid* uid = value.as_entity()) {
    if (uid->type == type) to.insert(*uid);
  } else if (const ValueSet* set = value.as_set()) {
    for (const Value& element : *set) add_uids(element, type, to);
  } else if (const ValueRecord* record = value.as_record()) {
    for (const auto& [name, field] : *record) add_uids(field, type, to);
  }
}

class Step {
 public:
  Step(CaseSplitter& splitter, const Body& body, const Analysis& analysis)
      : splitter_(splitter), body_(body), analysis_(analysis) {}

  Cases run() {
    std::vector<NodeId> open{body_.root};
    while (!open.empty()) {
      NodeId id = open.back();
      open.pop_back();
      if (analysis_.folded.known(id)) continue;
      if (!is_structure(id)) {
        decided_ = decided_ || (mixed(id) && has_decided_choice(id));
        if (auto form = choose(id)) forms_.emplace(id, std::move(*form));
        continue;
      }
      const auto decided = body_[id].op == Op::if_ ? analysis_.folded.outcome(body_.arg(id, 0)) : std::nullopt;
      for (std::size_t i = 0; i < body_.args(id).size(); ++i) {
        if (!decided || i == (*decided == Outcome::true_ ? 1u : 2u)) open.push_back(body_.arg(id, i));
      }
    }
    if (forms_.empty() && !decided_) return {std::nullopt, too_many_};
    Body made = rewrite(body_, body_.root, analysis_.folded, [&](NodeId id, Body& to) -> std::optional<NodeId> {
      auto form = forms_.find(id);
      return form == forms_.end() ? std::nullopt : std::optional(build(id, form->second, to));
    });
    if (made.size() > kMaxCaseNodes && !forms_.empty()) return {std::nullopt, forms_.begin()->first};
    return {std::move(made), std::nullopt};
  }

 private:
  // How a condition is split: by the parts of sets and records that it makes, by the branches of an `if`, by values.
  struct Form {
    enum class Kind { elements, fields, field, branches, values } kind;
    NodeId target = {};
    std::vector<Value> values = {};
  };

  Origins origins(NodeId id) const { return analysis_.origins[id.index]; }
  TypeKind type(NodeId id) const { return analysis_.types[id.index].kind; }
  bool is_bool(NodeId id) const { return type(id) == TypeKind::boolean; }
  bool userspace(NodeId id) const { return (origins(id) & ~kRecorded) == 0; }
  // What a value slot can hold.
  bool fits_slot(NodeId id) const { return kerf::fits_slot(type(id)); }
  bool stored(NodeId id) const { return origins(id) == kFromEndpoint || origins(id) == kFromFile; }

  bool is_structure(NodeId id) const {
    const Op op = body_[id].op;
    if (op == Op::and_ || op == Op::or_ || op == Op::not_ || op == Op::if_) return true;
    return op == Op::eq && is_bool(body_.arg(id, 0));   // and so is the other
  }

  // An `if` of numbers that always goes one way: the other may have what no hook knows. Rewriting leaves it out.
  bool has_decided_choice(NodeId id) const {
    const std::vector<NodeId> nodes = subtree(body_, id);
    return std::any_of(nodes.begin(), nodes.end(), [&](NodeId at) {
      return body_[at].op == Op::if_ && !analysis_.folded.known(at) && analysis_.folded.value(body_.arg(at, 0));
    });
  }

  // Depends on several things, or on the path; what depends on one of the others is planned as it stands.
  bool mixed(NodeId id) const {
    const Origins from = origins(id);
    return !(from & kNotInKernel) && !userspace(id) && !stored(id) && from != kFromAddress && from != kFromPort;
  }

  std::optional<Form> choose(NodeId id) {
    if (!mixed(id)) return std::nullopt;
    if (makes_set(id)) return Form{Form::Kind::elements};
    if (compares_fields(id)) return Form{Form::Kind::fields};
    if (field_of(id)) return Form{Form::Kind::field, id};
    const std::vector<NodeId> operands = strict_operands(id);
    for (NodeId operand : operands) {
      if (field_of(operand)) return Form{Form::Kind::field, operand};
      if (lifts(operand)) return Form{Form::Kind::branches, operand};
    }
    too_many_here_ = std::nullopt;
    for (NodeId operand : operands) {
      if (!stored(operand) || is_resource(body_, operand)) continue;
      if (auto form = by_values(operand, splitter_.resources(), true)) return form;
    }
    for (NodeId operand : operands) {
      if (!userspace(operand) || fits_slot(operand)) continue;
      if (origins(operand) & (kFromFact | kFromHost)) {
        if (auto ids = enumerated(operand)) return Form{Form::Kind::values, operand, std::move(*ids)};
      } else if (auto form = by_values(operand, splitter_.principals(), false)) {
        return form;
      }
    }
    if (!too_many_) too_many_ = too_many_here_;
    return std::nullopt;
  }

  // Operands at any depth that are evaluated whenever the condition is, outermost first, constants left out.
  std::vector<NodeId> strict_operands(NodeId id) const {
    std::vector<NodeId> found, open{id};
    while (!open.empty()) {
      NodeId at = open.back();
      open.pop_back();
      if (analysis_.folded.known(at)) continue;
      if (at != id) found.push_back(at);
      const Op op = body_[at].op;
      const bool opaque = op == Op::and_ || op == Op::or_ || op == Op::if_ || (userspace(at) && fits_slot(at));
      if (opaque) continue;
      const auto args = body_.args(at);
      open.insert(open.end(), args.rbegin(), args.rend());
    }
    return found;
  }

  // An `if` whose result no instruction can choose, and no slot holds.
  bool lifts(NodeId id) const {
    if (body_[id].op != Op::if_ || (origins(id) & ~kUserspace) == 0 || stored(id)) return false;
    return !is_number(type(id)) || (origins(id) & (kFromEndpoint | kFromFile | kFromPath | kFromHost));
  }

  std::optional<Form> by_values(NodeId target, const std::vector<EntityUid>& uids, bool of_resource) {
    const Body part = rewrite(body_, target, analysis_.folded, [](NodeId, Body&) -> std::optional<NodeId> { return std::nullopt; });
    Request request{{splitter_.env().principal, ""}, splitter_.env().action, {splitter_.env().resource, ""}, {}};
    std::set<EntityUid> named;   // by the expression alone
    for (NodeId id : of_resource ? subtree(part, part.root) : std::vector<NodeId>{}) {
      if (part[id].op == Op::literal) add_uids(part.literal(id), request.resource.type, named);
    }
    std::vector<Value> values;
    auto ask = [&](const EntityUid& uid) {
      (of_resource ? request.resource : request.principal) = uid;
      EvalResult value = evaluate(part, part.root, EvalContext{&request, &splitter_.module().entities});
      if (value.ok()) values.push_back(std::move(value).value());
    };
    std::for_each(uids.begin(), uids.end(), ask);
    std::for_each(named.begin(), named.end(), ask);
    sort_unique(values);
    if (values.size() > kMaxCases) {
      if (!too_many_here_) too_many_here_ = target;   // the outermost
      return std::nullopt;
    }
    return Form{Form::Kind::values, target, std::move(values)};
  }

  // All values of a fact, if its type lists them.
  std::optional<std::vector<Value>> enumerated(NodeId id) const {
    const AttrBinding* binding = binding_of(splitter_.module(), body_, splitter_.env(), id);
    if (!binding || body_[id].op != Op::get_attr || type(id) != TypeKind::entity) return std::nullopt;
    const EntityType* declared = splitter_.module().schema.find_type(std::string(analysis_.types[id.index].entity));
    if (!declared || !declared->enum_ids || declared->enum_ids->size() > kMaxCases) return std::nullopt;
    std::vector<Value> values;
    for (const std::string& one : *declared->enum_ids) values.emplace_back(EntityUid{declared->name, one});
    sort_unique(values);
    return values;
  }

  // ---- sets that the condition makes: `[a, b].contains(x)` is `a == x || b == x` ----
  bool is_set(NodeId id) const { return body_[id].op == Op::set && !analysis_.folded.known(id); }
  bool lists(NodeId id) const {
    const Value* value = analysis_.folded.value(id);
    return is_set(id) || (value && value->as_set());
  }
  bool makes_set(NodeId id) const {
    const Op op = body_[id].op;
    if (op == Op::contains || op == Op::is_empty) return is_set(body_.arg(id, 0));
    if (op == Op::contains_all) return lists(body_.arg(id, 1)) && (is_set(body_.arg(id, 0)) || is_set(body_.arg(id, 1)));
    const bool made = op == Op::contains_any || op == Op::eq;
    if (op == Op::eq && !(lists(body_.arg(id, 0)) && lists(body_.arg(id, 1)))) return false;
    return made && (is_set(body_.arg(id, 0)) || is_set(body_.arg(id, 1)));
  }

  std::vector<NodeId> elements(NodeId list, Body& to) const {
    std::vector<NodeId> made;
    if (is_set(list)) {
      for (NodeId element : body_.args(list)) made.push_back(copy(element, to));
    } else if (const Value* value = analysis_.folded.value(list)) {
      for (const Value& element : *value->as_set()) made.push_back(to.add_literal(element, body_[list].span));
    }
    return made;
  }

  NodeId build_elements(NodeId id, Body& to) const {
    const Op op = body_[id].op;
    const Span span = body_[id].span;
    if (op == Op::eq) {   // each has all elements of the other
      auto has_all = [&](std::size_t of, std::size_t which) {
        return to.add(Op::contains_all, {copy(body_.arg(id, of), to), copy(body_.arg(id, which), to)}, span);
      };
      const NodeId first = has_all(0, 1);
      return to.add(Op::and_, {first, has_all(1, 0)}, span);
    }
    std::vector<NodeId> parts;
    if (op == Op::contains) {
      for (NodeId element : elements(body_.arg(id, 0), to)) parts.push_back(to.add(Op::eq, {element, copy(body_.arg(id, 1), to)}, span));
    } else if (op != Op::is_empty) {
      const bool second = op == Op::contains_all || is_set(body_.arg(id, 1));
      const NodeId list = body_.arg(id, second ? 1 : 0), other = body_.arg(id, second ? 0 : 1);
      for (NodeId element : elements(list, to)) parts.push_back(to.add(Op::contains, {copy(other, to), element}, span));
    }
    const bool all = op == Op::contains_all;
    NodeId result = to.add_literal(Value(all), span);
    for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
      result = part == parts.rbegin() ? *part : to.add(all ? Op::and_ : Op::or_, {*part, result}, span);
    }
    return evaluated_first(parts_of_operands(id), result, to);
  }

  std::vector<NodeId> parts_of_operands(NodeId id) const {
    std::vector<NodeId> parts;
    for (NodeId arg : body_.args(id)) {
      const bool made = is_set(arg) || is_record(arg);
      if (made) parts.insert(parts.end(), body_.args(arg).begin(), body_.args(arg).end());
      else parts.push_back(arg);
    }
    return parts;
  }

  // These are evaluated whenever the condition is: an error of one must not hide behind an earlier answer.
  NodeId evaluated_first(const std::vector<NodeId>& parts, NodeId result, Body& to) const {
    for (NodeId part : parts) {
      if (!analysis_.can_error[part.index]) continue;
      const Span span = body_[part].span;
      const NodeId same = to.add(Op::eq, {copy(part, to), copy(part, to)}, span);
      result = to.add(Op::if_, {same, result, to.add_literal(Value(false), span)}, span);
    }
    return result;
  }

  // ---- records that the condition makes ----
  bool is_record(NodeId id) const { return body_[id].op == Op::record && !analysis_.folded.known(id); }

  // `{a: x, …}.a` is `x`, once the others are evaluated.
  std::optional<std::size_t> field_of(NodeId id) const {
    if (body_[id].op != Op::get_attr || !is_record(body_.arg(id, 0))) return std::nullopt;
    return index_of(body_.arg(id, 0), body_.name(id));
  }
  std::optional<std::size_t> index_of(NodeId record, const std::string& name) const {
    for (std::size_t i = 0; i < body_.args(record).size(); ++i) {
      if (body_.field(record, i) == name) return i;
    }
    return std::nullopt;
  }

  NodeId build_field(NodeId id, NodeId target, Body& to) const {
    std::vector<NodeId> fields(body_.args(body_.arg(target, 0)).begin(), body_.args(body_.arg(target, 0)).end());
    const std::size_t own = *field_of(target);
    const NodeId result = copy(id, to, target, copy(fields[own], to));
    fields.erase(fields.begin() + static_cast<std::ptrdiff_t>(own));
    return evaluated_first(fields, result, to);
  }

  // `{a: x, b: y} == {a: 1, b: 2}` is `x == 1 && y == 2`.
  bool compares_fields(NodeId id) const {
    if (body_[id].op != Op::eq) return false;
    const NodeId a = body_.arg(id, 0), b = body_.arg(id, 1);
    return (is_record(a) && fields_of(b)) || (is_record(b) && fields_of(a));
  }
  bool fields_of(NodeId id) const {
    return is_record(id) || analysis_.folded.value(id);   // typed: a record
  }
  std::optional<NodeId> field(NodeId record, const std::string& name, Body& to) const {
    if (is_record(record)) {
      auto index = index_of(record, name);
      return index ? std::optional(copy(body_.arg(record, *index), to)) : std::nullopt;
    }
    const ValueRecord& fields = *analysis_.folded.value(record)->as_record();
    auto value = fields.find(name);
    return value == fields.end() ? std::nullopt : std::optional(to.add_literal(value->second, body_[record].span));
  }
  std::size_t field_count(NodeId record) const {
    return is_record(record) ? body_.args(record).size() : analysis_.folded.value(record)->as_record()->size();
  }

  NodeId build_fields(NodeId id, Body& to) const {
    const Span span = body_[id].span;
    NodeId made = body_.arg(id, 0), other = body_.arg(id, 1);
    if (!is_record(made)) std::swap(made, other);
    NodeId result = to.add_literal(Value(field_count(made) == field_count(other)), span);
    for (std::size_t i = body_.args(made).size(); i-- > 0;) {
      const auto wanted = field(other, body_.field(made, i), to);
      if (!wanted) return evaluated_first(parts_of_operands(id), to.add_literal(Value(false), span), to);
      const NodeId same = to.add(Op::eq, {copy(body_.arg(made, i), to), *wanted}, span);
      result = to.add(Op::and_, {same, result}, span);
    }
    return evaluated_first(parts_of_operands(id), result, to);
  }

  // ---- the rewritten condition ----
  NodeId copy(NodeId id, Body& to, NodeId target = {}, NodeId replacement = {}) const {
    if (target.valid() && id == target) return replacement;
    if (const Value* value = analysis_.folded.value(id)) return to.add_literal(*value, body_[id].span);
    std::vector<NodeId> args;
    for (NodeId arg : body_.args(id)) args.push_back(copy(arg, to, target, replacement));
    return add_like_node(to, body_, id, std::move(args));
  }

  NodeId build(NodeId id, const Form& form, Body& to) const {
    const Span span = body_[id].span;
    switch (form.kind) {
      case Form::Kind::elements: return build_elements(id, to);
      case Form::Kind::fields: return build_fields(id, to);
      case Form::Kind::field: return build_field(id, form.target, to);
      case Form::Kind::branches: {
        const NodeId condition = copy(body_.arg(form.target, 0), to);
        const NodeId first = copy(id, to, form.target, copy(body_.arg(form.target, 1), to));
        return to.add(Op::if_, {condition, first, copy(id, to, form.target, copy(body_.arg(form.target, 2), to))}, span);
      }
      case Form::Kind::values: return build_values(id, form, to);
    }
    internal_error("form");
  }

  NodeId build_values(NodeId id, const Form& form, Body& to) const {
    const Span span = body_[id].span;
    NodeId rest = to.add_literal(Value(false), span);
    if (form.values.empty()) {   // it always errs, or nobody can be bound
      return to.add(Op::and_, {to.add(Op::eq, {copy(form.target, to), copy(form.target, to)}, span), rest}, span);
    }
    for (auto value = form.values.rbegin(); value != form.values.rend(); ++value) {
      const NodeId same = to.add(Op::eq, {copy(form.target, to), to.add_literal(*value, body_[form.target].span)}, span);
      const NodeId then = copy(id, to, form.target, to.add_literal(*value, body_[form.target].span));
      rest = to.add(Op::if_, {same, then, rest}, span);
    }
    return rest;
  }

  CaseSplitter& splitter_;
  const Body& body_;
  const Analysis& analysis_;
  std::map<NodeId, Form> forms_;
  std::optional<NodeId> too_many_, too_many_here_;
  bool decided_ = false;
};

}  // namespace

Cases CaseSplitter::split(const Body& body, const Analysis& analysis) { return Step(*this, body, analysis).run(); }

const std::vector<EntityUid>& CaseSplitter::principals() {
  if (principals_) return *principals_;
  principals_.emplace();
  for (const Entity& entity : module_.entities.all()) {
    if (entity.uid.type == env_.principal) principals_->push_back(entity.uid);
  }
  return *principals_;
}

const std::vector<EntityUid>& CaseSplitter::resources() {
  if (resources_) return *resources_;
  std::set<EntityUid> found{{env_.resource, std::string(kOtherId)}};
  for (const Entity& entity : module_.entities.all()) {
    add_uids(Value(entity.uid), env_.resource, found);
    for (const auto& [name, value] : entity.attrs) add_uids(value, env_.resource, found);
    for (const auto& [name, value] : entity.tags) add_uids(value, env_.resource, found);
    for (const EntityUid& parent : entity.parents) add_uids(Value(parent), env_.resource, found);
  }
  resources_.emplace(found.begin(), found.end());
  return *resources_;
}

}  // namespace kerf
