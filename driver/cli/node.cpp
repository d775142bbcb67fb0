// run, fact, status, gc: the node's commands, each one call of the loader.
#include <fmt/core.h>

#include "driver/cli/commands.h"
#include "ir/values/json.h"
#include "runtime/loader/loader.h"

namespace kerf::cli {
namespace {

void fail(Globals& globals, const loader::Failure& failure, int exit) {
  std::optional<Code> code = find_code(failure.code);
  check(code.has_value(), "loader failures have a code of the catalogue");
  print_error(globals, *code, failure.message, failure.help);
  globals.exit = exit;
}

Json status_json(const loader::BindingStatus& s) {
  Json hits = Json::array();
  for (const auto& h : s.hits) hits.push_back({{"policy", h.id}, {"hits", h.hits}, {"last_ns", h.last_ns}});
  return {{"name", s.name}, {"bundle", s.bundle_dir}, {"digest", s.bundle_digest}, {"principal", s.principal},
          {"cgroup", s.cgroup}, {"mode", s.mode}, {"alive", s.alive}, {"programs", s.programs},
          {"degraded", s.degraded}, {"facts", s.facts}, {"decisions", s.decisions}, {"denials", s.denials},
          {"events_lost", s.events_lost}, {"guards", s.guards}, {"policies", std::move(hits)}};
}

void print_status(const loader::BindingStatus& s) {
  fmt::print("{}  {}  {}  {}\n", s.name, s.principal, s.mode, s.alive ? "running" : "empty (kerf gc removes it)");
  fmt::print("  bundle     {} ({})\n  cgroup     {}\n", s.bundle_dir, s.bundle_digest, s.cgroup);
  fmt::print("  decisions  {} ({} refused, {} by guards, {} events lost)\n", s.decisions, s.denials, s.guards, s.events_lost);
  for (const auto& [name, value] : s.facts) fmt::print("  fact       {} = {}\n", name, value);
  for (const std::string& name : s.degraded) fmt::print("  degraded   {}\n", name);
  for (const auto& h : s.hits) {
    if (h.hits != 0) fmt::print("  policy     {}: {}\n", h.id, h.hits);
  }
}

void status(Globals& globals, bool json) {
  auto bindings = loader::status();
  if (!bindings) return fail(globals, bindings.error(), kFailure);
  if (json) {
    Json list = Json::array();
    for (const auto& binding : *bindings) list.push_back(status_json(binding));
    fmt::print("{}", pretty_json({{"schema", "kerf.status"}, {"version", 1}, {"bindings", std::move(list)}}));
    return;
  }
  if (bindings->empty()) fmt::print("no binding\n");
  for (const auto& binding : *bindings) print_status(binding);
}

std::pair<std::string, std::string> split_fact(const std::string& text) {
  std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) throw CLI::ValidationError("--fact takes NAME=VALUE, not `" + text + "`");
  return {text.substr(0, equals), text.substr(equals + 1)};
}

void add_run(CLI::App& app, Globals& globals) {
  auto options = std::make_shared<loader::RunOptions>();
  auto facts = std::make_shared<std::vector<std::string>>();
  CLI::App* run = app.add_subcommand("run", "run a command in a cgroup of its own that the kernel holds to a bundle's policy");
  run->add_option("--bundle", options->bundle_dir, "directory written by kerf compile")->required()->type_name("DIR");
  run->add_option("--principal", options->principal, "who the command is, e.g. Agent::\"a1\"")->required()->type_name("ENTITY");
  run->add_option("--fact", *facts, "publish a fact for this binding")->type_name("NAME=VALUE")->take_all();
  run->add_option("--events", options->events_file, "append events as JSON lines; - is stderr")->type_name("FILE");
  run->add_flag("--log-allows", options->log_allows, "write events for allowed calls too");
  run->add_option("--allow-degraded", options->allow_degraded, "accept that these features are not enforced")
      ->delimiter(',')->type_name("NAME,…");
  run->add_option("command", options->command, "the command and its arguments, after --")->type_name("COMMAND");
  run->positionals_at_end();
  run->callback([&globals, options, facts] {
    for (const std::string& fact : *facts) options->facts.push_back(split_fact(fact));
    auto done = loader::run(*options);
    if (done) globals.exit = *done;
    else fail(globals, done.error(), kRunFailure);
  });
}

void add_fact(CLI::App& app, Globals& globals) {
  auto binding = std::make_shared<std::string>();
  auto text = std::make_shared<std::string>();
  auto ttl_ms = std::make_shared<std::uint64_t>(0);
  CLI::App* fact = app.add_subcommand("fact", "publish or withdraw a fact of a running binding");
  fact->require_subcommand(1);
  CLI::App* set = fact->add_subcommand("set", "publish a fact");
  set->add_option("fact", *text, "NAME=VALUE")->required();
  set->add_option("--binding", *binding, "which binding; needed if there are several")->type_name("NAME");
  set->add_option("--ttl-ms", *ttl_ms, "withdraw it after this time; 0: never")->type_name("MS");
  set->callback([&globals, binding, text, ttl_ms] {
    auto [name, value] = split_fact(*text);
    auto done = loader::set_fact(*binding, name, value, *ttl_ms);
    if (!done) fail(globals, done.error(), kFailure);
  });
  CLI::App* clear = fact->add_subcommand("clear", "withdraw a fact");
  clear->add_option("fact", *text, "NAME")->required();
  clear->add_option("--binding", *binding, "which binding; needed if there are several")->type_name("NAME");
  clear->callback([&globals, binding, text] {
    auto done = loader::clear_fact(*binding, *text);
    if (!done) fail(globals, done.error(), kFailure);
  });
}

}  // namespace

void add_node(CLI::App& app, Globals& globals) {
  add_run(app, globals);
  add_fact(app, globals);
  auto json = std::make_shared<bool>(false);
  CLI::App* status_command = app.add_subcommand("status", "what is bound, what it decided, what is degraded");
  status_command->add_flag("--json", *json, "as JSON");
  status_command->callback([&globals, json] { status(globals, *json); });
  CLI::App* gc = app.add_subcommand("gc", "remove bindings whose cgroup has no task left");
  gc->callback([&globals] {
    auto removed = loader::gc();
    if (!removed) return fail(globals, removed.error(), kFailure);
    for (const std::string& name : *removed) fmt::print("removed {}\n", name);
  });
}

}  // namespace kerf::cli
