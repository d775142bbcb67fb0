// First inputs for the fuzzer, written as files: seeds OUT [CORPUS]. From the world, the golden tests and, if given, a corpus
// laid out as that of `make conformance`; what text gives is translated to JSON too.
#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "driver/language.h"
#include "driver/pipeline.h"
#include "tests/fuzz/target.h"

namespace fs = std::filesystem;
using namespace kerf;

namespace {

constexpr std::size_t kMaxSeed = 16384;

class Seeds {
 public:
  explicit Seeds(fs::path out) : out_(std::move(out)) {
#define TARGET(name) fs::create_directories(out_ / #name);
    KERF_FUZZ_TARGETS(TARGET)
#undef TARGET
  }

  void add(const char* target, std::string_view text) {
    if (text.empty() || text.size() > kMaxSeed) return;
    std::ofstream(out_ / target / fmt::format("seed-{}", xxh3_128(text)), std::ios::binary) << text;
    ++count_;
  }
  void add_policies(const std::string& text) {
    add("policy_text", text);
    Session session;
    if (auto json = policies_to_json(session, {{"p", text}}, std::nullopt)) add("policy_json", *json);
  }
  void add_schema(const std::string& text) {
    add("schema_text", text);
    Session session;
    if (auto json = schema_to_json_text(session, {"s", text}, false)) add("schema_json", *json);
  }
  std::size_t count() const { return count_; }

 private:
  fs::path out_;
  std::size_t count_ = 0;
};

std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

void from_world(Seeds& seeds) {
  ProgramText text;
  text.policies.push_back({"p", fuzz::read_world_file("policies.cedar")});
  text.schema = InputFile{"s", fuzz::read_world_file("schema.cedarschema")};
  text.entities = InputFile{"e", fuzz::read_world_file("entities.json")};
  Program program = check_program(text);
  fuzz::require(!program.diagnostics.has_errors(), "the world's policies have errors", render(program.sources, program.diagnostics, ErrorFormat::human, false));
  seeds.add_policies(text.policies[0].text);
  seeds.add_schema(text.schema->text);
  seeds.add("entities_json", text.entities->text);
  seeds.add("table", *print_stage(program, text, "table"));
  seeds.add("program", "=== policies\n" + text.policies[0].text);
  for (const Policy& policy : program.module.policies) {
    seeds.add("expression", print_expr(policy.body, policy.body.root));
    seeds.add("program", "=== policies\n" + std::string(program.sources.text(policy.span)) + "\n");
  }
  for (std::size_t i = 0; i < fuzz::world().requests.size(); ++i) {
    seeds.add("request_json", static_cast<char>(i) + value_to_json(Value(fuzz::world().requests[i].context)).dump());
  }
}

void from_vectors(Seeds& seeds) {
  std::vector<fs::path> paths;   // in the order of the target's numbers
  for (const auto& entry : fs::directory_iterator(KERF_SOURCE_DIR "/tests/vectors")) {
    if (entry.path().filename() != "refused.json") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  for (std::size_t i = 0; i < paths.size(); ++i) {
    const Json file = *parse_json(read_file(paths[i]), 4096, JsonNull::accept);
    seeds.add("table", file["table"].dump());
    for (const Json& vector : file["cases"]) seeds.add("request_line", static_cast<char>(i) + vector["request"].dump());
  }
}

void from_golden(Seeds& seeds, const fs::path& path) {
  std::istringstream lines(read_file(path));
  std::string head, body, program;
  auto end = [&] {
    if (head.starts_with("policies")) seeds.add_policies(body);
    if (head == "schema") seeds.add_schema(body);
    if (head == "entities") seeds.add("entities_json", body);
    if (head == "expect table") seeds.add("table", body);
    if (head.starts_with("policies") || head == "schema" || head == "entities") program += "=== " + head + "\n" + body;
    body.clear();
  };
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("=== ")) {
      end();
      head = line.substr(4);
    } else {
      (body += line) += '\n';
    }
  }
  end();
  seeds.add("program", program);
}

void from_records(Seeds& seeds, const fs::path& path) {
  auto records = parse_json(read_file(path), 4096, JsonNull::accept);
  if (!records.ok() || !records->is_array()) return;
  std::string name = path.filename().string();
  const char* json = name.find("schemas") != std::string::npos ? "schema_json" : name.find("entities") != std::string::npos ? "entities_json" : "policy_json";
  for (const Json& record : *records) {
    if (!record.is_object()) continue;
    if (record.contains("expr") && record["expr"].is_string()) seeds.add("expression", record["expr"].get<std::string>());
    if (record.contains("json")) seeds.add(json, record["json"].dump(-1, ' ', false, Json::error_handler_t::replace));
    if (record.contains("text") && record["text"].is_string()) {
      std::string text = record["text"].get<std::string>();
      name.find("schemas") != std::string::npos ? seeds.add_schema(text) : seeds.add_policies(text);
    }
  }
}

void from_corpus(Seeds& seeds, const fs::path& corpus) {
  for (const auto& entry : fs::recursive_directory_iterator(corpus)) {
    if (!entry.is_regular_file()) continue;
    std::string name = entry.path().filename().string();
    if (name.ends_with(".cedar")) seeds.add_policies(read_file(entry.path()));
    else if (name.ends_with(".cedarschema")) seeds.add_schema(read_file(entry.path()));
    else if (name.ends_with(".cedarschema.json")) seeds.add("schema_json", read_file(entry.path()));
    else if (name.find("entit") != std::string::npos && name.ends_with(".json")) seeds.add("entities_json", read_file(entry.path()));
    if (name.ends_with(".json") && entry.path().string().find("derived") != std::string::npos) from_records(seeds, entry.path());
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  Seeds seeds(argv[1]);
  from_world(seeds);
  from_vectors(seeds);
  const std::string root = KERF_SOURCE_DIR;
  for (const auto& entry : fs::recursive_directory_iterator(root + "/tests/golden")) {
    if (entry.path().extension() == ".test") from_golden(seeds, entry.path());
  }
  if (argc > 2 && fs::is_directory(argv[2])) from_corpus(seeds, argv[2]);
  fmt::print("{} seeds\n", seeds.count());
  return 0;
}
