// Readers decide while another thread swaps engines; built with ThreadSanitizer, which ends the process at a race. Two
// tables take turns: that of the vectors, and the same without a policy. Then the vectors' entities go and come back, one
// change an engine, and then its policies. What must be answered by a generation is written down before it is swapped in.
#include <atomic>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <thread>

#include "ir/values/json.h"
#include "runtime/gateway/editor.h"
#include "runtime/gateway/live.h"

using namespace kerf;
using namespace kerf::gateway;

namespace {

constexpr int kSwaps = 60, kEdits = 200, kPolicyEdits = 100, kReaders = 3;

Loaded build(const Json& table, const Json& entities) {
  auto read = std::make_shared<const Table>(*Table::read(table.dump()));
  return {*Engine::build(read, *Entities::build(*entities_from_json(entities))), "", 0, 0, 0};
}

// Every group's rows and expressions are gone, so nothing is permitted.
Json emptied(Json table) {
  for (Json& environment : table["environments"]) environment["groups"] = Json::array();
  return table;
}

// With policy number `policy` alone, or with all others.
Json part(Json table, std::size_t policy, bool alone) {
  Json kept = Json::array();
  std::vector<std::size_t> numbers;
  for (std::size_t p = 0; p < table["policies"].size(); ++p) {
    numbers.push_back(kept.size());
    if ((p == policy) == alone) kept.push_back(table["policies"][p]);
  }
  table["policies"] = kept;
  for (Json& environment : table["environments"]) {
    for (Json& group : environment["groups"]) {
      for (const char* list : {"rows", "exprs"}) {
        Json rules = Json::array();
        for (Json& rule : group[list]) {
          const std::size_t p = rule["policy"].get<std::size_t>();
          if ((p == policy) == alone) rules.push_back(rule), rules.back()["policy"] = numbers[p];
        }
        group[list] = rules;
      }
    }
  }
  return table;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 64;
  std::stringstream text;
  text << std::ifstream(argv[1]).rdbuf();
  const Json file = *parse_json(text.str(), kMaxTableDepth, JsonNull::accept);
  const Json tables[] = {file["table"], emptied(file["table"])};
  std::vector<std::pair<std::string, bool>> requests;
  std::size_t allowed = 0;
  for (const Json& vector : file["cases"]) {
    requests.emplace_back(vector["request"].dump(), vector["response"]["decision"] == "allow");
    allowed += requests.back().second ? 1 : 0;
  }
  std::vector<std::vector<char>> expected(kSwaps + kEdits + kPolicyEdits + 3);   // by generation, then by request
  auto expect = [&](std::uint64_t generation, const Json& table, const std::vector<Entity>& list) {
    const Table plain = *Table::read(table.dump());
    const Entities entities = *Entities::build(list);
    for (const auto& [request, allow] : requests) {
      expected[generation].push_back(plain.decide(*read_request(request), entities)->allow);
    }
  };
  const std::vector<Entity> entities = *entities_from_json(file["entities"]);
  expect(1, tables[0], entities);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    if (expected[1][i] != requests[i].second) return 1;
  }
  Live live(build(tables[0], file["entities"]));
  std::atomic<bool> done{false};
  std::atomic<std::uint64_t> decided{0}, wrong{0}, seen{0};
  auto read = [&] {
    Reader reader(live);
    std::string line;
    std::uint64_t last = 0;
    while (!done.load(std::memory_order_relaxed)) {
      for (std::size_t i = 0; i < requests.size(); ++i) {
        const std::string& request = requests[i].first;
        const std::uint64_t generation = reader.current().generation;
        if (generation != last) seen.fetch_add(1, std::memory_order_relaxed);
        if (generation < last) wrong.fetch_add(1, std::memory_order_relaxed);
        last = generation;
        line.clear();
        const Result<bool, RequestFault> answer = reader.decide(request, request.size(), line);
        if (!answer.ok() || *answer != (expected[generation][i] != 0)) wrong.fetch_add(1, std::memory_order_relaxed);
        decided.fetch_add(1, std::memory_order_relaxed);
      }
    }
  };
  std::vector<std::thread> readers;
  for (int i = 0; i < kReaders; ++i) readers.emplace_back(read);
  auto wait_for = [&](std::size_t decisions) {
    const std::uint64_t enough = decided.load() + decisions;
    while (decided.load() < enough) std::this_thread::yield();
  };
  for (std::uint64_t i = 1; i <= kSwaps; ++i) {
    expect(i + 1, tables[i % 2], entities);
    live.swap(build(tables[i % 2], file["entities"]));
    wait_for(requests.size());
  }
  Editor editor = *Editor::build(std::make_shared<const Table>(*Table::read(tables[0].dump())), *Entities::build(entities));
  std::size_t differ = 0;
  for (std::size_t i = 0; i < kEdits; ++i) {
    EntityChange change;
    const Entity& entity = entities[i / 2 * 7 % entities.size()];
    if (i % 2 == 0) change.remove.push_back(entity.uid);
    else change.upsert.push_back(entity);
    if (!editor.change(change).ok()) return 1;
    const std::uint64_t next = live.generation() + 1;
    expect(next, tables[0], editor.entities());
    differ += expected[next] != expected[1] ? 1 : 0;
    live.swap({editor.engine(), "", 0, 0, 0});
    wait_for(8);
  }
  std::size_t by_policies = 0;
  for (std::size_t i = 0; i < kPolicyEdits; ++i) {
    const std::size_t policy = i / 2 % tables[0]["policies"].size();
    PolicyChange change;
    if (i % 2 == 0) change.remove.push_back(tables[0]["policies"][policy]["id"].get<std::string>());
    else change.add = std::make_shared<const Table>(*Table::read(part(tables[0], policy, true).dump()));
    if (!editor.change(change).ok()) return 1;
    const std::uint64_t next = live.generation() + 1;
    expect(next, i % 2 == 0 ? part(tables[0], policy, false) : tables[0], editor.entities());
    by_policies += expected[next] != expected[next - 1] ? 1 : 0;
    live.swap({editor.engine(), "", 0, 0, 0});
    wait_for(8);
  }
  done = true;
  for (std::thread& reader : readers) reader.join();
  std::printf("%llu decisions, %llu wrong, %llu new engines seen\n", static_cast<unsigned long long>(decided), static_cast<unsigned long long>(wrong),
              static_cast<unsigned long long>(seen));
  return wrong == 0 && allowed > 0 && differ > kEdits / 10 && by_policies > kPolicyEdits / 10 && seen > kSwaps / 2 ? 0 : 1;
}
