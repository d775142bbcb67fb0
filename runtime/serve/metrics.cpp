// Counters of all workers, summed, in Prometheus' text format.
#include "runtime/serve/metrics.h"

#include <fmt/format.h>

#include <iterator>

namespace kerf::serve {
namespace {

class Page {
 public:
  explicit Page(const std::vector<const Metrics*>& workers) : workers_(workers) {}

  void head(const char* name, const char* type, const char* help) { add("# HELP {} {}\n# TYPE {} {}\n", name, help, name, type); }
  template <class Get>
  std::uint64_t sum(Get get) const {
    std::uint64_t total = 0;
    for (const Metrics* worker : workers_) total += get(*worker).get();
    return total;
  }
  template <class... Args>
  void add(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(text), format, std::forward<Args>(args)...);
  }
  void histogram(const char* name) {
    std::uint64_t below = 0;
    for (std::size_t i = 0; i < kBuckets.size(); ++i) {
      below += sum([i](const Metrics& m) -> const Counter& { return m.latency[i]; });
      add("{}_bucket{{le=\"{}\"}} {}\n", name, static_cast<double>(kBuckets[i]) / 1e9, below);
    }
    below += sum([](const Metrics& m) -> const Counter& { return m.latency.back(); });
    add("{}_bucket{{le=\"+Inf\"}} {}\n", name, below);
    add("{}_sum {}\n", name, static_cast<double>(sum([](const Metrics& m) -> const Counter& { return m.latency_ns; })) / 1e9);
    add("{}_count {}\n", name, below);
  }

  std::string text;

 private:
  const std::vector<const Metrics*>& workers_;
};

}  // namespace

void Metrics::respond(int status) {
  for (std::size_t i = 0; i < kStatuses.size(); ++i) {
    if (kStatuses[i] == status) responses[i].add();
  }
}

void Metrics::took(std::uint64_t ns) {
  std::size_t bucket = 0;
  while (bucket < kBuckets.size() && ns > kBuckets[bucket]) ++bucket;
  latency[bucket].add();
  latency_ns.add(ns);
}

std::string metrics_text(const std::vector<const Metrics*>& workers, const Reloads& reloads, const gateway::Loaded& loaded,
                         std::size_t connections) {
  Page page(workers);
  page.head("kerf_decisions_total", "counter", "Decisions by outcome.");
  page.add("kerf_decisions_total{{decision=\"allow\"}} {}\n", page.sum([](const Metrics& m) -> const Counter& { return m.allow; }));
  page.add("kerf_decisions_total{{decision=\"deny\"}} {}\n", page.sum([](const Metrics& m) -> const Counter& { return m.deny; }));
  page.head("kerf_decisions_with_errors_total", "counter", "Decisions in which a policy was skipped because it erred.");
  page.add("kerf_decisions_with_errors_total {}\n", page.sum([](const Metrics& m) -> const Counter& { return m.with_errors; }));
  page.head("kerf_invalid_requests_total", "counter", "Requests without a decision, by reason.");
  const char* faults[] = {"not-json", "not-request", "no-environment"};
  for (std::size_t i = 0; i < 3; ++i) {
    page.add("kerf_invalid_requests_total{{reason=\"{}\"}} {}\n", faults[i], page.sum([i](const Metrics& m) -> const Counter& { return m.faults[i]; }));
  }
  page.head("kerf_http_responses_total", "counter", "HTTP responses by status.");
  for (std::size_t i = 0; i < kStatuses.size(); ++i) {
    page.add("kerf_http_responses_total{{code=\"{}\"}} {}\n", kStatuses[i], page.sum([i](const Metrics& m) -> const Counter& { return m.responses[i]; }));
  }
  page.head("kerf_decision_seconds", "histogram", "Time from a whole HTTP request to its answer in memory.");
  page.histogram("kerf_decision_seconds");
  page.head("kerf_http_connections", "gauge", "Open connections.");
  page.add("kerf_http_connections {}\n", connections);
  page.head("kerf_table_info", "gauge", "The table and entities in force.");
  page.add("kerf_table_info{{digest=\"{}\"}} 1\n", loaded.digest);
  page.head("kerf_table_generation", "gauge", "How often a table was put in force.");
  page.add("kerf_table_generation {}\n", loaded.generation);
  page.head("kerf_table_policies", "gauge", "Policies in force.");
  page.add("kerf_table_policies {}\n", loaded.policies);
  page.head("kerf_table_entities", "gauge", "Entities in force.");
  page.add("kerf_table_entities {}\n", loaded.entities);
  page.head("kerf_reloads_total", "counter", "Reloads by result.");
  page.add("kerf_reloads_total{{result=\"ok\"}} {}\nkerf_reloads_total{{result=\"refused\"}} {}\n", reloads.ok.get(), reloads.refused.get());
  page.head("kerf_last_load_timestamp_seconds", "gauge", "When the table in force was loaded.");
  page.add("kerf_last_load_timestamp_seconds {}\n", reloads.last_ok.load());
  return std::move(page.text);
}

}  // namespace kerf::serve
