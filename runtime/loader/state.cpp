// Bindings on disk and in memory. The one decision: a binding is known by its name alone; every path that is used or
// removed is made from the name again, never taken from the file.
#include "runtime/loader/state.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>

#include <cerrno>
#include <filesystem>
#include <set>

#include "runtime/loader/cgroup.h"
#include "runtime/loader/failure.h"
#include "runtime/loader/files.h"
#include "runtime/loader/kernel.h"

namespace kerf::loader {
namespace {

constexpr std::uint64_t kMaxStateBytes = 1u << 20;
constexpr std::size_t kNameBytes = 5;

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

std::optional<std::vector<std::string>> names_from_json(const Json& json) {
  std::vector<std::string> names;
  if (!json.is_array()) return std::nullopt;
  for (const Json& name : json) {
    if (!name.is_string()) return std::nullopt;
    names.push_back(name.get<std::string>());
  }
  return names;
}

Failure damaged(const std::string& name, const std::string& what) {
  return fail(Code::K7603, fmt::format("state.json of {}: {}", name, what));
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
  return name.size() == 1 + 2 * kNameBytes && name[0] == 'r' && name.find_first_not_of("0123456789abcdef", 1) == std::string::npos;
}

std::string state_directory(const Host& host, const std::string& name) { return host.states + "/" + name; }
std::string bundle_copy(const Host& host, const std::string& name) { return state_directory(host, name) + "/bundle"; }

Json state_to_json(const State& state) {
  return {{"format", "kerf-binding"}, {"version", 1}, {"name", state.name}, {"bundle_dir", escape_bytes(state.bundle_dir)},
          {"bundle_digest", state.bundle_digest}, {"principal", state.principal}, {"cgroup", state.cgroup},
          {"cgroup_id", std::to_string(state.cgroup_id)}, {"pins", state.pins}, {"mode", state.mode}, {"boot", state.boot},
          {"programs", state.programs}, {"degraded", state.degraded}, {"facts", facts_to_json(state.facts)}};
}

LoaderResult<State> state_from_json(const Json& json, const std::string& name) {
  if (!json.is_object() || json.value("format", Json()) != "kerf-binding" || json.value("version", Json()) != 1) {
    return damaged(name, "it is no state of this version");
  }
  State state;
  for (auto [key, field] : {std::pair{"name", &State::name}, {"bundle_dir", &State::bundle_dir}, {"bundle_digest", &State::bundle_digest},
                            {"principal", &State::principal}, {"cgroup", &State::cgroup}, {"pins", &State::pins},
                            {"mode", &State::mode}, {"boot", &State::boot}}) {
    Json value = json.value(key, Json());
    if (!value.is_string()) return damaged(name, fmt::format("`{}` is no text", key));
    state.*field = value.get<std::string>();
  }
  if (state.name != name) return damaged(name, "it belongs to another binding");
  auto cgroup_id = number(json.value("cgroup_id", Json()));
  auto facts = facts_from_json(json.value("facts", Json()));
  auto programs = names_from_json(json.value("programs", Json()));
  auto degraded = names_from_json(json.value("degraded", Json()));
  if (!cgroup_id || !facts || !programs || !degraded) return damaged(name, "a field has the wrong form");
  state.cgroup_id = *cgroup_id;
  state.facts = std::move(*facts);
  state.programs = std::move(*programs);
  state.degraded = std::move(*degraded);
  return state;
}

LoaderResult<Unit> write_state(const Host& host, const State& state) {
  std::string text = state_to_json(state).dump(2) + "\n";
  // what could not be read back would leave a binding whose facts nobody can withdraw
  if (text.size() > kMaxStateBytes) return fail(Code::K7407, fmt::format("the state of {} is larger than {} bytes: too many or too long facts", state.name, kMaxStateBytes));
  auto done = replace_file(state_directory(host, state.name) + "/state.json", text);
  if (!done) return fail(Code::K7407, done.error().message);
  return Unit{};
}

LoaderResult<State> read_state(const Host& host, const std::string& name) {
  auto text = read_file(state_directory(host, name) + "/state.json", kMaxStateBytes);
  if (!text) return damaged(name, text.error().message);
  auto json = parse_json(*text);
  if (!json) return damaged(name, json.error().message);
  return state_from_json(*json, name);
}

std::vector<std::string> all_names(const Host& host) {
  std::set<std::string> names;
  add_names(host.states, names);
  if (!host.pins.empty()) add_names(host.pins, names);
  add_names(host.cgroups, names);
  return {names.begin(), names.end()};
}

LoaderResult<std::optional<Fd>> lock(const Host& host, const std::string& name, LockKind kind, bool wait) {
  return lock_file(state_directory(host, name) + (kind == LockKind::life ? "/life.lock" : "/facts.lock"), wait);
}

LoaderResult<Fd> lock_all(const Host& host) {
  auto locked = lock_file(host.states + "/all.lock", true);
  if (!locked) return locked.error();
  check(locked->has_value(), "a lock that was waited for is held");
  return std::move(**locked);
}

LoaderResult<Unit> remove_binding(const Host& host, const std::string& name) {
  check(valid_name(name), "only bindings are removed");
  std::string cgroup = host.cgroups + "/" + name;
  if (auto done = remove_cgroup(cgroup); !done) return done;   // fails while a task is inside: then the pins stay
  if (!host.pins.empty()) {
    if (auto done = unpin(host.pins + "/" + name); !done) return done;
  }
  if (auto done = remove_tree(state_directory(host, name)); !done) return fail(Code::K7407, done.error().message);
  return Unit{};
}

}  // namespace kerf::loader
