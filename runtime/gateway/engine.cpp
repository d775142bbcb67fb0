// Query -> answer. Of the groups whose scopes hold (groups.cpp), forbids before permits; in a group of many policies the
// index leaves out those that cannot matter.
#include <algorithm>

#include "ir/values/extension.h"
#include "runtime/gateway/engine_state.h"
#include "runtime/gateway/groups.h"
#include "runtime/gateway/plan_run.h"

// The widest registers that the machine has. Sanitizers cannot run the choice, which the loader makes before them.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define KERF_WIDE __attribute__((target_clones("avx2", "default")))
#else
#define KERF_WIDE
#endif

namespace kerf::gateway {
namespace {

// Where the results of rules go; a decision alone stops at the first that is satisfied.
struct Sink {
  Answer* answer;                       // null: the decision alone
  std::vector<std::uint32_t>* satisfied;
  bool any = false;
  bool only_errors = false;             // what is satisfied does not matter any more
  const PolicyBits* removed = nullptr;  // rules that say nothing
  std::uint32_t first = 0;              // added to policies

  bool stop() const { return any && answer == nullptr; }
  void satisfy(std::uint32_t policy) {
    if (has(removed, policy)) return;
    any = true;
    if (answer != nullptr) satisfied->push_back(first + policy);
  }
  [[gnu::noinline]] void satisfy_apart(std::uint32_t policy) { satisfy(policy); }   // where it is rare
  [[gnu::noinline]] void fail(std::uint32_t policy, std::uint32_t atom) {
    if (answer != nullptr && !has(removed, policy)) answer->errors.push_back({first + policy, atom});
  }
};

class Pass {
 public:
  Pass(const Store& store, const Names& names, const EnvironmentPlan& plan, Workspace& work)
      : store_(store), plan_(plan), source_(*plan.source), rows_(source_.rows.data()), needs_(source_.requirements.data()), work_(work),
        asker_(store, names, work) {
    if (work_.outcomes.size() < plan.atoms.size()) work_.outcomes.resize(plan.atoms.size());   // of policies that came later
    if (++work_.stamp >= 1u << 30) {
      std::fill(work_.outcomes.begin(), work_.outcomes.end(), 0);
      work_.stamp = 1;
    }
  }

  void find_groups() { gateway::find_groups(store_, plan_, work_); }
  void trace(std::vector<PolicyTrace>& policies);
  void run(bool forbids, Sink& sink) {
    for (std::uint32_t group : work_.groups) {
      run(group, forbids, sink);
      if (sink.stop()) return;
    }
  }

 private:
  Outcome ask(std::uint32_t atom) {
    const std::uint32_t known = work_.outcomes[atom];
    return known >> 2 == work_.stamp ? static_cast<Outcome>(known & 3) : ask_first(atom);
  }
  [[gnu::noinline]] Outcome ask_first(std::uint32_t atom) {
    const Outcome outcome = asker_.ask(plan_.atoms[atom], source_.atoms[atom]);
    if (asked_ != nullptr) note(atom, outcome);   // and not known: the next policy asks again
    else work_.outcomes[atom] = work_.stamp << 2 | static_cast<std::uint32_t>(outcome);
    return outcome;
  }
  void note(std::uint32_t atom, Outcome outcome) {
    for (const PolicyTrace::Atom& before : *asked_) {
      if (before.atom == atom) return;
    }
    asked_->push_back({atom, outcome, {}});
  }

  void run(std::uint32_t number, bool forbids, Sink& sink) {
    const Group& group = source_.groups[number];
    const std::uint32_t count = forbids ? group.forbids : group.permits;
    if (count == 0) return;
    if (group.forbids + group.permits >= kIndexFrom) {
      const std::uint32_t index = plan_.index_of.find(number);
      if (index != FlatMap::kNone) return run_index(plan_.indexes[index], forbids, sink);
    }
    const Rule* rule = source_.rules.data() + group.first + (forbids ? 0 : group.forbids);
    for (const Rule* const last = rule + count; rule != last && !sink.stop(); ++rule) apply(*rule, sink);
  }
  [[gnu::always_inline]] void apply(const Rule& rule, Sink& sink);
  [[gnu::noinline]] void apply_formula(const Rule& rule, Sink& sink);
  void run_index(const BlockIndex& index, bool forbids, Sink& sink);
  bool watches_hold(const BlockIndex& index);
  void look_up(const Keyed& keyed);
  void look_up_like(const Keyed& keyed, std::string_view text);
  bool intersect(const BlockIndex& index);
  const std::uint64_t* map_of(const Feature& feature, std::size_t words);
  const std::uint64_t* gather(const Feature& feature, const Cell& cell, std::size_t words);
  void run_dense(const BlockIndex& index, std::size_t from, std::size_t to, bool exact, Sink& sink);
  const Cell* value_of(std::uint32_t watch, const Subject& subject, Cell& own) const;

  const Store& store_;
  const EnvironmentPlan& plan_;
  const Environment& source_;
  const Row* const rows_;
  const Requirement* const needs_;
  Workspace& work_;
  Asker asker_;
  std::vector<PolicyTrace::Atom>* asked_ = nullptr;   // while a trace is made
  // What an index has said of this request, for its permits after its forbids.
  const BlockIndex* indexed_ = nullptr;
  std::size_t looked_up_ = 0;           // candidates
  bool hold_ = false, complete_ = false, intersected_ = false;
};

inline void Pass::apply(const Rule& rule, Sink& sink) {
  if (rule.is_formula) return apply_formula(rule, sink);
  for (const Row *row = rows_ + rule.first, *const last = row + rule.count; row != last; ++row) {
    const Requirement *need = needs_ + row->first, *const end = need + row->count;
    for (;; ++need) {
      if (need == end) return sink.satisfy_apart(rule.policy);
      const Outcome outcome = ask(need->atom);
      if (outcome == Outcome::error) return sink.fail(rule.policy, need->atom);
      if (outcome != need->outcome) break;
    }
  }
}

void Pass::apply_formula(const Rule& rule, Sink& sink) {
  const std::span<const FormulaStep> steps = source_.steps_of(rule);
  Outcome current = Outcome::false_;
  for (std::uint32_t at = 0; at < steps.size();) {
    const FormulaStep& step = steps[at];
    ++at;
    switch (step.kind) {
      case FormulaStep::Kind::constant: current = static_cast<Outcome>(step.operand); break;
      case FormulaStep::Kind::atom:
        current = ask(step.operand);
        if (current == Outcome::error) return sink.fail(rule.policy, step.operand);
        break;
      case FormulaStep::Kind::flip: current = current == Outcome::true_ ? Outcome::false_ : Outcome::true_; break;
      case FormulaStep::Kind::jump: at = step.operand; break;
      case FormulaStep::Kind::jump_if_false:
        if (current == Outcome::false_) at = step.operand;
        break;
      case FormulaStep::Kind::jump_if_true:
        if (current == Outcome::true_) at = step.operand;
        break;
    }
  }
  if (current == Outcome::true_) sink.satisfy_apart(rule.policy);
}

// The same steps as apply(), with what was asked on the way.
void Pass::trace(std::vector<PolicyTrace>& policies) {
  Answer answer;
  std::vector<std::uint32_t> satisfied;
  for (std::uint32_t group : work_.groups) {
    for (const Rule& rule : source_.rules_of(source_.groups[group])) {
      PolicyTrace& trace = policies.emplace_back(PolicyTrace{rule.policy, PolicyTrace::Result::unsatisfied, {}});
      asked_ = &trace.atoms;
      satisfied.clear();
      answer.errors.clear();
      Sink sink{&answer, &satisfied};
      apply(rule, sink);
      if (!satisfied.empty()) trace.result = PolicyTrace::Result::satisfied;
      if (!answer.errors.empty()) trace.result = PolicyTrace::Result::error;
    }
  }
  asked_ = nullptr;
}

// Rules that a failing subject may make err become candidates. False if there are any.
bool Pass::watches_hold(const BlockIndex& index) {
  bool hold = true;
  if (work_.resolved.size() < index.watches.size()) work_.resolved.resize(index.watches.size());
  Workspace::Resolved* resolved = work_.resolved.data();
  for (const Watch& watch : index.watches) {
    auto& [cell, own] = *resolved++;
    cell = asker_.resolve(watch.subject, own);
    if (cell != nullptr && (watch.kinds >> static_cast<unsigned>(cell->kind) & 1)) continue;
    for (const Watch::Use& use : watch.uses) {
      if (use.guard != 0xffffffffu && ask(use.guard) == Outcome::false_) continue;
      work_.candidates.insert(work_.candidates.end(), use.rules.begin(), use.rules.end());
      hold = false;
    }
  }
  return hold;
}

// Null if there is none. After watches_hold(): what it has resolved is taken from there.
const Cell* Pass::value_of(std::uint32_t watch, const Subject& subject, Cell& own) const {
  return watch == Watch::kNone ? asker_.resolve(subject, own) : work_.resolved[watch].cell;
}

void Pass::look_up_like(const Keyed& keyed, std::string_view text) {
  auto take = [&](std::uint64_t hash, bool prefix) {
    const std::uint32_t list = keyed.lists.find(finish_affix(hash, prefix));
    if (list == FlatMap::kNone) return;
    work_.candidates.insert(work_.candidates.end(), keyed.rules[list].begin(), keyed.rules[list].end());
  };
  std::uint64_t hash = kRollStart;
  std::size_t at = 0;
  for (std::size_t length : keyed.prefixes) {
    if (length > text.size()) break;
    while (at < length) hash = roll(hash, text[at++]);
    take(hash, true);
  }
  for (std::size_t length : keyed.suffixes) {
    if (length > text.size()) break;
    hash = kRollStart;
    for (char c : text.substr(text.size() - length)) hash = roll(hash, c);
    take(hash, false);
  }
  work_.candidates.insert(work_.candidates.end(), keyed.unanchored.begin(), keyed.unanchored.end());
}

void Pass::look_up(const Keyed& keyed) {
  const Cell* cell = value_of(keyed.watch, keyed.subject, work_.own[0]);
  if (cell == nullptr || cell->kind != keyed.kind) return;   // failing ones are watched
  if (keyed.is_like) return look_up_like(keyed, cell->string());
  const std::uint32_t list = keyed.lists.find(value_key(*cell));
  if (list == FlatMap::kNone) return;
  work_.candidates.insert(work_.candidates.end(), keyed.rules[list].begin(), keyed.rules[list].end());
}

// The maps of the members that hold, on top of the rules that do not ask; null if the members are not known.
const std::uint64_t* Pass::gather(const Feature& feature, const Cell& cell, std::size_t words) {
  const std::size_t begin = work_.gathered_used;
  work_.gathered_used += words;
  if (work_.gathered.size() < work_.gathered_used) return nullptr;
  std::uint64_t* out = work_.gathered.data() + begin;
  std::copy_n(feature.maps.data(), words, out);
  auto add = [&](std::uint64_t key) {
    const std::uint32_t map = feature.classes.find(key);
    if (map == FlatMap::kNone) return;
    const std::uint64_t* from = feature.maps.data() + map * words;
    for (std::size_t w = 0; w < words; ++w) out[w] |= from[w];
  };
  if (feature.kind == Feature::Kind::ranges) {
    const IpAddr& address = *cell.value->as_ip();
    if (address.v6) return out;
    for (std::uint8_t prefix : feature.prefixes) {
      if (prefix <= address.prefix) add(range_key(address, prefix));
    }
    return out;
  }
  if (cell.text == kNoMembers && cell.data != kNoData) return out;
  const std::uint32_t wanted = feature.value_kind == ValueKind::entity ? kNodes : kTexts;
  if (cell.data == kNoData) return nullptr;
  if (cell.text != wanted) return out;
  for (std::uint32_t member : cell.all_members()) add(member);
  return out;
}

// The map for this request; null if the dimension says nothing now.
const std::uint64_t* Pass::map_of(const Feature& feature, std::size_t words) {
  if (feature.kind == Feature::Kind::truth) {
    const Outcome outcome = ask(feature.atom);
    return outcome == Outcome::error ? nullptr : feature.maps.data() + (outcome == Outcome::true_ ? words : 0);
  }
  const Cell* found = value_of(feature.watch, feature.subject, work_.own[0]);
  if (found == nullptr) return nullptr;
  const Cell& cell = *found;
  switch (feature.kind) {
    case Feature::Kind::truth: break;
    case Feature::Kind::value: {
      const std::uint32_t map = cell.kind == feature.value_kind ? feature.classes.find(value_key(cell)) : FlatMap::kNone;
      return feature.maps.data() + (map == FlatMap::kNone ? 0 : map) * words;
    }
    case Feature::Kind::order: {
      if (cell.kind != ValueKind::long_) return nullptr;
      const auto above = std::upper_bound(feature.bounds.begin(), feature.bounds.end(), cell.number);
      return feature.maps.data() + static_cast<std::size_t>(above - feature.bounds.begin()) * words;
    }
    case Feature::Kind::members: return cell.kind == ValueKind::set ? gather(feature, cell, words) : nullptr;
    case Feature::Kind::ranges: return cell.kind == ValueKind::ip ? gather(feature, cell, words) : nullptr;
  }
  return nullptr;
}

// Chooses the maps; false if one of them is missing, so that what is left must be evaluated.
bool Pass::intersect(const BlockIndex& index) {
  bool complete = true;
  work_.maps.clear();
  work_.gathered_used = 0;
  for (const Feature& feature : index.features) {
    const std::uint64_t* map = map_of(feature, index.words);
    if (map != nullptr) work_.maps.push_back(map);
    else complete = false;
  }
  return complete;
}

constexpr std::size_t kStep = 8;   // words of 64 rules

// So many words at a time, in registers.
template <std::size_t kWords>
[[gnu::always_inline]] inline bool intersect_words(const std::uint64_t* const* maps, std::size_t count, std::size_t from, std::uint64_t* out) {
  std::uint64_t left[kWords];
  for (std::size_t w = 0; w < kWords; ++w) left[w] = ~std::uint64_t{0};
  for (std::size_t m = 0; m < count; ++m) {
    const std::uint64_t* map = maps[m] + from;
    std::uint64_t any = 0;
    for (std::size_t w = 0; w < kWords; ++w) any |= left[w] &= map[w];
    if (any == 0) return false;
  }
  for (std::size_t w = 0; w < kWords; ++w) out[w] = left[w];
  return true;
}
// Of 512 bits at a time, or fewer at the end: `out` becomes the intersection; false if it is empty.
KERF_WIDE bool intersect_words(const std::uint64_t* const* maps, std::size_t count, std::size_t from, std::size_t words, std::uint64_t* out) {
  switch (words) {
    case 1: return intersect_words<1>(maps, count, from, out);
    case 2: return intersect_words<2>(maps, count, from, out);
    case 3: return intersect_words<3>(maps, count, from, out);
    case 4: return intersect_words<4>(maps, count, from, out);
    case 5: return intersect_words<5>(maps, count, from, out);
    case 6: return intersect_words<6>(maps, count, from, out);
    case 7: return intersect_words<7>(maps, count, from, out);
    case 8: return intersect_words<8>(maps, count, from, out);
    default: internal_error("more words than a step has");
  }
}

// Of some of the words. Rules that are exact and may err are candidates already. Where all watches hold and no dimension is missing, exact
// ones need no evaluation.
void Pass::run_dense(const BlockIndex& index, std::size_t from, std::size_t to, bool exact, Sink& sink) {
  std::array<std::uint64_t, kStep> alive;
  for (; from < to; from += kStep) {
    const std::size_t words = std::min(kStep, to - from);
    if (!intersect_words(work_.maps.data(), work_.maps.size(), from, words, alive.data())) continue;
    for (std::size_t w = 0; w < words; ++w) {
      for (std::uint64_t bits = sink.only_errors ? alive[w] & ~index.exact[from + w] : alive[w]; bits != 0; bits &= bits - 1) {
        const std::size_t bit = (from + w) * 64 + static_cast<std::size_t>(__builtin_ctzll(bits));
        const std::uint32_t rule = index.dense[bit];
        if (rule == BlockIndex::kNoRule) break;   // the rest of the word is
        if (!exact) {
          work_.candidates.push_back(rule);
        } else if (index.exact[bit / 64] >> (bit % 64) & 1) {
          sink.satisfy(source_.rules[rule].policy);
        } else {
          apply(source_.rules[rule], sink);
        }
        if (sink.stop()) return;
      }
    }
  }
}

void Pass::run_index(const BlockIndex& index, bool forbids, Sink& sink) {
  if (indexed_ != &index) {
    indexed_ = &index;
    intersected_ = false;
    work_.candidates.clear();
    hold_ = watches_hold(index);
    for (const Keyed& keyed : index.keyed) look_up(keyed);
    looked_up_ = work_.candidates.size();
  }
  work_.candidates.resize(looked_up_);
  const std::size_t from = forbids ? 0 : index.forbid_words, to = forbids ? index.forbid_words : index.words;
  if (from != to && !(sink.only_errors && index.all_exact)) {
    if (!intersected_) complete_ = intersect(index);
    intersected_ = true;
    run_dense(index, from, to, hold_ && complete_, sink);
    if (sink.stop()) return;
  }
  if (!hold_) {   // a rule may be there twice
    std::sort(work_.candidates.begin(), work_.candidates.end());
    work_.candidates.erase(std::unique(work_.candidates.begin(), work_.candidates.end()), work_.candidates.end());
    indexed_ = nullptr;   // what was looked up is among the others now
  }
  for (std::span<const std::uint32_t> list : {std::span(index.always), std::span<const std::uint32_t>(work_.candidates)}) {
    for (std::uint32_t rule : list) {
      if ((rule < index.first_permit) != forbids) continue;
      apply(source_.rules[rule], sink);
      if (sink.stop()) return;
    }
  }
}

}  // namespace

std::uint32_t Engine::find(std::string_view type, std::string_view id) const { return state_->store.find(type, id); }

// After the variables before it, whose number it gets if it is one of them.
std::uint32_t Engine::place(Workspace& work, std::size_t variable, const UidView& uid) const {
  const Store& store = state_->store;
  Node& node = work.nodes[variable];
  node = store.find(uid.type, uid.id);
  if (node != kNoNode) {
    const Store::Row& row = store.row(node);
    work.rows[variable] = &row;
    work.uids[variable] = row.uid;
    return row.type;
  }
  work.rows[variable] = &store.no_row();
  EntityUid& unknown = work.unknown[variable];
  unknown.type = uid.type;
  unknown.id = uid.id;
  work.uids[variable] = &unknown;
  node = static_cast<Node>(store.nodes() + variable);
  for (std::size_t other = 0; other < variable; ++other) {
    if (*work.uids[other] == unknown) node = work.nodes[other];
  }
  return store.find_type(uid.type);   // kNone: no environment has it
}

bool Engine::place(Workspace& work, const UidView (&uids)[3]) const {
  std::uint32_t types[3];
  for (std::size_t i = 0; i < 3; ++i) types[i] = place(work, i, uids[i]);
  enter(work, state_->find(types[0], work.nodes[1], types[2]));
  return work.plan != nullptr;
}

void Engine::enter(Workspace& work, std::uint32_t environment) const {
  work.environment = environment;
  work.plan = environment == FlatMap::kNone ? nullptr : &state_->plans->environments[environment];
  const Straight* straight = work.plan == nullptr || state_->has_changes() ? nullptr : work.plan->straight.get();
  work.usual = straight != nullptr && straight->is_usual(work) ? straight : nullptr;
  if (work.usual != nullptr) work.reach = work.usual->reach(work);
}

bool Engine::set(Query& query, const EntityUid& principal, const EntityUid& action, const EntityUid& resource,
                 const ValueRecord& context) const {
  Workspace& work = *query.work_;
  work.context = &context;
  begin(work);
  return place(work, {{principal.type, principal.id}, {action.type, action.id}, {resource.type, resource.id}});
}

bool Engine::set(Query& query, std::uint32_t principal, std::uint32_t action, std::uint32_t resource,
                 const ValueRecord& context) const {
  Workspace& work = *query.work_;
  const Store& store = state_->store;
  const Node nodes[] = {principal, action, resource};
  enter(work, FlatMap::kNone);
  work.context = &context;
  begin(work);
  for (std::size_t i = 0; i < 3; ++i) {
    if (nodes[i] >= store.nodes()) return false;
    work.nodes[i] = nodes[i];
    work.rows[i] = &store.row(nodes[i]);
    work.uids[i] = work.rows[i]->uid;
  }
  enter(work, state_->find(work.rows[0]->type, action, work.rows[2]->type));
  return work.plan != nullptr;
}

std::vector<std::uint32_t> Engine::allowed(Query& query, const EntityUid& principal, const EntityUid& action,
                                           std::span<const EntityUid> resources, const ValueRecord& context) const {
  Workspace& work = *query.work_;
  work.context = &context;
  const std::uint32_t principal_type = place(work, 0, {principal.type, principal.id});
  place(work, 1, {action.type, action.id});
  std::vector<std::uint32_t> allowed;
  for (std::uint32_t i = 0; i < resources.size(); ++i) {
    begin(work);   // entities in the context may be equal to a resource that is not stored
    const std::uint32_t resource_type = place(work, 2, {resources[i].type, resources[i].id});
    enter(work, state_->find(principal_type, work.nodes[1], resource_type));
    if (allows(query)) allowed.push_back(i);
  }
  return allowed;
}

void Engine::begin(Workspace& work) const {
  work.evaluation.reset();
  if (++work.context_stamp == 0) {
    for (Workspace::Entry& entry : work.entries) entry.stamp = 0;
    work.context_stamp = 1;
  }
}

bool Engine::allows(Query& query) const {
  Workspace& work = *query.work_;
  if (work.usual != nullptr) return work.usual->allows_usual(state_->store, work);
  if (work.plan == nullptr) return false;
  if (state_->has_changes()) return allows_changed(work);
  const EnvironmentPlan& plan = *work.plan;
  if (plan.straight != nullptr) return plan.straight->allows(state_->store, work);
  return allows_by_groups(work);
}

bool Engine::allows_by_groups(Workspace& work) const {
  const EnvironmentPlan& plan = *work.plan;
  Pass pass(state_->store, state_->plans->names, plan, work);
  pass.find_groups();
  Sink forbids{nullptr, nullptr}, permits{nullptr, nullptr};
  pass.run(true, forbids);
  if (forbids.any) return false;
  pass.run(false, permits);
  return permits.any;
}

// Forbids of all layers, then permits.
bool Engine::allows_changed(Workspace& work) const {
  for (bool forbids : {true, false}) {
    Sink sink{nullptr, nullptr};
    state_->each_layer(work.environment, [&](const EnvironmentPlan& plan, const PolicyBits* removed, std::uint32_t) {
      if (sink.any) return;
      sink.removed = removed;
      Pass pass(state_->store, state_->plans->names, plan, work);
      pass.find_groups();
      pass.run(forbids, sink);
    });
    if (sink.any) return !forbids;
  }
  return false;
}

void Engine::decide(Query& query, Answer& answer) const {
  Workspace& work = *query.work_;
  answer.allow = false;
  answer.determining.clear();
  answer.errors.clear();
  if (work.environment == FlatMap::kNone) return;
  if (work.plan->straight != nullptr && !state_->has_changes()) {
    return work.plan->straight->decide(state_->store, work, answer);
  }
  Sink forbids{&answer, &answer.determining}, permits{&answer, &work.permits};
  work.permits.clear();
  state_->each_layer(work.environment, [&](const EnvironmentPlan& layer, const PolicyBits* removed, std::uint32_t first) {
    forbids.removed = permits.removed = removed;
    forbids.first = permits.first = first;
    Pass pass(state_->store, state_->plans->names, layer, work);
    pass.find_groups();
    pass.run(true, forbids);
    permits.only_errors = forbids.any;
    pass.run(false, permits);
  });
  if (!forbids.any) {
    answer.allow = permits.any;
    answer.determining.assign(work.permits.begin(), work.permits.end());
  }
  std::sort(answer.determining.begin(), answer.determining.end());
  std::sort(answer.errors.begin(), answer.errors.end(), [](const auto& a, const auto& b) { return a.policy < b.policy; });
}

Trace Engine::trace(Query& query) const {
  Workspace& work = *query.work_;
  check(work.environment != FlatMap::kNone, "only a request of an environment has a trace");
  Trace trace{work.environment, {}};
  state_->each_layer(work.environment, [&](const EnvironmentPlan& plan, const PolicyBits* removed, std::uint32_t first) {
    std::vector<PolicyTrace> policies;
    Pass pass(state_->store, state_->plans->names, plan, work);
    pass.find_groups();
    pass.trace(policies);
    for (PolicyTrace& policy : policies) {
      if (has(removed, policy.policy)) continue;
      policy.policy += first;
      trace.policies.push_back(std::move(policy));
    }
  });
  std::sort(trace.policies.begin(), trace.policies.end(), [](const auto& a, const auto& b) { return a.policy < b.policy; });
  for (PolicyTrace& policy : trace.policies) {
    for (PolicyTrace::Atom& atom : policy.atoms) {
      if (atom.outcome == Outcome::error) atom.message = explain(query, {policy.policy, atom.atom}).message;
    }
  }
  return trace;
}

EvalError Engine::explain(Query& query, const Answer::Failure& failure) const {
  const Workspace& work = *query.work_;
  check(work.environment != FlatMap::kNone, "only a decided request has failures");
  Evaluation evaluation({work.uids[0], work.uids[1], work.uids[2], &query.work_->whole_context()}, state_->store);
  const Environment* source = nullptr;   // of the last layer that begins before the policy
  state_->each_layer(work.environment, [&](const EnvironmentPlan& plan, const PolicyBits*, std::uint32_t first) {
    if (failure.policy >= first) source = plan.source;
  });
  const EvalResult result = source->atoms[failure.atom].evaluate(evaluation);
  return result.ok() ? type_error("bool", *result) : result.error();
}

}  // namespace kerf::gateway
