// Table + entities -> Engine: names, then the store, then one plan for each environment.
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

Result<Engine> Engine::build(std::shared_ptr<const Table> table, Entities entities) {
  auto plans = std::make_shared<Plans>();
  auto state = std::make_shared<State>();
  plans->table = std::move(table);
  const Table::State& source = plans->table->state();
  std::vector<EntityUid> mentioned;
  for (const auto& [uid, number] : source.uids) mentioned.push_back(uid);
  std::vector<std::vector<Atom>> atoms;
  std::vector<std::string_view> types;
  for (const Environment& environment : source.environments) {
    types.insert(types.end(), {environment.principal, environment.resource});
    std::vector<Atom>& list = atoms.emplace_back();
    for (const Expr& expr : environment.atoms) list.push_back(read_atom(expr.program(), plans->names, mentioned, plans->folded));
    plans->most_atoms = std::max(plans->most_atoms, list.size());
  }
  Result<Entities> all = entities.with(source.actions);
  if (!all.ok()) return Error{"with the table's actions: " + all.error().message};
  Store& store = state->store;
  if (Status built = store.build(plans->names, *std::move(all), mentioned, types); !built.ok()) return built.error();
  if (store.nodes() >= State::kNodes || store.types() >= State::kTypes) {
    return Error{"more than " + std::to_string(State::kNodes) + " entities or " + std::to_string(State::kTypes) + " types"};
  }
  for (std::size_t i = 0; i < atoms.size(); ++i) {
    const Environment& environment = source.environments[i];
    for (Atom& atom : atoms[i]) {
      for (Operand* operand : {&atom.left, &atom.right}) {
        if (operand->is_literal) operand->literal = store.literal(*operand->value);
      }
    }
    plans->environments.push_back(plan_environment(source, environment, std::move(atoms[i]), store));
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
std::size_t Engine::nodes() const { return state_->store.nodes(); }

std::vector<std::pair<std::string, std::size_t>> Engine::memory() const {
  std::size_t index = state_->plans->index.bytes();
  for (const EnvironmentPlan& plan : state_->plans->environments) {
    index += plan.atoms.capacity() * sizeof(Atom) + plan.rules.capacity() * sizeof(Rule) +
             plan.groups.capacity() * sizeof(plan.groups[0]) + plan.by_scopes.bytes() +
             (plan.principal_in.capacity() + plan.resource_in.capacity()) * 8;
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
