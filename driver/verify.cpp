// The order of the checks: what is damaged is told as damage, what was made from other sources as that, and only then is
// anything compared, so that one cause gives one message.
#include "driver/verify.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

namespace kerf {
namespace {

const NamedBytes* find(const std::vector<NamedBytes>& files, std::string_view name) {
  for (const NamedBytes& file : files) {
    if (file.name == name) return &file;
  }
  return nullptr;
}

std::optional<Json> read_manifest(const std::vector<NamedBytes>& files, Diagnostics& diagnostics) {
  const NamedBytes* file = find(files, "manifest.json");
  constexpr int deep = 30'000;
  Result<Json> json = file ? parse_json(file->bytes, deep, JsonNull::accept) : Result<Json>(Error{"it is missing"});
  const bool shape = json && json->is_object() && json->contains("inputs") && json->contains("outputs") && (*json)["inputs"].is_array() && (*json)["outputs"].is_array();
  if (shape) return std::move(*json);
  diagnostics.report(Code::K7703, {}, "manifest.json", json ? "it has no lists of inputs and outputs" : json.error().message);
  return std::nullopt;
}

bool row_is(const Json& row, const std::string& name, const std::string& bytes) {
  return row.is_object() && row.value("name", "") == name && row.value("xxh3_128", "") == xxh3_128(bytes);
}

bool lists(const Json& manifest, const char* name) {
  const Json& rows = manifest["outputs"];
  return std::any_of(rows.begin(), rows.end(), [&](const Json& row) { return row.is_object() && row.value("name", "") == name; });
}

void check_outputs(const Json& manifest, const std::vector<NamedBytes>& files, Diagnostics& diagnostics) {
  std::vector<const char*> names = {"entities.json", "policy.bpf.o", "split.json", "table.json"};
  if (lists(manifest, "seccomp.json")) names.push_back("seccomp.json");
  for (const char* name : names) {
    const NamedBytes* file = find(files, name);
    bool good = false;
    for (const Json& row : manifest["outputs"]) good = good || (file && row_is(row, name, file->bytes));
    if (!good) diagnostics.report(Code::K7702, {}, "files", file ? fmt::format("{} is not the one that the manifest names", name) : fmt::format("{} is missing", name));
  }
}

// Names of sources are paths of the machine that compiled, so contents alone are compared.
void check_inputs(const Json& manifest, const ProgramText& text, Diagnostics& diagnostics) {
  std::multiset<std::string> expected, found;
  auto add = [&](const InputFile& file) { found.insert(xxh3_128(file.text)); };
  for (const InputFile& file : text.policies) add(file);
  for (const auto& file : {text.schema, text.entities, text.links}) {
    if (file) add(*file);
  }
  for (const Json& row : manifest["inputs"]) {
    const std::string hash = row.is_object() ? row.value("xxh3_128", "") : "";
    expected.insert(hash);
    if (!found.contains(hash)) diagnostics.report(Code::K7706, {}, fmt::format("`{}` is another file", row.is_object() ? row.value("name", "") : ""));
  }
  if (!diagnostics.has_errors() && expected != found) diagnostics.report(Code::K7706, {}, "they are more files");
}

void check_snapshot(const Module& module, const std::vector<NamedBytes>& files, Diagnostics& diagnostics) {
  const NamedBytes* file = find(files, "entities.json");
  Result<Json> json = parse_json(file->bytes);
  if (!json) diagnostics.report(Code::K7703, {}, "entities.json", json.error().message);
  else if (*json != entities_to_json(module.entities.all())) diagnostics.report(Code::K7702, {}, "entities", "entities.json is another snapshot");
}

}  // namespace

Verified prove(Program& program, const std::vector<NamedBytes>& files) {
  Verified verified;
  const NamedBytes *table = find(files, "table.json"), *object = find(files, "policy.bpf.o"), *manifest = find(files, "manifest.json");
  check(table && object && manifest, "a bundle has its files");
  verified.table = proof::check_table(program.module, table->bytes, program.diagnostics);
  verified.kernel = proof::check_kernel(program.module, object->bytes, manifest->bytes, program.diagnostics,
                                        {.residual = program.plan_options.residual});
  if (const NamedBytes* filters = find(files, "seccomp.json")) {
    verified.seccomp = proof::check_seccomp(program.module, filters->bytes, program.diagnostics);
  } else if (!program.syscalls.environments.empty()) {
    program.diagnostics.report(Code::K7702, {}, "files", "seccomp.json is missing");
  }
  return verified;
}

Verified verify_bundle(Program& program, const ProgramText& text, const std::vector<NamedBytes>& files) {
  Diagnostics& diagnostics = program.diagnostics;
  std::optional<Json> manifest = read_manifest(files, diagnostics);
  if (!manifest) return {};
  check_outputs(*manifest, files, diagnostics);
  if (diagnostics.has_errors()) return {};
  check_inputs(*manifest, text, diagnostics);
  if (diagnostics.has_errors()) return {};
  check_snapshot(program.module, files, diagnostics);
  return prove(program, files);
}

void inspect_bundle(const std::vector<NamedBytes>& files, Diagnostics& diagnostics) {
  std::optional<Json> manifest = read_manifest(files, diagnostics);
  if (!manifest) return;
  check_outputs(*manifest, files, diagnostics);
  if (diagnostics.has_errors()) return;
  std::vector<const char*> names = {"table.json", "policy.bpf.o", "manifest.json"};
  if (find(files, "seccomp.json")) names.push_back("seccomp.json");
  for (const char* name : names) {
    if (auto error = proof::decodes(name, find(files, name)->bytes)) diagnostics.report(Code::K7703, {}, name, error->message);
  }
}

Result<std::vector<NamedBytes>> read_bundle_files(const std::string& directory) {
  std::vector<NamedBytes> files;
  for (const char* name : {"entities.json", "policy.bpf.o", "seccomp.json", "split.json", "table.json", "manifest.json"}) {
    std::ifstream in(directory + "/" + name, std::ios::binary);
    std::stringstream bytes;
    if (!in && std::string_view(name) == "seccomp.json") continue;   // where system calls are governed
    if (!in || !(bytes << in.rdbuf())) return Error{fmt::format("cannot read `{}/{}`: {}", directory, name, std::strerror(errno))};
    files.push_back({name, "", std::move(bytes).str()});
  }
  return files;
}

}  // namespace kerf
