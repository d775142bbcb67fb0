// policy.bpf.o and manifest.json against the program. Rows, classes and automata are decoded; a policy is satisfied at a
// hook iff one of its rows with that result holds, and errs iff one of its error rows does. Both are compared with the
// policy's condition as functions of the event's classes and of what userspace evaluates.
#include <fmt/format.h>
#include <linux/types.h>

#include <algorithm>
#include <cstring>

#include "backends/check/check.h"
#include "backends/check/event_conditions.h"
#include "backends/check/filter.h"
#include "backends/check/kernel_env.h"
#include "backends/check/read_env.h"
#include "backends/check/read_table.h"
#include "backends/check/report.h"
#include "backends/check/told.h"
#include "ir/base/check.h"
#include "runtime/abi/policy_abi.h"
#include "runtime/kernel/tables.h"

namespace kerf::proof {

namespace {

class KernelCheck {
 public:
  KernelCheck(const Module& module, const ObjectTables& tables, const DecodedManifest& manifest, const CheckOptions& options,
              Diagnostics& diagnostics)
      : module_(module), tables_(tables), code_(tables), manifest_(manifest), options_(options), report_(module, diagnostics), diagnostics_(diagnostics) {}

  Proved run() {
    same_policies();
    check_told(module_, tables_, report_);
    if (!same_environments()) return proved_;
    for (const Policy& policy : module_.policies) conditions_.push_back(terms_.add(policy.body));
    const EnvSources sources{module_, tables_, terms_, paths_, executables_, report_, diagnostics_};
    for (std::size_t i = 0; i < manifest_.environments.size(); ++i) {
      if (!read_env(sources, manifest_.environments[i], i, envs_.emplace_back())) return proved_;
    }
    check_segments();
    check_approximations();
    if (!analyse_paths()) return proved_;
    for (Env& env : envs_) check(env);
    return proved_;
  }

 private:
  bool malformed(std::string_view why) { return report_malformed(diagnostics_, why); }

  void same_policies() {
    std::vector<std::pair<std::string, Effect>> expected;
    for (const Policy& policy : module_.policies) expected.emplace_back(policy.id, policy.effect);
    if (expected != manifest_.policies) report_.whole("policies", "those of the manifest have other names or effects");
  }

  // One for each request environment and event of a governed action.
  bool same_environments() {
    using Line = std::tuple<RequestEnv, std::string, std::string, std::string, std::vector<ManifestFact>>;
    std::vector<Line> expected, found;
    for (const RequestEnv& env : module_.schema.environments()) {
      const Action& action = *module_.schema.find_action(env.action);
      const EntityType &principal = *module_.schema.find_type(env.principal), &resource = *module_.schema.find_type(env.resource);
      if (principal.kernel != KernelKind::process || !resource.kernel) continue;
      std::vector<ManifestFact> facts;
      for (const auto& [attribute, binding] : action.bindings) {
        if (binding.kind != AttrBinding::Kind::fact) continue;
        const TypeId type = module_.schema.types[action.context].attrs.at(attribute).type;
        facts.push_back({binding.name, attribute, module_.schema.types.text(type), enumerated_ids(type)});
      }
      std::sort(facts.begin(), facts.end());
      for (KernelEventId id : action.events) {
        const KernelEvent& event = kernel_event(id);
        if (decided_by_filter(event) || !can_be_resource(event, *resource.kernel)) continue;
        expected.emplace_back(env, kerf::to_text(*resource.kernel), event.text, action.refusal_errno.value_or(std::string(event.default_errno)), facts);
      }
    }
    for (const ManifestEnvironment& env : manifest_.environments) {
      std::vector<ManifestFact> facts = env.facts;
      std::sort(facts.begin(), facts.end());
      found.emplace_back(env.request, env.resource_kind, env.event, env.refusal_errno, facts);
    }
    std::sort(expected.begin(), expected.end());
    std::sort(found.begin(), found.end());
    if (expected == found) return true;
    report_.whole("environments", "events, refusals or facts of the manifest are not those of the schema's governed actions");
    return false;
  }

  std::vector<std::string> enumerated_ids(TypeId id) const {
    const Type& type = module_.schema.types[id];
    if (type.kind != TypeKind::entity) return {};
    const EntityType* declared = module_.schema.find_type(type.entity_types.front());
    return declared && declared->enum_ids ? *declared->enum_ids : std::vector<std::string>{};
  }

  // Environments that a binding can have at once do not share words of a segment.
  void check_segments() {
    using Words = std::pair<std::uint64_t, std::uint64_t>;   // begin, end
    std::map<std::pair<std::string, std::string>, Words> part_of;   // by event and kind: a binding has one of these at most
    for (const ManifestEnvironment& env : manifest_.environments) {
      const std::uint64_t words = std::uint64_t{env.summary_words} + env.row_words;
      const std::uint64_t end = env.active_offset + words + env.value_count * (sizeof(kerf_value) / 8);
      if (env.values_offset != env.active_offset + words || end > manifest_.segment_words) {
        return report_.whole("environments", fmt::format("the words of {} leave a binding's segment", to_text(env.request)));
      }
      if (end == env.active_offset) continue;
      auto [it, fresh] = part_of.try_emplace({env.event, env.resource_kind}, env.active_offset, end);
      if (!fresh) it->second = {std::min<std::uint64_t>(it->second.first, env.active_offset), std::max(it->second.second, end)};
    }
    std::vector<Words> parts;
    for (const auto& [key, words] : part_of) parts.push_back(words);
    std::sort(parts.begin(), parts.end());
    for (std::size_t i = 1; i < parts.size(); ++i) {
      if (parts[i].first < parts[i - 1].second) return report_.whole("environments", "those of two events share words of a segment");
    }
  }

  // ---- paths ----
  template <class Visit>
  void each_atom(Env& env, Term t, const Visit& visit) {
    if (!is_structure(*env.knowledge, t)) {
      if (!env.knowledge->outcome(t)) visit(env.atoms->residual(t));
      return;
    }
    const Op op = terms_.op(t);
    for (; terms_.op(t) == op && (op == Op::and_ || op == Op::or_); t = terms_.arg(t, 1)) each_atom(env, terms_.arg(t, 0), visit);
    if (terms_.op(t) != op || (op != Op::and_ && op != Op::or_)) {
      if (terms_.op(t) != op) return each_atom(env, t, visit);
      for (std::size_t i = 0; i < terms_.args(t).size(); ++i) each_atom(env, terms_.arg(t, i), visit);
    }
  }

  // Wherever in a condition it is compared.
  bool add_executables(Env& env, Term t) {
    if (env.atoms->asks_executable(t)) return env.atoms->executable(t), true;
    bool any = false;
    for (Term part : terms_.args(t)) any = add_executables(env, part) || any;
    return any;
  }

  bool analyse_executables() {
    bool any = false;
    for (Env& env : envs_) {
      for (Term condition : conditions_) {
        if (!env.knowledge->may_apply(condition)) continue;
        each_atom(env, env.cases->expand(condition), [&](Term atom) { any = add_executables(env, atom) || any; });
      }
    }
    if (!any) return true;
    auto error = executables_.analyse_executables(tables_);
    return !error || malformed(error->message);
  }

  bool analyse_paths() {
    bool files = false;
    for (Env& env : envs_) {
      files = files || env.files;
      const bool asks = env.has_rows() && (env.asks(KERF_DIMENSION_ADDRESS) || env.asks(KERF_DIMENSION_PORT) || env.asks(KERF_DIMENSION_PEER));
      if (env.files && asks && tables_.path_starts.empty()) return malformed("it has no path automaton");
      for (std::size_t i = 0; env.files && i < conditions_.size(); ++i) {
        if (!env.knowledge->may_apply(conditions_[i])) continue;
        each_atom(env, env.cases->expand(conditions_[i]), [&](Term atom) {
          if (env.atoms->kind(atom) == AtomKind::path) env.atoms->path(atom);
        });
      }
    }
    if (!analyse_executables()) return false;
    if (!files) return true;
    if (auto error = paths_.analyse(tables_)) return malformed(error->message);
    for (Env& env : envs_) {
      if (!env.files || !env.has_rows()) continue;
      for (std::uint32_t a = 0; a < KERF_AUTOMATA; ++a) {
        if (!env.asks(static_cast<kerf_dimension>(a))) {
          env.dimensions[a] = everywhere(env.fields[KERF_ENV_BLOCKS]);
          continue;
        }
        std::vector<std::uint32_t> classes;
        for (std::uint32_t match = 0; match < paths_.class_count(a); ++match) {
          const std::uint64_t at = std::uint64_t{env.fields[KERF_ENV_MATCH_CLASSES + a]} + match;
          if (at >= tables_.ranks.size()) return malformed("a match class leaves its table");
          classes.push_back(tables_.ranks[at]);
        }
        env.dimensions[a] = read_dimension(tables_, env.fields[KERF_ENV_BLOCKS], env.fields[KERF_ENV_MATCH_BASE + a], classes);
      }
      if (!env.has_dimensions(KERF_AUTOMATA)) return malformed("a class of rows leaves its tables");
    }
    return true;
  }

  // ---- policies ----
  void check(Env& env) {
    for (std::uint32_t i = 0; i < module_.policies.size(); ++i) {
      ++proved_.policies;
      if (env.rows[i].empty() && !env.knowledge->may_apply(conditions_[i])) continue;
      compare(env, PolicyId(i));
    }
    ++proved_.environments;
  }

  EventClasses net_classes(Env& env, const std::vector<Row>& rows, Term condition) {
    std::set<AddressKey> addresses{{false, {}}, {true, {}}};
    std::set<std::uint32_t> ports{0};
    std::set<Endpoint> endpoints;
    for (const Row& row : rows) {
      for (bool v6 : {false, true}) {
        const Ranks& ranks = v6 ? *env.ip6 : *env.ip4;
        for (std::uint32_t rank : env.dimensions[v6 ? 1 : 0]->exceptions[row.number]) {
          addresses.insert({v6, ranks.starts[rank]});
          if (rank + 1 < ranks.starts.size()) addresses.insert({v6, ranks.starts[rank + 1]});
        }
      }
      for (std::uint32_t rank : env.dimensions[2]->exceptions[row.number]) {
        for (std::uint32_t at : {rank, rank + 1}) {
          if (at < env.port->starts.size() && env.port->starts[at].low <= 0xffff) ports.insert(static_cast<std::uint32_t>(env.port->starts[at].low));
        }
      }
      const bool others = env.dimensions[3]->holds(row.number, 0);
      for (std::uint32_t point : env.dimensions[3]->exceptions[row.number]) {
        if (point != 0 && !others) endpoints.insert(env.peers->listed[point - 1]);
      }
      if (others) add_unlike_others(env, row.number, endpoints);
    }
    each_atom(env, condition, [&](Term atom) {
      switch (env.atoms->kind(atom)) {
        case AtomKind::address:
          for (const auto& [key, outcome] : env.atoms->address(atom)) addresses.insert(key);
          break;
        case AtomKind::port:
          for (const auto& [port, outcome] : env.atoms->port(atom)) ports.insert(port);
          break;
        case AtomKind::named:
        case AtomKind::endpoint:
          for (const auto& [endpoint, outcome] : env.atoms->endpoint(atom).listed) endpoints.insert(endpoint);
          break;
        case AtomKind::userspace:
        case AtomKind::path:
        case AtomKind::number:
        case AtomKind::code:
        case AtomKind::unknown: break;
      }
    });
    EventClasses classes;
    classes.addresses.assign(addresses.begin(), addresses.end());
    classes.ports.assign(ports.begin(), ports.end());
    classes.endpoints.assign(endpoints.begin(), endpoints.end());
    return classes;
  }

  // Where a number is told apart, by the rows or by the policy.
  void add_numbers(Env& env, const std::vector<Row>& rows, Term condition, EventClasses& classes) {
    std::set<std::uint32_t> numbers{0};
    for (const Row& row : rows) {
      for (std::uint32_t rank : env.dimensions[kNumber]->exceptions[row.number]) {
        for (std::uint32_t at : {rank, rank + 1}) {
          if (at < env.numbers->starts.size()) numbers.insert(static_cast<std::uint32_t>(env.numbers->starts[at].low));
        }
      }
    }
    each_atom(env, condition, [&](Term atom) {
      if (env.atoms->kind(atom) != AtomKind::number) return;
      for (const auto& [number, outcome] : env.atoms->number(atom)) numbers.insert(number);
    });
    classes.numbers.assign(numbers.begin(), numbers.end());
  }

  // The row holds for others: listed endpoints for which it does not.
  static void add_unlike_others(const Env& env, std::uint32_t row, std::set<Endpoint>& endpoints) {
    const Dimension& peers = *env.dimensions[3];
    if (peers.base[row]) {
      for (std::uint32_t point : peers.exceptions[row]) {
        if (point != 0) endpoints.insert(env.peers->listed[point - 1]);
      }
      return;
    }
    for (std::uint32_t point = 1; point <= env.peers->listed.size(); ++point) {
      if (!peers.holds(row, point)) endpoints.insert(env.peers->listed[point - 1]);
    }
  }

  EventClasses file_classes(Env& env, const std::vector<Row>& rows, Term condition) {
    std::set<std::uint32_t> points, matches[2];
    const PathClasses::Points& all = paths_.points();
    for (const Row& row : rows) {
      for (std::uint32_t match : env.dimensions[0]->exceptions[row.number]) {
        if (auto of = all.of_class.find(match); of != all.of_class.end()) points.insert(of->second.begin(), of->second.end());
      }
      for (std::uint32_t a : {0u, 1u}) {
        for (std::uint32_t match : env.dimensions[a + 1]->exceptions[row.number]) matches[a].insert(match);
      }
    }
    each_atom(env, condition, [&](Term atom) {
      if (env.atoms->kind(atom) != AtomKind::path) return;
      const PathOutcomes& outcomes = env.atoms->path(atom);
      for (auto [test, outcome] : outcomes.tests) points.insert(all.of_test[test].begin(), all.of_test[test].end());
      if (!outcomes.pattern) return;
      const PathClasses::DecidedPattern& decided = paths_.pattern(*outcomes.pattern);
      if (decided.automaton != 0) matches[decided.automaton - 1].insert(decided.classes.begin(), decided.classes.end());
    });
    EventClasses classes;
    classes.points.assign(points.begin(), points.end());
    classes.others[0] = points.size() < all.classes.size() || points.empty();
    for (std::uint32_t a : {0u, 1u}) {
      const std::vector<std::uint32_t>& reached = paths_.reached(a + 1);
      for (std::uint32_t match : matches[a]) {
        if (std::binary_search(reached.begin(), reached.end(), match)) classes.matches[a].push_back(match);   // no path has the others
      }
      classes.others[a + 1] = classes.matches[a].size() < reached.size() || classes.matches[a].empty();
    }
    return classes;
  }

  // The approximations are those that the policies ask for, and of one kind for an action.
  void check_approximations() {
    std::map<EntityUid, Approximation> kinds;
    for (const Env& env : envs_) {
      for (auto [policy, kind] : env.manifest->approximated) {
        const Policy& p = module_.policies[policy];
        if (approximation_of(p, options_.residual) != kind) {
          report_.whole("approximations", fmt::format("the bundle has a {} of `{}`, which asks for none; for {}", kerf::to_text(kind), p.id, to_text(env.manifest->request)));
        }
        if (kinds.try_emplace(env.manifest->request.action, kind).first->second != kind) {
          report_.whole("approximations", fmt::format("{} has floors and ceilings", kerf::to_text(env.manifest->request.action)));
        }
      }
    }
  }

  static std::optional<Approximation> approximation(const Env& env, PolicyId policy) {
    auto found = env.manifest->approximated.find(policy.index);
    return found == env.manifest->approximated.end() ? std::nullopt : std::optional(found->second);
  }

  Diagram row_diagram(Env& env, EventConditions& conditions, const std::map<std::uint32_t, Diagram>& code, const Row& row) {
    using C = EventConditions;
    const EventClasses& classes = conditions.classes();
    std::vector<Diagram> parts;
    auto holds = [&](std::size_t dimension, std::uint32_t point) { return env.dimensions[dimension]->holds(row.number, point); };
    if (env.files) {
      const PathClasses::Points& all = paths_.points();
      parts.push_back(conditions.where(C::literals, [&](std::uint32_t value) {
        if (value == 0 && classes.others[0]) return bool{env.dimensions[0]->base[row.number]};
        return holds(0, all.classes[classes.points[value == 0 ? 0 : value - 1]]);
      }));
      for (std::uint32_t a : {0u, 1u}) {
        parts.push_back(conditions.where(C::patterns + a, [&](std::uint32_t value) {
          if (value == 0 && classes.others[a + 1]) return bool{env.dimensions[a + 1]->base[row.number]};
          return holds(a + 1, classes.matches[a][value == 0 ? 0 : value - 1]);
        }));
      }
    } else {
      parts.push_back(conditions.where(C::address, [&](std::uint32_t value) {
        const AddressKey& key = classes.addresses[value];
        return holds(key.v6 ? 1 : 0, (key.v6 ? env.ip6 : env.ip4)->of(key.key));
      }));
      parts.push_back(conditions.where(C::port, [&](std::uint32_t value) { return holds(2, env.port->of({0, classes.ports[value]})); }));
      parts.push_back(conditions.where(C::endpoint, [&](std::uint32_t value) {
        return holds(3, value == 0 ? 0 : env.peers->of(classes.endpoints[value - 1]));
      }));
    }
    parts.push_back(conditions.where(C::number, [&](std::uint32_t value) {
      return holds(kNumber, env.numbers->of({0, classes.numbers[value]}));
    }));
    if (row.condition != 0) parts.push_back(code.at(row.condition - 1));
    for (auto [predicate, wanted] : row.active->when) {
      auto on = [&](Outcome outcome) { return outcome == wanted ? Diagrams::kTrue : Diagrams::kFalse; };
      parts.push_back(conditions.diagrams.select(conditions.predicate(env.predicates[predicate]), on(Outcome::false_), on(Outcome::true_), on(Outcome::error)));
    }
    return conditions.diagrams.fold(parts, true);
  }

  // What the rows need of the object's code, by condition. Nothing: it was reported that they cannot be compared.
  std::optional<std::map<std::uint32_t, Diagram>> code_diagrams(const Env& env, PolicyId policy, const std::vector<Row>& rows, EventConditions& conditions) {
    std::map<std::uint32_t, Diagram> made;
    Diagrams& d = conditions.diagrams;
    for (const Row& row : rows) {
      if (row.condition == 0 || made.contains(row.condition - 1)) continue;
      const auto diagram = conditions.code(code_, row.condition - 1);
      if (!diagram) return report_.not_understood(policy, env.manifest->request, fmt::format("instructions of condition {}", row.condition - 1)), std::nullopt;
      const Diagram refuses = d.select(*diagram, Diagrams::kFalse, Diagrams::kFalse, Diagrams::kTrue);
      if (refuses != Diagrams::kFalse && conditions.possible_example(refuses)) {
        return report_.whole("conditions", fmt::format("hook code of `{}` refuses what it should decide", module_.policies[policy.index].id)), std::nullopt;
      }
      made.emplace(row.condition - 1, d.select(*diagram, Diagrams::kFalse, Diagrams::kTrue, Diagrams::kFalse));
    }
    return made;
  }

  // Instructions, cases or the conditions within an expression take it apart.
  bool by_numbers(Env& env, PolicyId policy, Term condition) {
    if (condition != conditions_[policy.index]) return true;
    bool apart = std::any_of(env.rows[policy.index].begin(), env.rows[policy.index].end(), [](const Row& row) { return row.condition != 0; });
    each_atom(env, condition, [&](Term atom) { apart = apart || env.atoms->kind(atom) == AtomKind::code || chooses(atom); });
    return apart;
  }
  bool chooses(Term t) const {
    const Op op = terms_.op(t);
    if (op == Op::if_ || op == Op::and_ || op == Op::or_) return true;
    return std::any_of(terms_.args(t).begin(), terms_.args(t).end(), [&](Term arg) { return chooses(arg); });
  }

  void compare(Env& env, PolicyId policy) {
    const std::vector<Row>& rows = env.rows[policy.index];
    const Term condition = env.cases->expand(conditions_[policy.index]);
    EventClasses classes = env.files ? file_classes(env, rows, condition) : net_classes(env, rows, condition);
    add_numbers(env, rows, condition, classes);
    EventConditions conditions(*env.atoms, paths_, env.files, by_numbers(env, policy, condition), std::move(classes), env.slots, options_.max_nodes);
    Diagrams& d = conditions.diagrams;
    const Diagram source = conditions.of(condition);
    const std::optional<Approximation> kind = approximation(env, policy);
    if (kind) proved_.approximated.push_back(fmt::format("`{}` for {} {}: a {}", module_.policies[policy.index].id, env.manifest->event,
                                                         to_text(env.manifest->request), kerf::to_text(*kind)));
    const auto code = code_diagrams(env, policy, rows, conditions);
    if (!code) return;
    std::vector<Diagram> satisfied, errs;
    for (const Row& row : rows) (row.result == Outcome::error ? errs : satisfied).push_back(row_diagram(env, conditions, *code, row));
    const Diagram is_true = d.fold(satisfied, false), is_error = d.fold(errs, false);
    const Diagram source_true = d.select(source, Diagrams::kFalse, Diagrams::kTrue, Diagrams::kFalse);
    const Diagram source_error = d.select(source, Diagrams::kFalse, Diagrams::kFalse, Diagrams::kTrue);
    const Diagram differs = kind ? d.either(beyond(d, module_.policies[policy.index].effect, *kind, is_true, source_true),
                                            d.both(is_error, d.negation(source_error)))
                                 : d.either(d.difference(is_true, source_true), d.difference(is_error, source_error));
    if (differs == Diagrams::kFalse && !d.overflown()) return;
    const auto example = d.overflown() ? std::nullopt : conditions.possible_example(differs);
    if (d.overflown() || conditions.too_many()) return report_.too_large(policy, env.manifest->request, options_.max_nodes);
    if (!example) return;
    if (auto atom = conditions.not_understood(*example)) return report_.not_understood(policy, env.manifest->request, terms_.text(*atom));
    const bool holds = d.outcome(is_true, *example) == Outcome::true_, fails = d.outcome(is_error, *example) == Outcome::true_;
    report_.difference(Code::K7705, policy, env.manifest->request, conditions.text(*example), d.outcome(source, *example),
                       holds ? Outcome::true_ : fails ? Outcome::error : Outcome::false_);
  }

  // Where the rows leave the side that they have to stay on. What is unknown is a variable that no row asks, so this is
  // false only if they stay there whatever it is.
  static Diagram beyond(Diagrams& d, Effect effect, Approximation kind, Diagram rows, Diagram source) {
    const bool within = (kind == Approximation::floor) == (effect == Effect::permit);   // the rows, of what the policy says
    return within ? d.both(rows, d.negation(source)) : d.both(source, d.negation(rows));
  }

  const Module& module_;
  const ObjectTables& tables_;
  const HookCode code_;
  const DecodedManifest& manifest_;
  const CheckOptions& options_;
  Report report_;
  Diagnostics& diagnostics_;
  Terms terms_;
  PathClasses paths_, executables_;
  std::vector<Term> conditions_;           // by policy
  std::vector<Env> envs_;
  Proved proved_;
};

}  // namespace

std::optional<Error> decodes(std::string_view name, std::string_view bytes) {
  auto error_of = [](const auto& read) { return read ? std::nullopt : std::optional(read.error()); };
  if (name == "table.json") return error_of(read_table(bytes));
  if (name == "seccomp.json") return error_of(read_filters(bytes));
  if (name == "policy.bpf.o") return error_of(read_object(bytes));
  return error_of(read_manifest(bytes));
}

Proved check_kernel(const Module& module, std::string_view object, std::string_view manifest, Diagnostics& diagnostics,
                    const CheckOptions& options) {
  Result<ObjectTables> tables = read_object(object);
  if (!tables) {
    diagnostics.report(Code::K7703, {}, "policy.bpf.o", tables.error().message);
    return {};
  }
  Result<DecodedManifest> decoded = read_manifest(manifest);
  if (!decoded) {
    diagnostics.report(Code::K7703, {}, "manifest.json", decoded.error().message);
    return {};
  }
  return KernelCheck(module, *tables, *decoded, options, diagnostics).run();
}

}  // namespace kerf::proof
