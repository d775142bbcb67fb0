// Readers decide while another thread swaps engines; built with ThreadSanitizer, which ends the process at a race. Two
// tables take turns: that of the vectors, and the same without a policy. A reader knows from the generation whose answer it
// must get.
#include <atomic>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <thread>

#include "ir/values/json.h"
#include "runtime/gateway/live.h"

using namespace kerf;
using namespace kerf::gateway;

namespace {

constexpr int kSwaps = 60, kReaders = 3;

Loaded build(const Json& table, const Json& entities) {
  auto read = std::make_shared<const Table>(*Table::read(table.dump()));
  return {*Engine::build(read, *Entities::build(*entities_from_json(entities))), "", 0, 0, 0};
}

// Every group's rows and expressions are gone, so nothing is permitted.
Json emptied(Json table) {
  for (Json& environment : table["environments"]) environment["groups"] = Json::array();
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
  Live live(build(tables[0], file["entities"]));
  std::atomic<bool> done{false};
  std::atomic<std::uint64_t> decided{0}, wrong{0}, seen{0};
  auto read = [&] {
    Reader reader(live);
    std::string line;
    std::uint64_t last = 0;
    while (!done.load(std::memory_order_relaxed)) {
      for (const auto& [request, allow] : requests) {
        const std::uint64_t generation = reader.current().generation;
        if (generation != last) seen.fetch_add(1, std::memory_order_relaxed);
        if (generation < last) wrong.fetch_add(1, std::memory_order_relaxed);
        last = generation;
        line.clear();
        const Result<bool, RequestFault> answer = reader.decide(request, request.size(), line);
        const bool expected = allow && generation % 2 == 1;
        if (!answer.ok() || *answer != expected) wrong.fetch_add(1, std::memory_order_relaxed);
        decided.fetch_add(1, std::memory_order_relaxed);
      }
    }
  };
  std::vector<std::thread> readers;
  for (int i = 0; i < kReaders; ++i) readers.emplace_back(read);
  for (int i = 1; i <= kSwaps; ++i) {
    live.swap(build(tables[i % 2], file["entities"]));
    const std::uint64_t enough = decided.load() + requests.size();
    while (decided.load() < enough) std::this_thread::yield();
  }
  done = true;
  for (std::thread& reader : readers) reader.join();
  std::printf("%llu decisions, %llu wrong, %llu new engines seen\n", static_cast<unsigned long long>(decided), static_cast<unsigned long long>(wrong),
              static_cast<unsigned long long>(seen));
  return wrong == 0 && allowed > 0 && seen > kSwaps / 2 ? 0 : 1;
}
