// KernelPlan -> layout, tables and conditions. Rows are numbered in groups of whole words: forbids that are satisfied,
// permits that are satisfied, policies that err. The one decision: everything but code conditions is data, so the
// object's instructions do not grow with the policies; and in a group rows that ask for the same dimensions have words of their own,
// so that the intersection of an event's classes is empty in nearly all words.
#include "backends/bpf/layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "backends/bpf/numbers.h"
#include "backends/bpf/path_tables.h"
#include "backends/bpf/contents.h"
#include "runtime/abi/policy_abi.h"
#include "runtime/kernel/tables.h"

namespace kerf::bpf {
namespace {

constexpr std::uint32_t kNoPolicy = 0xffffffffu;
constexpr std::uint32_t kValueWords = sizeof(kerf_value) / 8;
constexpr std::uint32_t kSlackWords = 64;
constexpr std::uint32_t kMaxRowWords = 32 * 64;   // a class has a mask of 32 blocks

enum Group { forbids, permits, errors, group_count };

Group group_of(const Module& module, const KernelRow& row) {
  if (row.result == Outcome::error) return errors;
  return module.policies.at(row.policy.index).effect == Effect::forbid ? forbids : permits;
}

// What a row asks for, and its first address, port and endpoint.
struct RowPlace {
  std::uint32_t dimensions = 0;
  bool v6 = false;
  Key address, port, number;
  EndpointKey endpoint;
  friend auto operator<=>(const RowPlace&, const RowPlace&) = default;
};

// Rows of one group that ask for the same, next to each other.
struct Run {
  Group group;
  std::uint32_t dimensions;
  std::size_t rows;
};

std::vector<Run> runs_of(const std::vector<std::uint32_t>& order, const Module& module, const KernelEnv& env, const std::vector<RowPlace>& places) {
  std::vector<Run> runs;
  for (std::uint32_t row : order) {
    const Group group = group_of(module, env.rows[row]);
    const std::uint32_t dimensions = places[row].dimensions;
    if (runs.empty() || runs.back().group != group || runs.back().dimensions != dimensions) runs.push_back({group, dimensions, 0});
    ++runs.back().rows;
  }
  return runs;
}

// The word at which each run begins, and at last the one behind the last. `apart`: no block has runs of which each asks for something that
// the other does not: in such a block every event has rows that can hold, until they are intersected.
std::vector<std::uint32_t> place_runs(const std::vector<Run>& runs, bool apart) {
  std::vector<std::uint32_t> begins;
  std::uint32_t word = 0;
  std::size_t first = 0;                   // the first run that reaches into the block of `word`
  for (std::size_t i = 0; i < runs.size(); ++i) {
    auto beside = [&](const Run& other) {
      const std::uint32_t both = other.dimensions & runs[i].dimensions;
      return both == other.dimensions || both == runs[i].dimensions;
    };
    const auto from = runs.begin() + static_cast<std::ptrdiff_t>(first), to = runs.begin() + static_cast<std::ptrdiff_t>(i);
    if (apart && word % 64 != 0 && !std::all_of(from, to, beside)) word = (word + 63) / 64 * 64;
    begins.push_back(word);
    const std::uint32_t end = word + static_cast<std::uint32_t>((runs[i].rows + 63) / 64);
    if (end / 64 != word / 64 || word % 64 == 0) first = i;
    word = end;
  }
  begins.push_back(word);
  return begins;
}

// Numbers the rows and fills in everything of `layout` but the offsets in a segment. Permits are sorted the other way round, so that they
// begin with what forbids end with.
void number_rows(const Module& module, const KernelEnv& env, const std::vector<RowPlace>& places, EnvLayout& layout) {
  std::vector<std::uint32_t> order(env.rows.size());
  for (std::uint32_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
    const Group x = group_of(module, env.rows[a]), y = group_of(module, env.rows[b]);
    if (x != y) return x < y;
    if (places[a].dimensions != places[b].dimensions) return (places[a].dimensions < places[b].dimensions) == (x != permits);
    return places[a] < places[b];
  });
  const std::vector<Run> runs = runs_of(order, module, env, places);
  std::vector<std::uint32_t> begins = place_runs(runs, false);
  if (begins.back() > 64) {
    std::vector<std::uint32_t> apart = place_runs(runs, true);
    if (apart.back() <= std::min(2 * begins.back() + 128, kMaxRowWords)) begins = std::move(apart);
  }
  check(begins.back() <= kMaxRowWords, "rows of more blocks than a class has");
  layout.row_of.resize(env.rows.size());
  std::uint32_t ends[group_count] = {};
  std::size_t at = 0;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    for (std::uint32_t row = 0; row < runs[i].rows; ++row) layout.row_of[order[at++]] = begins[i] * 64 + row;
    ends[runs[i].group] = begins[i] + static_cast<std::uint32_t>((runs[i].rows + 63) / 64);
  }
  const std::uint32_t word = begins.back(), permit_end = std::max(ends[forbids], ends[permits]);
  layout.forbid_words = ends[forbids];
  layout.permit_words = permit_end - ends[forbids];
  layout.row_words = word;
  layout.rows = word * 64;
  layout.summary_words = (word + 63) / 64;
  layout.refusal_errno = errno_number(env.refusal_errno);
}

// An environment on its way into the tables.
struct EnvParts {
  std::vector<CodeExpr> exprs;             // by code predicate
  NumberPlan numbers;
  std::vector<RowPlace> places;            // by row
  std::uint32_t dimensions = 0;            // that some row asks for
};

constexpr std::uint32_t dimension_bit(std::uint32_t dimension) { return 1u << dimension; }

// `tests`, `shares`: of files.
RowPlace place_of(const KernelRow& row, const std::optional<std::vector<KeyRange>>& numbers, const std::vector<std::uint32_t>& tests,
                  const Shares& shares) {
  RowPlace place;
  if (row.address) {
    place.dimensions |= dimension_bit(KERF_DIMENSION_ADDRESS);
    place.v6 = row.address->v4.empty();
    const std::vector<AddressRange>& ranges = place.v6 ? row.address->v6 : row.address->v4;
    if (!ranges.empty()) place.address = address_key(ranges[0].first, place.v6);
  }
  if (row.port) {
    place.dimensions |= dimension_bit(KERF_DIMENSION_PORT);
    if (!row.port->empty()) place.port.low = row.port->front().first;
  }
  if (row.endpoint) {
    place.dimensions |= dimension_bit(KERF_DIMENSION_PEER);
    if (!row.endpoint->listed.empty()) place.endpoint = row.endpoint->listed[0];
  }
  for (const Requirement& requirement : row.path) place.dimensions |= dimension_bit(shares.automaton_of[tests.at(requirement.atom)]);
  if (numbers) {
    place.dimensions |= dimension_bit(KERF_DIMENSION_NUMBER);
    if (!numbers->empty()) place.number = numbers->front().first;
  }
  return place;
}

void place_rows(const KernelEnv& env, const std::vector<std::uint32_t>& tests, const Shares& shares, EnvParts& parts) {
  for (std::size_t i = 0; i < env.rows.size(); ++i) {
    parts.places.push_back(place_of(env.rows[i], parts.numbers.ranges[i], tests, shares));
    parts.dimensions |= parts.places.back().dimensions;
  }
}

std::vector<RangeRow> address_rows(const KernelEnv& env, const EnvLayout& layout, bool v6) {
  std::vector<RangeRow> rows;
  for (std::size_t i = 0; i < env.rows.size(); ++i) {
    if (!env.rows[i].address) continue;
    RangeRow row{layout.row_of[i], {}};
    for (const AddressRange& range : v6 ? env.rows[i].address->v6 : env.rows[i].address->v4) {
      row.ranges.push_back({address_key(range.first, v6), address_key(range.last, v6)});
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<RangeRow> port_rows(const KernelEnv& env, const EnvLayout& layout) {
  std::vector<RangeRow> rows;
  for (std::size_t i = 0; i < env.rows.size(); ++i) {
    if (!env.rows[i].port) continue;
    RangeRow row{layout.row_of[i], {}};
    for (const PortRange& range : *env.rows[i].port) row.ranges.push_back({{0, range.first}, {0, range.last}});
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<PeerRow> peer_rows(const KernelEnv& env, const EnvLayout& layout) {
  std::vector<PeerRow> rows;
  for (std::size_t i = 0; i < env.rows.size(); ++i) {
    if (env.rows[i].endpoint) rows.push_back({layout.row_of[i], &*env.rows[i].endpoint});
  }
  return rows;
}

std::vector<RangeRow> number_rows_of(const EnvLayout& layout, const NumberPlan& numbers) {
  std::vector<RangeRow> rows;
  for (std::size_t i = 0; i < numbers.ranges.size(); ++i) {
    if (numbers.ranges[i]) rows.push_back({layout.row_of[i], *numbers.ranges[i]});
  }
  return rows;
}

// Those that no row asks for stay empty.
struct Dimensions {
  SearchTable ip4, port, number;
  HalvesTable ip6;
  PeerTable peer;
  std::array<MatchTable, KERF_AUTOMATA> match;
};

bool is_files(const KernelEnv& env) {
  check(env.resource != KernelKind::process && env.resource != KernelKind::host && env.resource != KernelKind::syscall, "events are about this kind of resource");
  return has_text_id(env.resource);
}

// What the rows ask of one automaton.
std::vector<MatchRow> match_rows(const KernelEnv& env, const EnvLayout& layout, const std::vector<std::uint32_t>& tests,
                                 const Shares& shares, std::uint32_t automaton) {
  std::vector<MatchRow> rows;
  for (std::size_t i = 0; i < env.rows.size(); ++i) {
    MatchRow row{layout.row_of[i], {}};
    for (const Requirement& requirement : env.rows[i].path) {
      check(requirement.outcome != Outcome::error, "a path test that errs");
      std::uint32_t test = tests.at(requirement.atom);
      if (shares.automaton_of[test] == automaton) row.wants.emplace_back(test, requirement.outcome == Outcome::true_);
    }
    if (!row.wants.empty()) rows.push_back(std::move(row));
  }
  return rows;
}

std::optional<Error> build_file_dimensions(Dimensions& dimensions, Tables& tables, ClassStore& classes, const KernelEnv& env, const EnvLayout& layout,
                                           std::uint32_t asked, const std::vector<std::uint32_t>& tests, const Shares& shares) {
  for (std::uint32_t a = 0; a < KERF_AUTOMATA; ++a) {
    if (!(asked & dimension_bit(a))) continue;
    auto table = build_matches(tables, classes, layout.summary_words, shares.automata[a].matches, match_rows(env, layout, tests, shares, a));
    if (!table) return table.error();
    dimensions.match[a] = *table;
  }
  return std::nullopt;
}

std::optional<Error> build_net_dimensions(Dimensions& dimensions, Tables& tables, ClassStore& classes, const KernelEnv& env,
                                          const EnvLayout& layout, std::uint32_t asked) {
  auto search = [&](SearchTable& to, std::uint32_t last, const std::vector<RangeRow>& rows, std::string_view what) -> std::optional<Error> {
    auto table = build_search(tables, classes, layout.summary_words, last, rows, what);
    if (!table) return table.error();
    to = *table;
    return std::nullopt;
  };
  if (asked & dimension_bit(KERF_DIMENSION_ADDRESS)) {
    if (auto error = search(dimensions.ip4, 0xffffffff, address_rows(env, layout, false), "IPv4 addresses")) return error;
    auto halves = build_halves(tables, classes, layout.summary_words, address_rows(env, layout, true));
    if (!halves) return halves.error();
    dimensions.ip6 = *halves;
  }
  if (asked & dimension_bit(KERF_DIMENSION_PORT)) {
    if (auto error = search(dimensions.port, 0xffff, port_rows(env, layout), "ports")) return error;
  }
  if (!(asked & dimension_bit(KERF_DIMENSION_PEER))) return std::nullopt;
  auto peer = build_peers(tables, classes, layout.summary_words, peer_rows(env, layout));
  if (!peer) return peer.error();
  dimensions.peer = *peer;
  return std::nullopt;
}

Result<Dimensions> build_dimensions(Tables& tables, const KernelEnv& env, const EnvLayout& layout, const EnvParts& parts,
                                    const std::vector<std::uint32_t>& tests, const Shares& shares) {
  Words rows(layout.summary_words * 64u);
  for (std::uint32_t row : layout.row_of) rows[row / 64] |= std::uint64_t{1} << (row & 63);
  ClassStore classes(tables, layout.summary_words, std::move(rows));
  Dimensions dimensions{};
  auto error = is_files(env) ? build_file_dimensions(dimensions, tables, classes, env, layout, parts.dimensions, tests, shares)
                             : build_net_dimensions(dimensions, tables, classes, env, layout, parts.dimensions);
  if (error) return *error;
  if (!(parts.dimensions & dimension_bit(KERF_DIMENSION_NUMBER))) return dimensions;
  auto number = build_search(tables, classes, layout.summary_words, 0xffffffff, number_rows_of(layout, parts.numbers), "numbers");
  if (!number) return number.error();
  dimensions.number = *number;
  return dimensions;
}

void put_search(std::uint32_t (&fields)[KERF_ENV_FIELDS], kerf_env_field keys, const SearchTable& table) {
  fields[keys] = table.keys;
  fields[keys + 1] = table.depth;
  fields[keys + 2] = table.ranks;
  fields[keys + 3] = table.base;
}

void put_net_fields(std::uint32_t (&fields)[KERF_ENV_FIELDS], const Dimensions& d) {
  put_search(fields, KERF_ENV_IP4_KEYS, d.ip4);
  fields[KERF_ENV_IP6_TREES] = d.ip6.trees;
  fields[KERF_ENV_IP6_BASE] = d.ip6.base;
  put_search(fields, KERF_ENV_PORT_KEYS, d.port);
  fields[KERF_ENV_PEER_COUNT] = d.peer.count;
  fields[KERF_ENV_PEER_OTHERS] = d.peer.others;
  fields[KERF_ENV_PEER_SEED] = d.peer.seed;
  fields[KERF_ENV_PEER_FACTORS] = d.peer.factors;
  fields[KERF_ENV_PEER_FACTOR_SHIFT] = d.peer.factor_shift;
  fields[KERF_ENV_PEER_SLOTS] = d.peer.slots;
  fields[KERF_ENV_PEER_SLOT_SHIFT] = d.peer.slot_shift;
  fields[KERF_ENV_PEER_BASE] = d.peer.base;
}

void put_file_fields(std::uint32_t (&fields)[KERF_ENV_FIELDS], const Dimensions& d) {
  static_assert(KERF_AUTOMATA == 3, "tables.h gives three automata room");
  fields[KERF_ENV_FILES] = 1;
  for (std::size_t a = 0; a < KERF_AUTOMATA; ++a) {
    fields[KERF_ENV_MATCH_CLASSES + a] = d.match[a].classes;
    fields[KERF_ENV_MATCH_BASE + a] = d.match[a].base;
  }
}

void add_env(Tables& tables, const EnvLayout& layout, const Dimensions& d, const EnvParts& parts, bool files) {
  std::uint32_t fields[KERF_ENV_FIELDS] = {};
  fields[KERF_ENV_BLOCKS] = layout.summary_words;
  fields[KERF_ENV_FORBID_END] = layout.forbid_words;
  fields[KERF_ENV_PERMIT_END] = layout.forbid_words + layout.permit_words;
  fields[KERF_ENV_ROWS] = static_cast<std::uint32_t>(tables.rows.size() / 2);
  fields[KERF_ENV_ACTIVE] = layout.active_offset;
  fields[KERF_ENV_SUMMARY_WORDS] = layout.summary_words;
  fields[KERF_ENV_VALUES] = layout.values_offset;
  fields[KERF_ENV_ERRNO] = static_cast<std::uint32_t>(layout.refusal_errno);
  if (files) put_file_fields(fields, d);
  else put_net_fields(fields, d);
  fields[KERF_ENV_DIMENSIONS] = parts.dimensions;
  fields[KERF_ENV_NUMBER_AT] = parts.numbers.seen_offset;
  put_search(fields, KERF_ENV_NUMBER_KEYS, d.number);
  tables.envs.insert(tables.envs.end(), fields, fields + KERF_ENV_FIELDS);
}

// Code conditions of all environments, equal ones once.
class Conditions {
 public:
  explicit Conditions(CodegenRequest& request) : request_(request) {}

  // The number of the condition + 1; 0: none. `exprs`: by code predicate of the environment.
  std::uint32_t condition_of(const std::vector<Requirement>& code, const std::vector<CodeExpr>& exprs) {
    if (code.empty()) return 0;
    CodeCondition condition;
    for (const Requirement& requirement : code) {
      condition.push_back({intern(request_.exprs, expr_index_, exprs.at(requirement.atom)), static_cast<std::uint8_t>(requirement.outcome)});
    }
    std::sort(condition.begin(), condition.end());
    condition.erase(std::unique(condition.begin(), condition.end()), condition.end());
    return intern(request_.conditions, condition_index_, condition) + 1;
  }

 private:
  template <class T>
  static std::uint32_t intern(std::vector<T>& store, std::map<T, std::uint32_t>& index, const T& value) {
    auto [it, fresh] = index.emplace(value, static_cast<std::uint32_t>(store.size()));
    if (fresh) store.push_back(value);
    return it->second;
  }

  CodegenRequest& request_;
  std::map<CodeExpr, std::uint32_t> expr_index_;
  std::map<CodeCondition, std::uint32_t> condition_index_;
};

void add_rows(Tables& tables, Conditions& conditions, const KernelEnv& env, const EnvParts& parts, const EnvLayout& layout) {
  std::size_t first = tables.rows.size();
  for (std::uint32_t i = 0; i < layout.rows; ++i) tables.rows.insert(tables.rows.end(), {kNoPolicy, 0});
  for (std::size_t i = 0; i < env.rows.size(); ++i) {
    std::size_t at = first + layout.row_of[i] * 2u;
    tables.rows[at] = env.rows[i].policy.index;
    tables.rows[at + 1] = conditions.condition_of(parts.numbers.code[i], parts.exprs);
  }
}

// In a binding an event has at most one environment of each kind of resource: environments of the same event and kind
// never meet there, so they share a part of a segment.
std::uint32_t place_in_segment(const KernelPlan& plan, BpfLayout& layout) {
  auto part_of = [&](const EnvLayout& env) {
    return std::pair(plan.envs[env.plan_env].event, plan.envs[env.plan_env].resource);
  };
  std::map<std::pair<KernelEventId, KernelKind>, std::uint32_t> words_of, begin;
  for (const EnvLayout& env : layout.envs) {
    std::uint32_t words = env.summary_words + env.row_words + env.value_count * kValueWords;
    words_of[part_of(env)] = std::max(words_of[part_of(env)], words);
  }
  std::uint32_t total = 0;
  for (auto [part, words] : words_of) {
    begin[part] = total;
    total += words;
  }
  for (EnvLayout& env : layout.envs) {
    env.active_offset = begin[part_of(env)];
    env.values_offset = env.active_offset + env.summary_words + env.row_words;
  }
  return total;
}

// The mask of events that some action of the schema binds, and whether one asks for the executable.
std::uint64_t governed_events(const Module& module) {
  std::uint64_t mask = 0;
  for (const auto& [uid, action] : module.schema.actions) {
    for (KernelEventId event : action.events) {
      if (!decided_by_filter(kernel_event(event))) mask |= KERF_BIT(static_cast<std::uint32_t>(event)) | (binds(action, "process.exe") ? KERF_READS_EXE : 0);
    }
  }
  return mask;
}

Result<EnvParts> lower_env(const Module& module, const KernelEnv& env, const Executables& executables) {
  EnvParts parts;
  for (const CodePredicate& predicate : env.code) {
    Result<CodeExpr> expr = lower_code(module, env, predicate, executables);
    if (!expr) return expr.error();
    parts.exprs.push_back(std::move(*expr));
  }
  parts.numbers = plan_numbers(env, parts.exprs);
  return parts;
}

}  // namespace

Result<Layout> lay_out(const Module& module, const KernelPlan& plan, const std::array<std::uint8_t, 16>& digest) {
  Layout result;
  result.object.governed = governed_events(module);
  Tables tables;
  PlanTests tests(plan);
  Shares shares;
  if (result.object.governed & KERF_NAMED_EVENTS) {
    Result<Shares> shared = share_out(tests.all());
    if (!shared) return shared.error();
    shares = std::move(*shared);
  }
  const bool reads_exe = (result.object.governed & KERF_READS_EXE) != 0;
  Result<Executables> executables = reads_exe ? Executables::of(module, plan) : Executables();
  if (!executables) return executables.error();
  if (!shares.automata.empty() || reads_exe) {
    if (auto error = store_automata(tables, shares.automata, reads_exe ? &executables->automaton() : nullptr)) return *error;
  }
  std::vector<EnvParts> parts;
  for (std::size_t i = 0; i < plan.envs.size(); ++i) {
    check(plan.envs[i].rows.size() <= kMaxRowsPerEnv && plan.envs[i].slots.size() <= KERF_VALUE_SLOTS, "plan passes its limits");
    Result<EnvParts> lowered = lower_env(module, plan.envs[i], *executables);
    if (!lowered) return lowered.error();
    place_rows(plan.envs[i], tests.of_env(i), shares, *lowered);
    EnvLayout env{};
    env.plan_env = i;
    env.value_count = static_cast<std::uint32_t>(plan.envs[i].slots.size());
    number_rows(module, plan.envs[i], lowered->places, env);
    parts.push_back(std::move(*lowered));
    result.object.envs.push_back(std::move(env));
  }
  result.object.segment_words = place_in_segment(plan, result.object);

  Conditions conditions(result.request);
  for (const EnvLayout& layout : result.object.envs) {
    const KernelEnv& env = plan.envs[layout.plan_env];
    const EnvParts& own = parts[layout.plan_env];
    Result<Dimensions> dimensions = build_dimensions(tables, env, layout, own, tests.of_env(layout.plan_env), shares);
    if (!dimensions) return dimensions.error();
    add_env(tables, layout, *dimensions, own, is_files(env));
    add_rows(tables, conditions, env, own, layout);
    if (tables.bytes() > kMaxTableBytes) return Error{fmt::format("the kernel tables pass {} MiB", kMaxTableBytes >> 20)};
  }
  if (result.request.conditions.size() > kMaxConditions) {
    return Error{fmt::format("{} different conditions need instructions at the hook, the limit is {}",
                             result.request.conditions.size(), kMaxConditions)};
  }
  // The slack lets a hook hand on a whole block of active words, or all value slots, wherever in the last segment.
  static_assert(kSlackWords >= 64 && kSlackWords >= KERF_VALUE_SLOTS * kValueWords);
  std::uint32_t words = (KERF_SEGMENTS + 1) * result.object.segment_words + kSlackWords;
  result.object.binding_bytes = static_cast<std::uint32_t>(sizeof(kerf_binding)) + words * 8;
  if (auto error = make_contents(module, plan, tables, digest, result)) return *error;
  return result;
}

}  // namespace kerf::bpf
