// run, load, bind, unbind, unload, mode, events, fact, status, gc: the node's commands, each one call of the loader.
#include <fmt/core.h>
#include <fmt/ranges.h>

#include <set>

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
  for (const auto& h : s.hits) hits.push_back({{"policy", h.id}, {"hits", h.hits}, {"last_ns", h.last_ns}, {"last", h.last.empty() ? Json() : Json(h.last)}});
  return {{"name", s.name}, {"id", s.id}, {"run", s.run}, {"generation", s.generation}, {"bundle", s.bundle_dir},
          {"digest", s.bundle_digest}, {"principal", s.principal}, {"cgroup", s.cgroup}, {"mode", s.mode}, {"alive", s.alive},
          {"programs", s.programs}, {"enforced", s.enforced}, {"degraded", s.degraded}, {"waived", s.waived},
          {"anchors", s.anchors}, {"facts", s.facts}, {"names", s.names}, {"decisions", s.decisions}, {"denials", s.denials},
          {"events_lost", s.events_lost}, {"guards", s.guards}, {"no_slot", s.no_slot},
          {"tags_lost", s.tags_lost}, {"map_bytes", s.map_bytes}, {"program_bytes", s.program_bytes}, {"count_hits", s.count_hits},
          {"policies", std::move(hits)}};
}

const char* liveness(const loader::BindingStatus& s) {
  if (s.alive) return "running";
  return s.run ? "empty (kerf gc removes it)" : "empty";
}

void print_status(const loader::BindingStatus& s) {
  if (s.id == 0) fmt::print("{}  {}\n", s.name, s.mode.empty() ? "no binding" : s.mode);
  else fmt::print("{}/{}  {}  {}  {}\n", s.name, s.id, s.principal, s.mode, liveness(s));
  if (s.bundle_digest.empty()) return;   // its state says nothing
  fmt::print("  bundle     {} ({}), generation {}\n", s.bundle_dir, s.bundle_digest, s.generation);
  if (!s.cgroup.empty()) fmt::print("  cgroup     {}\n", s.cgroup);
  fmt::print("  decisions  {} ({} refused, {} by guards, {} events lost)\n", s.decisions, s.denials, s.guards, s.events_lost);
  if (s.no_slot != 0) fmt::print("  no slot    {} decisions refused: too many at once\n", s.no_slot);
  if (s.tags_lost != 0) fmt::print("  tags lost  {} tasks are refused everything: too many at once\n", s.tags_lost);
  for (const auto& [name, value] : s.facts) fmt::print("  fact       {} = {}\n", name, value);
  for (const auto& [address, names] : s.names) fmt::print("  names      {} = {}\n", address, names);
  for (const std::string& name : s.degraded) fmt::print("  degraded   {}\n", name);
  for (const std::string& name : s.waived) fmt::print("  waived     {}\n", name);
  for (const std::string& path : s.anchors) fmt::print("  anchor     {}\n", path);
  fmt::print("  kernel     {} programs in {} KiB, maps in {} KiB\n", s.programs.size(), s.program_bytes >> 10, s.map_bytes >> 10);
  if (!s.count_hits) fmt::print("  policies   are not counted (--no-hits)\n");
  for (const auto& h : s.hits) {
    if (h.hits != 0) fmt::print("  policy     {}: {}, last {}\n", h.id, h.hits, h.last);
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
  run->add_flag("!--no-hits", options->count_hits, "do not count how often each policy is satisfied");
  run->add_option("--allow-degraded", options->allow_degraded, "accept that these features are not enforced")
      ->delimiter(',')->type_name("NAME,…");
  run->add_option("--mode", options->mode, "what a refusal of the policies does")->type_name("enforce|audit|quarantine");
  run->add_flag("--allow-noncanonical", options->allow_noncanonical, "accept path literals that match nothing here");
  run->add_flag("--keep-fds", options->keep_fds, "leave descriptors above 2 open in the command; nothing judges them");
  run->add_option("--user", options->user, "run the command as this user")->type_name("NAME|UID[:GROUP]");
  run->add_option("--cap", options->capabilities, "capabilities that the command keeps; otherwise none")->delimiter(',')->type_name("NAME,…");
  run->add_flag("--privileged", options->privileged, "keep all capabilities, CAP_SYS_ADMIN too, and the ways to gain privileges");
  run->add_flag("--clean-env", options->clean_env, "a fresh environment: PATH, HOME, USER, LOGNAME, SHELL; TERM, LANG, LC_*, TZ are kept");
  run->add_option("--env", options->env, "set a variable; without a value, the caller's")->type_name("NAME[=VALUE]")->expected(1)->take_all();
  run->add_option("command", options->command, "the command and its arguments, after --")->type_name("COMMAND");
  run->positionals_at_end();
  run->callback([&globals, options, facts] {
    for (const std::string& fact : *facts) options->facts.push_back(split_fact(fact));
    auto done = loader::run(*options);
    if (done) globals.exit = *done;
    else fail(globals, done.error(), kRunFailure);
  });
}

void print_load(const loader::LoadReport& report) {
  fmt::print(stderr, "kerf: enforced, probed: {}\n", fmt::join(report.enforced, ", "));
  if (!report.degraded.empty()) fmt::print(stderr, "kerf: not enforced, accepted: {}\n", fmt::join(report.degraded, ", "));
  if (!report.waived.empty()) fmt::print(stderr, "kerf: not enforced, waived by the bundle: {}\n", fmt::join(report.waived, ", "));
  fmt::print("{}\n", report.name);
}

// As far as it goes: what cannot be unloaded is told, and does not keep the rest. What is dead goes first: of a run that is
// over only gc knows it.
void unload_all(Globals& globals, bool force) {
  static_cast<void>(loader::gc().ok());
  auto rows = loader::status();
  if (!rows) return fail(globals, rows.error(), kFailure);
  std::set<std::string> names;
  for (const loader::BindingStatus& row : *rows) names.insert(row.name);
  for (const std::string& name : names) {
    auto done = loader::unload(name, force);
    if (done) fmt::print("unloaded {}\n", name);
    else fail(globals, done.error(), kFailure);
  }
}

void add_load(CLI::App& app, Globals& globals) {
  auto options = std::make_shared<loader::LoadOptions>();
  CLI::App* load = app.add_subcommand("load", "load and attach a bundle, to bind cgroups to it; prints its name");
  load->add_option("--bundle", options->bundle_dir, "directory written by kerf compile")->required()->type_name("DIR");
  load->add_option("--name", options->name, "what to call it on this machine")->type_name("NAME");
  load->add_flag("--replace", options->replace, "take the place of the bundle of that name; its bindings stay");
  load->add_flag("--allow-noncanonical", options->allow_noncanonical, "with --replace: accept path literals that match nothing here");
  load->add_flag("--log-allows", options->log_allows, "make events for allowed calls too");
  load->add_flag("!--no-hits", options->count_hits, "do not count how often each policy is satisfied");
  load->add_option("--allow-degraded", options->allow_degraded, "accept that these features are not enforced")
      ->delimiter(',')->type_name("NAME,…");
  load->callback([&globals, options] {
    auto report = loader::load(*options);
    if (!report) return fail(globals, report.error(), kFailure);
    print_load(*report);
  });
  auto name = std::make_shared<std::string>();
  auto force = std::make_shared<bool>(false);
  CLI::App* unload = app.add_subcommand("unload", "end what a loaded bundle enforces");
  auto all = std::make_shared<bool>(false);
  auto* which = unload->add_option("name", *name, "the loaded bundle")->type_name("NAME");
  unload->add_flag("--force", *force, "with its bindings, if there are any");
  unload->add_flag("--all", *all, "all that is loaded on this machine")->excludes(which);
  unload->callback([&globals, name, force, all] {
    if (*all) return unload_all(globals, *force);
    if (name->empty()) throw CLI::RequiredError("unload: name");
    auto done = loader::unload(*name, *force);
    if (!done) fail(globals, done.error(), kFailure);
  });
}

void add_bind(CLI::App& app, Globals& globals) {
  auto options = std::make_shared<loader::BindOptions>();
  auto facts = std::make_shared<std::vector<std::string>>();
  CLI::App* bind = app.add_subcommand("bind", "bind a cgroup to a principal of a loaded bundle; prints NAME/ID");
  bind->add_option("--name", options->name, "the loaded bundle; needed if there are several")->type_name("NAME");
  bind->add_option("--principal", options->principal, "who its tasks are, e.g. Agent::\"a1\"")->required()->type_name("ENTITY");
  auto* pid = bind->add_option("--pid", options->pid, "the cgroup of this process, and its view of the file systems")
                  ->type_name("PID")->check(CLI::PositiveNumber);
  auto* cgroup = bind->add_option("--cgroup", options->cgroup, "this cgroup")->type_name("PATH");
  pid->excludes(cgroup);
  bind->add_option("--mode", options->mode, "what a refusal of the policies does")->type_name("enforce|audit|quarantine");
  bind->add_option("--fact", *facts, "publish a fact for this binding")->type_name("NAME=VALUE")->take_all();
  bind->add_flag("--allow-noncanonical", options->allow_noncanonical, "accept path literals that match nothing here");
  bind->callback([&globals, options, facts] {
    if (options->pid == 0 && options->cgroup.empty()) throw CLI::ValidationError("bind needs --pid or --cgroup");
    for (const std::string& fact : *facts) options->facts.push_back(split_fact(fact));
    auto report = loader::bind(*options);
    if (!report) return fail(globals, report.error(), kFailure);
    for (const std::string& note : report->notes) fmt::print(stderr, "kerf: {}\n", note);
    fmt::print("{}/{}\n", report->name, report->id);
  });
  auto binding = std::make_shared<std::string>();
  auto noncanonical = std::make_shared<bool>(false);
  CLI::App* refresh = app.add_subcommand("refresh", "learn the mounts of a binding's tasks anew: files mounted since have names then");
  refresh->add_option("binding", *binding, "NAME/ID, or NAME if it has one")->required()->type_name("BINDING");
  refresh->add_flag("--allow-noncanonical", *noncanonical, "accept path literals that match nothing here");
  refresh->callback([&globals, binding, noncanonical] {
    auto report = loader::refresh(*binding, *noncanonical);
    if (!report) return fail(globals, report.error(), kFailure);
    for (const std::string& note : report->notes) fmt::print(stderr, "kerf: {}\n", note);
  });
  CLI::App* unbind = app.add_subcommand("unbind", "let the tasks of a binding go");
  unbind->add_option("binding", *binding, "NAME/ID, or NAME if it has one")->required()->type_name("BINDING");
  unbind->callback([&globals, binding] {
    auto done = loader::unbind(*binding);
    if (!done) fail(globals, done.error(), kFailure);
  });
}

void add_mode(CLI::App& app, Globals& globals) {
  auto binding = std::make_shared<std::string>();
  auto mode = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("mode", "change what refusals of a binding do, while it runs; prints the mode before");
  command->add_option("binding", *binding, "NAME/ID, or NAME if it has one")->required()->type_name("BINDING");
  command->add_option("mode", *mode, "what a refusal of the policies does")->required()->type_name("enforce|audit|quarantine");
  command->callback([&globals, binding, mode] {
    auto before = loader::set_mode(*binding, *mode);
    if (!before) return fail(globals, before.error(), kFailure);
    fmt::print("{}\n", *before);
  });
}

void add_events(CLI::App& app, Globals& globals) {
  auto name = std::make_shared<std::string>();
  auto file = std::make_shared<std::string>("-");
  CLI::App* events = app.add_subcommand("events", "write the events of a loaded bundle as JSON lines, until interrupted");
  events->add_option("--name", *name, "the loaded bundle; needed if there are several")->type_name("NAME");
  events->add_option("--output", *file, "append to this file; - is stderr")->type_name("FILE");
  events->callback([&globals, name, file] {
    auto done = loader::follow_events(*name, *file);
    if (!done) fail(globals, done.error(), kFailure);
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
  set->add_option("--binding", *binding, "which binding; needed if there are several")->type_name("NAME[/ID]");
  set->add_option("--ttl-ms", *ttl_ms, "withdraw it after this time; 0: never")->type_name("MS");
  set->callback([&globals, binding, text, ttl_ms] {
    auto [name, value] = split_fact(*text);
    auto done = loader::set_fact(*binding, name, value, *ttl_ms);
    if (!done) fail(globals, done.error(), kFailure);
  });
  CLI::App* clear = fact->add_subcommand("clear", "withdraw a fact");
  clear->add_option("fact", *text, "NAME")->required();
  clear->add_option("--binding", *binding, "which binding; needed if there are several")->type_name("NAME[/ID]");
  clear->callback([&globals, binding, text] {
    auto done = loader::clear_fact(*binding, *text);
    if (!done) fail(globals, done.error(), kFailure);
  });
}

void add_names(CLI::App& app, Globals& globals) {
  auto binding = std::make_shared<std::string>();
  auto name = std::make_shared<std::string>();
  auto addresses = std::make_shared<std::vector<std::string>>();
  auto ttl_ms = std::make_shared<std::uint64_t>(0);
  CLI::App* learn = app.add_subcommand("learn", "tell a running binding that addresses have a host name");
  learn->add_option("name", *name, "the name of the host")->required()->type_name("NAME");
  learn->add_option("address", *addresses, "its addresses")->required()->type_name("ADDRESS");
  learn->add_option("--binding", *binding, "which binding; needed if there are several")->type_name("NAME[/ID]");
  learn->add_option("--ttl-ms", *ttl_ms, "forget it after this time; 0: never")->type_name("MS");
  learn->callback([&globals, binding, name, addresses, ttl_ms] {
    auto done = loader::learn(*binding, *name, *addresses, *ttl_ms);
    if (!done) fail(globals, done.error(), kFailure);
  });
  CLI::App* forget = app.add_subcommand("forget", "let a running binding forget a host name");
  forget->add_option("name", *name, "the name of the host")->required()->type_name("NAME");
  forget->add_option("address", *addresses, "for these addresses; otherwise for all")->type_name("ADDRESS");
  forget->add_option("--binding", *binding, "which binding; needed if there are several")->type_name("NAME[/ID]");
  forget->callback([&globals, binding, name, addresses] {
    auto done = loader::forget(*binding, *name, *addresses);
    if (!done) fail(globals, done.error(), kFailure);
  });
}

}  // namespace

void add_node(CLI::App& app, Globals& globals) {
  add_run(app, globals);
  add_load(app, globals);
  add_bind(app, globals);
  add_mode(app, globals);
  add_events(app, globals);
  add_fact(app, globals);
  add_names(app, globals);
  auto json = std::make_shared<bool>(false);
  CLI::App* status_command = app.add_subcommand("status", "what is bound, what it decided, what is degraded");
  status_command->add_flag("--json", *json, "as JSON");
  status_command->callback([&globals, json] { status(globals, *json); });
  CLI::App* gc = app.add_subcommand("gc", "remove what is dead: ended runs, bindings without a cgroup, interrupted steps");
  gc->callback([&globals] {
    auto removed = loader::gc();
    if (!removed) return fail(globals, removed.error(), kFailure);
    for (const std::string& name : *removed) fmt::print("removed {}\n", name);
  });
}

}  // namespace kerf::cli
