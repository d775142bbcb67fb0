// Tables and numbers of a policy set as they stand in its object. The one decision: what the code generator is asked for does not
// depend on them, so an object's code is made once for all policy sets that ask for the same events and conditions.
#include "backends/bpf/contents.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "runtime/abi/policy_abi.h"
#include "runtime/kernel/tables.h"

namespace kerf::bpf {
namespace {

constexpr std::uint64_t kLeastElements = 64;
constexpr std::uint64_t kMaxNumber = 0x7fffffff;   // instructions extend its sign
// Tables that lie a power of two apart would get into each other's way in a processor's cache.
constexpr std::uint64_t kStagger = 24;

// What padding holds: a row of a policy that is not there, an edge of no state; elsewhere zeros, which are no class, no row.
enum class Padding : char { zeros = 0, ones = -1 };

class Filler {
 public:
  explicit Filler(Layout& layout) : layout_(layout) {}

  template <class T>
  void table(std::string name, const std::vector<T>& values, std::uint64_t length, Padding padding = Padding::zeros) {
    check(values.size() <= length && length > 0, "a table is longer than its place");
    std::string bytes(length * sizeof(T), static_cast<char>(padding));
    if (!values.empty()) std::memcpy(bytes.data(), values.data(), values.size() * sizeof(T));
    bytes_ += bytes.size();
    layout_.contents.emplace(std::move(name), std::move(bytes));
  }
  // With its length as a number beside it.
  template <class T>
  void counted(const std::string& name, const std::vector<T>& values, Padding padding = Padding::zeros) {
    const std::uint64_t length = padded_length(values);
    table(name, values, length, padding);
    number(name + "_count", length);
  }
  template <class T>
  static std::uint64_t padded_length(const std::vector<T>& values) { return std::max<std::uint64_t>(values.size(), kLeastElements) + kStagger; }
  // Of runtime/kernel/numbers.def.
  void number(std::string name, std::uint64_t value) {
    check(value <= kMaxNumber, "a number of the decision is too large");
    layout_.numbers.emplace(std::move(name), static_cast<std::uint32_t>(value));
  }
  // What is data beside the tables: nobody's instructions depend on it.
  template <class T>
  void tell(std::string name, T value) {
    layout_.contents.emplace(std::move(name), std::string(reinterpret_cast<const char*>(&value), sizeof value));
  }

  std::uint64_t bytes() const { return bytes_; }   // of tables

 private:
  Layout& layout_;
  std::uint64_t bytes_ = 0;
};

std::array<std::uint32_t, KERF_EVENT_KINDS> event_errnos() {
  std::array<std::uint32_t, KERF_EVENT_KINDS> numbers;
  numbers.fill(EPERM);
  for (const KernelEvent& event : kernel_events()) {
    if (decided_by_filter(event)) continue;
    numbers[static_cast<std::size_t>(event.id)] = static_cast<std::uint32_t>(errno_number(event.default_errno));
  }
  return numbers;
}

void add_tables(Filler& to, const Tables& tables, std::size_t envs, const std::array<std::uint8_t, 16>& digest) {
  to.table("kerf_envs", tables.envs, std::max<std::size_t>(tables.envs.size(), KERF_ENV_FIELDS));   // as many as there are: none is padding
  to.number("kerf_env_count", envs);
  to.counted("kerf_rows", tables.rows, Padding::ones);
  to.counted("kerf_keys32", tables.keys32);
  to.counted("kerf_keys64", tables.keys64);
  to.counted("kerf_trees", tables.trees);
  to.counted("kerf_ranks", tables.ranks);
  to.counted("kerf_class_blocks", tables.class_blocks);
  to.counted("kerf_blocks", tables.blocks);
  to.counted("kerf_words", tables.words);
  to.counted("kerf_peer_factors", tables.peer_factors);
  to.counted("kerf_peer_slots", tables.peer_slots);
  to.counted("kerf_path_cells", tables.path_cells);
  to.table("kerf_path_bytes", tables.path_bytes, Filler::padded_length(tables.path_cells) + 8, Padding::ones);
  to.counted("kerf_path_edges", tables.path_edges, Padding::ones);
  std::array<std::uint32_t, KERF_EXE_AUTOMATON + 1> starts{};
  check(tables.path_starts.size() <= starts.size(), "more automata than there are places for");
  std::copy(tables.path_starts.begin(), tables.path_starts.end(), starts.begin());
  to.tell("kerf_path_starts", starts);
  for (std::uint32_t i = 0; i < KERF_AUTOMATA; ++i) to.number(fmt::format("kerf_asks_automaton{}", i), i < tables.automata);
  to.tell("kerf_event_errnos", event_errnos());
  to.tell("kerf_bundle_digest", digest);
}

std::uint32_t most_in_a_word(const EnvLayout& layout) {
  std::vector<std::uint32_t> count(layout.row_words);
  for (std::uint32_t row : layout.row_of) ++count[row / 64];
  return count.empty() ? 0 : *std::max_element(count.begin(), count.end());
}

void add_bounds(Filler& to, const Tables& tables, const BpfLayout& layout) {
  std::uint32_t depth32 = 0, depth64 = 0, blocks = 0, words = 0, word_rows = 0, dimensions = 0;
  for (std::size_t i = 0; i < layout.envs.size(); ++i) {
    const std::uint32_t* fields = &tables.envs[i * KERF_ENV_FIELDS];
    blocks = std::max(blocks, layout.envs[i].summary_words);
    words = std::max(words, std::min<std::uint32_t>(layout.envs[i].row_words, 64));
    word_rows = std::max(word_rows, most_in_a_word(layout.envs[i]));
    dimensions |= fields[KERF_ENV_DIMENSIONS];
    depth32 = std::max(depth32, fields[KERF_ENV_NUMBER_DEPTH]);
    if (fields[KERF_ENV_FILES]) continue;
    depth32 = std::max({depth32, fields[KERF_ENV_IP4_DEPTH], fields[KERF_ENV_PORT_DEPTH]});
  }
  for (std::size_t at = 0; at < tables.trees.size(); at += KERF_TREE_FIELDS) depth64 = std::max(depth64, tables.trees[at + KERF_TREE_DEPTH]);
  to.number("kerf_dimensions", dimensions);
  for (std::uint32_t i = 0; i < KERF_DIMENSIONS; ++i) to.number(fmt::format("kerf_least_dimension{}", i), dimensions >> i & 1 ? 1 : kMaxNumber);
  to.number("kerf_depth32_max", depth32);
  to.number("kerf_depth64_max", depth64);
  to.number("kerf_blocks_max", blocks);
  to.number("kerf_block_words_max", words);
  to.number("kerf_word_rows_max", word_rows);
  to.number("kerf_segment_words", layout.segment_words);
  to.number("kerf_binding_words", (layout.binding_bytes - sizeof(kerf_binding)) / 8);
  to.tell("kerf_governed", layout.governed);
}

bool reads_names(const KernelPlan& plan) {
  return std::any_of(plan.envs.begin(), plan.envs.end(), [](const KernelEnv& env) {
    auto learned = [&](const Requirement& when) { return env.predicates[when.atom].stage == Stage::learn; };
    return std::any_of(env.rows.begin(), env.rows.end(), [&](const KernelRow& row) { return std::any_of(row.bind.begin(), row.bind.end(), learned); });
  });
}

// The events for which an action binds an observable to its context that `asked` says yes to.
template <class Asked>
std::uint64_t events_that_read(const Module& module, const KernelPlan& plan, const Asked& asked) {
  std::uint64_t events = 0;
  for (const KernelEnv& env : plan.envs) {
    for (const auto& [attribute, bound] : module.schema.find_action(module.environments[env.environment].action)->bindings) {
      if (bound.kind == AttrBinding::Kind::observable && asked(find_observable(bound.name)->id)) events |= KERF_BIT(static_cast<unsigned>(env.event));
    }
  }
  return events;
}

// Does a type of objects have this observable?
bool binds_of_objects(const Module& module, std::string_view observable) {
  return std::any_of(module.schema.entity_types.begin(), module.schema.entity_types.end(), [&](const auto& type) {
    return std::any_of(type.second.bindings.begin(), type.second.bindings.end(), [&](const auto& bound) {
      return bound.second.kind == AttrBinding::Kind::observable && bound.second.name == observable;
    });
  });
}

bool is_told_of_tasks(ObservableId id) {
  constexpr bool always = false, exists = false, told = true;
  switch (id) {
#define KERF_SEEN(observable, field, bits, when, type, events) case ObservableId::observable: return when;
#include "runtime/abi/seen.def"
    default: return id == ObservableId::process_comm;
  }
}

void add_questions(Filler& to, const Module& module, const KernelPlan& plan) {
  auto one = [](ObservableId wanted) { return [wanted](ObservableId id) { return id == wanted; }; };
  auto reads = [&](const auto& asked) { return std::uint32_t{events_that_read(module, plan, asked) != 0}; };
  to.tell("kerf_reads_clock", reads(one(ObservableId::clock_now)));
  to.tell("kerf_reads_command", reads(one(ObservableId::ioctl_command)));
  to.tell("kerf_reads_task", reads(is_told_of_tasks));
  to.tell("kerf_reads_user", reads([](ObservableId id) { return id == ObservableId::process_uid || id == ObservableId::process_gid; }));
  to.tell("kerf_reads_fs_type", std::uint32_t{binds_of_objects(module, "file.fs_type")});
  const std::uint64_t comm_events = events_that_read(module, plan, one(ObservableId::process_comm));
  to.number("kerf_asks_comm", comm_events != 0);
  to.tell("kerf_comm_events", comm_events);
  to.tell("kerf_exe_events", events_that_read(module, plan, one(ObservableId::process_exe)));
}

}  // namespace

std::int32_t errno_number(std::string_view name) {
  struct Row { std::string_view name; std::int32_t number; };
  static constexpr Row rows[] = {{"EPERM", EPERM}, {"EACCES", EACCES}, {"ENOENT", ENOENT}, {"ECONNREFUSED", ECONNREFUSED},
                                 {"ENETUNREACH", ENETUNREACH}, {"EHOSTUNREACH", EHOSTUNREACH}, {"ETIMEDOUT", ETIMEDOUT},
                                 {"EROFS", EROFS}, {"EXDEV", EXDEV}, {"EADDRINUSE", EADDRINUSE}, {"EADDRNOTAVAIL", EADDRNOTAVAIL},
                                 {"EOPNOTSUPP", EOPNOTSUPP}, {"EAFNOSUPPORT", EAFNOSUPPORT}, {"EPROTONOSUPPORT", EPROTONOSUPPORT},
                                 {"ENOSYS", ENOSYS}, {"ENOSPC", ENOSPC}, {"EAGAIN", EAGAIN}, {"ENOMEM", ENOMEM}};
  for (const Row& row : rows) {
    if (row.name == name) return row.number;
  }
  internal_error("an errno of the kernel model without a number");
}

std::optional<Error> make_contents(const Module& module, const KernelPlan& plan, const Tables& tables,
                                  const std::array<std::uint8_t, 16>& digest, Layout& layout) {
  layout.request.governed = layout.object.governed;
  layout.policy_count = static_cast<std::uint32_t>(std::max<std::size_t>(module.policies.size(), 1));
  Filler to(layout);
  add_tables(to, tables, layout.object.envs.size(), digest);
  add_bounds(to, tables, layout.object);
  to.tell("kerf_policy_count", layout.policy_count);
  layout.request.reads_names = reads_names(plan);
  add_questions(to, module, plan);
  if (to.bytes() > kMaxTableBytes) return Error{fmt::format("the kernel tables pass {} MiB", kMaxTableBytes >> 20)};
  return std::nullopt;
}

}  // namespace kerf::bpf
