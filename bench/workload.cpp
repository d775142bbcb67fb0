#include "bench/workload.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace kerf::bench {
namespace {

Result<std::string> read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return Error{"cannot read " + path};
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// Workload ids come from @id; the table numbers policies, so answers are compared by that annotation where there is one. Links have
// their template's annotations, and ids of their own.
std::string name_of(const gateway::PolicyInfo& policy) {
  auto found = policy.annotations.find("id");
  return found == policy.annotations.end() || !policy.id.starts_with("policy") ? policy.id : found->second;
}

template <class List, class Index>
std::vector<std::string> names(const gateway::Engine& engine, const List& list, Index index) {
  std::vector<std::string> out;
  for (const auto& element : list) out.push_back(name_of(engine.table().policies()[index(element)]));
  std::sort(out.begin(), out.end());
  return out;
}

double ms_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
}

Status read_lines(const std::string& path, auto&& read) {
  std::ifstream file(path);
  if (!file) return Error{"cannot read " + path};
  for (std::string line; std::getline(file, line);) {
    Result<Json> json = parse_json(line);
    if (!json.ok()) return Error{path + ": " + json.error().message};
    read(*json, line);
  }
  return Unit{};
}

}  // namespace

Result<Workload> read_workload(const std::string& directory) {
  Workload workload;
  workload.name = std::filesystem::path(directory).filename().string();
  Result<std::string> table_text = read_text(directory + "/table.json"), entities_text = read_text(directory + "/entities.json");
  if (!table_text.ok()) return table_text.error();
  if (!entities_text.ok()) return entities_text.error();
  workload.table_bytes = table_text->size();
  auto begin = std::chrono::steady_clock::now();
  Result<gateway::Table> table = gateway::Table::read(*table_text);
  if (!table.ok()) return Error{directory + ": " + table.error().message};
  workload.load_ms = ms_since(begin);
  workload.policies = table->policies().size();
  Result<Json> json = parse_json(*entities_text);
  if (!json.ok()) return json.error();
  Result<std::vector<Entity>> list = entities_from_json(*json);
  if (!list.ok()) return list.error();
  workload.entities = list->size();
  Result<Entities> entities = Entities::build(*std::move(list));
  if (!entities.ok()) return entities.error();
  workload.store = *entities;
  begin = std::chrono::steady_clock::now();
  Result<gateway::Engine> engine = gateway::Engine::build(std::make_shared<const gateway::Table>(*std::move(table)), *entities);
  if (!engine.ok()) return engine.error();
  workload.build_ms = ms_since(begin);
  workload.engine = std::make_unique<gateway::Engine>(*std::move(engine));
  Status requests = read_lines(directory + "/requests.jsonl", [&](const Json& line, const std::string& text) {
    workload.lines.push_back(text);
    workload.requests.push_back({*uid_from_json(line["principal"]), *uid_from_json(line["action"]),
                                 *uid_from_json(line["resource"]), *value_from_json(line["context"])->as_record()});
  });
  if (!requests.ok()) return requests.error();
  Status expected = read_lines(directory + "/expected.jsonl", [&](const Json& line, const std::string&) {
    workload.expected.push_back({line["decision"] == "allow", line["reason"].get<std::vector<std::string>>(),
                                 line["errors"].get<std::vector<std::string>>()});
  });
  if (!expected.ok()) return expected.error();
  return workload;
}

std::size_t count_differences(const Workload& workload) {
  std::size_t differences = workload.expected.empty() ? 1 : 0;
  gateway::Query query(*workload.engine);
  gateway::Answer answer;
  for (std::size_t i = 0; i < workload.expected.size(); ++i) {
    const Request& request = workload.requests[i];
    Expected expected = workload.expected[i];
    std::sort(expected.determining.begin(), expected.determining.end());
    std::sort(expected.errors.begin(), expected.errors.end());
    const bool valid = workload.engine->set(query, request.principal, request.action, request.resource, request.context);
    workload.engine->decide(query, answer);
    const bool same = valid && answer.allow == expected.allow && workload.engine->allows(query) == expected.allow &&
                      names(*workload.engine, answer.determining, [](std::uint32_t p) { return p; }) == expected.determining &&
                      names(*workload.engine, answer.errors, [](const auto& e) { return e.policy; }) == expected.errors;
    const std::string& line = workload.lines[i];
    const bool same_text = workload.engine->set(query, line, line.size()).ok() && workload.engine->allows(query) == expected.allow;
    differences += same && same_text ? 0 : 1;
  }
  return differences;
}

}  // namespace kerf::bench
