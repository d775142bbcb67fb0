// A bundle made by hand: one environment, predicates at bind and publish, value slots, rows in each group.
#pragma once
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "ir/values/json.h"
#include "runtime/abi/policy_abi.h"
#include "runtime/loader/bundle.h"
#include "runtime/loader/digest.h"
#include "runtime/loader/features.h"

namespace kerf::loader::test {

class TempDir {
 public:
  TempDir() {
    char pattern[] = "/tmp/kerf-test-XXXXXX";
    path_ = ::mkdtemp(pattern);
  }
  ~TempDir() {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
  }
  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

inline void put(const std::string& path, const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }

inline const char* kEntities = R"([
  {"uid":{"type":"Agent","id":"a1"},"attrs":{"risk":"low","limit":3,"home":{"__extn":{"fn":"ip","arg":"10.1.0.0/16"}}},"parents":[{"type":"AgentClass","id":"batch"}]},
  {"uid":{"type":"Agent","id":"a2"},"attrs":{"risk":"high"},"parents":[]},
  {"uid":{"type":"AgentClass","id":"batch"},"attrs":{},"parents":[]}
])";

inline Json var(const char* name) { return {{"Var", name}}; }
inline Json attr(Json of, const char* name) { return {{".", Json::array({of, name})}}; }
inline Json has(Json of, const char* name) { return {{"has", Json::array({of, name})}}; }
inline Json equal(Json a, Json b) { return {{"==", Json::array({a, b})}}; }

// Rows: forbids [0,64), permits [64,128), errors [128,192).
inline Json sample_environment() {
  Json depth = {{"&&", Json::array({has(var("context"), "depth"),
                                    {{"<=", Json::array({attr(var("context"), "depth"), {{"Long", "3"}}})}}})}};
  return {
      {"principal", "Agent"}, {"action", {{"type", "Action"}, {"id", "connect"}}}, {"resource", "Destination"},
      {"resource_kind", "endpoint"}, {"event", "net.connect"}, {"errno", "ECONNREFUSED"},
      {"row_words", 3}, {"summary_words", 1}, {"forbid_words", 1}, {"permit_words", 1},
      {"active_offset", 0}, {"values_offset", 4}, {"value_count", 2}, {"rows", 130},
      {"facts", {{{"name", "delegation_depth"}, {"attribute", "depth"}, {"type", "Long"}},
                 {{"name", "paused"}, {"attribute", "paused"}, {"type", "Bool"}}}},
      {"observed", {{{"observable", "endpoint.ip"}, {"attribute", "ip"}, {"of", "resource"}},
                    {{"observable", "endpoint.port"}, {"attribute", "port"}, {"of", "resource"}}}},
      {"predicates", {{{"expr", equal(attr(var("principal"), "risk"), {{"String", "low"}})}, {"stage", "bind"}, {"policy", 0}},
                      {{"expr", depth}, {"stage", "publish"}, {"policy", 1}},
                      {{"expr", attr(var("context"), "paused")}, {"stage", "publish"}, {"policy", 2}}}},
      {"slots", {{{"expr", attr(var("principal"), "limit")}, {"stage", "bind"}, {"type", "Long"}, {"policy", 0}},
                 {{"expr", attr(var("principal"), "home")}, {"stage", "bind"}, {"type", "ipaddr"}, {"policy", 0}}}},
      {"active", {{{"row", 0}, {"when", {{2, "true"}}}}, {{"row", 64}, {"when", {{0, "true"}}}},
                  {{"row", 65}, {"when", {{0, "true"}, {1, "true"}}}}, {{"row", 127}, {"when", Json::array()}},
                  {{"row", 129}, {"when", {{2, "error"}}}}}}};
}

// What the table says of a bundle that governs these events.
inline Json sample_features(std::uint64_t governed) {
  Json list = Json::array();
  for (const KnownFeature& feature : known_features()) {
    Json programs = Json::array();
    for (const KnownProgram& row : known_programs()) {
      if (row.feature == feature.name && is_in_object(row, governed)) programs.push_back(row.name);
    }
    if (!programs.empty()) list.push_back({{"name", feature.name}, {"what", feature.what}, {"programs", programs}});
  }
  return list;
}

inline Json sample_programs(std::uint64_t governed) {
  Json list = Json::array();
  for (const KnownProgram& row : known_programs()) {
    if (is_in_object(row, governed)) list.push_back(row.name);
  }
  return list;
}

inline Json sample_manifest() {
  Json source = {{"file", "p.cedar"}, {"begin", 0}, {"end", 1}, {"line", 1}, {"column", 1}};
  std::uint32_t words = 10;
  return {{"format", "kerf-bundle"}, {"version", 2}, {"abi", KERF_ABI_VERSION}, {"compiler", "0.1.0"}, {"digest", ""},
          {"inputs_digest", std::string(32, '0')},
          {"inputs", {{{"name", "p.cedar"}, {"kind", "policies"}, {"xxh3_128", std::string(32, 'a')}, {"size", 1}}}},
          {"outputs", Json::array()}, {"programs", sample_programs(KERF_BIT(KERF_EVENT_NET_CONNECT))}, {"maps", {"kerf_bindings"}},
          {"governed", {"net.connect"}}, {"features", sample_features(KERF_BIT(KERF_EVENT_NET_CONNECT))}, {"waived", Json::array()},
          {"principal_types", {{{"type", "Agent"}}}},
          {"policies", {{{"id", "base"}, {"effect", "permit"}, {"source", source}},
                        {{"id", "depth"}, {"effect", "permit"}, {"source", source}},
                        {{"id", "pause"}, {"effect", "forbid"}, {"source", source}}}},
          {"layout", {{"segment_words", words}, {"binding_bytes", sizeof(kerf_binding) + 9 * 8 * words}}},
          {"environments", {sample_environment()}}, {"paths", Json::array()}};
}

// The same bundle about files: reading, of files and of directories, by two environments of one event.
inline Json sample_file_manifest() {
  Json manifest = sample_manifest(), file = sample_environment(), directory = sample_environment();
  for (Json* env : {&file, &directory}) {
    (*env)["event"] = "file.read";
    (*env)["errno"] = "ENOENT";
    (*env)["action"]["id"] = "read";
  }
  file["resource_kind"] = "file";
  file["resource"] = "FilePath";
  file["observed"] = {{{"observable", "file.path"}, {"attribute", "path"}, {"of", "resource"}},
                      {{"observable", "file.owner"}, {"attribute", "owner"}, {"of", "resource"}},
                      {{"observable", "process.uid"}, {"attribute", "uid"}, {"of", "context"}}};
  directory["resource_kind"] = "directory";
  directory["resource"] = "Directory";
  directory["observed"] = {{{"observable", "directory.path"}, {"attribute", "path"}, {"of", "resource"}}};
  for (const char* key : {"predicates", "slots", "active"}) directory[key] = Json::array();
  directory["value_count"] = 0;
  manifest["environments"] = {file, directory};
  manifest["governed"] = {"file.read"};
  manifest["programs"] = sample_programs(KERF_BIT(KERF_EVENT_FILE_READ));
  manifest["features"] = sample_features(KERF_BIT(KERF_EVENT_FILE_READ));
  manifest["directory_type"] = "Directory";
  return manifest;
}

inline std::string seal(Json manifest) {
  manifest["digest"] = "";
  manifest["digest"] = xxh3_128(manifest.dump());
  return manifest.dump();
}

inline const char* kOutputs[] = {"policy.bpf.o", "table.json", "split.json", "entities.json"};

// Writes the files and a manifest whose hashes fit them.
inline void write_sample(const std::string& directory, Json manifest, const std::string& entities = kEntities) {
  Json outputs = Json::array();
  for (const char* name : kOutputs) {
    std::string bytes = std::string(name) == "entities.json" ? entities : std::string("content of ") + name;
    put(directory + "/" + name, bytes);
    outputs.push_back({{"name", name}, {"xxh3_128", xxh3_128(bytes)}, {"size", bytes.size()}});
  }
  if (manifest["outputs"].empty()) manifest["outputs"] = outputs;
  put(directory + "/manifest.json", seal(manifest));
}

}  // namespace kerf::loader::test
