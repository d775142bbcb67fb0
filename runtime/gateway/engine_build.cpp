// Table + entities -> Engine: names, then the store, then one plan for each environment.
#include "runtime/gateway/engine_state.h"

namespace kerf::gateway {

Engine::Engine(std::unique_ptr<State> state) : state_(std::move(state)) {}
Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&&) noexcept = default;
Engine::~Engine() = default;

Query::Query(const Engine& engine) : work_(std::make_unique<Workspace>()) {
  const Engine::State& state = *engine.state_;
  work_->entries.resize(state.names.attributes());
  work_->outcomes.resize(state.most_atoms, 0);
  work_->gathered.resize(state.most_gathered);
}
Query::~Query() = default;
Query::Query(Query&&) noexcept = default;
Query& Query::operator=(Query&&) noexcept = default;

Result<Engine> Engine::build(std::shared_ptr<const Table> table, Entities entities) {
  auto state = std::make_unique<State>();
  state->table = std::move(table);
  const Table::State& source = state->table->state();
  std::vector<EntityUid> mentioned;
  for (const auto& [uid, number] : source.uids) mentioned.push_back(uid);
  std::vector<std::vector<Atom>> atoms;
  for (const Environment& environment : source.environments) {
    state->store.add_type(environment.principal);
    state->store.add_type(environment.resource);
    std::vector<Atom>& list = atoms.emplace_back();
    for (const Expr& expr : environment.atoms) list.push_back(read_atom(expr.program(), state->names, mentioned, state->folded));
    state->most_atoms = std::max(state->most_atoms, list.size());
  }
  Result<Entities> all = entities.with(source.actions);
  if (!all.ok()) return Error{"with the table's actions: " + all.error().message};
  if (Status built = state->store.build(state->names, *std::move(all), mentioned); !built.ok()) return built.error();
  if (state->store.nodes() >= State::kNodes || state->store.types() >= State::kTypes) {
    return Error{"more than " + std::to_string(State::kNodes) + " entities or " + std::to_string(State::kTypes) + " types"};
  }
  for (std::size_t i = 0; i < atoms.size(); ++i) {
    const Environment& environment = source.environments[i];
    for (Atom& atom : atoms[i]) {
      for (Operand* operand : {&atom.left, &atom.right}) {
        if (operand->is_literal) operand->literal = state->store.literal(*operand->value);
      }
    }
    state->plans.push_back(plan_environment(source, environment, std::move(atoms[i]), state->store));
    for (const BlockIndex& block : state->plans.back().indexes) {
      std::size_t gathered = 0;
      for (const Feature& feature : block.features) {
        if (feature.kind == Feature::Kind::members || feature.kind == Feature::Kind::ranges) gathered += block.words;
      }
      state->most_gathered = std::max(state->most_gathered, gathered);
    }
    const std::uint32_t principal = state->store.find_type(environment.principal);
    const std::uint32_t resource = state->store.find_type(environment.resource);
    const Node action = state->store.find(environment.action.type, environment.action.id);
    state->environments.insert(State::key(principal, action, resource), static_cast<std::uint32_t>(i));
  }
  return Engine(std::move(state));
}

const Table& Engine::table() const { return *state_->table; }

std::vector<std::pair<std::string, std::size_t>> Engine::memory() const {
  std::size_t index = state_->environments.bytes();
  for (const EnvironmentPlan& plan : state_->plans) {
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
