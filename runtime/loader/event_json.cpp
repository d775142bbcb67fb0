// Event records -> JSON. Before: bytes from a ring that a program wrote. After: only numbers in range, known words and
// escaped names. The one decision: the kernel's list of policies is never presented as complete when it is not.
#include "runtime/loader/event_json.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <string.h>
#include <time.h>

#include <algorithm>
#include <cstring>

#include "ir/base/source.h"
#include "ir/values/extension.h"
#include "runtime/loader/features.h"
#include "runtime/loader/files.h"
#include "runtime/loader/record.h"

namespace kerf::loader {
namespace {

std::string reason_name(std::uint32_t reason) {
  switch (static_cast<kerf_reason>(reason)) {
    case KERF_REASON_PERMIT: return "permit";
    case KERF_REASON_FORBID: return "forbid";
    case KERF_REASON_NO_PERMIT: return "no-permit";
    case KERF_REASON_NO_APPLICABLE_ACTION: return "no-applicable-action";
    case KERF_REASON_NO_RECORD: return "no-record";
    case KERF_REASON_GUARD: return "guard";
    case KERF_REASON_QUARANTINE: return "quarantine";
    case KERF_REASON_INTERNAL: return "internal";
    case KERF_REASON_NO_ADDRESS: return "no-address";
    case KERF_REASON_NO_PATH: return "no-path";
    case KERF_REASON_TOO_LONG: return "too-long";
    case KERF_REASON_NOT_TEXT: return "not-text";
    case KERF_REASON_RACED: return "raced";
    case KERF_REASON_NAME_AMBIGUOUS: return "name-ambiguous";
    case KERF_REASON_NO_SLOT: return "no-slot";
  }
  return fmt::format("unknown-{}", reason);
}

std::string mode_name(std::uint32_t mode) {
  switch (static_cast<kerf_mode>(mode)) {
    case KERF_MODE_ENFORCE: return "enforce";
    case KERF_MODE_AUDIT: return "audit";
    case KERF_MODE_QUARANTINE: return "quarantine";
  }
  return fmt::format("unknown-{}", mode);
}

Json protocol_name(std::uint32_t protocol) {
  if (protocol == IPPROTO_TCP) return "tcp";
  if (protocol == IPPROTO_UDP) return "udp";
  return fmt::format("ip-{}", protocol);
}

Json errno_name(std::int32_t error) {
  if (error == 0) return nullptr;
  const char* name = ::strerrorname_np(error);
  return name != nullptr ? std::string(name) : fmt::format("errno-{}", error);
}

IpAddr event_address(const kerf_net_event& net) {
  IpAddr address;
  address.v6 = net.v6 != 0;
  address.prefix = address.v6 ? 128 : 32;
  for (int i = 0; i < 8 && address.v6; ++i) {
    address.bytes[i] = static_cast<std::uint8_t>(net.address_high >> (56 - 8 * i));
    address.bytes[8 + i] = static_cast<std::uint8_t>(net.address_low >> (56 - 8 * i));
  }
  for (int i = 0; i < 4 && !address.v6; ++i) address.bytes[i] = static_cast<std::uint8_t>(net.address_low >> (24 - 8 * i));
  return address;
}

std::string endpoint_text(const kerf_net_event& net) {
  std::string ip = to_text(event_address(net));
  return net.v6 != 0 ? fmt::format("[{}]:{}", ip, net.port) : fmt::format("{}:{}", ip, net.port);
}

constexpr std::uint32_t kPermissions = 07777, kSetuid = 04000;

bool is_file_event(const kerf_event_record& record) { return (KERF_FILE_EVENTS >> record.kind & 1) != 0; }
bool is_endpoint_event(const kerf_event_record& record) { return (KERF_ENDPOINT_EVENTS >> record.kind & 1) != 0; }
bool is_socket_event(const kerf_event_record& record) { return record.kind == KERF_EVENT_NET_SOCKET; }
bool is_system_event(const kerf_event_record& record) { return (KERF_SYSTEM_EVENTS >> record.kind & 1) != 0; }

// The guards that stand at no event: what such a record says of one means nothing.
bool is_plain_guard(const kerf_event_record& record) {
  bool guard = record.decision.reason == KERF_REASON_GUARD;
  return guard && record.guard != KERF_GUARD_NONE && record.guard != KERF_GUARD_RAW_SOCKET && record.guard != KERF_GUARD_PACKET_SOCKET &&
         record.guard != KERF_GUARD_RENAME;
}

std::string fs_type_text(const kerf_file_event& file) { return {file.fs_type, ::strnlen(file.fs_type, sizeof file.fs_type)}; }

// The numbers of seen.def.
struct SeenNumber {
  enum class Type { long_, boolean, datetime };
  std::string_view row;       // as the rows are called: process_uid
  std::uint64_t value;
  bool there;
  Type type;
  std::string name() const {
    std::string text(row);
    text[text.find('_')] = '.';
    return text;
  }
  std::optional<Value> observed() const {
    if (!there) return std::nullopt;
    switch (type) {
      case Type::long_: return Value(static_cast<std::int64_t>(value));
      case Type::boolean: return Value(value != 0);
      case Type::datetime: return value == 0 ? std::nullopt : std::optional(Value(Datetime{static_cast<std::int64_t>(value)}));   // 0: no action binds it
    }
    return std::nullopt;
  }
};

std::vector<SeenNumber> seen_numbers(const kerf_event_record& record) {
  const kerf_seen& seen = record.seen;
  const bool always = true, exists = seen.file.exists != 0, told = seen.task_told != 0;
  std::vector<SeenNumber> numbers;
#define KERF_SEEN(observable, field, bits, when, type, events) \
  if (((events) >> record.kind & 1) != 0) numbers.push_back({#observable, seen.field & (bits), when, SeenNumber::Type::type});
#include "runtime/abi/seen.def"
  return numbers;
}

std::optional<Value> seen_number(std::string_view observable, const kerf_event_record& record) {
  for (const SeenNumber& number : seen_numbers(record)) {
    if (number.name() == observable) return number.observed();
  }
  return std::nullopt;
}

// Whatever bytes a task calls itself by: what is no text is no String.
std::optional<Value> observed_comm(const kerf_event_record& record) {
  const std::string name(record.seen.comm, ::strnlen(record.seen.comm, sizeof record.seen.comm));
  const bool told = record.seen.task_told != 0 && record.kind != KERF_EVENT_NET_ACCEPT && find_invalid_utf8(name) == std::string::npos;
  return told ? std::optional(Value(name)) : std::nullopt;
}

// Only what a hook told, which is text.
std::optional<Value> observed_exe(const Event& event) {
  return event.exe.empty() || find_invalid_utf8(event.exe) != std::string::npos ? std::nullopt : std::optional(Value(event.exe));
}

// What no record carries is absent.
std::optional<Value> observed_value(const std::string& observable, const Event& event) {
  const kerf_seen& seen = event.record.seen;
  if (observable == "process.comm") return observed_comm(event.record);
  if (observable == "process.exe") return observed_exe(event);
  if (is_file_event(event.record)) {
    if (observable == "file.path" || observable == "directory.path") return Value(event.path);
    if (observable == "file.fs_type") return Value(fs_type_text(seen.file));
  }
  if (is_system_event(event.record)) {
    if (observable == "system.operation") return Value(event.path);
    if (observable == "mount.fs_type" && event.record.kind == KERF_EVENT_SYSTEM_MOUNT) return Value(fs_type_text(seen.file));
  }
  if (is_endpoint_event(event.record) && observable == "endpoint.ip") return Value(event_address(seen.net));
  return seen_number(observable, event.record);
}

std::string resource_id(const Event& event) {
  return is_endpoint_event(event.record) ? endpoint_text(event.record.seen.net) : event.path;
}

// By the names of the kernel model, as `kerf simulate` reads them; a directory's path is `file.path` too.
Json observed_json(const Event& event) {
  Json json = Json::object();
  auto put = [&](const std::string& name, const std::optional<Value>& value) {
    if (!value) return;
    if (const IpAddr* ip = value->as_ip()) json[name] = to_text(*ip);
    else if (const Datetime* time = value->as_datetime()) json[name] = to_text(*time);
    else json[name] = value_to_json(*value);
  };
  for (const char* name : {"file.path", "file.fs_type", "endpoint.ip", "system.operation", "mount.fs_type", "process.comm", "process.exe"}) put(name, observed_value(name, event));
  for (const SeenNumber& number : seen_numbers(event.record)) put(number.name(), number.observed());
  return json;
}

Json net_json(const kerf_net_event& net) {
  return {{"ip", to_text(event_address(net))}, {"port", net.port}, {"protocol", protocol_name(net.protocol)}};
}

Json socket_json(const Event& event) {
  const __u32* number = event.record.seen.number;
  return {{"id", escape_bytes(event.path)}, {"family", number[0]}, {"type", number[1]}, {"protocol", number[2]}};
}

Json file_json(const Event& event) {
  const kerf_file_event& file = event.record.seen.file;
  Json json = {{"path", escape_bytes(event.path)}, {"fs_type", escape_bytes(fs_type_text(file))}, {"exists", file.exists != 0},
               {"directory", file.directory != 0}};
  if (file.exists == 0) return json;
  json["owner"] = file.owner;
  json["mode"] = fmt::format("{:06o}", file.mode);
  json["nlink"] = file.nlink;
  return json;
}

std::vector<std::uint32_t> listed(const std::uint32_t* policies, std::uint32_t count) {
  return {policies, policies + std::min<std::uint32_t>(count, KERF_EVENT_POLICIES)};
}

bool starts_with(const std::vector<std::uint32_t>& all, std::vector<std::uint32_t> some, std::uint32_t count) {
  return all.size() == count && std::all_of(some.begin(), some.end(), [&](std::uint32_t p) {
    return std::binary_search(all.begin(), all.end(), p);
  });
}

Json policy_ids(const LoadedBundle& bundle, const std::vector<std::uint32_t>& policies) {
  Json ids = Json::array();
  for (std::uint32_t p : policies) {
    bool known = p < bundle.manifest.policies.size();
    ids.push_back(known ? bundle.manifest.policies[p].id : fmt::format("unknown-{}", p));
  }
  return ids;
}

// A packet may leave long after the call that it comes from, and arrives while anybody runs: nobody's process is known.
Json process_json(const kerf_event_record& event) {
  if (event.pid == 0) return nullptr;
  std::string_view comm(event.comm, ::strnlen(event.comm, sizeof event.comm));
  return {{"pid", event.pid}, {"tid", event.tid}, {"uid", event.uid}, {"gid", event.gid}, {"comm", escape_bytes(comm)}};
}

std::string hex(const std::uint8_t* bytes, std::size_t size) {
  std::string text;
  for (std::size_t i = 0; i < size; ++i) text += fmt::format("{:02x}", bytes[i]);
  return text;
}

std::string time_text(std::int64_t wall_ns) {
  std::int64_t seconds = wall_ns / 1'000'000'000;
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:09}Z", fmt::gmtime(static_cast<std::time_t>(seconds)), wall_ns % 1'000'000'000);
}

void add_policies(Json& json, const Event& event, const EventSource& source, const Environment* env, Completer& completer) {
  const kerf_decision& decision = event.record.decision;
  auto determining = listed(decision.determining, decision.determining_count);
  auto errors = listed(decision.errors, decision.error_count);
  bool complete = decision.determining_count <= KERF_EVENT_POLICIES && decision.error_count <= KERF_EVENT_POLICIES;
  if (!complete && env != nullptr && env->approximated.empty()) {   // Cedar does not say what an approximation decided
    if (auto all = completer.complete(event, *env, source.principal, source.facts, source.hosts)) {
      determining = std::move(all->determining);
      errors = std::move(all->errors);
      complete = true;
    }
  }
  json["determining"] = policy_ids(source.bundle, determining);
  json["determining_count"] = decision.determining_count;
  json["errors"] = policy_ids(source.bundle, errors);
  json["error_count"] = decision.error_count;
  json["policies_complete"] = complete;
}

}  // namespace

std::vector<std::string> hosts_of(const Event& event, const Names& names) {
  std::vector<std::string> hosts;
  const kerf_event_record& record = event.record;
  if (!is_endpoint_event(record) || record.seen.net.names == 0) return hosts;
  auto named = names.find(to_text(event_address(record.seen.net)));
  if (named == names.end() || named->second.id != record.seen.net.names) return hosts;
  for (const auto& [host, until_ns] : named->second.hosts) {
    if (until_ns > record.time_ns) hosts.push_back(host);
  }
  return hosts;
}

std::vector<Entity> observed_entities(const LoadedBundle& bundle, const Environment& env, const Event& event,
                                      const std::vector<std::string>& hosts) {
  auto stored = [&](EntityUid uid) {
    const Entity* known = bundle.entities.find(uid);
    return known != nullptr ? *known : Entity{std::move(uid), {}, {}, {}};
  };
  Entity resource = stored({env.resource, resource_id(event)});
  for (const ObservedRow& row : env.observed) {
    auto value = row.context ? std::nullopt : observed_value(row.observable, event);
    if (value) resource.attrs.insert_or_assign(row.attribute, *value);
  }
  std::vector<Entity> list;
  const std::string& directory_type = bundle.manifest.directory_type;
  bool in_tree = is_file_event(event.record) && !directory_type.empty() && event.path.starts_with('/');
  for (std::string above = event.path; in_tree && above != "/";) {
    std::size_t slash = above.rfind('/');
    above.resize(slash == 0 ? 1 : slash);
    list.push_back(stored({directory_type, above}));   // with the groups that the directory is stored in
    resource.parents.push_back(list.back().uid);
  }
  for (const std::string& host : hosts) {
    if (!bundle.manifest.host_type.empty()) resource.parents.push_back({bundle.manifest.host_type, host});
  }
  for (const ObservedRow& row : env.observed) {
    if (row.observable == "endpoint.host" && hosts.size() == 1) resource.attrs.insert_or_assign(row.attribute, Value(hosts.front()));
  }
  std::sort(resource.parents.begin(), resource.parents.end());
  list.push_back(std::move(resource));
  return list;
}

std::optional<Completer::Lists> Completer::decide(const Event& event, const Environment& env, const EntityUid& principal,
                                                  const Facts& facts, const std::vector<std::string>& hosts) {
  if (!table_) {
    auto table = gateway::Table::read(bundle_.table);
    unusable_ = !table || env.observed.empty();
    if (unusable_) return std::nullopt;
    table_ = std::move(*table);
  }
  Request request{principal, env.action, {env.resource, resource_id(event)}, fact_context(env, facts, event.record.time_ns)};
  for (const ObservedRow& row : env.observed) {
    auto value = row.context ? observed_value(row.observable, event) : std::nullopt;
    if (value) request.context.insert_or_assign(row.attribute, *value);
  }
  auto entities = bundle_.entities.with(observed_entities(bundle_, env, event, hosts));
  if (!entities) return std::nullopt;
  auto decision = table_->decide(request, *entities);
  if (!decision) return std::nullopt;
  Lists lists{decision->determining, {}};
  for (const auto& failure : decision->errors) lists.errors.push_back(failure.policy);
  const kerf_decision& kernel = event.record.decision;
  bool agrees = decision->allow == (kernel.verdict == KERF_VERDICT_ALLOW) &&
                starts_with(lists.determining, listed(kernel.determining, kernel.determining_count), kernel.determining_count) &&
                starts_with(lists.errors, listed(kernel.errors, kernel.error_count), kernel.error_count);
  return agrees ? std::optional(lists) : std::nullopt;
}

std::optional<Completer::Lists> Completer::complete(const Event& event, const Environment& env, const EntityUid& principal,
                                                    const Facts& facts, const std::vector<std::string>& hosts) {
  constexpr std::uint64_t kHeadStart = 1'000'000'000;
  std::uint64_t begin = boot_time_ns();
  if (since_ns_ == 0) since_ns_ = begin;
  bool over_budget = spent_ns_ > kHeadStart + (begin - since_ns_) / 4;   // a quarter of the time, at most
  if (unusable_ || over_budget) return std::nullopt;
  auto lists = decide(event, env, principal, facts, hosts);
  spent_ns_ += boot_time_ns() - begin;
  return lists;
}

std::optional<Event> read_event(const void* bytes, std::size_t size) {
  Event event;
  kerf_event_record& record = event.record;
  if (size < sizeof record) return std::nullopt;
  std::memcpy(&record, bytes, sizeof record);
  bool sound = record.version == KERF_ABI_VERSION && record.size <= size && record.size >= sizeof record &&
               std::uint64_t{record.payload_size} + record.exe_size <= record.size - sizeof record && !event_name(record.kind).empty() &&
               (record.decision.verdict == KERF_VERDICT_ALLOW || record.decision.verdict == KERF_VERDICT_DENY);
  if (!sound) return std::nullopt;
  bool plain = is_plain_guard(record);
  if (record.payload_size > KERF_PATH_BYTES || record.exe_size > KERF_PATH_BYTES) return std::nullopt;
  if (is_endpoint_event(record) && !plain && record.seen.net.port > 0xffff) return std::nullopt;
  event.path.assign(static_cast<const char*>(bytes) + sizeof record, record.payload_size);
  event.exe.assign(static_cast<const char*>(bytes) + sizeof record + record.payload_size, record.exe_size);
  return event;
}

Json event_to_json(const Event& event, const EventSource& source, Completer& completer, std::int64_t wall_minus_boot_ns) {
  const kerf_event_record& record = event.record;
  bool plain_guard = is_plain_guard(record), file = !plain_guard && is_file_event(record), socket = !plain_guard && is_socket_event(record), system = !plain_guard && is_system_event(record);
  const Environment* env = plain_guard ? nullptr : find_environment(source.bundle.manifest, source.principal.type, record.kind,
                                                                    file && record.seen.file.directory != 0);
  Json json = {
      {"schema", "kerf.event"}, {"version", 1},
      {"time", time_text(static_cast<std::int64_t>(record.time_ns) + wall_minus_boot_ns)},
      {"boot_ns", std::to_string(record.time_ns)},
      {"event", plain_guard ? Json() : Json(event_name(record.kind))},
      {"decision", record.decision.verdict == KERF_VERDICT_ALLOW ? "allow" : "deny"},
      {"reason", reason_name(record.decision.reason)},
      {"mode", mode_name(record.mode)},
      {"errno", errno_name(record.refusal_errno)},
      {"principal", uid_to_json(source.principal)},
      {"action", env != nullptr ? uid_to_json(env->action) : Json()},
      {"resource", Json()},
      {"process", process_json(record)},
      {"binding", source.binding}, {"binding_id", record.binding},
      {"generation", std::to_string(record.generation)},
      {"cgroup_id", std::to_string(record.cgroup_id)},
      {"inputs_digest", hex(record.bundle_digest, sizeof record.bundle_digest)}, {"bundle_digest", source.bundle.manifest.digest},
      {"lost", std::to_string(source.lost)}};
  if (record.decision.reason == KERF_REASON_GUARD) {
    std::string_view guard = guard_name(record.guard);
    json["guard"] = guard.empty() ? Json() : Json(guard);
  }
  if (file) json["file"] = file_json(event);
  else if (socket) json["socket"] = socket_json(event);
  else if (system) json["system"] = {{"operation", escape_bytes(event.path)}};
  else if (!plain_guard) json["net"] = net_json(record.seen.net);
  // bytes that are no text are no id, and what a guard refused was no request
  bool text = !(file || socket || system) || (!event.path.empty() && find_invalid_utf8(event.path) == std::string::npos);
  if (!plain_guard && text) json["observed"] = observed_json(event);
  if (!source.hosts.empty()) json["hosts"] = source.hosts;
  bool about_resource = env != nullptr && text && record.decision.reason != KERF_REASON_GUARD;
  if (about_resource) json["resource"] = uid_to_json({env->resource, resource_id(event)});
  add_policies(json, event, source, env, completer);
  return json;
}

namespace {

std::int64_t wall_minus_boot_ns() {
  timespec wall{};
  ::clock_gettime(CLOCK_REALTIME, &wall);
  return static_cast<std::int64_t>(wall.tv_sec) * 1'000'000'000 + wall.tv_nsec - static_cast<std::int64_t>(boot_time_ns());
}

}  // namespace

std::string wall_time_text(std::uint64_t boot_ns) { return time_text(static_cast<std::int64_t>(boot_ns) + wall_minus_boot_ns()); }

std::string event_line(const Event& event, const EventSource& source, Completer& completer) {
  Json json = event_to_json(event, source, completer, wall_minus_boot_ns());
  return json.dump(-1, ' ', true, Json::error_handler_t::replace);
}

}  // namespace kerf::loader
