// Table + entities -> Engine: names, then the store, then one plan for each environment.
#include <algorithm>
#include <bit>

#include "runtime/gateway/engine_state.h"

namespace kerf::gateway {

Engine::Engine(std::shared_ptr<const State> state) : state_(std::move(state)) {}

Query::Query(const Engine& engine) : work_(std::make_unique<Workspace>()), plans_(engine.state_->plans) {
  work_->entries.resize(plans_->names.attributes());
  work_->outcomes.resize(plans_->most_atoms, 0);
  work_->gathered.resize(plans_->most_gathered);
}
Query::~Query() = default;
Query::Query(Query&&) noexcept = default;
Query& Query::operator=(Query&&) noexcept = default;

bool Query::fits(const Engine& engine) const { return plans_ == engine.state_->plans; }

namespace {

std::size_t gathered_words(const EnvironmentPlan& plan) {
  std::size_t most = 0;
  for (const BlockIndex& block : plan.indexes) {
    std::size_t gathered = 0;
    for (const Feature& feature : block.features) {
      if (feature.kind == Feature::Kind::members || feature.kind == Feature::Kind::ranges) gathered += block.words;
    }
    most = std::max(most, gathered);
  }
  return most;
}

}  // namespace

Result<Places> find_places(const Table& table, const Plans& plans, const Store& store) {
  const Table::State &source = table.state(), &base = plans.table->state();
  const Error other{"the added policies were compiled with another schema: the table's actions or environments are not the same"};
  auto same = [](const Entity& a, const Entity& b) { return a.uid == b.uid && a.parents == b.parents; };
  if (source.environments.size() != base.environments.size()) return other;
  const std::vector<Entity>&actions = source.actions.all(), &known = base.actions.all();
  if (!std::equal(actions.begin(), actions.end(), known.begin(), known.end(), same)) return other;
  // Tables of one schema have them at the same places.
  auto place_of = [&](const Environment& environment, std::uint32_t likely) {
    if (environment.is_of(base.environments[likely])) return likely;
    const Node action = store.find(environment.action.type, environment.action.id);
    const std::uint64_t key = Engine::State::key(store.find_type(environment.principal), action, store.find_type(environment.resource));
    return action == kNoNode ? FlatMap::kNone : plans.index.find(key);
  };
  Places places(source.environments.size());
  std::uint32_t likely = 0;
  for (const Environment& environment : source.environments) {
    const std::uint32_t place = place_of(environment, likely++);
    if (place == FlatMap::kNone) return other;
    if (!environment.groups.empty()) places[place] = &environment;
  }
  return places;
}

std::shared_ptr<const LaterPlans> plan_later(std::shared_ptr<const Table> table, Places places, const Plans& plans, Store& draft) {
  const Table::State& source = table->state();
  auto later = std::make_shared<LaterPlans>();
  later->table = std::move(table);
  later->places = std::move(places);
  later->numbers.assign(later->places.size(), LaterPlans::kNone);
  std::vector<Node> nodes;   // of the uids in scopes
  for (std::uint32_t i = 0; i < source.uids.size(); ++i) nodes.push_back(draft.add_node(source.uids.uid(i)));
  for (std::size_t place = 0; place < later->places.size(); ++place) {
    if (later->places[place] == nullptr) continue;
    const Environment& environment = *later->places[place];
    std::vector<EntityUid> mentioned;
    std::vector<Atom> atoms;
    for (const Expr& expr : environment.atoms) atoms.push_back(read_later_atom(expr.program(), plans.names, mentioned, later->folded));
    for (const EntityUid& uid : mentioned) draft.add_node(uid);
    for (Atom& atom : atoms) {
      for (Operand* operand : {&atom.left, &atom.right}) {
        if (operand->is_literal) operand->literal = draft.later_literal(*operand->value, later->memory);
      }
    }
    later->numbers[place] = static_cast<std::uint32_t>(later->environments.size());
    later->environments.push_back(plan_environment(source, environment, std::move(atoms), nodes, draft, false));
  }
  return later;
}

Result<Engine> Engine::build(std::shared_ptr<const Table> table, Entities entities) {
  auto plans = std::make_shared<Plans>();
  auto state = std::make_shared<State>();
  plans->table = std::move(table);
  const Table::State& source = plans->table->state();
  std::vector<EntityUid> mentioned;
  for (std::uint32_t i = 0; i < source.uids.size(); ++i) mentioned.push_back(source.uids.uid(i));
  std::vector<std::vector<Atom>> atoms;
  std::vector<std::string_view> types;
  for (const Environment& environment : source.environments) {
    types.insert(types.end(), {environment.principal, environment.resource});
    std::vector<Atom>& list = atoms.emplace_back();
    list.reserve(environment.atoms.size());
    for (const Expr& expr : environment.atoms) list.push_back(read_atom(expr.program(), plans->names, mentioned, plans->folded));
    plans->most_atoms = std::max(plans->most_atoms, list.size());
  }
  Result<Entities> all = entities.with(source.actions.all());
  if (!all.ok()) return Error{"with the table's actions: " + all.error().message};
  Store& store = state->store;
  if (Status built = store.build(plans->names, *std::move(all), mentioned, types); !built.ok()) return built.error();
  if (store.nodes() >= State::kNodes || store.types() >= State::kTypes) {
    return Error{"more than " + std::to_string(State::kNodes) + " entities or " + std::to_string(State::kTypes) + " types"};
  }
  std::vector<Node> nodes(source.uids.size());
  for (std::uint32_t i = 0; i < nodes.size(); ++i) nodes[i] = store.find(source.uids.type(i), source.uids.id(i));
  for (std::size_t i = 0; i < atoms.size(); ++i) {
    const Environment& environment = source.environments[i];
    for (Atom& atom : atoms[i]) {
      for (Operand* operand : {&atom.left, &atom.right}) {
        if (operand->is_literal) operand->literal = store.literal(*operand->value);
      }
    }
    plans->environments.push_back(plan_environment(source, environment, std::move(atoms[i]), nodes, store));
    plans->most_gathered = std::max(plans->most_gathered, gathered_words(plans->environments.back()));
    const std::uint32_t principal = store.find_type(environment.principal);
    const std::uint32_t resource = store.find_type(environment.resource);
    const Node action = store.find(environment.action.type, environment.action.id);
    plans->index.insert(State::key(principal, action, resource), static_cast<std::uint32_t>(i));
  }
  state->plans = std::move(plans);
  return Engine(std::move(state));
}

const Table& Engine::table() const { return *state_->plans->table; }
const PolicyInfo& Engine::policy(std::uint32_t index) const {
  for (auto layer = state_->later.rbegin(); layer != state_->later.rend(); ++layer) {
    if (index >= layer->first) return layer->plans->table->policies().at(index - layer->first);
  }
  return table().policies().at(index);
}
std::size_t Engine::policies() const {
  auto count = [](const Table& table, const PolicyBits* removed) {
    std::size_t dead = 0;
    for (std::size_t w = 0; removed != nullptr && w < removed->size(); ++w) dead += static_cast<std::size_t>(std::popcount((*removed)[w]));
    return table.policies().size() - dead;
  };
  std::size_t all = count(table(), state_->removed.get());
  for (const Layer& layer : state_->later) all += count(*layer.plans->table, layer.removed.get());
  return all;
}
std::size_t Engine::nodes() const { return state_->store.nodes(); }

std::vector<std::pair<std::string, std::size_t>> Engine::memory() const {
  std::size_t index = state_->plans->index.bytes();
  for (const EnvironmentPlan& plan : state_->plans->environments) {
    index += plan.atoms.capacity() * sizeof(Atom) + plan.groups.bytes() + plan.by_resource.bytes() + plan.by_principal.bytes() + plan.index_of.bytes() +
             (plan.principal_in.capacity() + plan.resource_in.capacity()) * 8 + (plan.straight == nullptr ? 0 : plan.straight->reach_bytes());
    for (const BlockIndex& block : plan.indexes) {
      for (const Feature& feature : block.features) index += feature.maps.capacity() * 8 + feature.classes.bytes();
      for (const Keyed& keyed : block.keyed) {
        index += keyed.lists.bytes();
        for (const auto& list : keyed.rules) index += list.capacity() * 4 + sizeof(list);
      }
    }
  }
  return {{"index", index}, {"entities", state_->store.bytes()}};
}

}  // namespace kerf::gateway
