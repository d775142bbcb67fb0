// Automata -> cells and edges. Rows of edges are laid over each other (row displacement: R. Tarjan, A. Yao,
// Storing a sparse table, 1979). The one decision: a state with one edge is a single word if its successor can be the
// next cell, so that a literal costs about four bytes for each of its own.
#include "backends/bpf/path_tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "runtime/abi/policy_abi.h"
#include "runtime/kernel/tables.h"

namespace kerf::bpf {
namespace {

constexpr std::uint32_t kNowhere = 0xffffffffu;
constexpr std::size_t kWindow = 1024;        // places that are tried for a row of edges before it goes to the end

// Gives each state of one automaton its cells.
class Placement {
 public:
  Placement(const Automaton& automaton, std::uint32_t first_cell)
      : automaton_(automaton), next_(first_cell), cell_of_(automaton.states.size(), kNowhere) {
    std::vector<bool> fallback(automaton.states.size());
    for (const Automaton::State& state : automaton.states) {
      single_.push_back(could_be_single(state));
      if (single_.back()) fallback[state.fallback] = true;
    }
    std::transform(single_.begin(), single_.end(), fallback.begin(), single_.begin(), [](bool single, bool falls_here) { return single && !falls_here; });
    place_all();
  }
  std::uint32_t cell_of(std::uint32_t state) const { return cell_of_[state]; }
  const std::vector<std::uint32_t>& order() const { return order_; }   // by cell
  bool is_single(std::uint32_t state) const { return single_[state]; }

 private:
  bool could_be_single(const Automaton::State& state) const {
    if (state.edge_count != 1 || state.match != automaton_.states[state.fallback].match) return false;
    std::uint8_t byte = automaton_.edges[state.first_edge].byte;
    return KERF_CELL_IS_SINGLE(byte);
  }
  void place_all() {
    std::vector<std::uint32_t> waiting{automaton_.start};
    while (!waiting.empty()) {
      std::uint32_t s = waiting.back();
      waiting.pop_back();
      while (cell_of_[s] == kNowhere) {
        std::span<const Automaton::Edge> edges = automaton_.edges_of(s);
        if (single_[s] && (edges[0].next == s || cell_of_[edges[0].next] != kNowhere)) single_[s] = false;
        cell_of_[s] = next_;
        next_ += single_[s] ? 1 : automaton_.is_final(s) ? KERF_FINAL_CELLS : KERF_NODE_CELLS;
        order_.push_back(s);
        if (automaton_.states[s].fallback != s) waiting.push_back(automaton_.states[s].fallback);
        if (single_[s]) {
          s = edges[0].next;
          continue;
        }
        for (auto edge = edges.rbegin(); edge != edges.rend(); ++edge) waiting.push_back(edge->next);
        break;
      }
    }
  }

  const Automaton& automaton_;
  std::uint32_t next_;
  std::vector<std::uint32_t> cell_of_, order_;
  std::vector<bool> single_;
};

// Rows of edges in one array, first fit.
class EdgeArray {
 public:
  explicit EdgeArray(Words& entries) : entries_(entries) {}

  std::uint32_t place(std::span<const Automaton::Edge> edges) {
    if (edges.empty()) return 0;
    // One edge takes the first hole there is; more of them look among the last places, so that the work stays linear.
    std::size_t slot = first_free_;
    if (edges.size() > 1 && entries_.size() > slot + kWindow) slot = entries_.size() - kWindow;
    for (; slot < entries_.size(); ++slot) {
      if (!taken(slot) && fits(slot - edges[0].byte, edges)) return take(slot - edges[0].byte, edges);
    }
    return take(slot - edges[0].byte, edges);
  }
  void set(std::uint32_t base, std::uint8_t byte, std::uint32_t owner, std::uint32_t next) {
    entries_[base + byte] = static_cast<std::uint64_t>(owner) << 32 | next;
  }
  void finish() { entries_.resize(entries_.size() + 256, kFree); }   // every base takes every byte

 private:
  static constexpr std::uint64_t kFree = static_cast<std::uint64_t>(KERF_NO_STATE) << 32 | KERF_NO_STATE;
  static constexpr std::uint64_t kReserved = static_cast<std::uint64_t>(KERF_NO_STATE) << 32;

  bool taken(std::size_t slot) const { return slot < entries_.size() && entries_[slot] != kFree; }
  bool fits(std::size_t base, std::span<const Automaton::Edge> edges) const {
    return std::none_of(edges.begin(), edges.end(), [&](const Automaton::Edge& e) { return taken(base + e.byte); });
  }
  std::uint32_t take(std::size_t base, std::span<const Automaton::Edge> edges) {
    if (entries_.size() <= base + edges.back().byte) entries_.resize(base + edges.back().byte + 1, kFree);
    for (const Automaton::Edge& edge : edges) entries_[base + edge.byte] = kReserved;
    while (taken(first_free_)) ++first_free_;
    return static_cast<std::uint32_t>(base);
  }

  Words& entries_;
  std::size_t first_free_ = 256;           // so that no base is negative
};

class Store {
 public:
  Store(Tables& tables, EdgeArray& edges, const Automaton& automaton)
      : tables_(tables), edges_(edges), automaton_(automaton),
        placement_(automaton, static_cast<std::uint32_t>(tables.path_cells.size())) {}

  void run() {
    tables_.path_starts.push_back(placement_.cell_of(automaton_.start));
    for (std::uint32_t state : placement_.order()) {
      const Automaton::State& s = automaton_.states[state];
      if (placement_.is_single(state)) {
        add_cell(automaton_.edges[s.first_edge].byte, placement_.cell_of(s.fallback));
        continue;
      }
      if (automaton_.is_final(state)) {
        add_cell(KERF_CELL_FINAL, 0);
        add_rest({s.match});
        continue;
      }
      if (automaton_.is_scan(state)) {
        const Automaton::Edge edge = automaton_.edges_of(state)[0];
        add_cell(KERF_CELL_SCAN, placement_.cell_of(edge.next));
        add_rest({s.match, edge.byte});
        continue;
      }
      const std::uint32_t base = edges_.place(automaton_.edges_of(state));
      add_cell(KERF_CELL_NODE, base);
      add_rest({s.match, placement_.cell_of(s.fallback)});
      for (const Automaton::Edge& edge : automaton_.edges_of(state)) {
        edges_.set(base, edge.byte, placement_.cell_of(state), placement_.cell_of(edge.next));
      }
    }
  }

 private:
  void add_cell(std::uint32_t kind, std::uint32_t rest) {
    tables_.path_cells.push_back(kind << KERF_CELL_SHIFT | rest);
    tables_.path_bytes.push_back(static_cast<std::uint8_t>(KERF_CELL_IS_SINGLE(kind) ? kind : KERF_CELL_FINAL));
  }
  void add_rest(std::initializer_list<std::uint32_t> cells) {
    tables_.path_cells.insert(tables_.path_cells.end(), cells);
    tables_.path_bytes.resize(tables_.path_cells.size(), KERF_CELL_FINAL);
  }

  Tables& tables_;
  EdgeArray& edges_;
  const Automaton& automaton_;
  Placement placement_;
};

}  // namespace

PlanTests::PlanTests(const KernelPlan& plan) {
  struct Less { bool operator()(const PathTest* a, const PathTest* b) const { return *a < *b; } };
  std::map<const PathTest*, std::uint32_t, Less> number_of;
  for (const KernelEnv& env : plan.envs) {
    std::vector<std::uint32_t>& numbers = of_env_.emplace_back();
    for (const PathTest& test : env.paths) {
      auto [it, fresh] = number_of.emplace(&test, static_cast<std::uint32_t>(all_.size()));
      if (fresh) all_.push_back(&test);
      numbers.push_back(it->second);
    }
  }
}

std::optional<Error> store_automata(Tables& tables, const std::vector<Automaton>& automata, const Automaton* executables) {
  EdgeArray edges(tables.path_edges);
  for (const Automaton& automaton : automata) Store(tables, edges, automaton).run();
  tables.automata = static_cast<std::uint32_t>(automata.size());
  if (executables) {
    tables.path_starts.resize(KERF_EXE_AUTOMATON);
    Store(tables, edges, *executables).run();
  }
  edges.finish();
  static_assert(kMaxTableBytes / 4 <= KERF_CELL_REST + 1, "tables within the limit have indices that a cell holds");
  tables.path_cells.insert(tables.path_cells.end(), KERF_NODE_CELLS, 0);   // a final state may be looked at as a node
  tables.path_bytes.resize(tables.path_cells.size() + 8, KERF_CELL_FINAL);  // eight from each cell on
  if (tables.bytes() <= kMaxTableBytes) return std::nullopt;
  return Error{fmt::format("the kernel tables for paths pass {} MiB; name directories instead of single files, or fewer paths",
                           kMaxTableBytes >> 20)};
}

}  // namespace kerf::bpf

std::vector<kerf::Pattern> kerf::patterns_past_limits(const KernelPlan& plan) {
  std::vector<bpf::NumberedTest> patterns;
  bpf::PlanTests tests(plan);
  for (const PathTest* test : tests.all()) {
    if (!bpf::is_literal(*test)) patterns.push_back({static_cast<std::uint32_t>(patterns.size()), test});
  }
  return bpf::share_out_patterns(std::move(patterns)).left;
}
