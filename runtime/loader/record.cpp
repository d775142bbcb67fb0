// Principal, facts and the manifest's predicates -> the bytes of struct kerf_binding. Before: a checked bundle. After:
// every bit is what Cedar says of the predicate. The one decision: an outcome that is no outcome of Cedar (something
// not known at bind) refuses the whole record, because the kernel could not tell it from an error of the policy.
#include "runtime/loader/record.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "runtime/abi/policy_abi.h"
#include "runtime/loader/failure.h"
#include "runtime/loader/files.h"

namespace kerf::loader {
namespace {

using gateway::Outcome;
using gateway::RequestParts;

struct Known {
  const LoadedBundle& bundle;
  const EntityUid& principal;
  const Environment& env;
};

constexpr const char* kUnnamedId = "endpoint";   // of no endpoint: what is learned knows of the address its names alone

// What a segment is evaluated with: facts, and the endpoint with its hosts as parents.
struct Given {
  ValueRecord context;
  EntityUid resource;
  Entities entities;
};

std::string policy_name(const Known& known, std::uint32_t policy) {
  return escape_bytes(known.bundle.manifest.policies.at(policy).id);
}

LoaderResult<EvalResult> evaluate(const Known& known, const gateway::Expr& expr, UserStage stage, std::uint32_t policy,
                                  const Given& given) {
  RequestParts parts;
  parts.principal = &known.principal;
  if (stage != UserStage::bind) parts.context = &given.context;
  if (stage == UserStage::learn) parts.resource = &given.resource;
  EvalResult result = expr.evaluate(parts, given.entities);
  bool foreign = !result && (result.error().kind == EvalErrorKind::unobserved || result.error().kind == EvalErrorKind::recursion_limit);
  if (foreign) return fail(Code::K7307, policy_name(known, policy), result.error().message);
  return result;
}

LoaderResult<std::vector<Outcome>> evaluate_predicates(const Known& known, const Given& given,
                                                       const std::vector<Outcome>& before) {
  std::vector<Outcome> outcomes;
  outcomes.reserve(known.env.predicates.size());
  for (std::size_t i = 0; i < known.env.predicates.size(); ++i) {
    const PredicateRow& predicate = known.env.predicates[i];
    if (!before.empty() && predicate.stage == UserStage::bind) {
      outcomes.push_back(before[i]);
      continue;
    }
    auto result = evaluate(known, predicate.expr, predicate.stage, predicate.policy, given);
    if (!result) return result.error();
    outcomes.push_back(gateway::outcome_of(*result));
  }
  return outcomes;
}

std::uint64_t big_endian(const std::uint8_t* bytes, std::size_t size) {
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < size; ++i) number = number << 8 | bytes[i];
  return number;
}

std::optional<kerf_value> encode_value(const Value& value, SlotType type) {
  switch (type) {
    case SlotType::long_:
      if (const std::int64_t* n = value.as_long()) return kerf_value{0, static_cast<std::uint64_t>(*n), KERF_VALUE_LONG, 0};
      return std::nullopt;
    case SlotType::boolean:
      if (const bool* b = value.as_bool()) return kerf_value{0, *b ? 1u : 0u, KERF_VALUE_BOOL, 0};
      return std::nullopt;
    case SlotType::datetime:
      if (const Datetime* d = value.as_datetime()) return kerf_value{0, static_cast<std::uint64_t>(d->ms), KERF_VALUE_LONG, 0};
      return std::nullopt;
    case SlotType::duration:
      if (const Duration* d = value.as_duration()) return kerf_value{0, static_cast<std::uint64_t>(d->ms), KERF_VALUE_LONG, 0};
      return std::nullopt;
    case SlotType::ip:
      const IpAddr* a = value.as_ip();
      if (a == nullptr) return std::nullopt;
      if (a->v6) return kerf_value{big_endian(a->bytes.data(), 8), big_endian(a->bytes.data() + 8, 8), KERF_VALUE_IP6, a->prefix};
      return kerf_value{0, big_endian(a->bytes.data(), 4), KERF_VALUE_IP4, a->prefix};
  }
  check(false, "a slot type is one of these");
  return std::nullopt;
}

LoaderResult<Unit> write_slots(const Known& known, const Given& given, std::uint64_t* segment) {
  for (std::size_t i = 0; i < known.env.slots.size(); ++i) {
    const SlotRow& slot = known.env.slots[i];
    auto result = evaluate(known, slot.expr, slot.stage, slot.policy, given);
    if (!result) return result.error();
    kerf_value stored{0, 0, KERF_VALUE_ERROR, 0};
    if (result->ok()) {
      auto encoded = encode_value(**result, slot.type);
      if (!encoded) return fail(Code::K7308, policy_name(known, slot.policy), kind_name((*result)->kind()));
      stored = *encoded;
    }
    std::memcpy(segment + known.env.values_offset + i * (sizeof stored / 8), &stored, sizeof stored);
  }
  return Unit{};
}

void write_active(const Environment& env, const std::vector<Outcome>& outcomes, std::uint64_t* segment) {
  std::uint64_t* summary = segment + env.active_offset;
  std::uint64_t* rows = summary + env.summary_words;
  for (const ActiveRow& row : env.active) {
    bool holds = std::all_of(row.when.begin(), row.when.end(), [&](const PredicateOutcome& p) { return outcomes[p.predicate] == p.outcome; });
    if (!holds) continue;
    std::uint32_t word = row.row / 64;
    rows[word] |= std::uint64_t{1} << (row.row % 64);
    summary[word / 64] |= std::uint64_t{1} << (word % 64);
  }
}

// The instants at which the facts in force change, and "for ever".
LoaderResult<std::vector<std::uint64_t>> segment_ends(const RecordInput& input) {
  std::set<std::uint64_t> ends;
  for (const auto& [name, fact] : input.facts) {
    if (fact.until_ns != kNoDeadline && fact.until_ns > input.now_ns) ends.insert(fact.until_ns);
  }
  for (const auto& [name, until_ns] : input.hosts) {
    if (until_ns != kNoDeadline && until_ns > input.now_ns) ends.insert(until_ns);
  }
  if (ends.size() > KERF_SEGMENTS) return fail(Code::K7306, ends.size(), KERF_SEGMENTS);
  std::vector<std::uint64_t> list(ends.begin(), ends.end());
  list.push_back(kNoDeadline);
  return list;
}

// The facts and names in force at `now_ns`.
LoaderResult<Given> given_at(const Known& known, const RecordInput& input, std::uint64_t now_ns) {
  Given given{fact_context(known.env, input.facts, now_ns), {known.env.resource, kUnnamedId}, known.bundle.entities};
  std::vector<std::string> names;
  for (const auto& [name, until_ns] : input.hosts) {
    if (until_ns > now_ns) names.push_back(name);
  }
  if (names.empty()) return given;
  Entity endpoint{given.resource, {}, {}, {}};
  const std::string& host_type = known.bundle.manifest.host_type;
  for (const std::string& name : names) {
    if (!host_type.empty()) endpoint.parents.push_back({host_type, name});
  }
  for (const ObservedRow& row : known.env.observed) {
    if (row.observable == "endpoint.host" && names.size() == 1) endpoint.attrs.insert_or_assign(row.attribute, Value(names.front()));
  }
  auto entities = known.bundle.entities.with({std::move(endpoint)});
  if (!entities) return fail(Code::K7307, std::string("*"), entities.error().message);
  given.entities = std::move(*entities);
  return given;
}

LoaderResult<Unit> fill_environment(const Known& known, const RecordInput& input, const std::vector<std::uint64_t>& ends,
                                    std::vector<std::uint64_t>& words) {
  std::vector<Outcome> outcomes;
  std::uint64_t from_ns = input.now_ns;
  for (std::size_t s = 0; s < ends.size(); ++s) {
    auto given = given_at(known, input, from_ns);
    if (!given) return given.error();
    auto here = evaluate_predicates(known, *given, outcomes);
    if (!here) return here.error();
    outcomes = std::move(*here);
    std::uint64_t* segment = words.data() + s * known.bundle.manifest.segment_words;
    write_active(known.env, outcomes, segment);
    if (auto done = write_slots(known, *given, segment); !done) return done;
    from_ns = ends[s];
  }
  return Unit{};
}

std::vector<std::string> principal_candidates(const LoadedBundle& bundle) {
  constexpr std::size_t kMost = 2000;
  std::vector<std::string> names;
  for (const Entity& entity : bundle.entities.all()) {
    const auto& types = bundle.manifest.principal_types;
    if (std::find(types.begin(), types.end(), entity.uid.type) == types.end()) continue;
    names.push_back(to_text(entity.uid));
    if (names.size() == kMost) break;
  }
  return names;
}

Failure suggest_principal(Failure failure, const LoadedBundle& bundle, const std::string& text) {
  std::vector<std::string> names = principal_candidates(bundle);
  if (auto near = closest(text, names)) return with_help(std::move(failure), fmt::format("did you mean {}?", *near));
  if (names.empty()) return with_help(std::move(failure), "entities.json of this bundle has no principal at all");
  constexpr std::size_t kShown = 5;
  bool more = names.size() > kShown;
  if (more) names.resize(kShown);
  return with_help(std::move(failure), fmt::format("the bundle has: {}{}", fmt::join(names, ", "), more ? ", …" : ""));
}

}  // namespace

LoaderResult<EntityUid> find_principal(const LoadedBundle& bundle, const std::string& text) {
  auto uid = find_invalid_utf8(text) == std::string::npos ? parse_uid(text) : std::nullopt;
  if (!uid) return suggest_principal(fail(Code::K7301, escape_bytes(text)), bundle, text);
  const auto& types = bundle.manifest.principal_types;
  if (std::find(types.begin(), types.end(), uid->type) == types.end()) {
    Failure failure = fail(Code::K7303, to_text(*uid), uid->type);
    if (types.empty()) return failure;
    return with_help(failure, fmt::format("principal types of this bundle: {}", fmt::join(types, ", ")));
  }
  if (bundle.entities.find(*uid) == nullptr) return suggest_principal(fail(Code::K7302, to_text(*uid)), bundle, text);
  return *uid;
}

const Environment* find_environment(const Manifest& manifest, const std::string& principal_type, std::uint32_t event, bool directory) {
  const Environment* plain = nullptr;
  for (const Environment& env : manifest.environments) {
    if (env.principal != principal_type || env.event != event) continue;
    if (env.kind != ResourceKind::directory) plain = &env;
    else if (directory) return &env;
  }
  return plain;
}

LoaderResult<Unit> check_slots(const LoadedBundle& bundle, const EntityUid& principal) {
  const Given nothing{{}, {}, bundle.entities};
  for (const Environment& env : bundle.manifest.environments) {
    if (env.principal != principal.type) continue;
    for (const SlotRow& slot : env.slots) {
      if (slot.stage != UserStage::bind) continue;
      Known known{bundle, principal, env};
      auto result = evaluate(known, slot.expr, slot.stage, slot.policy, nothing);
      if (!result) return result.error();
      bool fits = !result->ok() || encode_value(**result, slot.type).has_value();
      if (!fits) return fail(Code::K7308, policy_name(known, slot.policy), kind_name((*result)->kind()));
    }
  }
  return Unit{};
}

ValueRecord fact_context(const Environment& env, const Facts& facts, std::uint64_t now_ns) {
  ValueRecord context;
  for (const FactRow& row : env.facts) {
    auto fact = facts.find(row.name);
    if (fact != facts.end() && fact->second.until_ns > now_ns) context.emplace(row.attribute, fact->second.value);
  }
  return context;
}

LoaderResult<std::vector<std::uint8_t>> build_record(const LoadedBundle& bundle, const RecordInput& input) {
  const Manifest& manifest = bundle.manifest;
  auto ends = segment_ends(input);
  if (!ends) return ends.error();
  kerf_binding header{};
  header.generation = input.generation;
  header.revision = input.now_ns;
  header.names = input.names;
  header.mode = input.mode;
  header.segment_count = static_cast<std::uint32_t>(ends->size());
  std::fill(std::begin(header.segment_until_ns), std::end(header.segment_until_ns), kNoDeadline);
  std::copy(ends->begin(), ends->end(), header.segment_until_ns);
  std::vector<std::uint64_t> words(ends->size() * manifest.segment_words);
  for (std::size_t e = 0; e < manifest.environments.size(); ++e) {
    const Environment& env = manifest.environments[e];
    if (env.principal != input.principal.type) continue;
    auto number = static_cast<std::uint32_t>(e + 1);
    (env.kind == ResourceKind::directory ? header.directory_env : header.env)[env.event] = number;
    if (auto done = fill_environment({bundle, input.principal, env}, input, *ends, words); !done) return done.error();
  }
  for (std::size_t event = 0; event < KERF_EVENT_KINDS; ++event) {
    if (header.directory_env[event] == 0) header.directory_env[event] = header.env[event];
  }
  std::vector<std::uint8_t> bytes(manifest.binding_bytes);
  check(bytes.size() >= sizeof header + words.size() * 8, "a record has room for its segments");
  std::memcpy(bytes.data(), &header, sizeof header);
  if (!words.empty()) std::memcpy(bytes.data() + sizeof header, words.data(), words.size() * 8);
  return bytes;
}

}  // namespace kerf::loader
