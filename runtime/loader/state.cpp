// Loaded bundles on disk and in memory. The one decision: a loaded bundle is known by its name alone; every path of ours
// that is used or removed is made from the name again, never taken from the file.
#include "runtime/loader/state.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <set>

#include "ir/values/extension.h"
#include "ir/values/host_name.h"
#include "runtime/loader/cgroup.h"
#include "runtime/loader/failure.h"
#include "runtime/loader/files.h"
#include "runtime/loader/kernel.h"

namespace kerf::loader {
namespace {

constexpr std::uint64_t kMaxStateBytes = 1u << 20;
constexpr std::size_t kNameBytes = 5;
constexpr std::size_t kMaxNameSize = 40;
constexpr int kStateVersion = 4;

Json facts_to_json(const Facts& facts) {
  Json json = Json::object();
  for (const auto& [name, fact] : facts) {
    json[name] = {{"value", value_to_json(fact.value)}, {"until_ns", std::to_string(fact.until_ns)}};
  }
  return json;
}

std::optional<std::uint64_t> number(const Json& json) {
  if (!json.is_string()) return std::nullopt;
  const auto& text = json.get_ref<const std::string&>();
  if (text.empty() || text.size() > 20 || text.find_first_not_of("0123456789") != std::string::npos) return std::nullopt;
  errno = 0;
  std::uint64_t value = std::strtoull(text.c_str(), nullptr, 10);
  return errno == 0 ? std::optional(value) : std::nullopt;
}

std::optional<Facts> facts_from_json(const Json& json) {
  Facts facts;
  if (!json.is_object()) return std::nullopt;
  for (const auto& [name, row] : json.items()) {
    if (!row.is_object() || !row.contains("value") || !row.contains("until_ns")) return std::nullopt;
    auto value = value_from_json(row["value"]);
    auto until = number(row["until_ns"]);
    if (!value || !until) return std::nullopt;
    facts.emplace(name, Fact{std::move(*value), *until});
  }
  return facts;
}

std::optional<std::uint32_t> number32(const Json& json) {
  if (!json.is_number_integer() || json.get<std::int64_t>() < 0 || json.get<std::int64_t>() > 0xffffffff) return std::nullopt;
  return json.get<std::uint32_t>();
}

Json names_to_json(const Names& names) {
  Json json = Json::object();
  for (const auto& [address, named] : names) {
    Json hosts = Json::object();
    for (const auto& [host, until_ns] : named.hosts) hosts[host] = std::to_string(until_ns);
    json[address] = {{"id", named.id}, {"hosts", std::move(hosts)}};
  }
  return json;
}

std::optional<Names> named_from_json(const Json& json) {
  Names names;
  if (!json.is_object()) return std::nullopt;
  for (const auto& [address, row] : json.items()) {
    const bool whole = row.is_object() && row.contains("id") && row.contains("hosts") && row["hosts"].is_object();
    auto id = whole ? number32(row["id"]) : std::nullopt;
    if (!id || !parse_ip(address)) return std::nullopt;
    NamedAddress& named = names[address];
    named.id = *id;
    for (const auto& [host, until] : row["hosts"].items()) {
      auto until_ns = number(until);
      if (!until_ns || !is_canonical_host(host)) return std::nullopt;
      named.hosts.emplace(host, *until_ns);
    }
  }
  return names;
}

std::optional<std::vector<std::string>> names_from_json(const Json& json) {
  std::vector<std::string> names;
  if (!json.is_array()) return std::nullopt;
  for (const Json& name : json) {
    if (!name.is_string()) return std::nullopt;
    names.push_back(name.get<std::string>());
  }
  return names;
}

Json binding_to_json(const BoundState& b) {
  return {{"id", b.id}, {"principal", b.principal}, {"cgroup", escape_bytes(b.cgroup)}, {"cgroup_id", std::to_string(b.cgroup_id)},
          {"own_cgroup", b.own_cgroup}, {"ready", b.ready}, {"mode", b.mode}, {"filter_mode", b.filter_mode}, {"anchors", b.anchors}, {"facts", facts_to_json(b.facts)},
          {"names", names_to_json(b.names)}};
}

std::optional<BoundState> binding_from_json(const Json& json) {
  if (!json.is_object()) return std::nullopt;
  BoundState b;
  for (auto [key, field] : {std::pair{"principal", &BoundState::principal}, {"cgroup", &BoundState::cgroup}, {"mode", &BoundState::mode}, {"filter_mode", &BoundState::filter_mode}}) {
    Json value = json.value(key, Json());
    if (!value.is_string()) return std::nullopt;
    b.*field = value.get<std::string>();
  }
  for (auto [key, field] : {std::pair{"own_cgroup", &BoundState::own_cgroup}, {"ready", &BoundState::ready}}) {
    Json value = json.value(key, Json());
    if (!value.is_boolean()) return std::nullopt;
    b.*field = value.get<bool>();
  }
  auto id = number32(json.value("id", Json()));
  auto cgroup_id = number(json.value("cgroup_id", Json()));
  auto facts = facts_from_json(json.value("facts", Json()));
  auto anchors = names_from_json(json.value("anchors", Json()));
  auto names = named_from_json(json.value("names", Json()));
  if (!id || *id == 0 || !cgroup_id || !facts || !anchors || !names) return std::nullopt;
  b.names = std::move(*names);
  b.id = *id;
  b.cgroup_id = *cgroup_id;
  b.facts = std::move(*facts);
  b.anchors = std::move(*anchors);
  return b;
}

std::optional<std::vector<BoundState>> bindings_from_json(const Json& json) {
  std::vector<BoundState> list;
  if (!json.is_array()) return std::nullopt;
  for (const Json& row : json) {
    auto binding = binding_from_json(row);
    if (!binding) return std::nullopt;
    list.push_back(std::move(*binding));
  }
  return list;
}

Failure damaged(const std::string& name, const std::string& what) {
  return fail(Code::K7603, fmt::format("state.json of {}: {}", name, what));
}

// Written by a kerf with another state or other maps? Then nothing else of it may be taken for what it is here.
std::optional<Failure> foreign(const Json& json, const std::string& name) {
  for (auto [key, what, ours] : {std::tuple{"version", "version", kStateVersion}, {"abi", "ABI", KERF_ABI_VERSION}}) {
    Json theirs = json.value(key, Json());
    if (!theirs.is_number_integer()) return damaged(name, fmt::format("`{}` is no number", key));
    if (theirs != ours) return fail(Code::K7608, name, fmt::format("{} {}", what, theirs.dump()), fmt::format("{} {}", what, ours));
  }
  return std::nullopt;
}

constexpr std::string_view kBundleCopy = "bundle-", kPins = "generation";

// Entries of a directory that are `prefix` and a number.
std::vector<std::string> numbered(const std::string& directory, std::string_view prefix) {
  std::vector<std::string> names;
  std::error_code error;
  for (std::filesystem::directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
    std::string name = it->path().filename().string();
    bool ours = name.starts_with(prefix) && name.size() > prefix.size() && name.find_first_not_of("0123456789", prefix.size()) == std::string::npos;
    if (ours) names.push_back(std::move(name));
  }
  return names;
}

void add_names(const std::string& directory, std::set<std::string>& names) {
  std::error_code error;
  for (std::filesystem::directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
    std::string name = it->path().filename().string();
    if (valid_name(name)) names.insert(name);
  }
}

LoaderResult<std::optional<Fd>> lock_file(const std::string& path, bool wait) {
  Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd.ok()) return fail(Code::K7407, fmt::format("cannot open `{}`: {}", path, errno_text(errno)));
  int result;
  do result = ::flock(fd.get(), LOCK_EX | (wait ? 0 : LOCK_NB));
  while (result != 0 && errno == EINTR);
  if (result == 0) return std::optional<Fd>(std::move(fd));
  if (errno == EWOULDBLOCK) return std::optional<Fd>();
  return fail(Code::K7407, fmt::format("cannot lock `{}`: {}", path, errno_text(errno)));
}

}  // namespace

std::string new_name() {
  unsigned char bytes[kNameBytes];
  check(::getrandom(bytes, sizeof bytes, 0) == static_cast<ssize_t>(sizeof bytes), "random bytes can be had");
  std::string name = "r";
  for (unsigned char byte : bytes) name += fmt::format("{:02x}", byte);
  return name;
}

bool valid_name(const std::string& name) {
  constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyz0123456789";
  return !name.empty() && name.size() <= kMaxNameSize && letters.find(name[0]) != std::string_view::npos &&
         name.find_first_not_of(std::string(letters) + "-_") == std::string::npos;
}

BoundState* State::find(std::uint32_t id) {
  auto it = std::find_if(bindings.begin(), bindings.end(), [&](const BoundState& b) { return b.id == id; });
  return it == bindings.end() ? nullptr : &*it;
}

std::uint32_t State::take_id() {
  auto has_slot = [&](const BoundState& b) { return KERF_BINDING_SLOT(b.id) == KERF_BINDING_SLOT(next_binding); };
  while (std::any_of(bindings.begin(), bindings.end(), has_slot)) ++next_binding;
  return next_binding++;
}

std::string state_directory(const Host& host, const std::string& name) { return host.states + "/" + name; }
std::string bundle_copy(const Host& host, const std::string& name, std::uint64_t generation) {
  return fmt::format("{}/{}{}", state_directory(host, name), kBundleCopy, generation);
}
std::string pin_directory(const Host& host, const std::string& name, std::uint64_t generation) {
  return fmt::format("{}/{}/{}{}", host.pins, name, kPins, generation);
}
std::string own_cgroup(const Host& host, const std::string& name) { return host.cgroups + "/" + name; }
std::string probe_cgroup(const Host& host, const std::string& name) { return host.cgroups + "/.probe-" + name; }

Json state_to_json(const State& state) {
  Json bindings = Json::array();
  for (const BoundState& binding : state.bindings) bindings.push_back(binding_to_json(binding));
  return {{"format", "kerf-loaded"}, {"version", kStateVersion}, {"abi", KERF_ABI_VERSION}, {"name", state.name}, {"bundle_dir", escape_bytes(state.bundle_dir)},
          {"bundle_digest", state.bundle_digest}, {"boot", state.boot}, {"run", state.run}, {"log_allows", state.log_allows}, {"count_hits", state.count_hits},
          {"generation", std::to_string(state.generation)}, {"next_binding", state.next_binding}, {"next_names", state.next_names}, {"programs", state.programs},
          {"enforced", state.enforced}, {"degraded", state.degraded}, {"waived", state.waived}, {"bindings", std::move(bindings)}};
}

LoaderResult<State> state_from_json(const Json& json, const std::string& name) {
  if (!json.is_object() || json.value("format", Json()) != "kerf-loaded") return damaged(name, "it is no state of kerf's");
  if (auto other = foreign(json, name)) return *other;
  State state;
  for (auto [key, field] : {std::pair{"name", &State::name}, {"bundle_dir", &State::bundle_dir}, {"bundle_digest", &State::bundle_digest},
                            {"boot", &State::boot}}) {
    Json value = json.value(key, Json());
    if (!value.is_string()) return damaged(name, fmt::format("`{}` is no text", key));
    state.*field = value.get<std::string>();
  }
  if (state.name != name) return damaged(name, "it belongs to another bundle");
  for (auto [key, field] : {std::pair{"run", &State::run}, {"log_allows", &State::log_allows}, {"count_hits", &State::count_hits}}) {
    Json value = json.value(key, Json());
    if (!value.is_boolean()) return damaged(name, fmt::format("`{}` is neither true nor false", key));
    state.*field = value.get<bool>();
  }
  for (auto [key, field] : {std::pair{"programs", &State::programs}, {"enforced", &State::enforced}, {"degraded", &State::degraded},
                            {"waived", &State::waived}}) {
    auto names = names_from_json(json.value(key, Json()));
    if (!names) return damaged(name, fmt::format("`{}` is no list of names", key));
    state.*field = std::move(*names);
  }
  auto generation = number(json.value("generation", Json()));
  auto next = number32(json.value("next_binding", Json()));
  auto next_names = number32(json.value("next_names", Json()));
  auto bindings = bindings_from_json(json.value("bindings", Json()));
  if (!generation || *generation == 0 || !next || *next == 0 || !next_names || *next_names == 0 || !bindings) return damaged(name, "a field has the wrong form");
  state.generation = *generation;
  state.next_binding = *next;
  state.next_names = *next_names;
  state.bindings = std::move(*bindings);
  return state;
}

LoaderResult<Unit> write_state(const Host& host, const State& state) {
  std::string text = state_to_json(state).dump(2) + "\n";
  // what could not be read back would leave bindings that nobody can change
  if (text.size() > kMaxStateBytes) return fail(Code::K7407, fmt::format("the state of {} is larger than {} bytes: too many or too long facts and names", state.name, kMaxStateBytes));
  auto done = replace_file(state_directory(host, state.name) + "/state.json", text);
  if (!done) return fail(Code::K7407, done.error().message);
  return Unit{};
}

namespace {

LoaderResult<Json> read_state_json(const Host& host, const std::string& name) {
  auto text = read_file(state_directory(host, name) + "/state.json", kMaxStateBytes);
  if (!text) return damaged(name, text.error().message);
  auto json = parse_json(*text);
  if (!json) return damaged(name, json.error().message);
  return std::move(*json);
}

}  // namespace

LoaderResult<State> read_state(const Host& host, const std::string& name) {
  auto json = read_state_json(host, name);
  if (!json) return json.error();
  return state_from_json(*json, name);
}

bool is_foreign(const Failure& failure) { return failure.code == catalogue_row(Code::K7608).name; }

LoaderResult<std::vector<BoundState>> foreign_bindings(const Host& host, const std::string& name) {
  auto json = read_state_json(host, name);
  if (!json) return json.error();
  std::vector<BoundState> bindings;
  Json rows = json->value("bindings", Json());
  bool whole = rows.is_array();
  for (const Json& row : whole ? rows : Json::array()) {
    auto id = number32(row.is_object() ? row.value("id", Json()) : Json());
    auto cgroup_id = number(row.is_object() ? row.value("cgroup_id", Json()) : Json());
    Json cgroup = row.is_object() ? row.value("cgroup", Json()) : Json();
    whole = whole && id && cgroup_id && cgroup.is_string();
    if (!whole) break;
    BoundState binding;
    binding.id = *id;
    binding.cgroup = cgroup.get<std::string>();
    binding.cgroup_id = *cgroup_id;
    bindings.push_back(std::move(binding));
  }
  if (whole) return bindings;
  return with_help(state_from_json(*json, name).error(), "what it has bound cannot be read, so nothing else can be bound beside it");
}

std::vector<std::string> all_names(const Host& host) {
  std::set<std::string> names;
  add_names(host.states, names);
  if (!host.pins.empty()) add_names(host.pins, names);
  add_names(host.cgroups, names);
  return {names.begin(), names.end()};
}

LoaderResult<std::optional<Fd>> lock(const Host& host, const std::string& name, LockKind kind, bool wait) {
  return lock_file(state_directory(host, name) + (kind == LockKind::life ? "/life.lock" : "/change.lock"), wait);
}

LoaderResult<Fd> lock_all(const Host& host) {
  auto locked = lock_file(host.states + "/all.lock", true);
  if (!locked) return locked.error();
  check(locked->has_value(), "a lock that was waited for is held");
  return std::move(**locked);
}

LoaderResult<Unit> remove_loaded(const Host& host, const std::string& name) {
  check(valid_name(name), "only what kerf loaded is removed");
  if (auto done = remove_cgroup(own_cgroup(host, name)); !done) return done;   // fails while a task is inside: then the pins stay
  if (auto done = remove_cgroup(probe_cgroup(host, name)); !done) return done;
  if (!host.pins.empty()) {
    std::string pins = host.pins + "/" + name;
    for (const std::string& generation : numbered(pins, kPins)) {
      if (auto done = unpin(pins + "/" + generation); !done) return done;
    }
    if (::rmdir(pins.c_str()) != 0 && errno != ENOENT) return fail(Code::K7407, fmt::format("cannot remove `{}`: {}", pins, errno_text(errno)));
  }
  if (auto done = remove_tree(state_directory(host, name)); !done) return fail(Code::K7407, done.error().message);
  return Unit{};
}

LoaderResult<Unit> remove_other_generations(const Host& host, const std::string& name, std::uint64_t keep) {
  std::string pins = host.pins + "/" + name, states = state_directory(host, name);
  for (const std::string& generation : numbered(pins, kPins)) {
    if (generation == fmt::format("{}{}", kPins, keep)) continue;
    if (auto done = unpin(pins + "/" + generation); !done) return done;
  }
  for (const std::string& copy : numbered(states, kBundleCopy)) {
    if (copy == fmt::format("{}{}", kBundleCopy, keep)) continue;
    if (auto done = remove_tree(states + "/" + copy); !done) return fail(Code::K7407, done.error().message);
  }
  return Unit{};
}

}  // namespace kerf::loader
