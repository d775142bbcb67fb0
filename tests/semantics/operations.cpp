// What the kernel tests in guests do at random, with what must come of it, made where the judges are: for each program
// policies, a tree, and operations with the errno that the reference evaluator gives them by the materialised events; the
// official Cedar engine must agree about every single decision, or nothing is written. Seeds whose programs allow or
// refuse nearly everything are passed over.
//   operations DIRECTORY [PROGRAMS [OPERATIONS [SEED]]]
// writes DIRECTORY/N/{bundle/, principal, tree, operations}; an operation is a line "ERRNO STEPS".
#include <fmt/core.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>

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

// One program with what was worked out for it.
struct Made {
  FileProgram program;
  ProgramText text;
  Program checked;
  std::optional<Judge> judge;
  std::vector<std::string> tree;
  std::vector<Operation> operations;
  Tally tally;
  // Enough of everything, or the program tests little.
  bool balanced() const {
    return tally.allowed * 3 >= tally.operations && tally.by_policy * 4 >= tally.operations && tally.by_guard * 100 >= tally.operations;
  }
};

std::unique_ptr<Made> make(std::uint64_t seed, std::size_t operations) {
  Random random(seed);
  auto made = std::make_unique<Made>();
  made->program = make_file_program(random);
  made->text = {{{"policies.cedar", made->program.policies}}, InputFile{"schema.cedarschema", made->program.schema}, InputFile{"entities.json", made->program.entities}};
  made->checked = check_program(made->text);
  if (made->checked.diagnostics.has_errors()) return made;
  Judge& judge = made->judge.emplace(made->checked.module, *parse_uid(made->program.principal));
  FileModel model(random, {[&](const AskedEvent& event) { return judge.allow(event); }, [&](KernelEventId event) { return judge.refusal(event); }});
  made->tree = model.tree();
  for (std::size_t i = 0; i < operations; ++i) {
    made->operations.push_back(model.next());
    int error = made->operations.back().error;
    ++made->tally.operations;
    ++(error == 0 ? made->tally.allowed : error == EXDEV ? made->tally.by_guard : made->tally.by_policy);
  }
  made->tally.decisions = judge.questions.size();
  return made;
}

bool write(const std::string& directory, std::uint64_t seed, Made& made, Oracle& oracle) {
  std::optional<Artefacts> artefacts;
  if (!made.checked.diagnostics.has_errors()) artefacts = compile_program(made.checked, made.text, {codegen_helper_path()});
  if (!artefacts) {
    return fail(seed, made.program, "the program does not compile:\n" + render(made.checked.sources, made.checked.diagnostics, ErrorFormat::plain, false));
  }
  if (oracle.running()) {
    if (!agrees(oracle, made.program, *made.judge, seed)) return false;
    made.tally.by_engine = made.tally.decisions;
  }
  ::mkdir(directory.c_str(), 0755);
  auto written = write_bundle(artefacts->bundle, directory + "/bundle");
  if (!written) return fail(seed, made.program, written.error().message);
  std::ofstream principal(directory + "/principal"), tree(directory + "/tree"), list(directory + "/operations");
  principal << made.program.principal << "\n";
  for (const std::string& line : made.tree) tree << line << "\n";
  for (const Operation& operation : made.operations) list << operation.error << " " << operation.steps << "\n";
  return list.flush().good() && tree.flush().good() && principal.flush().good();
}

std::uint64_t argument(int argc, char** argv, int i, std::uint64_t otherwise) {
  return argc > i ? std::strtoull(argv[i], nullptr, 10) : otherwise;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 64;
  std::uint64_t programs = argument(argc, argv, 2, 2), operations = argument(argc, argv, 3, 1000), seed = argument(argc, argv, 4, 20261125);
  Oracle oracle;
  if (!oracle.running()) fmt::print("SKIP official engine: {}\n", oracle.why());
  ::mkdir(argv[1], 0755);
  for (std::uint64_t i = 0, written = 0; written < programs; ++i) {
    std::unique_ptr<Made> made = make(seed + i, operations);
    if (!made->checked.diagnostics.has_errors() && !made->balanced()) continue;
    if (!write(fmt::format("{}/{}", argv[1], written++), seed + i, *made, oracle)) return 1;
    const Tally& t = made->tally;
    fmt::print("operations: seed {}, {} in all: {} allowed, {} refused by policies, {} by the guard; {} decisions, {} confirmed by the official engine\n",
               seed + i, t.operations, t.allowed, t.by_policy, t.by_guard, t.decisions, t.by_engine);
  }
  return 0;
}
