// Names as users write them -> the loaded bundle, its state and a binding of it. The one decision: what changes a loaded
// bundle starts from what state.json says, under the lock, never from what an earlier step remembers.
#include "runtime/loader/instance.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "runtime/loader/cgroup.h"
#include "runtime/loader/failure.h"
#include "runtime/loader/files.h"
#include "runtime/loader/mountinfo.h"

namespace kerf::loader {
namespace {

constexpr std::string_view kModes[] = {"enforce", "audit", "quarantine"};   // enum kerf_mode
static_assert(KERF_MODE_ENFORCE == 0 && KERF_MODE_AUDIT == 1 && KERF_MODE_QUARANTINE == 2);

bool has_state(const Host& host, const std::string& name) {
  return read_file(state_directory(host, name) + "/state.json", 1u << 20).ok();
}

Failure with_names(Failure failure, const std::vector<std::string>& names) {
  if (names.empty()) return with_help(failure, "nothing is bound on this machine");
  return with_help(failure, fmt::format("bindings: {}", fmt::join(names, ", ")));
}

}  // namespace

std::string mode_text(std::uint32_t mode) {
  return mode < std::size(kModes) ? std::string(kModes[mode]) : fmt::format("unknown-{}", mode);
}

LoaderResult<std::uint32_t> read_mode(const std::string& name) {
  auto it = std::find(std::begin(kModes), std::end(kModes), name);
  if (it == std::end(kModes)) return fail(Code::K7416, escape_bytes(name));
  return static_cast<std::uint32_t>(it - std::begin(kModes));
}

LoaderResult<Facts> read_facts(const Manifest& manifest, const std::vector<std::pair<std::string, std::string>>& texts) {
  Facts facts;
  for (const auto& [name, text] : texts) {
    auto value = parse_fact(manifest, name, text);
    if (!value) return value.error();
    facts.insert_or_assign(name, Fact{std::move(*value), kNoDeadline});
  }
  return facts;
}

LoaderResult<std::vector<std::pair<std::string, BoundState>>> all_bindings(const Host& host) {
  std::vector<std::pair<std::string, BoundState>> list;
  for (const std::string& name : all_names(host)) {
    auto state = read_state(host, name);
    std::vector<BoundState> bindings = state ? state->bindings : std::vector<BoundState>();
    if (!state && is_foreign(state.error())) {
      auto theirs = foreign_bindings(host, name);
      if (!theirs) return theirs.error();
      bindings = std::move(*theirs);
    }
    for (const BoundState& binding : bindings) list.emplace_back(fmt::format("{}/{}", name, binding.id), binding);
  }
  return list;
}

LoaderResult<Unit> check_not_bound(const Host& host, Step step) {
  auto text = read_file("/proc/self/cgroup", 1u << 16);
  std::string name = text ? binding_of_cgroup(*text) : std::string();
  if (!name.empty()) return fail(Code::K7412, name);
  auto ours = cgroup_of("self", cgroup_mount(host));
  if (!ours) return Unit{};
  auto all = all_bindings(host);
  if (!all) return step == Step::ends ? LoaderResult<Unit>(Unit{}) : all.error();
  for (const auto& [binding, bound] : *all) {
    if (is_at_or_below(*ours, bound.cgroup)) return fail(Code::K7412, binding);
  }
  return Unit{};
}

LoaderResult<Choice> choose(const Host& host, const std::string& wanted) {
  std::vector<std::string> names = all_names(host);
  std::erase_if(names, [&](const std::string& name) { return !has_state(host, name); });
  Choice choice{wanted.substr(0, wanted.find('/')), 0};
  bool numbered = choice.name.size() != wanted.size();
  if (numbered) {
    const char *begin = wanted.data() + choice.name.size() + 1, *end = wanted.data() + wanted.size();
    auto [at, error] = std::from_chars(begin, end, choice.id);
    if (error != std::errc() || at != end || choice.id == 0) return with_names(fail(Code::K7602, escape_bytes(wanted)), names);
  }
  if (!wanted.empty()) {
    if (std::find(names.begin(), names.end(), choice.name) != names.end()) return choice;
    return with_names(fail(Code::K7602, escape_bytes(wanted)), names);
  }
  if (names.size() == 1) return Choice{names.front(), 0};
  return with_names(fail(Code::K7601, names.size()), names);
}

LoaderResult<BoundState*> pick(State& state, const Choice& choice) {
  std::vector<std::string> names;
  for (const BoundState& binding : state.bindings) names.push_back(fmt::format("{}/{}", state.name, binding.id));
  if (choice.id != 0) {
    if (BoundState* binding = state.find(choice.id)) return binding;
    return with_names(fail(Code::K7602, fmt::format("{}/{}", choice.name, choice.id)), names);
  }
  if (state.bindings.size() == 1) return &state.bindings.front();
  return with_names(fail(Code::K7601, state.bindings.size()), names);
}

LoaderResult<Held> hold(const Host& host, const std::string& name) {
  if (!has_directory(state_directory(host, name))) return with_names(fail(Code::K7602, escape_bytes(name)), all_names(host));
  auto held = lock(host, name, LockKind::change, true);
  if (!held) return held.error();
  check(held->has_value(), "a lock that was waited for is held");
  auto state = read_state(host, name);
  if (!state) return state.error();
  auto bundle = read_bundle_data(bundle_copy(host, name, state->generation));
  if (!bundle) return bundle.error();
  if (bundle->manifest.digest != state->bundle_digest) return fail(Code::K7603, fmt::format("the bundle copy of {} is another one", name));
  return Held{std::move(**held), std::move(*state), std::move(*bundle)};
}

}  // namespace kerf::loader
