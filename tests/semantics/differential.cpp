// The judge's test. Random programs go through the whole pipeline; for every event and request
//   the reference evaluator, the decision table, the gateway's engine (requests only), the rows of the kernel plan, the
//   decision code of the emitted object in this kernel, and the official Cedar engine (on the materialised event)
// must agree on the decision, the determining policies and the erroring policies.
//   differential [PROGRAMS [EVENTS [REQUESTS [SEED]]]]
#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <set>

#include "backends/table/emit.h"
#include "driver/pipeline.h"
#include "driver/render.h"
#include "ir/eval.h"
#include "ir/passes/origin.h"
#include "runtime/gateway/engine.h"
#include "runtime/gateway/table.h"
#include "tests/semantics/file_generator.h"
#include "tests/semantics/generator.h"
#include "tests/semantics/kernel_judge.h"
#include "tests/semantics/named_generator.h"
#include "tests/semantics/system_generator.h"
#include "tests/semantics/oracle.h"
#include "tests/semantics/plan_judge.h"
#include "tests/semantics/unanswered.h"

namespace {

using namespace kerf;
using namespace kerf::test;

struct Tally {
  std::size_t total = 0, allow = 0, deny = 0, with_errors = 0;
  void count(const Answer& answer) {
    ++total;
    ++(answer.allow ? allow : deny);
    if (!answer.errors.empty()) ++with_errors;
  }
  bool balanced() const { return allow * 6 >= total && deny * 6 >= total && with_errors * 6 >= total; }
};

std::string text(const Answer& a) {
  return fmt::format("{} determining=[{}] errors=[{}]", a.allow ? "allow" : "deny", fmt::join(a.determining, " "), fmt::join(a.errors, " "));
}

Answer by_reference(const Module& module, const Request& request, const Entities& entities) {
  Decision d = authorize(module, request, entities);
  Answer answer{d.allow, {}, {}};
  for (PolicyId p : d.determining) answer.determining.push_back(module.policies.at(p.index).id);
  for (const PolicyError& e : d.errors) answer.errors.push_back(module.policies.at(e.policy.index).id);
  answer.sort();
  return answer;
}

std::optional<Answer> by_table(const gateway::Table& table, const Request& request, const Entities& entities) {
  Result<gateway::Decision> d = table.decide(request, entities);
  if (!d) return std::nullopt;
  Answer answer{d->allow, {}, {}};
  for (std::uint32_t p : d->determining) answer.determining.push_back(table.policies().at(p).id);
  for (const auto& e : d->errors) answer.errors.push_back(table.policies().at(e.policy).id);
  answer.sort();
  return answer;
}

std::optional<Answer> by_engine(const gateway::Engine& engine, gateway::Query& query, const Request& request) {
  if (!engine.set(query, request.principal, request.action, request.resource, request.context)) return std::nullopt;
  gateway::Answer decided;
  engine.decide(query, decided);
  if (engine.allows(query) != decided.allow) return std::nullopt;
  Answer answer{decided.allow, {}, {}};
  for (std::uint32_t p : decided.determining) answer.determining.push_back(engine.table().policies().at(p).id);
  for (const auto& e : decided.errors) answer.errors.push_back(engine.table().policies().at(e.policy).id);
  answer.sort();
  return answer;
}

void collect_ops(const Policy& policy, std::set<Op>& ops) {
  for (std::size_t i = 0; i < policy.body.size(); ++i) ops.insert(policy.body[NodeId(i)].op);
}

// What a hook is asked: operators with an operand that it observes, and what they are applied to.
void collect_hook_ops(const Module& module, const Policy& policy, const RequestEnv& env, std::set<Op>& ops) {
  const Analysis analysis = analyse(module, policy.body, env);
  for (std::size_t i = 0; i < policy.body.size(); ++i) {
    const bool leaf = policy.body.args(NodeId(i)).empty();
    if (leaf || (analysis.origins[i] & ~kUserspace) != 0) ops.insert(policy.body[NodeId(i)].op);
  }
}

class Differential {
 public:
  explicit Differential(Oracle& oracle) : oracle_(oracle) {}
  // `kernel`: this kernel decides the events too.
  bool run(const GeneratedProgram& generated, std::uint64_t seed, bool kernel, Tally& events);
  Tally requests;
  Unanswered unanswered;
  std::size_t kernel_events = 0, oracle_answers = 0;
  std::set<Op> ops, kernel_ops;   // in policies that were judged; on what the hook observes, in those that the kernel decided

 private:
  bool same(const char* who, const Answer& reference, const Answer& other, const Request& request);
  bool fail(const std::string& why);

  Oracle& oracle_;
  const GeneratedProgram* generated_ = nullptr;
  std::uint64_t seed_ = 0;
};

bool Differential::fail(const std::string& why) {
  fmt::print("seed {}: {}\n--- schema\n{}--- policies\n{}", seed_, why, generated_->schema, generated_->policies);
  const ProgramText text = program_text(*generated_);
  if (text.links) fmt::print("--- templates\n{}--- links\n{}\n", text.policies[1].text, text.links->text);
  fmt::print("--- entities\n{}\n", generated_->entities);
  return false;
}

bool Differential::same(const char* who, const Answer& reference, const Answer& other, const Request& request) {
  if (reference == other) return true;
  Json context = Json::object();
  for (const auto& [name, value] : request.context) context[name] = value_to_json(value);
  return fail(fmt::format("{} differs\n  reference: {}\n  {}: {}\n  request: {} {} {} {}", who, text(reference), who, text(other),
                          to_text(request.principal), to_text(request.action), to_text(request.resource), context.dump()));
}

bool Differential::run(const GeneratedProgram& generated, std::uint64_t seed, bool kernel, Tally& events) {
  generated_ = &generated;
  seed_ = seed;
  const ProgramText source = program_text(generated);
  Program program = check_program(source);
  if (program.diagnostics.has_errors()) {
    return unanswered.past_a_limit(seed, program.diagnostics) ||
           fail("the program does not compile:\n" + render(program.sources, program.diagnostics, ErrorFormat::plain, false));
  }
  const Module& module = program.module;
  Result<gateway::Table> table = gateway::Table::read(emit_table(module, program.sources));
  if (!table) return fail("the table cannot be read: " + table.error().message);

  // The engine holds the program's entities, so it decides the requests; events bring entities of their own.
  Result<gateway::Engine> engine = gateway::Engine::build(
      std::make_shared<const gateway::Table>(*gateway::Table::read(emit_table(module, program.sources))), module.entities);
  if (!engine) return fail("no engine: " + engine.error().message);
  gateway::Query query(*engine);

  PlanJudge plan(program);
  std::vector<Question> questions;
  std::vector<Answer> references;
  for (const KernelEventData& event : generated.events) {
    Result<Materialised> m = materialise(module, event);
    if (!m) return fail("materialise: " + m.error().message);
    references.push_back(by_reference(module, m->request, m->entities));
    std::optional<Answer> decided = by_table(*table, m->request, m->entities);
    if (!decided || !same("table", references.back(), *decided, m->request)) return decided ? false : fail("the table refuses an event");
    std::optional<Answer> planned = plan.decide(event, m->request);
    if (!planned) return fail("no rows, or two rows of one policy at once, for an event");
    if (!same("plan", references.back(), *planned, m->request)) return false;
    events.count(references.back());
    questions.push_back({m->request, entities_without_actions(module, m->entities)});
  }
  for (const Request& request : generated.requests) {
    references.push_back(by_reference(module, request, module.entities));
    std::optional<Answer> decided = by_table(*table, request, module.entities);
    if (!decided || !same("table", references.back(), *decided, request)) return decided ? false : fail("the table refuses a request");
    std::optional<Answer> quick = by_engine(*engine, query, request);
    if (!quick || !same("engine", references.back(), *quick, request)) return quick ? false : fail("the engine refuses a request, or contradicts itself");
    requests.count(references.back());
    questions.push_back({request, entities_without_actions(module, module.entities)});
  }
  for (const Policy& policy : module.policies) collect_ops(policy, ops);
  if (oracle_.running()) {
    Result<std::vector<Answer>> answers = oracle_.ask(generated.policies, generated.schema, questions, generated.templates, generated.links);
    if (!answers) return fail("official engine: " + answers.error().message);
    for (std::size_t i = 0; i < questions.size(); ++i) {
      if (!same("official engine", references[i], (*answers)[i], questions[i].request)) return false;
    }
    oracle_answers += questions.size();
  }
  if (kernel) {
    Result<std::vector<Answer>> answers = decide_in_kernel(program, source, generated.events);
    if (!answers && answers.error().message == kJitGaveUp) return unanswered.not_loaded(seed, answers.error().message), true;
    if (!answers) return fail("kernel: " + answers.error().message);
    for (std::size_t i = 0; i < generated.events.size(); ++i) {
      if (!same("kernel", references[i], (*answers)[i], questions[i].request)) return false;
    }
    kernel_events += generated.events.size();
    for (const KernelEnv& env : program.plan.envs) {
      std::set<PolicyId> decided;
      for (const KernelRow& row : env.rows) decided.insert(row.policy);
      for (PolicyId policy : decided) collect_hook_ops(module, module.policies.at(policy.index), module.environments[env.environment], kernel_ops);
    }
  }
  return true;
}


// A row of ops.def that no judged program used is a row without a test.
bool all_ops_hit(const std::set<Op>& ops, const std::set<Op>& kernel_ops, bool kernel) {
  bool good = true;
  for (const OpRow& row : op_rows()) {
    if (!ops.contains(row.op)) good = (fmt::print("no program uses `{}`\n", row.text), false);
    if (kernel && row.kernel != KernelSupport::no && !kernel_ops.contains(row.op)) {
      good = (fmt::print("no governed policy uses `{}` on what a hook observes\n", row.text), false);
    }
  }
  return good;
}

std::uint64_t argument(int argc, char** argv, int i, std::uint64_t otherwise) {
  return argc > i ? std::strtoull(argv[i], nullptr, 10) : otherwise;
}

}  // namespace

int main(int argc, char** argv) {
  std::uint64_t programs = argument(argc, argv, 1, 200), events = argument(argc, argv, 2, 60);
  std::uint64_t requests = argument(argc, argv, 3, 60), seed = argument(argc, argv, 4, 20261121);
  Oracle oracle;
  if (!oracle.running()) fmt::print("SKIP official engine: {}\n", oracle.why());
  std::string why_not_kernel = kernel_available();
  if (!why_not_kernel.empty()) fmt::print("SKIP kernel decisions: {}\n", why_not_kernel);
  Differential differential(oracle);
  Tally net_events, file_events, named_events, system_events;
  fmt::print("seed {}\n", seed);
  for (std::uint64_t i = 0; i < programs; ++i) {
    GeneratedProgram net = Generator(seed + i).program(events, requests), files = FileGenerator(seed + i).program(events);
    if (!differential.run(net, seed + i, why_not_kernel.empty(), net_events)) return 1;
    if (!differential.run(files, seed + i, why_not_kernel.empty(), file_events)) return 1;
    if (i % 4 == 0 && !differential.run(NamedGenerator(seed + i).program(events), seed + i, why_not_kernel.empty(), named_events)) return 1;
    if (i % 4 == 2 && !differential.run(SystemGenerator(seed + i).program(events), seed + i, why_not_kernel.empty(), system_events)) return 1;
  }
  auto print = [](const char* what, const Tally& t) {
    fmt::print("{}: {} in all, {} allow, {} deny, {} with errors\n", what, t.total, t.allow, t.deny, t.with_errors);
  };
  print("network events", net_events);
  print("file events", file_events);
  print("events on sockets", named_events);
  print("events on the system", system_events);
  print("requests", differential.requests);
  fmt::print("decided in the kernel: {}; by the official engine: {}\n", differential.kernel_events, differential.oracle_answers);
  if (!differential.unanswered.few(programs)) return 1;
  constexpr std::uint64_t kEnoughToCount = 100;   // with fewer, chance decides what comes up
  if (programs < kEnoughToCount) return 0;
  if (!net_events.balanced() || !file_events.balanced() || !named_events.balanced() || !system_events.balanced() || !differential.requests.balanced()) {
    fmt::print("the generator is out of balance: a sixth each should allow, deny, and have errors\n");
    return 1;
  }
  return all_ops_hit(differential.ops, differential.kernel_ops, why_not_kernel.empty()) ? 0 : 1;
}
