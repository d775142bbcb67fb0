// The validator against data made with the official engine 4.12: verdicts must be equal, errors must be of the same
// kinds, and our spans must lie within the official ones. Skipped where the corpus is not.
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>

#include "ir/values/json.h"
#include "tests/unit/sema/policy_fixture.h"

using namespace kerf;
using test::Checked;
namespace fs = std::filesystem;

namespace {

const fs::path kCorpus = KERF_CORPUS_DIR;

bool has_corpus(const fs::path& file) {
  if (fs::exists(kCorpus / file)) return true;
  std::cout << "skipped: no " << file.string() << " in the corpus directory\n";
  return false;
}

std::string read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

// The kind of an official message, as our code.
std::optional<Code> code_of(const std::string& message) {
  static const std::pair<std::string_view, Code> kKinds[] = {
      {"unrecognized entity type", Code::K3101},
      {"unrecognized action", Code::K3102},
      {"is of an enumerated entity type", Code::K3103},
      {"unable to find an applicable action", Code::K3104},
      {"unexpected type", Code::K3105},
      {"are not compatible", Code::K3106},
      {"access to optional attribute", Code::K3108},
      {"access to tag", Code::K3109},
      {"`.getTag()` is not allowed", Code::K3109},
      {"wrong number of arguments", Code::K3111},
      {"extension function argument validation", Code::K3112},
      {"called with non-literal expressions", Code::K3113},
      {"empty set literals", Code::K3114},
      {"policy is impossible", Code::K3201},
      {"not found", Code::K3107},
  };
  for (const auto& [text, code] : kKinds) {
    if (message.find(text) != std::string::npos) return code;
  }
  return std::nullopt;
}

struct Official {
  std::multiset<Code> errors;
  bool impossible = false;
  std::multimap<Code, std::pair<std::uint32_t, std::uint32_t>> spans;
};

std::string message_of(const Json& entry) { return entry.is_string() ? entry.get<std::string>() : entry["message"].get<std::string>(); }

void read_official(const Json& entries, Official& official) {
  for (const Json& entry : entries) {
    std::optional<Code> code = code_of(message_of(entry));
    if (!code) continue;
    if (*code == Code::K3201) {
      official.impossible = true;
      continue;
    }
    official.errors.insert(*code);
    if (!entry.is_object() || !entry.contains("locs")) continue;
    for (const Json& loc : entry["locs"]) official.spans.emplace(*code, std::pair(loc[0].get<std::uint32_t>(), loc[1].get<std::uint32_t>()));
  }
}

bool is_type_error(const Diagnostic& d) { return d.severity == Severity::error && d.code >= Code::K3101 && d.code <= Code::K3114; }

std::string names(const std::multiset<Code>& codes) {
  std::string text;
  for (Code code : codes) text += std::string(catalogue_row(code).name) + " ";
  return text;
}

// Kinds are compared as sets for multi-environment cases: officially an error is one per type that an environment
// gives it, for us one per place and message.
void compare(const Checked& ours, const Official& official, bool spans) {
  CAPTURE(ours.codes());
  CAPTURE(names(official.errors));
  std::set<Code> mine, theirs(official.errors.begin(), official.errors.end());
  for (const Diagnostic& d : ours.diagnostics.all()) {
    if (!is_type_error(d)) continue;
    mine.insert(d.code);
    auto [first, last] = official.spans.equal_range(d.code);
    if (!spans || first == last) continue;
    bool inside = std::any_of(first, last, [&](const auto& entry) {
      return entry.second.first <= d.span.begin && d.span.end <= entry.second.second;
    });
    CHECK_MESSAGE(inside, d.message << " at " << d.span.begin << ".." << d.span.end);
  }
  CHECK(mine == theirs);
  if (!official.errors.contains(Code::K3104)) CHECK((ours.count(Code::K3201) > 0) == official.impossible);
}

bool is_rejected(const Checked& ours) { return ours.diagnostics.has_errors(); }

// Errors that are none of the validator's: what we do not accept yet, or a schema that another test judges.
bool is_outside(const Checked& ours) {
  return std::any_of(ours.diagnostics.all().begin(), ours.diagnostics.all().end(), [](const Diagnostic& d) {
    return d.severity == Severity::error && !is_type_error(d);
  });
}

// The archive's files, in a directory of their own that goes away at the end.
class Unpacked {
 public:
  explicit Unpacked(const fs::path& archive) {
    std::string pattern = (fs::temp_directory_path() / "kerf-corpus-XXXXXX").string();
    REQUIRE(mkdtemp(pattern.data()) != nullptr);
    dir_ = pattern;
    std::string command = "tar -xzf '" + archive.string() + "' -C '" + dir_.string() + "'";
    REQUIRE(std::system(command.c_str()) == 0);
  }
  ~Unpacked() {
    std::error_code ignored;
    fs::remove_all(dir_, ignored);
  }
  Unpacked(const Unpacked&) = delete;
  Unpacked& operator=(const Unpacked&) = delete;
  const fs::path& dir() const { return dir_; }

 private:
  fs::path dir_;
};

}  // namespace

TEST_CASE("validator: hand-written edge cases") {
  if (!has_corpus("derived/edge/validation.json")) return;
  Json data = Json::parse(read(kCorpus / "derived/edge/validation.json"));
  std::string schema = data["schema"], pattern = data["template"];
  std::size_t hole = pattern.find("COND"), ran = 0;
  for (const Json& entry : data["cases"]) {
    std::string policy = entry.contains("policy") ? entry["policy"].get<std::string>()
                                                  : std::string(pattern).replace(hole, 4, entry["cond"].get<std::string>());
    CAPTURE(policy);
    Checked ours = test::check(schema, policy);
    CAPTURE(ours.codes());
    CHECK(is_rejected(ours) == !entry["pass"].get<bool>());
    if (is_outside(ours)) continue;
    Official official;
    read_official(entry["errors"], official);
    read_official(entry["warnings"], official);
    compare(ours, official, true);
    ++ran;
  }
  CHECK(ran > 100);
}

TEST_CASE("validator: pairs of schema and policies from upstream tests") {
  if (!has_corpus("derived/validate_pairs.json")) return;
  std::size_t ran = 0, other = 0;
  for (const Json& entry : Json::parse(read(kCorpus / "derived/validate_pairs.json"))) {
    if (!entry["schema"].is_string() || !entry["policies"].is_string()) {
      ++other;   // JSON forms
      continue;
    }
    std::string schema = entry["schema"], policies = entry["policies"];
    CAPTURE(schema);
    CAPTURE(policies);
    Checked ours = test::check(schema, policies);
    CAPTURE(ours.codes());
    if (ours.count(Code::K3001) > 0) {
      ++other;   // templates
      continue;
    }
    CHECK(is_rejected(ours) == !entry["pass"].get<bool>());
    if (is_outside(ours)) continue;
    Official official;
    read_official(entry["errors"], official);
    read_official(entry["warnings"], official);
    compare(ours, official, true);
    ++ran;
  }
  std::cout << "validate_pairs: " << ran << " compared, " << other << " in JSON form or templates\n";
  CHECK(ran > 250);
}

TEST_CASE("validator: cases of cedar-go") {
  if (!has_corpus("cedar-go/validate-cases")) return;
  std::size_t ran = 0;
  std::vector<fs::path> files;
  for (const auto& file : fs::directory_iterator(kCorpus / "cedar-go/validate-cases")) {
    if (file.path().extension() == ".cedar") files.push_back(file.path());
  }
  std::sort(files.begin(), files.end());
  for (const fs::path& file : files) {
    CAPTURE(file.filename().string());
    Checked ours = test::check(read(fs::path(file).replace_extension(".cedarschema")), read(file));
    CAPTURE(ours.codes());
    Json golden = Json::parse(read(fs::path(file).replace_extension(".validation.json")))["policyValidation"];
    CHECK(is_rejected(ours) == !golden["strict"].get<bool>());
    ++ran;
    if (is_outside(ours)) continue;
    for (const auto& [position, verdict] : golden["perPolicy"].items()) {
      CAPTURE(position);
      // Officially the names count positions; ours come from `@id` where there is one.
      std::size_t index = std::stoul(position.substr(std::string("policy").size()));
      std::string policy = ours.module.policies.at(index).id;
      Official official;
      if (verdict.contains("strictErrors")) read_official(verdict["strictErrors"], official);
      std::set<Code> mine, theirs(official.errors.begin(), official.errors.end());
      for (const Diagnostic& d : ours.diagnostics.all()) {
        bool here = !d.notes.empty() && d.notes[0].starts_with("policy `" + policy + "`");
        if (here && is_type_error(d)) mine.insert(d.code);
      }
      CHECK(names({mine.begin(), mine.end()}) == names({theirs.begin(), theirs.end()}));
      CHECK(mine.empty() == verdict["strict"].get<bool>());
    }
  }
  CHECK(ran > 80);
}

TEST_CASE("validator: the integration corpus") {
  if (!has_corpus("integration/corpus-tests.tar.gz")) return;
  if (!has_corpus("golden/corpus-tests-oracle-4.12.0.tar.gz")) return;
  Unpacked cases(kCorpus / "integration/corpus-tests.tar.gz");
  Unpacked golden(kCorpus / "golden/corpus-tests-oracle-4.12.0.tar.gz");
  std::ifstream lines(golden.dir() / "corpus-golden-4.12.0.jsonl");
  std::size_t ran = 0, different = 0;
  for (std::string line; std::getline(lines, line);) {
    Json entry = Json::parse(line);
    fs::path stem = cases.dir() / "corpus-tests" / entry["case"].get<std::string>();
    CAPTURE(stem.filename().string());
    Json input = Json::parse(read(stem.string() + ".json"));
    Checked ours = test::check(read(stem.string() + ".cedarschema"), read(stem.string() + ".cedar"));
    ++ran;
    if (is_rejected(ours) != !input["shouldValidate"].get<bool>()) ++different;
    CAPTURE(ours.codes());
    CHECK(is_rejected(ours) == !input["shouldValidate"].get<bool>());
    if (is_outside(ours)) continue;
    Official official;
    read_official(entry["validation"]["errors"], official);
    read_official(entry["validation"]["warnings"], official);
    compare(ours, official, false);
  }
  std::cout << "integration corpus: " << ran << " cases, " << different << " different verdicts\n";
  CHECK(ran > 3900);
}
