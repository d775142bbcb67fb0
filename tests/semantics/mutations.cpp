// The checker's test. Random programs are compiled; every table must be proved. Then tables are changed by one random
// edit: a table that decides some request otherwise than before, or that the evaluator refuses, must not be proved.
//   mutations [PROGRAMS [MUTANTS [REQUESTS [SEED]]]]
#include <fmt/core.h>

#include <cstdlib>
#include <functional>
#include <random>

#include "backends/check/check.h"
#include "backends/table/emit.h"
#include "driver/pipeline.h"
#include "driver/render.h"
#include "runtime/gateway/table.h"
#include "tests/semantics/file_generator.h"
#include "tests/semantics/generator.h"

namespace {

using namespace kerf;
using namespace kerf::test;

// Changes one thing in the JSON, wherever an edit fits; each site is one place and one kind of edit.
class Mutator {
 public:
  Mutator(Json& table, std::mt19937_64& random) : random_(random) { visit(table, ""); }

  // What was done; empty if the table has no site.
  std::string apply() {
    if (sites_.empty()) return {};
    auto& [what, edit] = sites_[random_() % sites_.size()];
    edit();
    return what;
  }

 private:
  void site(std::string what, std::function<void()> edit) { sites_.emplace_back(std::move(what), std::move(edit)); }

  void visit(Json& json, const std::string& key) {
    if (key == "annotations" || key == "source" || key == "format" || key == "version") return;
    if (json.is_string()) return visit_text(json, key);
    if (json.is_number()) {
      site(key + ": another number", [&] { json = json.get<int>() + (random_() % 2 ? 1 : -1); });
      return;
    }
    if (json.is_boolean()) return site(key + ": other truth", [&] { json = !json.get<bool>(); });
    if (json.is_array()) return visit_array(json, key);
    if (!json.is_object()) return;
    if (key == "principal" || key == "resource") {
      site(key + ": any scope", [&] { json = nullptr; });
    }
    for (auto& [name, value] : json.items()) {
      visit(value, name);
      visit_operator(json, name);
    }
  }

  void visit_text(Json& json, const std::string& key) {
    if (key == "effect") {
      site("effect flipped", [&] { json = json == "permit" ? "forbid" : "permit"; });
    } else if (json == "true" || json == "false" || json == "error") {
      site("another outcome", [&] {
        const char* outcomes[] = {"true", "false", "error"};
        json = outcomes[random_() % 3];
      });
    } else if (key == "Long") {
      site("a Long off by one", [&] { json = std::to_string(std::atoll(json.get<std::string>().c_str()) + 1); });
    } else {
      site(key + ": another text", [&] {
        std::string text = json.get<std::string>();
        if (text.empty() || random_() % 2) text += "x";
        else text.pop_back();
        json = text;
      });
    }
  }

  void visit_array(Json& json, const std::string& key) {
    if (!json.empty()) {
      site(key + ": one dropped", [&] { json.erase(json.begin() + static_cast<std::ptrdiff_t>(random_() % json.size())); });
      site(key + ": one doubled", [&] { json.push_back(json[random_() % json.size()]); });
    }
    if (json.size() > 1) site(key + ": two swapped", [&] { std::swap(json[0], json[json.size() - 1]); });
    for (Json& element : json) visit(element, key);
  }

  void visit_operator(Json& json, const std::string& name) {
    static const std::vector<std::vector<std::string>> alike = {
        {"<", "<=", "=="}, {"+", "-", "*"}, {"&&", "||"}, {"contains", "containsAll", "containsAny"}, {"!", "neg"}, {"has", "."}, {"==", "in"}};
    for (const auto& family : alike) {
      if (std::find(family.begin(), family.end(), name) == family.end()) continue;
      site(name + ": another operator", [&json, name, this, &family] {
        Json content = json[name];
        json.erase(name);
        json[family[random_() % family.size()]] = content;
      });
    }
  }

  std::mt19937_64& random_;
  std::vector<std::pair<std::string, std::function<void()>>> sites_;
};

using Answers = std::vector<std::string>;

std::optional<Answers> answers(const gateway::Table& table, const Module& module, const std::vector<Request>& requests) {
  Answers all;
  for (const Request& request : requests) {
    Result<gateway::Decision> d = table.decide(request, module.entities);
    if (!d) return std::nullopt;
    std::string text = d->allow ? "allow" : "deny";
    for (std::uint32_t p : d->determining) text += " " + table.policies().at(p).id;
    for (const auto& e : d->errors) text += " !" + table.policies().at(e.policy).id;
    all.push_back(std::move(text));
  }
  return all;
}

struct Tally {
  std::size_t programs = 0, mutants = 0, refused = 0, deciding = 0, found = 0, proved = 0;
};

bool proved(const Module& module, const std::string& table) {
  Diagnostics diagnostics;
  proof::check_table(module, table, diagnostics);
  return !diagnostics.has_errors();
}

bool run(const GeneratedProgram& generated, std::uint64_t seed, std::uint64_t mutants, Tally& tally) {
  ProgramText source{{{"policies.cedar", generated.policies}}, InputFile{"schema.cedarschema", generated.schema},
                     InputFile{"entities.json", generated.entities}};
  Program program = check_program(source);
  if (program.diagnostics.has_errors()) return fmt::print("seed {}: the program does not compile\n", seed), false;
  const Module& module = program.module;
  const std::string table = emit_table(module, program.sources);
  Diagnostics diagnostics;
  proof::check_table(module, table, diagnostics);
  ++tally.programs;
  if (diagnostics.has_errors()) {
    fmt::print("seed {}: the table is not proved\n{}\n--- policies\n{}", seed,
               render(program.sources, diagnostics, ErrorFormat::plain, false), generated.policies);
    return false;
  }
  std::vector<Request> requests = generated.requests;
  for (const KernelEventData& event : generated.events) {
    if (auto m = materialise(module, event)) requests.push_back(m->request);
  }
  const std::optional<Answers> before = answers(*gateway::Table::read(table), module, requests);
  std::mt19937_64 random(seed);
  for (std::uint64_t i = 0; i < mutants; ++i) {
    Json changed = *parse_json(table, 20000, JsonNull::accept);
    const std::string what = Mutator(changed, random).apply();
    const std::string text = changed.dump();
    Result<gateway::Table> read = gateway::Table::read(text);
    const std::optional<Answers> after = read ? answers(*read, module, requests) : std::nullopt;
    const bool other = after != before, good = proved(module, text);
    ++tally.mutants;
    tally.refused += !after;
    tally.deciding += after && other;
    tally.found += other && !good;
    tally.proved += good;
    if (!other || !good) continue;
    fmt::print("seed {}: a changed table is proved: {}\n--- policies\n{}--- table\n{}\n", seed, what, generated.policies, changed.dump(1));
    return false;
  }
  return true;
}

std::uint64_t argument(int argc, char** argv, int i, std::uint64_t otherwise) {
  return argc > i ? std::strtoull(argv[i], nullptr, 10) : otherwise;
}

}  // namespace

int main(int argc, char** argv) {
  const std::uint64_t programs = argument(argc, argv, 1, 60), mutants = argument(argc, argv, 2, 40);
  const std::uint64_t requests = argument(argc, argv, 3, 40), seed = argument(argc, argv, 4, 20261125);
  Tally tally;
  for (std::uint64_t i = 0; i < programs; ++i) {
    if (!run(Generator(seed + i).program(requests, requests), seed + i, mutants, tally)) return 1;
    if (!run(FileGenerator(seed + i).program(requests), seed + i, mutants, tally)) return 1;
  }
  fmt::print("seed {}: {} tables proved; of {} changed ones {} are refused by the evaluator and {} decide otherwise, {} of those found; "
             "{} are proved, which decide as before\n",
             seed, tally.programs, tally.mutants, tally.refused, tally.deciding, tally.found, tally.proved);
  return tally.deciding * 10 >= tally.mutants ? 0 : 1;   // else the mutants are too weak to say anything
}
