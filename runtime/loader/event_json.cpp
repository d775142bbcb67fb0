// Event records -> JSON. Before: bytes from a ring that a program wrote. After: only numbers in range, known words and
// escaped names. The one decision: the kernel's list of policies is never presented as complete when it is not.
#include "runtime/loader/event_json.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <string.h>

#include <algorithm>
#include <cstring>

#include "ir/values/extension.h"
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

std::optional<Value> observed_value(const std::string& observable, const kerf_event_record& event) {
  auto number = [](std::uint32_t n) { return Value(static_cast<std::int64_t>(n)); };
  if (observable == "endpoint.ip") return Value(event_address(event.seen.net));
  if (observable == "endpoint.port") return number(event.seen.net.port);
  if (observable == "process.uid") return number(event.seen.uid);
  if (observable == "process.gid") return number(event.seen.gid);
  if (observable == "process.pid") return number(event.seen.pid);
  if (observable == "net.protocol") return number(event.seen.net.protocol);
  return std::nullopt;   // what no record carries is absent
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

Json process_json(const kerf_event_record& event) {
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

void add_policies(Json& json, const kerf_event_record& event, const EventSource& source, const Environment* env, Completer& completer) {
  const kerf_decision& decision = event.decision;
  auto determining = listed(decision.determining, decision.determining_count);
  auto errors = listed(decision.errors, decision.error_count);
  bool complete = decision.determining_count <= KERF_EVENT_POLICIES && decision.error_count <= KERF_EVENT_POLICIES;
  if (!complete && env != nullptr) {
    if (auto all = completer.complete(event, *env, source.principal, source.facts)) {
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

std::optional<Completer::Lists> Completer::decide(const kerf_event_record& event, const Environment& env,
                                                  const EntityUid& principal, const Facts& facts) {
  if (!table_) {
    auto table = gateway::Table::read(bundle_.table);
    unusable_ = !table || env.observed.empty();
    if (unusable_) return std::nullopt;
    table_ = std::move(*table);
  }
  Request request{principal, env.action, {env.resource, endpoint_text(event.seen.net)}, fact_context(env, facts, event.time_ns)};
  const Entity* stored = bundle_.entities.find(request.resource);
  Entity resource = stored != nullptr ? *stored : Entity{request.resource, {}, {}, {}};
  for (const ObservedRow& row : env.observed) {
    if (auto value = observed_value(row.observable, event)) (row.context ? request.context : resource.attrs).insert_or_assign(row.attribute, *value);
  }
  auto entities = bundle_.entities.with({std::move(resource)});
  if (!entities) return std::nullopt;
  auto decision = table_->decide(request, *entities);
  if (!decision) return std::nullopt;
  Lists lists{decision->determining, {}};
  for (const auto& failure : decision->errors) lists.errors.push_back(failure.policy);
  const kerf_decision& kernel = event.decision;
  bool agrees = decision->allow == (kernel.verdict == KERF_VERDICT_ALLOW) &&
                starts_with(lists.determining, listed(kernel.determining, kernel.determining_count), kernel.determining_count) &&
                starts_with(lists.errors, listed(kernel.errors, kernel.error_count), kernel.error_count);
  return agrees ? std::optional(lists) : std::nullopt;
}

std::optional<Completer::Lists> Completer::complete(const kerf_event_record& event, const Environment& env,
                                                    const EntityUid& principal, const Facts& facts) {
  constexpr std::uint64_t kHeadStart = 1'000'000'000;
  std::uint64_t begin = boot_time_ns();
  if (since_ns_ == 0) since_ns_ = begin;
  bool over_budget = spent_ns_ > kHeadStart + (begin - since_ns_) / 4;   // a quarter of the time, at most
  if (unusable_ || over_budget) return std::nullopt;
  auto lists = decide(event, env, principal, facts);
  spent_ns_ += boot_time_ns() - begin;
  return lists;
}

std::optional<kerf_event_record> read_event(const void* bytes, std::size_t size) {
  kerf_event_record event;
  if (size < sizeof event) return std::nullopt;
  std::memcpy(&event, bytes, sizeof event);
  bool sound = event.version == KERF_ABI_VERSION && event.size <= size && event.size >= sizeof event &&
               event.payload_size <= event.size - sizeof event && !event_name(event.kind).empty() &&
               event.seen.net.port <= 0xffff && (event.decision.verdict == KERF_VERDICT_ALLOW || event.decision.verdict == KERF_VERDICT_DENY);
  return sound ? std::optional(event) : std::nullopt;
}

Json event_to_json(const kerf_event_record& event, const EventSource& source, Completer& completer,
                   std::int64_t wall_minus_boot_ns) {
  const Environment* env = find_environment(source.bundle.manifest, source.principal.type, event.kind);
  Json json = {
      {"schema", "kerf.event"}, {"version", 1},
      {"time", time_text(static_cast<std::int64_t>(event.time_ns) + wall_minus_boot_ns)},
      {"boot_ns", std::to_string(event.time_ns)},
      {"event", event_name(event.kind)},
      {"decision", event.decision.verdict == KERF_VERDICT_ALLOW ? "allow" : "deny"},
      {"reason", reason_name(event.decision.reason)},
      {"mode", mode_name(event.mode)},
      {"errno", errno_name(event.refusal_errno)},
      {"principal", uid_to_json(source.principal)},
      {"action", env != nullptr ? uid_to_json(env->action) : Json()},
      {"resource", Json()},
      {"net", {{"ip", to_text(event_address(event.seen.net))}, {"port", event.seen.net.port}, {"protocol", protocol_name(event.seen.net.protocol)}}},
      {"process", process_json(event)},
      {"binding", source.binding},
      {"generation", std::to_string(event.generation)},
      {"cgroup_id", std::to_string(event.cgroup_id)},
      {"inputs_digest", hex(event.bundle_digest, sizeof event.bundle_digest)}};
  bool about_endpoint = env != nullptr && event.decision.reason != KERF_REASON_GUARD;
  if (about_endpoint) json["resource"] = uid_to_json({env->resource, endpoint_text(event.seen.net)});
  add_policies(json, event, source, env, completer);
  return json;
}

}  // namespace kerf::loader
