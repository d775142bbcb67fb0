// A workload directory: table.json, entities.json, requests.jsonl, expected.jsonl (the official engine's answers).
#pragma once
#include <string>
#include <vector>

#include "runtime/gateway/engine.h"

namespace kerf::bench {

struct Expected {
  bool allow = false;
  std::vector<std::string> determining, errors;   // ids, sorted
};

struct Workload {
  std::string name;
  std::size_t policies = 0, entities = 0;
  double load_ms = 0, build_ms = 0;               // reading the table; arranging it with its entities
  std::size_t table_bytes = 0;
  Entities store;
  std::unique_ptr<gateway::Engine> engine;
  std::vector<Request> requests;
  std::vector<std::string> lines;                 // the requests as text
  std::vector<Expected> expected;                 // of the first requests, maybe not of all
};

Result<Workload> read_workload(const std::string& directory);
// Requests whose decision, determining or erroring policies are not the official ones.
std::size_t count_differences(const Workload& workload);

}  // namespace kerf::bench
