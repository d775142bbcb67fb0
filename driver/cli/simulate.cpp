// simulate: a kernel event as JSON -> the Cedar request and entities that it stands for, and the decision on them.
#include <fmt/core.h>

#include "backends/table/emit.h"
#include "driver/cli/commands.h"
#include "ir/passes/materialise.h"
#include "runtime/gateway/table.h"

namespace kerf::cli {
namespace {

void fail(Globals& globals, const std::string& message) {
  Diagnostics diagnostics;
  diagnostics.report(Code::K7907, {}, message);
  print_diagnostics(globals, Sources{}, diagnostics);
  globals.exit = kFailure;
}

Json request_json(const Request& request) {
  Json context = Json::object();
  for (const auto& [name, value] : request.context) context[name] = value_to_json(value);
  return {{"principal", uid_to_json(request.principal)}, {"action", uid_to_json(request.action)},
          {"resource", uid_to_json(request.resource)}, {"context", std::move(context)}};
}

void simulate(Globals& globals, const ProgramOptions& options, const std::string& event_path) {
  std::unique_ptr<Loaded> loaded = load_program(globals, options);
  if (!loaded) return;
  const Module& module = loaded->program.module;
  Diagnostics diagnostics;
  std::optional<InputFile> file = read_file(event_path, diagnostics);
  if (!file) {
    print_diagnostics(globals, Sources{}, diagnostics);
    globals.exit = kFailure;
    return;
  }
  Result<Json> json = parse_json(file->text);
  if (!json) return fail(globals, fmt::format("{}: {}", file->name, json.error().message));
  Result<KernelEventData> event = event_from_json(module.schema, *json);
  if (!event) return fail(globals, fmt::format("{}: {}", file->name, event.error().message));
  Result<Materialised> materialised = materialise(module, *event);
  if (!materialised) return fail(globals, materialised.error().message);
  for (const KernelEnv& env : loaded->program.plan.envs) {
    const RequestEnv& request = module.environments[env.environment];
    const bool decides = env.event == event->event && request.principal == materialised->request.principal.type && request.resource == materialised->request.resource.type;
    if (decides && !env.approximated.empty()) {
      const ApproximatedPolicy& first = env.approximated.front();
      return fail(globals, fmt::format("for {} the kernel enforces a {} of policy `{}`, which Cedar's decision does not show", to_text(request.action),
                                       to_text(first.kind), module.policies[first.policy.index].id));
    }
  }
  Result<gateway::Table> table = gateway::Table::read(emit_table(module, loaded->program.sources));
  if (!table) internal_error("the emitted table cannot be read back: " + table.error().message);
  Result<gateway::Decision> decision = table->decide(materialised->request, materialised->entities);
  if (!decision) return fail(globals, decision.error().message);
  Json determining = Json::array(), errors = Json::array();
  for (std::uint32_t p : decision->determining) determining.push_back(table->policies().at(p).id);
  for (const auto& e : decision->errors) {
    errors.push_back({{"policy", table->policies().at(e.policy).id}, {"message", e.error.message}});
  }
  Json resource = nullptr;
  if (const Entity* entity = materialised->entities.find(materialised->request.resource)) {
    resource = entities_to_json({*entity}).at(0);
  }
  Json out = {{"schema", "kerf.simulation"}, {"version", 1}, {"request", request_json(materialised->request)},
              {"resource", std::move(resource)}, {"open", materialised->open},
              {"decision", decision->allow ? "allow" : "deny"}, {"determining", std::move(determining)},
              {"errors", std::move(errors)}};
  fmt::print("{}", pretty_json(out));
  globals.exit = decision->allow ? kOk : kDeny;
}

}  // namespace

void add_simulate(CLI::App& app, Globals& globals) {
  auto options = std::make_shared<ProgramOptions>();
  auto event = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("simulate", "show what a kernel event means in Cedar, and the decision on it");
  options->declare(*command, true);
  options->declare_residual(*command);
  command->add_option("event", *event, "JSON file with the event; - is standard input")->required()->type_name("EVENT");
  command->callback([&globals, options, event] { simulate(globals, *options, *event); });
}

}  // namespace kerf::cli
