// What can be done to loaded bundles from outside: look, publish facts, learn names, collect the dead. The one decision: the state
// file is written before the kernel's record, and put back if the kernel refuses; the next change starts from what it says.
#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "ir/values/extension.h"
#include "ir/values/host_name.h"
#include "runtime/loader/cgroup.h"
#include "runtime/loader/event_json.h"
#include "runtime/loader/failure.h"
#include "runtime/loader/files.h"
#include "runtime/loader/identity.h"
#include "runtime/loader/instance.h"
#include "runtime/loader/names.h"
#include "runtime/loader/record.h"

namespace kerf::loader {
namespace {

void drop_expired(Facts& facts, std::uint64_t now_ns) {
  std::erase_if(facts, [&](const auto& entry) { return entry.second.until_ns <= now_ns; });
}

// One change of what is known of a binding, its facts, names or mode: under the lock, from the bundle that is in force. The
// records for named addresses are made anew with the binding's own.
template <class Change>
LoaderResult<Unit> change_binding(const std::string& wanted, Change change) {
  if (auto done = check_privileges(); !done) return done;
  auto host = find_host();
  if (!host) return host.error();
  auto choice = choose(*host, wanted);
  if (!choice) return choice.error();
  auto held = hold(*host, choice->name);
  if (!held) return held.error();
  State before = held->state;
  auto binding = pick(held->state, *choice);
  if (!binding) return binding.error();
  BoundState& row = **binding;
  auto principal = find_principal(held->bundle, row.principal);
  if (!principal) return principal.error();
  const std::uint64_t now_ns = boot_time_ns();
  drop_expired(row.facts, now_ns);
  drop_expired(row.names, now_ns);
  if (auto done = change(held->bundle, held->state, row, now_ns); !done) return done;
  auto mode = read_mode(row.mode);
  if (!mode) return mode.error();
  const RecordInput input{*principal, row.facts, before.generation, *mode, now_ns};
  auto record = build_record(held->bundle, input);
  if (!record) return record.error();
  auto named = build_named(held->bundle, input, row.id, row.names);
  if (!named) return named.error();
  auto maps = open_pinned(pin_directory(*host, choice->name, before.generation));
  if (!maps) return maps.error();
  if (auto done = renew_clock(*maps); !done) return done;
  if (auto done = write_state(*host, held->state); !done) return done;
  auto done = set_record(*maps, row.id, *record, RecordChange::replace);
  if (!done) {
    auto restored = write_state(*host, before);
    return restored ? done : restored;
  }
  return set_named(*maps, row.id, *named);
}

std::uint64_t deadline(std::uint64_t now_ns, std::uint64_t ttl_ms) {
  constexpr std::uint64_t kNsPerMs = 1'000'000;
  bool forever = ttl_ms == 0 || ttl_ms > (kNoDeadline - now_ns) / kNsPerMs - 1;
  return forever ? kNoDeadline : now_ns + ttl_ms * kNsPerMs;
}

LoaderResult<std::string> host_name(const State& state, const std::string& text) {
  if (auto name = suggest_host(text)) return *name;
  return fail(Code::K7607, state.name, fmt::format("learns names of hosts, and `{}` is none", escape_bytes(text)));
}

LoaderResult<std::vector<IpAddr>> addresses_of(const State& state, const std::vector<std::string>& texts) {
  std::vector<IpAddr> addresses;
  for (const std::string& text : texts) {
    auto address = parse_address(text);
    if (!address) return fail(Code::K7607, state.name, fmt::format("learns names of single addresses, and `{}` is none", escape_bytes(text)));
    addresses.push_back(*address);
  }
  return addresses;
}

// 0 stands for none.
std::uint32_t next_id(State& state) {
  if (state.next_names == 0) ++state.next_names;
  return state.next_names++;
}

std::size_t count_names(const State& state) {
  std::size_t count = 0;
  for (const BoundState& binding : state.bindings) count += binding.names.size();
  return count;
}

std::map<std::string, std::string> names_in_force(Names names) {
  drop_expired(names, boot_time_ns());
  std::map<std::string, std::string> texts;
  for (const auto& [address, named] : names) {
    std::string& text = texts[address];
    for (const auto& [host, until_ns] : named.hosts) text += (text.empty() ? "" : " ") + host;
  }
  return texts;
}

std::map<std::string, std::string> facts_in_force(Facts facts) {
  std::uint64_t now_ns = boot_time_ns();
  drop_expired(facts, now_ns);
  std::map<std::string, std::string> texts;
  for (const auto& [name, fact] : facts) {
    std::string text = to_text(fact.value);
    if (fact.until_ns != kNoDeadline) text += fmt::format(" (for {} ms)", (fact.until_ns - now_ns) / 1'000'000);
    texts.emplace(name, std::move(text));
  }
  return texts;
}

void add_counters(const Host& host, BindingStatus& status) {
  auto maps = open_pinned(pin_directory(host, status.name, status.generation));
  if (!maps) return;
  kerf_counters counters = read_counters(*maps);
  status.decisions = counters.decisions;
  status.denials = counters.denials;
  status.events_lost = counters.events_lost;
  status.guards = counters.guards;
  status.no_slot = counters.no_slot;
  status.tags_lost = counters.tags_lost;
  Memory memory = memory_of(pin_directory(host, status.name, status.generation));
  status.map_bytes = memory.maps;
  status.program_bytes = memory.programs;
  auto bundle = read_bundle_data(bundle_copy(host, status.name, status.generation));
  if (!bundle) return;
  const auto& policies = bundle->manifest.policies;
  std::vector<kerf_hit> hits = read_hits(*maps, policies.size());
  for (std::size_t i = 0; i < hits.size(); ++i) {
    status.hits.push_back({policies[i].id, hits[i].hits, hits[i].last_ns, hits[i].last_ns == 0 ? std::string() : wall_time_text(hits[i].last_ns)});
  }
}

std::vector<BindingStatus> status_of(const Host& host, const std::string& name) {
  BindingStatus common;
  common.name = name;
  auto state = read_state(host, name);
  if (!state) {
    common.cgroup = own_cgroup(host, name);
    common.alive = cgroup_populated(common.cgroup);
    common.mode = is_foreign(state.error()) ? "other-version" : "unknown";   // starting, ending, or damaged
    return {common};
  }
  common.run = state->run;
  common.generation = state->generation;
  common.bundle_dir = state->bundle_dir;
  common.bundle_digest = state->bundle_digest;
  common.programs = state->programs;
  common.enforced = state->enforced;
  common.degraded = state->degraded;
  common.waived = state->waived;
  common.count_hits = state->count_hits;
  add_counters(host, common);
  std::vector<BindingStatus> rows;
  for (const BoundState& binding : state->bindings) {
    BindingStatus row = common;
    row.id = binding.id;
    row.principal = binding.principal;
    row.cgroup = binding.cgroup;
    row.mode = binding.ready ? binding.mode : "interrupted";
    row.alive = cgroup_populated(binding.cgroup);
    row.anchors = binding.anchors;
    row.facts = facts_in_force(binding.facts);
    row.names = names_in_force(binding.names);
    rows.push_back(std::move(row));
  }
  if (rows.empty()) rows.push_back(std::move(common));
  return rows;
}

bool cgroup_is_gone(const BoundState& binding) {
  auto cgroup = open_cgroup(binding.cgroup);
  return !cgroup || cgroup_id(cgroup->get()) != binding.cgroup_id;
}

// Of a bundle that was loaded to stay: what an interrupted step left, and bindings whose cgroup is gone.
LoaderResult<std::vector<std::string>> tidy(const Host& host, const std::string& name) {
  std::vector<std::string> removed;
  auto held = lock(host, name, LockKind::change, false);
  if (!held) return held.error();
  if (!*held) return removed;    // somebody changes it just now
  auto state = read_state(host, name);
  if (!state) return state.error();
  if (auto done = remove_other_generations(host, name, state->generation); !done) return done.error();
  std::vector<BoundState> bindings = state->bindings;
  for (const BoundState& binding : bindings) {
    if (binding.ready && !cgroup_is_gone(binding)) continue;
    if (auto done = unbind_cgroup(host, *state, binding.id); !done) return done.error();
    removed.push_back(fmt::format("{}/{}", name, binding.id));
  }
  return removed;
}

// Nothing tells what is bound: only what cannot have a binding may go.
LoaderResult<Unit> check_unwritten(const Host& host, const std::string& name) {
  std::string directory = state_directory(host, name);
  bool of_run = has_directory(own_cgroup(host, name)), unfinished = has_directory(directory) && !has_file(directory + "/state.json");
  if (of_run || unfinished) return Unit{};
  return with_help(fail(Code::K7603, fmt::format("{} has no readable state.json", name)), fmt::format("`kerf unload --force {}` ends what it enforces", name));
}

// What of it was dead and is removed.
LoaderResult<std::vector<std::string>> collect(const Host& host, const std::string& name) {
  std::vector<std::string> nothing;
  Fd life;
  if (cgroup_populated(own_cgroup(host, name))) return nothing;
  if (has_directory(state_directory(host, name))) {
    auto held = lock(host, name, LockKind::life, false);
    if (!held && !has_directory(state_directory(host, name))) return nothing;   // its kerf run has just removed it
    if (!held) return held.error();
    if (!*held) return nothing;   // a kerf runs or loads it
    life = std::move(**held);
  }
  auto state = read_state(host, name);
  if (state && !state->run && state->boot == boot_id()) return tidy(host, name);
  if (!state && is_foreign(state.error())) return state.error();
  if (!state) {
    if (auto done = check_unwritten(host, name); !done) return done.error();
  }
  if (auto done = remove_loaded(host, name); !done) return done.error();
  return std::vector<std::string>{name};
}

}  // namespace

LoaderResult<std::vector<BindingStatus>> status() {
  auto host = find_host();
  if (!host) return host.error();
  std::vector<BindingStatus> all;
  std::vector<std::string> names = all_names(*host);
  if (!has_directory(host->states) && names.empty()) return all;
  if (auto done = check_privileges(); !done) return done.error();   // the directory is there and could not be read
  for (const std::string& name : names) {
    for (BindingStatus& row : status_of(*host, name)) all.push_back(std::move(row));
  }
  return all;
}

LoaderResult<Unit> set_fact(const std::string& binding, const std::string& name, const std::string& value, std::uint64_t ttl_ms) {
  return change_binding(binding, [&](const LoadedBundle& bundle, State&, BoundState& row, std::uint64_t now_ns) -> LoaderResult<Unit> {
    auto parsed = parse_fact(bundle.manifest, name, value);
    if (!parsed) return parsed.error();
    row.facts.insert_or_assign(name, Fact{std::move(*parsed), deadline(now_ns, ttl_ms)});
    return Unit{};
  });
}

LoaderResult<Unit> clear_fact(const std::string& binding, const std::string& name) {
  return change_binding(binding, [&](const LoadedBundle& bundle, State&, BoundState& row, std::uint64_t) -> LoaderResult<Unit> {
    if (auto known = check_fact_name(bundle.manifest, name); !known) return known;
    row.facts.erase(name);
    return Unit{};
  });
}

LoaderResult<Unit> learn(const std::string& binding, const std::string& name, const std::vector<std::string>& addresses, std::uint64_t ttl_ms) {
  return change_binding(binding, [&](const LoadedBundle& bundle, State& state, BoundState& row, std::uint64_t now_ns) -> LoaderResult<Unit> {
    auto host = host_name(state, name);
    if (!host) return host.error();
    auto meant = addresses_of(state, addresses);
    if (!meant) return meant.error();
    for (const IpAddr& address : *meant) {
      if (std::string why = why_protected(bundle, address); !why.empty()) {
        return with_help(fail(Code::K7607, state.name, fmt::format("takes no name for {}, which {}", to_text(address), why)),
                         "store an endpoint with this address among the entities, if names may lead there");
      }
      NamedAddress& named = row.names[to_text(address)];
      named.hosts.insert_or_assign(*host, deadline(now_ns, ttl_ms));
      named.id = next_id(state);
    }
    const std::size_t count = count_names(state);
    if (count > KERF_MAX_NAMED) return fail(Code::K7607, state.name, fmt::format("knows names for {} addresses, and {} are all there can be", count, KERF_MAX_NAMED));
    return Unit{};
  });
}

LoaderResult<Unit> forget(const std::string& binding, const std::string& name, const std::vector<std::string>& addresses) {
  return change_binding(binding, [&](const LoadedBundle&, State& state, BoundState& row, std::uint64_t now_ns) -> LoaderResult<Unit> {
    auto host = host_name(state, name);
    if (!host) return host.error();
    auto meant = addresses_of(state, addresses);
    if (!meant) return meant.error();
    std::set<std::string> texts;
    for (const IpAddr& address : *meant) texts.insert(to_text(address));
    for (auto& [address, named] : row.names) {
      if (!texts.empty() && !texts.contains(address)) continue;
      if (named.hosts.erase(*host) != 0) named.id = next_id(state);
    }
    drop_expired(row.names, now_ns);
    return Unit{};
  });
}

LoaderResult<std::string> set_mode(const std::string& binding, const std::string& mode) {
  std::string before;
  auto done = change_binding(binding, [&](const LoadedBundle&, State&, BoundState& bound, std::uint64_t) -> LoaderResult<Unit> {
    if (auto known = read_mode(mode); !known) return known.error();
    const std::string& made_for = bound.filter_mode;
    if (!made_for.empty() && mode != made_for && mode != "quarantine") {
      return fail(Code::K7417, bound.principal, fmt::format("its filter of system calls was made for `{}`", made_for));
    }
    before = std::exchange(bound.mode, mode);
    return Unit{};
  });
  if (!done) return done.error();
  return before;
}

LoaderResult<std::vector<std::string>> gc() {
  std::vector<std::string> removed;
  auto host = find_host();
  if (!host) return host.error();
  bool kept = has_directory(host->states);
  if (!kept && all_names(*host).empty()) return removed;
  if (auto done = check_privileges(); !done) return done.error();
  if (!kept) return check_unwritten(*host, all_names(*host).front()).error();
  auto all = lock_all(*host);
  if (!all) return all.error();
  std::optional<Failure> first;
  for (const std::string& name : all_names(*host)) {
    auto gone = collect(*host, name);
    if (gone) removed.insert(removed.end(), gone->begin(), gone->end());
    if (!gone && !first) first = gone.error();   // the others are collected all the same
  }
  if (!first) return removed;
  return removed.empty() ? *first : with_help(*first, fmt::format("removed: {}", fmt::join(removed, ", ")));
}

}  // namespace kerf::loader
