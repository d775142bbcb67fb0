// What the kernel tests in guests do at random, with what must come of it, made where the judges are: for each program
// policies, a tree, and operations with the errno that the reference evaluator gives them by the materialised events; the
// official Cedar engine must agree about every single decision, or nothing is written.
//   operations DIRECTORY [PROGRAMS [OPERATIONS [SEED]]]
// writes DIRECTORY/N/{bundle/, principal, tree, operations}; an operation is a line "ERRNO STEPS".
#include <fmt/core.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "driver/pipeline.h"
#include "driver/render.h"
#include "ir/eval.h"
#include "ir/passes/materialise.h"
#include "tests/semantics/file_model.h"
#include "tests/semantics/oracle.h"

namespace {

using namespace kerf;
using namespace kerf::test;

int errno_number(std::string_view name) {
  for (int error = 1; error < 134; ++error) {
    const char* text = ::strerrorname_np(error);
    if (text != nullptr && name == text) return error;
  }
  fmt::print("no errno {}\n", name);
  std::exit(1);
}

Answer by_reference(const Module& module, const Materialised& event) {
  Decision d = authorize(module, event.request, event.entities);
  Answer answer{d.allow, {}, {}};
  for (PolicyId p : d.determining) answer.determining.push_back(module.policies.at(p.index).id);
  for (const PolicyError& e : d.errors) answer.errors.push_back(module.policies.at(e.policy.index).id);
  answer.sort();
  return answer;
}

// Decisions of one program, remembered for the official engine.
class Judge {
 public:
  Judge(const Module& module, EntityUid principal) : module_(module), principal_(std::move(principal)) {}
  bool allow(const AskedEvent& asked) {
    KernelEventData event;
    event.event = asked.event;
    event.principal = principal_;
    event.directory = asked.directory;
    event.observed = {{"file.path", Value(asked.path)}, {"file.fs_type", Value(std::string(asked.path.starts_with("/play/m") ? "ext4" : "tmpfs"))},
                      {"process.uid", Value(std::int64_t{0})}, {"process.gid", Value(std::int64_t{0})}};
    if (asked.object) {
      event.observed.insert_or_assign("file.owner", Value(std::int64_t{asked.object->owner}));
      event.observed.insert_or_assign("file.mode", Value(std::int64_t{asked.object->mode}));
      event.observed.insert_or_assign("file.nlink", Value(std::int64_t{asked.object->links}));
    }
    Result<Materialised> m = materialise(module_, event);
    if (!m) {
      // the kernel refuses what no action applies to, and Cedar has no request for it
      if (m.error().message.starts_with("no-applicable-action")) return false;
      fmt::print("materialise: {} {}: {}\n", kernel_event(asked.event).text, asked.path, m.error().message);
      std::exit(1);
    }
    references.push_back(by_reference(module_, *m));
    questions.push_back({m->request, entities_without_actions(module_, m->entities)});
    return references.back().allow;
  }
  std::optional<int> refusal(KernelEventId event) const {
    for (const auto& [uid, action] : module_.schema.actions) {
      if (std::find(action.events.begin(), action.events.end(), event) == action.events.end()) continue;
      return errno_number(action.refusal_errno ? *action.refusal_errno : kernel_event(event).default_errno);
    }
    return std::nullopt;
  }
  std::vector<Answer> references;
  std::vector<Question> questions;

 private:
  const Module& module_;
  EntityUid principal_;
};

struct Tally {
  std::size_t operations = 0, allowed = 0, by_policy = 0, by_guard = 0, decisions = 0, by_engine = 0;
};

bool fail(std::uint64_t seed, const FileProgram& program, const std::string& why) {
  fmt::print("seed {}: {}\n--- schema\n{}--- policies\n{}--- entities\n{}", seed, why, program.schema, program.policies, program.entities);
  return false;
}

bool agrees(Oracle& oracle, const FileProgram& program, const Judge& judge, std::uint64_t seed) {
  Result<std::vector<Answer>> answers = oracle.ask(program.policies, program.schema, judge.questions);
  if (!answers) return fail(seed, program, "official engine: " + answers.error().message);
  for (std::size_t i = 0; i < answers->size(); ++i) {
    if ((*answers)[i] == judge.references[i]) continue;
    const Request& request = judge.questions[i].request;
    return fail(seed, program, fmt::format("the official engine and the reference differ about {} {}", to_text(request.action), to_text(request.resource)));
  }
  return true;
}

bool write_program(const std::string& directory, std::uint64_t seed, std::size_t operations, Oracle& oracle, Tally& tally) {
  Random random(seed);
  FileProgram made = make_file_program(random);
  ProgramText text{{{"policies.cedar", made.policies}}, InputFile{"schema.cedarschema", made.schema}, InputFile{"entities.json", made.entities}};
  Program program = check_program(text);
  std::optional<Artefacts> artefacts;
  if (!program.diagnostics.has_errors()) artefacts = compile_program(program, text, {codegen_helper_path()});
  if (!artefacts) return fail(seed, made, "the program does not compile:\n" + render(program.sources, program.diagnostics, ErrorFormat::plain, false));
  Judge judge(program.module, *parse_uid(made.principal));
  FileModel model(random, {[&](const AskedEvent& event) { return judge.allow(event); }, [&](KernelEventId event) { return judge.refusal(event); }});
  ::mkdir(directory.c_str(), 0755);
  std::ofstream list(directory + "/operations"), tree(directory + "/tree");
  std::ofstream(directory + "/principal") << made.principal << "\n";
  for (const std::string& line : model.tree()) tree << line << "\n";
  for (std::size_t i = 0; i < operations; ++i) {
    Operation operation = model.next();
    list << operation.error << " " << operation.steps << "\n";
    ++tally.operations;
    ++(operation.error == 0 ? tally.allowed : operation.error == EXDEV ? tally.by_guard : tally.by_policy);
  }
  tally.decisions += judge.questions.size();
  if (oracle.running()) {
    if (!agrees(oracle, made, judge, seed)) return false;
    tally.by_engine += judge.questions.size();
  }
  auto written = write_bundle(artefacts->bundle, directory + "/bundle");
  if (!written) return fail(seed, made, written.error().message);
  return list.good() && tree.good();
}

std::uint64_t argument(int argc, char** argv, int i, std::uint64_t otherwise) {
  return argc > i ? std::strtoull(argv[i], nullptr, 10) : otherwise;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 64;
  std::uint64_t programs = argument(argc, argv, 2, 4), operations = argument(argc, argv, 3, 500), seed = argument(argc, argv, 4, 20261125);
  Oracle oracle;
  if (!oracle.running()) fmt::print("SKIP official engine: {}\n", oracle.why());
  Tally tally;
  ::mkdir(argv[1], 0755);
  for (std::uint64_t i = 0; i < programs; ++i) {
    if (!write_program(fmt::format("{}/{}", argv[1], i), seed + i, operations, oracle, tally)) return 1;
  }
  fmt::print("operations: seed {}, {} in all: {} allowed, {} refused by policies, {} by the guard; {} decisions, {} confirmed by the official engine\n", seed,
             tally.operations, tally.allowed, tally.by_policy, tally.by_guard, tally.decisions, tally.by_engine);
  if (tally.allowed * 4 < tally.operations || tally.by_policy * 4 < tally.operations || tally.by_guard * 100 < tally.operations) {
    fmt::print("out of balance: a quarter each should be allowed and refused by policies, a hundredth by the guard\n");
    return 1;
  }
  return 0;
}
