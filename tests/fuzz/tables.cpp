// Decision tables, and requests as lines: the plain evaluator and the engine give the same answers.
#include <fmt/ranges.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "ir/values/json.h"
#include "runtime/gateway/table_state.h"
#include "tests/fuzz/answers.h"
#include "tests/fuzz/target.h"

namespace kerf::fuzz {

std::string Answered::text() const { return fmt::format("{} [{}] [{}]", allow, fmt::join(determining, " "), fmt::join(errors, " ")); }

std::string by_table(const gateway::Table& table, const Request& request, const Entities& entities) {
  Result<gateway::Decision> d = table.decide(request, entities);
  if (!d) return "invalid";
  Answered out{d->allow, d->determining, {}};
  for (const auto& e : d->errors) out.errors.push_back(e.policy);
  return out.text();
}

namespace {

std::string by_engine(const gateway::Engine& engine, gateway::Query& query) {
  gateway::Answer answer;
  engine.decide(query, answer);
  require(engine.allows(query) == answer.allow, "the engine's two answers differ");
  Answered out{answer.allow, answer.determining, {}};
  for (const auto& e : answer.errors) out.errors.push_back(e.policy);
  return out.text();
}

struct Vectors {
  Entities entities;
  gateway::Engine engine;
};

std::vector<Vectors> read_vectors() {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(KERF_SOURCE_DIR "/tests/vectors")) {
    if (entry.path().filename() != "refused.json") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<Vectors> all;
  for (const std::filesystem::path& path : paths) {
    std::stringstream text;
    text << std::ifstream(path).rdbuf();
    Result<Json> file = parse_json(text.str(), gateway::kMaxTableDepth, JsonNull::accept);
    require(file.ok(), "a file of vectors does not read", path.string());
    Entities entities = *Entities::build(*entities_from_json((*file)["entities"]));
    auto table = std::make_shared<const gateway::Table>(*gateway::Table::read((*file)["table"].dump()));
    gateway::Engine engine = *gateway::Engine::build(std::move(table), entities);
    all.push_back({std::move(entities), std::move(engine)});
  }
  return all;
}

}  // namespace

std::string by_engine(const gateway::Engine& engine, gateway::Query& query, const Request& request) {
  if (!engine.set(query, request.principal, request.action, request.resource, request.context)) return "invalid";
  return by_engine(engine, query);
}

void table(std::string_view input) {
  Result<gateway::Table> read = gateway::Table::read(input);
  for (std::size_t piece : {1, 60}) {      // as long tables are read
    gateway::Table::State pieces;
    if (!gateway::read_table_fast(input, pieces, piece)) continue;
    require(read.ok(), "a table is taken in pieces, and refused as a whole");
    require(pieces.policies.size() == read->policies().size(), "a table read in pieces has other policies");
  }
  if (!read) {
    require(!read.error().message.empty(), "a refusal without a reason");
    return;
  }
  auto table = std::make_shared<const gateway::Table>(std::move(*read));
  const Entities& entities = world().module.entities;
  Result<gateway::Engine> engine = gateway::Engine::build(table, entities);
  if (!engine) return;
  gateway::Query query(*engine);
  for (const Request& request : world().requests) {
    require_equal("table and engine", by_table(*table, request, entities), by_engine(*engine, query, request));
  }
}

// The first byte picks the vectors whose table decides the rest. What follows the text in memory would go on with it.
void request_line(std::string_view input) {
  static const std::vector<Vectors> all = read_vectors();
  if (input.empty()) return;
  const Vectors& vectors = all[static_cast<unsigned char>(input[0]) % all.size()];
  input.remove_prefix(1);
  std::vector<char> padded(input.begin(), input.end());
  for (std::size_t i = 0; i < gateway::Engine::kPadding; ++i) padded.push_back("}\"],1"[i % 5]);
  Result<Request, gateway::RequestFault> request = gateway::read_request(input);
  gateway::Query query(vectors.engine);
  Result<Unit, gateway::RequestFault> set = vectors.engine.set(query, {padded.data(), input.size()}, padded.size());
  if (!request) {
    require(!set.ok() && set.error().kind == request.error().kind, "a line that is no request is taken", input, request.error().message);
    return require_equal("messages of the two readers", request.error().message, set.error().message);
  }
  require(set.ok() || set.error().kind == gateway::RequestFault::Kind::no_environment, "a request is not taken", input,
          set.ok() ? "" : set.error().message);
  require_equal("tree and line", by_table(vectors.engine.table(), *request, vectors.entities), set.ok() ? by_engine(vectors.engine, query) : "invalid");
}

}  // namespace kerf::fuzz
