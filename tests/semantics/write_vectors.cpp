// Rewrites the test vectors: write_vectors FOLDER. A vector is a table from a real compile, entities, requests, and the
// answers of the official Cedar engine; the table evaluator's answers are compared before anything is written.
#include <fmt/core.h>

#include <algorithm>
#include <fstream>
#include <set>

#include "backends/table/emit.h"
#include "driver/pipeline.h"
#include "driver/render.h"
#include "runtime/gateway/table.h"
#include "tests/semantics/generator.h"
#include "tests/semantics/oracle.h"
#include "tests/semantics/vector_programs.h"

namespace {

using namespace kerf;
using namespace kerf::test;

[[noreturn]] void stop(const std::string& why) {
  fmt::print(stderr, "write_vectors: {}\n", why);
  std::exit(1);
}

Json ids_json(const std::vector<std::string>& ids) { return Json(ids); }

Json request_json(const Request& request) {
  Json context = Json::object();
  for (const auto& [name, value] : request.context) context[name] = value_to_json(value);
  return {{"principal", uid_to_json(request.principal)}, {"action", uid_to_json(request.action)},
          {"resource", uid_to_json(request.resource)}, {"context", std::move(context)}};
}

// The table evaluator's answer, to compare.
Answer table_answer(const gateway::Table& table, const Request& request, const Entities& entities) {
  Result<gateway::Decision> d = table.decide(request, entities);
  if (!d) stop(d.error().message);
  Answer answer{d->allow, {}, {}};
  for (std::uint32_t p : d->determining) answer.determining.push_back(table.policies().at(p).id);
  for (const auto& e : d->errors) answer.errors.push_back(table.policies().at(e.policy).id);
  answer.sort();
  return answer;
}

// One file: requests whose answers say something new first, `limit` of them at most.
std::size_t write(const std::string& path, Oracle& oracle, const GeneratedProgram& text, std::size_t limit) {
  ProgramText source{{{"policies.cedar", text.policies}}, InputFile{"schema.cedarschema", text.schema}, InputFile{"entities.json", text.entities}};
  Program program = check_program(source);
  if (program.diagnostics.has_errors()) stop(path + ": " + render(program.sources, program.diagnostics, ErrorFormat::plain, false));
  const std::string table_text = emit_table(program.module, program.sources);
  Result<gateway::Table> table = gateway::Table::read(table_text);
  if (!table) stop(table.error().message);
  std::vector<Entity> entities = entities_without_actions(program.module, program.module.entities);
  std::vector<Question> questions;
  for (const Request& request : text.requests) questions.push_back({request, entities});
  Result<std::vector<Answer>> answers = oracle.ask(text.policies, text.schema, questions);
  if (!answers) stop(path + ": " + answers.error().message);

  std::set<std::tuple<bool, std::vector<std::string>, std::vector<std::string>>> seen;
  std::vector<std::string> fresh, repeated;
  for (std::size_t i = 0; i < questions.size(); ++i) {
    const Answer& answer = (*answers)[i];
    if (!(table_answer(*table, questions[i].request, program.module.entities) == answer)) stop(path + ": the table decides otherwise");
    Json response = {{"decision", answer.allow ? "allow" : "deny"}, {"determining", ids_json(answer.determining)}, {"errors", ids_json(answer.errors)}};
    std::string line = Json({{"request", request_json(questions[i].request)}, {"response", std::move(response)}}).dump();
    (seen.insert({answer.allow, answer.determining, answer.errors}).second ? fresh : repeated).push_back(std::move(line));
  }
  fresh.insert(fresh.end(), repeated.begin(), repeated.end());
  fresh.resize(std::min(limit, fresh.size()));

  std::ofstream file(path);
  file << "{\"table\":" << parse_json(table_text, gateway::kMaxTableDepth, JsonNull::accept)->dump() << ",\n\"entities\":"
       << entities_to_json(entities).dump() << ",\n\"cases\":[\n";
  for (std::size_t i = 0; i < fresh.size(); ++i) file << fresh[i] << (i + 1 < fresh.size() ? ",\n" : "\n");
  file << "]}\n";
  return fresh.size();
}

// Tables that every reader must refuse: one good table, one thing wrong at a time.
std::size_t write_refused(const std::string& path) {
  const std::string good =
      R"({"format":"kerf-table","version":1,"policies":[{"id":"p","effect":"permit","annotations":{},"source":{"file":"f","begin":0,"end":1,"line":1,"column":1}},)"
      R"({"id":"q","effect":"forbid","annotations":{},"source":{"file":"f","begin":2,"end":3,"line":2,"column":1}}],)"
      R"("actions":[{"uid":{"id":"a","type":"Action"},"parents":[]}],"environments":[{"principal":"U","action":{"id":"a","type":"Action"},"resource":"D",)"
      R"("atoms":[{"==":[{".":[{"Var":"context"},"x"]},{"Long":"1"}]},{"like":[{"String":"ab"},{"pieces":["a",""]}]}],"groups":[)"
      R"({"principal":null,"resource":{"in":{"id":"g","type":"G"}},"rows":[{"policy":0,"when":[[0,"true"],[1,"false"]],"then":"true"}],"exprs":[]},)"
      R"({"principal":null,"resource":null,"rows":[],"exprs":[{"policy":1,"formula":{"&&":[{"atom":0},{"!":[{"const":"true"}]}]}}]}]}]})";
  struct Wrong { const char *why, *from, *to; };
  const Wrong list[] = {
      {"the format has another name", "kerf-table", "other-table"},
      {"the version is newer", "\"version\":1", "\"version\":2"},
      {"the version is no number", "\"version\":1", "\"version\":\"1\""},
      {"a key is unknown", "\"version\":1", "\"version\":1,\"extra\":1"},
      {"a key comes twice", "\"version\":1", "\"version\":1,\"version\":1"},
      {"a key is missing", ",\"column\":1", ""},
      {"the effect is unknown", "\"permit\"", "\"allow\""},
      {"two policies have one id", "\"id\":\"q\"", "\"id\":\"p\""},
      {"an action is not listed", "\"action\":{\"id\":\"a\"", "\"action\":{\"id\":\"b\""},
      {"a policy is out of range", "\"policy\":0", "\"policy\":2"},
      {"a policy has two places", "\"policy\":1", "\"policy\":0"},
      {"an atom is out of range", "[1,\"false\"]", "[2,\"false\"]"},
      {"an atom is negative", "[1,\"false\"]", "[-1,\"false\"]"},
      {"an outcome is unknown", "[1,\"false\"]", "[1,\"maybe\"]"},
      {"something follows an error", "[0,\"true\"]", "[0,\"error\"]"},
      {"a row ends in an error but is not one", "[1,\"false\"]", "[1,\"error\"]"},
      {"a row is an error without one", "\"then\":\"true\"", "\"then\":\"error\""},
      {"a row ends in false", "\"then\":\"true\"", "\"then\":\"false\""},
      {"an operator is unknown", "\"==\"", "\"=\""},
      {"an operator lacks an operand", ",{\"Long\":\"1\"}]", "]"},
      {"a Long is a number", "{\"Long\":\"1\"}", "{\"Long\":1}"},
      {"a Long has a leading zero", "{\"Long\":\"1\"}", "{\"Long\":\"01\"}"},
      {"a Long does not fit", "{\"Long\":\"1\"}", "{\"Long\":\"9223372036854775808\"}"},
      {"a variable is unknown", "\"context\"", "\"world\""},
      {"a pattern has no piece", "[\"a\",\"\"]", "[]"},
      {"a scope is unknown", "{\"in\":{\"id\":\"g\"", "{\"is\":{\"id\":\"g\""},
      {"two groups have the same scopes", "{\"in\":{\"id\":\"g\",\"type\":\"G\"}}", "null"},
      {"a formula is unknown", "\"const\":\"true\"", "\"const\":\"error\""},
      {"a chain has one operand", "{\"&&\":[{\"atom\":0},{\"!\":[{\"const\":\"true\"}]}]}", "{\"&&\":[{\"atom\":0}]}"},
      {"it is cut short", "}}]}]}]}", "}}]}]"},
  };
  if (!gateway::Table::read(good)) stop("the good table is not good");
  std::ofstream file(path);
  for (const Wrong& wrong : list) {
    std::string text = good;
    const std::size_t at = text.find(wrong.from);
    if (at == std::string::npos) stop(std::string("nothing to replace: ") + wrong.why);
    text.replace(at, std::string_view(wrong.from).size(), wrong.to);
    if (gateway::Table::read(text)) stop(std::string("accepted, although ") + wrong.why);
    file << (&wrong == list ? "[" : ",\n") << Json({{"why", wrong.why}, {"text", text}}).dump();
  }
  file << "]\n";
  return std::size(list);
}

GeneratedProgram all_requests(const VectorProgram& program) {
  GeneratedProgram out{program.schema, program.policies, program.entities, {}, {}};
  for (const std::string& principal : program.principals)
    for (const std::string& action : program.actions)
      for (const std::string& resource : program.resources)
        for (const std::string& context : program.contexts) {
          EntityUid p = *parse_uid(principal), a = *parse_uid(action), r = *parse_uid(resource);
          if (a.id == "write" && !r.type.ends_with("Doc")) continue;          // no such environment in "hierarchy"
          if (p.type.ends_with("Team") && a.id != "write") continue;
          out.requests.push_back({p, a, r, *value_from_json(*parse_json(context))->as_record()});
        }
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) stop("the folder is missing");
  const std::string folder = argv[1];
  Oracle oracle;
  if (!oracle.running()) stop("without the official engine there is no answer to write: " + oracle.why());
  constexpr std::size_t kPerProgram = 45, kGenerated = 16, kPerGenerated = 8;
  std::size_t total = 0;
  for (const VectorProgram& program : vector_programs()) {
    total += write(folder + "/" + program.name + ".json", oracle, all_requests(program), kPerProgram);
  }
  for (std::size_t i = 0; i < kGenerated; ++i) {
    total += write(fmt::format("{}/random_{:02}.json", folder, i), oracle, Generator(7100 + i).program(0, 60), kPerGenerated);
  }
  fmt::print("{} vectors, {} tables to refuse\n", total, write_refused(folder + "/refused.json"));
}
