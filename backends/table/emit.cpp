// Module -> table.json. The one decision: a policy's leading comparisons of principal and resource with one entity
// become the scope of its group, because they cannot err and so may be asked first; the rest becomes rows, or stays a
// formula where rows would be too many.
#include "backends/table/emit.h"

#include <algorithm>
#include <map>
#include <unordered_map>
#include <utility>

#include "ir/expr_json.h"
#include "ir/passes/atoms.h"

namespace kerf {
namespace {

std::string text_of(const std::string& string) { return Json(string).dump(); }
std::string text_of(const EntityUid& uid) { return uid_to_json(uid).dump(); }

// Elements one a line, `indent` spaces deep, in brackets.
std::string lines(const std::vector<std::string>& elements, std::size_t indent) {
  if (elements.empty()) return "[]";
  const std::string margin(indent, ' ');
  std::string text = "[\n";
  for (std::size_t i = 0; i < elements.size(); ++i) {
    text += margin + "  " + elements[i] + (i + 1 < elements.size() ? ",\n" : "\n");
  }
  return text + margin + "]";
}

struct Scope {
  ScopeConstraint::Kind kind = ScopeConstraint::Kind::any;
  EntityUid uid;
  friend auto operator<=>(const Scope&, const Scope&) = default;
};

std::string text_of(const Scope& scope) {
  switch (scope.kind) {
    case ScopeConstraint::Kind::any: return "null";
    case ScopeConstraint::Kind::eq: return "{\"==\":" + text_of(scope.uid) + "}";
    case ScopeConstraint::Kind::in: return "{\"in\":" + text_of(scope.uid) + "}";
  }
  internal_error("scope constraint");
}

// `principal == E`, `E == resource`, `principal in E`, with E a literal entity: the variable and the scope.
std::optional<std::pair<Var, Scope>> scope_of(const Body& body, NodeId node) {
  const Op op = body[node].op;
  if (op != Op::eq && op != Op::in) return std::nullopt;
  NodeId variable = body.arg(node, 0), literal = body.arg(node, 1);
  if (op == Op::eq && body[literal].op == Op::variable) std::swap(variable, literal);
  if (body[variable].op != Op::variable || body[literal].op != Op::literal) return std::nullopt;
  const EntityUid* uid = body.literal(literal).as_entity();
  if (uid == nullptr) return std::nullopt;
  return std::pair{body.variable(variable),
                   Scope{op == Op::eq ? ScopeConstraint::Kind::eq : ScopeConstraint::Kind::in, *uid}};
}

// The operands of a chain of `kind` below `node`, left to right, however it nests.
std::vector<std::uint32_t> chain(const Formula& formula, std::uint32_t node, Formula::Kind kind) {
  std::vector<std::uint32_t> operands, open{node};
  while (!open.empty()) {
    const Formula::Node& next = formula.nodes[open.back()];
    if (next.kind != kind) {
      operands.push_back(open.back());
      open.pop_back();
      continue;
    }
    open.pop_back();
    open.insert(open.end(), next.args.rbegin(), next.args.rend());
  }
  return operands;
}

// A policy in one environment: the scopes of its group, and what is left to decide.
struct Placed {
  PolicyId policy;
  Scope principal, resource;
  Formula rest;
};

class Placer {
 public:
  Placer(const Module& module, const EnvironmentAtoms& atoms) : module_(module), atoms_(atoms) {}

  Placed place(const PolicyFormula& cut) const {
    Placed placed{cut.policy, {}, {}, cut.formula};
    const std::vector<std::uint32_t> operands = chain(cut.formula, cut.formula.root, Formula::Kind::and_);
    std::vector<std::uint32_t> rest;
    bool leading = true;
    for (std::uint32_t operand : operands) {
      leading = leading && is_scope(cut.formula, operand);
      if (!leading || !hoist(cut.formula, operand, placed)) rest.push_back(operand);
    }
    if (rest.size() == operands.size()) return placed;
    placed.rest.root = rest.empty()       ? placed.rest.add_constant(Outcome::true_)
                       : rest.size() == 1 ? rest[0]
                                          : placed.rest.add(Formula::Kind::and_, rest);
    return placed;
  }

 private:
  std::optional<std::pair<Var, Scope>> scope_at(const Formula& formula, std::uint32_t node) const {
    if (formula.nodes[node].kind != Formula::Kind::atom) return std::nullopt;
    const Atom& atom = atoms_.atoms[formula.nodes[node].atom];
    return scope_of(module_.policies[atom.policy.index].body, atom.node);
  }

  bool is_scope(const Formula& formula, std::uint32_t node) const { return scope_at(formula, node).has_value(); }

  bool hoist(const Formula& formula, std::uint32_t node, Placed& placed) const {
    const auto [variable, scope] = *scope_at(formula, node);
    if (variable != Var::principal && variable != Var::resource) return false;
    Scope& place = variable == Var::principal ? placed.principal : placed.resource;
    if (place.kind != ScopeConstraint::Kind::any) return false;
    place = scope;
    return true;
  }

  const Module& module_;
  const EnvironmentAtoms& atoms_;
};

// An error row says nothing new if the path before it leads to the same question and asks for another answer: reaching
// a failing atom is an error already. Paths come in the order of the decision tree, so one neighbour is enough.
bool is_implied(const Path& path, const Path& previous) {
  if (path.result != Outcome::error || path.when.empty() || previous.when.size() < path.when.size()) return false;
  const std::size_t last = path.when.size() - 1;
  return std::equal(path.when.begin(), path.when.begin() + static_cast<std::ptrdiff_t>(last), previous.when.begin()) &&
         previous.when[last].atom == path.when[last].atom && previous.when[last].outcome != Outcome::error;
}

class EnvironmentWriter {
 public:
  EnvironmentWriter(const Module& module, std::size_t environment)
      : module_(module),
        environment_(module.environments[environment]),
        atoms_(cut_atoms(module, environment)),
        numbers_(atoms_.atoms.size(), kUnused),
        can_error_(atoms_.atoms.size(), true) {}

  std::string write() {
    std::map<std::pair<Scope, Scope>, std::vector<Placed>> by_scopes;
    const Placer placer(module_, atoms_);
    for (const PolicyFormula& cut : atoms_.policies) {
      Placed placed = placer.place(cut);
      std::pair scopes{placed.principal, placed.resource};
      by_scopes[std::move(scopes)].push_back(std::move(placed));
    }
    std::vector<std::string> groups;
    for (const auto& [scopes, policies] : by_scopes) {
      std::string text = group(scopes.first, scopes.second, policies);
      if (!text.empty()) groups.push_back(std::move(text));
    }
    return "{\n      \"principal\": " + text_of(environment_.principal) +
           ", \"action\": " + text_of(environment_.action) + ", \"resource\": " + text_of(environment_.resource) +
           ",\n      \"atoms\": " + lines(used_, 6) + ",\n      \"groups\": " + lines(groups, 6) + "\n    }";
  }

 private:
  static constexpr std::uint32_t kUnused = 0xffffffffu;

  // Nothing if no policy of the group can be satisfied or err here.
  std::string group(const Scope& principal, const Scope& resource, const std::vector<Placed>& policies) {
    std::vector<std::string> rows, exprs;
    for (const Placed& placed : policies) {
      if (auto paths = few_paths(placed.rest)) {
        add_rows(placed.policy, *paths, rows);
      } else {
        exprs.push_back("{\"policy\":" + std::to_string(placed.policy.index) +
                        ",\"formula\":" + formula(placed.rest, placed.rest.root) + "}");
      }
    }
    if (rows.empty() && exprs.empty()) return {};
    return "{\n          \"principal\": " + text_of(principal) + ", \"resource\": " + text_of(resource) +
           ",\n          \"rows\": " + lines(rows, 10) + ",\n          \"exprs\": " + lines(exprs, 10) + "\n        }";
  }

  // Every question can fail, so a formula of many nodes has many paths: no need to walk them to know.
  std::optional<std::vector<Path>> few_paths(const Formula& formula) const {
    if (formula.nodes.size() > 4 * kMaxTablePaths) return std::nullopt;
    return formula.paths(kMaxTablePaths, can_error_);
  }

  void add_rows(PolicyId policy, const std::vector<Path>& paths, std::vector<std::string>& rows) {
    for (std::size_t i = 0; i < paths.size(); ++i) {
      if (i > 0 && is_implied(paths[i], paths[i - 1])) continue;
      std::string when;
      for (const Requirement& required : paths[i].when) {
        when += (when.empty() ? "[" : ",[") + std::to_string(number(required.atom)) + ",\"" +
                std::string(to_text(required.outcome)) + "\"]";
      }
      rows.push_back("{\"policy\":" + std::to_string(policy.index) + ",\"when\":[" + when + "],\"then\":\"" +
                     std::string(to_text(paths[i].result)) + "\"}");
    }
  }

  std::string formula(const Formula& whole, std::uint32_t node) {
    const Formula::Node& top = whole.nodes[node];
    switch (top.kind) {
      case Formula::Kind::constant:
        check(top.constant != Outcome::error, "an error keeps its atom");
        return "{\"const\":\"" + std::string(to_text(top.constant)) + "\"}";
      case Formula::Kind::atom: return "{\"atom\":" + std::to_string(number(top.atom)) + "}";
      case Formula::Kind::not_: return "{\"!\":" + operands(whole, top.args) + "}";
      case Formula::Kind::and_: return "{\"&&\":" + operands(whole, chain(whole, node, top.kind)) + "}";
      case Formula::Kind::or_: return "{\"||\":" + operands(whole, chain(whole, node, top.kind)) + "}";
      case Formula::Kind::if_: return "{\"if\":" + operands(whole, top.args) + "}";
    }
    internal_error("formula kind");
  }

  std::string operands(const Formula& whole, const std::vector<std::uint32_t>& nodes) {
    std::string text;
    for (std::uint32_t node : nodes) text += (text.empty() ? "" : ",") + formula(whole, node);
    return "[" + text + "]";
  }

  // The atom's number in the table: atoms are written in the order of their first use.
  std::uint32_t number(std::uint32_t atom) {
    std::uint32_t& number = numbers_[atom];
    if (number != kUnused) return number;
    number = static_cast<std::uint32_t>(used_.size());
    const Atom& cut = atoms_.atoms[atom];
    used_.push_back(expr_to_json(module_.policies[cut.policy.index].body, cut.node).dump());
    return number;
  }

  const Module& module_;
  const RequestEnv& environment_;
  EnvironmentAtoms atoms_;
  std::vector<std::uint32_t> numbers_;
  std::vector<bool> can_error_;   // all: a request need not be valid, and implied errors cost no row
  std::vector<std::string> used_;
};

std::string policy_text(const Policy& policy, const Sources& sources) {
  Json annotations = Json::object();
  for (const auto& [name, value] : policy.annotations) annotations[name] = value;
  std::string file;
  LineColumn place;
  if (policy.span.valid()) {
    file = sources.name(policy.span.source);
    place = sources.locate(policy.span.source, policy.span.begin);
  }
  return "{\"id\":" + text_of(policy.id) + ",\"effect\":\"" + (policy.effect == Effect::permit ? "permit" : "forbid") +
         "\",\"annotations\":" + annotations.dump() + ",\"source\":{\"file\":" + text_of(file) +
         ",\"begin\":" + std::to_string(policy.span.begin) + ",\"end\":" + std::to_string(policy.span.end) +
         ",\"line\":" + std::to_string(place.line) + ",\"column\":" + std::to_string(place.column) + "}}";
}

std::string action_text(const Entity& action) {
  std::string parents;
  for (const EntityUid& parent : action.parents) parents += (parents.empty() ? "" : ",") + text_of(parent);
  return "{\"uid\":" + text_of(action.uid) + ",\"parents\":[" + parents + "]}";
}

}  // namespace

std::string emit_table(const Module& module, const Sources& sources) {
  std::vector<std::string> policies, actions, environments;
  for (const Policy& policy : module.policies) policies.push_back(policy_text(policy, sources));
  std::vector<Entity> action_entities = module.schema.action_entities();
  std::sort(action_entities.begin(), action_entities.end(), [](const Entity& a, const Entity& b) { return a.uid < b.uid; });
  for (const Entity& action : action_entities) actions.push_back(action_text(action));
  for (std::size_t i = 0; i < module.environments.size(); ++i) environments.push_back(EnvironmentWriter(module, i).write());
  return "{\n  \"format\": \"kerf-table\",\n  \"version\": " + std::to_string(kTableFormat) + ",\n  \"policies\": " + lines(policies, 2) +
         ",\n  \"actions\": " + lines(actions, 2) + ",\n  \"environments\": " + lines(environments, 2) + "\n}\n";
}

}  // namespace kerf
