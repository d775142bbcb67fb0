// What can be done to bindings from outside: look, publish facts, collect the dead. The one decision: the state file is
// written before the kernel's record, and put back if the kernel refuses; the next change starts from what it says.
#include <fmt/format.h>

#include <algorithm>

#include "runtime/loader/cgroup.h"
#include "runtime/loader/failure.h"
#include "runtime/loader/files.h"
#include "runtime/loader/kernel.h"
#include "runtime/loader/record.h"
#include "runtime/loader/state.h"

namespace kerf::loader {
namespace {

bool has_state(const Host& host, const std::string& name) {
  return read_file(state_directory(host, name) + "/state.json", 1u << 20).ok();
}

LoaderResult<std::string> choose(const Host& host, const std::string& wanted) {
  std::vector<std::string> names = all_names(host);
  std::erase_if(names, [&](const std::string& name) { return !has_state(host, name); });
  if (!wanted.empty()) {
    if (std::find(names.begin(), names.end(), wanted) != names.end()) return wanted;
    Failure failure = fail(Code::K7602, escape_bytes(wanted));
    if (names.empty()) return with_help(failure, "nothing is bound on this machine");
    return with_help(failure, fmt::format("bindings: {}", fmt::join(names, ", ")));
  }
  if (names.size() == 1) return names.front();
  Failure failure = fail(Code::K7601, names.size());
  if (names.empty()) return with_help(failure, "nothing is bound on this machine");
  return with_help(failure, fmt::format("bindings: {}", fmt::join(names, ", ")));
}

void drop_expired(Facts& facts, std::uint64_t now_ns) {
  std::erase_if(facts, [&](const auto& entry) { return entry.second.until_ns <= now_ns; });
}

// One change of the facts of a binding: under its lock, from the bundle it was bound with.
template <class Change>
LoaderResult<Unit> change_facts(const std::string& binding, Change change) {
  if (auto done = check_privileges(); !done) return done;
  auto host = find_host();
  if (!host) return host.error();
  auto name = choose(*host, binding);
  if (!name) return name.error();
  auto held = lock(*host, *name, LockKind::facts, true);
  if (!held) return held.error();
  auto state = read_state(*host, *name);
  if (!state) return state.error();
  auto bundle = read_bundle_data(bundle_copy(*host, *name));
  if (!bundle) return bundle.error();
  if (bundle->manifest.digest != state->bundle_digest) return fail(Code::K7603, fmt::format("the bundle copy of {} is another one", *name));
  auto principal = find_principal(*bundle, state->principal);
  if (!principal) return principal.error();
  State before = *state;
  std::uint64_t now_ns = boot_time_ns();
  drop_expired(state->facts, now_ns);
  if (auto done = change(bundle->manifest, state->facts, now_ns); !done) return done;
  auto record = build_record(*bundle, {*principal, state->facts, kGeneration, KERF_MODE_ENFORCE, now_ns});
  if (!record) return record.error();
  auto maps = open_pinned(host->pins + "/" + *name);
  if (!maps) return maps.error();
  if (auto done = write_state(*host, *state); !done) return done;
  auto done = set_record(*maps, *record, true);
  if (!done) {
    if (auto restored = write_state(*host, before); !restored) return restored;
  }
  return done;
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
  auto maps = open_pinned(host.pins + "/" + status.name);
  if (!maps) return;
  kerf_counters counters = read_counters(*maps);
  status.decisions = counters.decisions;
  status.denials = counters.denials;
  status.events_lost = counters.events_lost;
  status.guards = counters.guards;
  auto bundle = read_bundle_data(bundle_copy(host, status.name));
  if (!bundle) return;
  const auto& policies = bundle->manifest.policies;
  std::vector<kerf_hit> hits = read_hits(*maps, policies.size());
  for (std::size_t i = 0; i < hits.size(); ++i) status.hits.push_back({policies[i].id, hits[i].hits, hits[i].last_ns});
}

BindingStatus status_of(const Host& host, const std::string& name) {
  BindingStatus status;
  status.name = name;
  status.cgroup = host.cgroups + "/" + name;
  status.alive = cgroup_populated(status.cgroup);
  auto state = read_state(host, name);
  if (!state) {
    status.mode = "unknown";   // starting, ending, or damaged
    return status;
  }
  status.bundle_dir = state->bundle_dir;
  status.bundle_digest = state->bundle_digest;
  status.principal = state->principal;
  status.mode = state->mode;
  status.programs = state->programs;
  status.degraded = state->degraded;
  status.facts = facts_in_force(state->facts);
  add_counters(host, status);
  return status;
}

// True: it was dead and is removed.
LoaderResult<bool> collect(const Host& host, const std::string& name) {
  if (cgroup_populated(host.cgroups + "/" + name)) return false;
  std::optional<Fd> life;
  if (has_directory(state_directory(host, name))) {
    auto held = lock(host, name, LockKind::life, false);
    if (!held && !has_directory(state_directory(host, name))) return false;   // its kerf run has just removed it
    if (!held) return held.error();
    if (!*held) return false;   // its kerf run is at work
    life = std::move(*held);
  }
  if (auto done = remove_binding(host, name); !done) return done.error();
  return true;
}

}  // namespace

LoaderResult<std::vector<BindingStatus>> status() {
  auto host = find_host();
  if (!host) return host.error();
  std::vector<BindingStatus> all;
  for (const std::string& name : all_names(*host)) all.push_back(status_of(*host, name));
  return all;
}

LoaderResult<Unit> set_fact(const std::string& binding, const std::string& name, const std::string& value, std::uint64_t ttl_ms) {
  return change_facts(binding, [&](const Manifest& manifest, Facts& facts, std::uint64_t now_ns) -> LoaderResult<Unit> {
    auto parsed = parse_fact(manifest, name, value);
    if (!parsed) return parsed.error();
    constexpr std::uint64_t kNsPerMs = 1'000'000;
    bool forever = ttl_ms == 0 || ttl_ms > (kNoDeadline - now_ns) / kNsPerMs - 1;
    facts.insert_or_assign(name, Fact{std::move(*parsed), forever ? kNoDeadline : now_ns + ttl_ms * kNsPerMs});
    return Unit{};
  });
}

LoaderResult<Unit> clear_fact(const std::string& binding, const std::string& name) {
  return change_facts(binding, [&](const Manifest& manifest, Facts& facts, std::uint64_t) -> LoaderResult<Unit> {
    if (auto known = check_fact_name(manifest, name); !known) return known;
    facts.erase(name);
    return Unit{};
  });
}

LoaderResult<std::vector<std::string>> gc() {
  std::vector<std::string> removed;
  auto host = find_host();
  if (!host) return host.error();
  if (!has_directory(host->states)) return removed;
  auto all = lock_all(*host);
  if (!all) return all.error();
  std::optional<Failure> first;
  for (const std::string& name : all_names(*host)) {
    auto gone = collect(*host, name);
    if (gone && *gone) removed.push_back(name);
    if (!gone && !first) first = gone.error();   // the others are collected all the same
  }
  if (!first) return removed;
  return removed.empty() ? *first : with_help(*first, fmt::format("removed: {}", fmt::join(removed, ", ")));
}

}  // namespace kerf::loader
