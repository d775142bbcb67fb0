// Rows read one by one, and code predicates by the reference evaluator.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "rig.h"

namespace kerf::test {
namespace {

Address address_of(const kerf_seen& event) {
  return event.net.v6 ? address6(event.net.address_high, event.net.address_low) : address4(static_cast<std::uint32_t>(event.net.address_low));
}

bool contains(const AddressSet& set, const kerf_seen& event) {
  Address address = address_of(event);
  const auto& ranges = event.net.v6 ? set.v6 : set.v4;
  return std::any_of(ranges.begin(), ranges.end(), [&](const AddressRange& r) { return r.first <= address && address <= r.last; });
}

bool contains(const PortSet& set, std::uint32_t port) {
  return std::any_of(set.begin(), set.end(), [&](PortRange r) { return r.first <= port && port <= r.last; });
}

bool contains(const EndpointSet& set, const kerf_seen& event) {
  EndpointKey key{event.net.v6 != 0, address_of(event), static_cast<std::uint16_t>(event.net.port)};
  return std::binary_search(set.listed.begin(), set.listed.end(), key) != set.others;
}

Value value_of(const kerf_value& value) {
  IpAddr ip;
  ip.prefix = static_cast<std::uint8_t>(value.prefix);
  switch (static_cast<kerf_value_kind>(value.kind)) {
    case KERF_VALUE_LONG: return Value(static_cast<std::int64_t>(value.low));
    case KERF_VALUE_BOOL: return Value(value.low != 0);
    case KERF_VALUE_IP4: ip.bytes = address4(static_cast<std::uint32_t>(value.low)); return Value(ip);
    case KERF_VALUE_IP6: ip.v6 = true; ip.bytes = address6(value.high, value.low); return Value(ip);
    case KERF_VALUE_ERROR: break;
  }
  return Value(false);
}

Entity destination_of(const kerf_seen& event) {
  IpAddr ip;
  ip.v6 = event.net.v6 != 0;
  ip.prefix = ip.v6 ? 128 : 32;
  ip.bytes = address_of(event);
  return {{"Destination", "d"}, {{"ip", Value(ip)}, {"port", Value(std::int64_t{event.net.port})}}, {}, {}};
}

Entity file_of(const kerf_seen& event) {
  Entity file{{"FilePath", "/f"}, {{"fs_type", Value(std::string(event.file.fs_type))}}, {}, {}};
  if (!event.file.exists) return file;
  file.attrs.emplace("owner", Value(std::int64_t{event.file.owner}));
  file.attrs.emplace("mode", Value(std::int64_t{event.file.mode & 07777}));
  file.attrs.emplace("setuid", Value((event.file.mode & 04000) != 0));
  file.attrs.emplace("nlink", Value(std::int64_t{event.file.nlink}));
  return file;
}

// Slots are attributes of the principal here: an error is an attribute that is not there.
Outcome evaluate_code(const Program& program, const KernelEnv& env, const CodePredicate& predicate, const kerf_seen& event,
                      const std::vector<kerf_value>& slots) {
  const Body& body = program.module.policies[predicate.policy.index].body;
  Entity agent{{"Agent", "a"}, {}, {}, {}};
  for (std::size_t i = 0; i < env.slots.size(); ++i) {
    const Body& from = program.module.policies[env.slots[i].policy.index].body;
    if (slots.at(i).kind != KERF_VALUE_ERROR) agent.attrs.emplace(from.name(env.slots[i].node), value_of(slots[i]));
  }
  bool files = env.resource == KernelKind::file;
  Entity resource = files ? file_of(event) : destination_of(event);
  Result<Entities> entities = Entities::build({agent, resource});
  Request request{agent.uid, {"Action", files ? "read" : "connect"}, resource.uid,
                  {{"uid", Value(std::int64_t{event.uid})}, {"gid", Value(std::int64_t{event.gid})}, {"pid", Value(std::int64_t{event.pid})}}};
  if (!files) request.context.emplace("protocol", Value(std::int64_t{event.net.protocol}));
  return evaluate_outcome(body, predicate.node, {&request, &*entities});
}

}  // namespace

namespace {

template <class Holds>
Expected decide_rows(const Program& program, const KernelEnv& env, const Holds& holds) {
  std::vector<std::uint32_t> forbids, permits;
  Expected decision;
  for (const KernelRow& row : env.rows) {
    if (!holds(row)) continue;
    bool forbid = program.module.policies[row.policy.index].effect == Effect::forbid;
    (row.result == Outcome::error ? decision.errors : forbid ? forbids : permits).push_back(row.policy.index);
  }
  bool allow = forbids.empty() && !permits.empty();
  decision.verdict = allow ? KERF_VERDICT_ALLOW : KERF_VERDICT_DENY;
  decision.reason = allow ? KERF_REASON_PERMIT : forbids.empty() ? KERF_REASON_NO_PERMIT : KERF_REASON_FORBID;
  decision.determining = forbids.empty() ? permits : forbids;
  std::sort(decision.determining.begin(), decision.determining.end());
  std::sort(decision.errors.begin(), decision.errors.end());
  return decision;
}

std::vector<Outcome> code_outcomes(const Program& program, const KernelEnv& env, const kerf_seen& event, const Segment& segment) {
  std::vector<Outcome> code;
  for (const CodePredicate& predicate : env.code) code.push_back(evaluate_code(program, env, predicate, event, segment.slots));
  return code;
}

bool bound(const KernelRow& row, const Segment& segment, const std::vector<Outcome>& code) {
  return std::all_of(row.bind.begin(), row.bind.end(), [&](Requirement r) { return segment.predicates.at(r.atom) == r.outcome; }) &&
         std::all_of(row.code.begin(), row.code.end(), [&](Requirement r) { return code.at(r.atom) == r.outcome; });
}

}  // namespace

Expected expected(const Program& program, const Binding& binding, const kerf_seen& event, std::size_t segment_index) {
  const KernelEnv& env = program.plan.envs[binding.env];
  const Segment& segment = binding.segments[segment_index];
  std::vector<Outcome> code = code_outcomes(program, env, event, segment);
  return decide_rows(program, env, [&](const KernelRow& row) {
    return (!row.address || contains(*row.address, event)) && (!row.port || contains(*row.port, event.net.port)) &&
           (!row.endpoint || contains(*row.endpoint, event)) && bound(row, segment, code);
  });
}

Expected expected_file(const Program& program, const Binding& binding, const kerf_seen& event, std::string_view path) {
  bool directory = event.file.directory && binding.directory_env;
  const KernelEnv& env = program.plan.envs[directory ? *binding.directory_env : binding.env];
  const Segment& segment = directory ? binding.directory_segments[0] : binding.segments[0];
  std::vector<Outcome> code = code_outcomes(program, env, event, segment);
  std::vector<bool> holds;
  for (const PathTest& test : env.paths) holds.push_back(test.holds(path));
  return decide_rows(program, env, [&](const KernelRow& row) {
    return bound(row, segment, code) && std::all_of(row.path.begin(), row.path.end(), [&](Requirement r) {
             return holds.at(r.atom) == (r.outcome == Outcome::true_);
           });
  });
}

namespace {

// Are these names different ones of `all`, as many as fit, and nothing behind them?
bool names_some(const __u32 (&names)[KERF_EVENT_POLICIES], const std::vector<std::uint32_t>& all) {
  const std::size_t count = std::min<std::size_t>(all.size(), KERF_EVENT_POLICIES);
  std::vector<std::uint32_t> named(names, names + count);
  std::sort(named.begin(), named.end());
  return std::includes(all.begin(), all.end(), named.begin(), named.end()) && std::adjacent_find(named.begin(), named.end()) == named.end() &&
         std::all_of(names + count, names + KERF_EVENT_POLICIES, [](__u32 name) { return name == 0; });
}

}  // namespace

std::string difference(const Expected& expected, const kerf_decision& got) {
  const bool same = expected.verdict == got.verdict && expected.reason == got.reason && expected.determining.size() == got.determining_count &&
                    expected.errors.size() == got.error_count && names_some(got.determining, expected.determining) && names_some(got.errors, expected.errors);
  if (same) return "";
  return fmt::format("expected verdict {} reason {} determining {}: {} errors {}: {}; kernel says verdict {} reason {} determining {}: {} errors {}: {}",
                     expected.verdict, expected.reason, expected.determining.size(), fmt::join(expected.determining, " "), expected.errors.size(),
                     fmt::join(expected.errors, " "), got.verdict, got.reason, got.determining_count, fmt::join(got.determining, " "), got.error_count,
                     fmt::join(got.errors, " "));
}

std::string describe(const kerf_seen& e) {
  return fmt::format("v6 {} {:016x}{:016x} port {} protocol {} uid {}", e.net.v6, e.net.address_high, e.net.address_low, e.net.port, e.net.protocol, e.uid);
}

std::string describe(const kerf_seen& e, std::string_view path) {
  return fmt::format("{} ({} bytes) exists {} directory {} fs {} owner {} mode {:o} nlink {} uid {}", path.substr(0, 100), path.size(), e.file.exists,
                     e.file.directory, e.file.fs_type, e.file.owner, e.file.mode, e.file.nlink, e.uid);
}

kerf_seen file_event(std::string_view path, std::mt19937_64& random) {
  static const char* const types[] = {"ext4", "tmpfs", "overlay", "ext", "ext4x", "0123456789012345678901234567890"};
  kerf_seen event{};
  event.event = KERF_EVENT_FILE_READ;
  event.uid = random() % 4 == 0 ? 0xffffffffu : static_cast<std::uint32_t>(random() % 8 + 996);
  event.gid = static_cast<std::uint32_t>(random() % 3);
  event.pid = static_cast<std::uint32_t>(random() % 100000);
  std::string_view type = types[random() % std::size(types)];
  std::copy(type.begin(), type.end(), event.file.fs_type);
  event.file.exists = random() % 3 != 0;
  event.file.directory = random() % 3 == 0;
  event.file.path_length = static_cast<std::uint32_t>(path.size());
  if (!event.file.exists) return event;
  event.file.owner = random() % 4 == 0 ? 0xffffffffu : static_cast<std::uint32_t>(random() % 3 + 998);
  event.file.mode = static_cast<std::uint32_t>(random() % 010000) | (event.file.directory ? 0040000u : 0100000u);
  event.file.nlink = static_cast<std::uint32_t>(random() % 3 + 1);
  return event;
}

std::vector<kerf_seen> file_events(const std::vector<std::string>& paths, std::mt19937_64& random) {
  std::vector<kerf_seen> events;
  for (const std::string& path : paths) events.push_back(file_event(path, random));
  return events;
}

std::vector<kerf_seen> interesting_events(const Program& program, std::size_t count, std::mt19937_64& random) {
  std::vector<std::array<std::uint64_t, 3>> addresses;   // v6, high, low
  std::vector<std::uint32_t> ports{0, 80, 443, 65535};
  auto add = [&](bool v6, const Address& address) {
    std::uint64_t high = 0, low = 0;
    for (std::size_t i = 0; i < (v6 ? 16u : 4u); ++i) {
      high = high << 8 | low >> 56;
      low = low << 8 | address[i];
    }
    for (std::int64_t step : {-1, 0, 1}) addresses.push_back({v6, high, v6 ? low + static_cast<std::uint64_t>(step) : (low + static_cast<std::uint64_t>(step)) & 0xffffffff});
  };
  for (const KernelEnv& env : program.plan.envs) {
    for (const KernelRow& row : env.rows) {
      if (addresses.size() > 100000) break;
      if (row.address) {
        for (const AddressRange& r : row.address->v4) { add(false, r.first); add(false, r.last); }
        for (const AddressRange& r : row.address->v6) { add(true, r.first); add(true, r.last); }
      }
      if (row.port) {
        for (PortRange r : *row.port) ports.insert(ports.end(), {r.first, (r.first - 1u) & 0xffff, r.last, (r.last + 1u) & 0xffff});
      }
      if (row.endpoint) {
        for (const EndpointKey& key : row.endpoint->listed) { add(key.v6, key.address); ports.push_back(key.port); }
      }
    }
  }
  std::vector<kerf_seen> events;
  for (std::size_t i = 0; i < count; ++i) {
    kerf_seen event{};
    if (addresses.empty() || random() % 8 == 0) {
      event.net.v6 = random() % 2;
      event.net.address_high = event.net.v6 ? random() : 0;
      event.net.address_low = event.net.v6 ? random() : random() & 0xffffffff;
    } else {
      auto [v6, high, low] = addresses[random() % addresses.size()];
      event.net.v6 = static_cast<std::uint32_t>(v6);
      event.net.address_high = high;
      event.net.address_low = low;
    }
    event.net.port = random() % 8 == 0 ? static_cast<std::uint32_t>(random() & 0xffff) : ports[random() % ports.size()];
    event.net.protocol = random() % 2 ? 6 : 17;
    event.uid = random() % 4 == 0 ? 0xffffffffu : static_cast<std::uint32_t>(random() % 8 + 996);
    event.gid = static_cast<std::uint32_t>(random() % 3);
    event.pid = static_cast<std::uint32_t>(random() % 100000);
    events.push_back(event);
  }
  return events;
}

}  // namespace kerf::test
