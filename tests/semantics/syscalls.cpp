// Filters of system calls, judged four ways. Random policies about `sys.call` become filters; for random calls and arguments the
// filter, run by the interpreter of the proof, must answer as the reference evaluator and the official engine decide. The
// same filters are installed in children of this process, where calls that ignore their arguments are really made. At last
// filters are changed: wherever a change shows at one of the points, the proof has to notice it.
//   syscalls [PROGRAMS [POINTS [SEED]]]
#include <fmt/core.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <random>

#include "backends/check/check.h"
#include "backends/check/filter.h"
#include "backends/seccomp/emit.h"
#include "driver/pipeline.h"
#include "driver/render.h"
#include "ir/passes/materialise.h"
#include "runtime/loader/seccomp.h"
#include "tests/semantics/oracle.h"

namespace {

using namespace kerf;
using namespace kerf::test;

constexpr const char* kSchema = R"(
entity Group;
@kernel("process") entity Agent in [Group] { limit: Long, numbers: Set<Long>, admin: Bool };
entity CallSet in [CallSet];
@kernel("syscall") entity Syscall in [CallSet] { @kernel("syscall.name") name: String, danger?: Long };
@kernel("sys.call") action call appliesTo { principal: [Agent], resource: [Syscall], context: {
  @kernel("syscall.arg0") a0?: Long, @kernel("syscall.arg1") a1?: Long, @kernel("syscall.arg5") a5?: Long } };
action other appliesTo { principal: [Agent], resource: [Syscall], context: { ticket: Long } };
)";

constexpr std::uint64_t kFirstAbsent = std::uint64_t{1} << 63;
constexpr std::uint64_t kExact = std::uint64_t{1} << 53;   // what JSON carries to the official engine
// These ignore their arguments, so they can really be made.
constexpr std::pair<const char*, long> kHarmless[] = {{"getpid", SYS_getpid}, {"gettid", SYS_gettid}, {"getppid", SYS_getppid}, {"getuid", SYS_getuid}};

struct Point {
  std::string principal, call;
  std::array<std::uint64_t, 6> args{};
};

class Programs {
 public:
  explicit Programs(std::uint64_t seed) : random_(seed) {}

  std::string policies() {
    std::string text;
    for (std::size_t i = 0, n = 1 + pick(6); i < n; ++i) text += policy();
    return text;
  }

  std::string entities() {
    std::string text = "[";
    for (const char* id : {"a", "b"}) {
      text += fmt::format(R"({{"uid":{{"type":"Agent","id":"{}"}},"attrs":{{"limit":{},"numbers":[{},{}],"admin":{}}},"parents":[{}]}},)", id, small(), small(), small(),
                          pick(2) ? "true" : "false", pick(2) ? R"({"type":"Group","id":"g"})" : "");
    }
    for (const char* call : {"getpid", "openat", "ioctl"}) {
      text += fmt::format(R"({{"uid":{{"type":"Syscall","id":"{}"}},"attrs":{{"name":"{}"{}}},"parents":[{{"type":"CallSet","id":"{}"}}]}},)", call, call,
                          pick(2) ? fmt::format(R"(,"danger":{})", pick(5)) : "", pick(2) ? "x" : "y");
    }
    return text + R"({"uid":{"type":"CallSet","id":"y"},"attrs":{},"parents":[{"type":"CallSet","id":"x"}]}])";
  }

  Point point() {
    static constexpr const char* calls[] = {"getpid", "gettid", "getppid", "getuid", "openat", "ioctl", "execve", "close_range"};
    Point p{pick(2) ? "a" : "b", calls[pick(std::size(calls))], {}};
    for (std::uint64_t& arg : p.args) {
      arg = number();
      if (pick(3) == 0) arg += pick(3) - 1;
      if (pick(16) == 0) arg = random_();
    }
    return p;
  }

  std::uint64_t pick(std::uint64_t n) { return random_() % n; }

 private:
  std::uint64_t number() {
    static constexpr std::uint64_t some[] = {0, 1, 2, 3, 7, 0x5401, 0xffffffff, 0x100000000, 0x100000001, 0x200000003, kExact - 1, kFirstAbsent - 1, kFirstAbsent, ~std::uint64_t{0}};
    return some[pick(std::size(some))];
  }
  std::string small() { return std::to_string(number() % kExact); }
  std::string literal() {
    const std::uint64_t n = number();
    return n >= kFirstAbsent ? "-1" : std::to_string(n);
  }

  std::string argument_test() {
    static constexpr const char* args[] = {"a0", "a1", "a5"};
    static constexpr const char* comparisons[] = {"==", "!=", "<", "<=", ">", ">="};
    const std::string arg = args[pick(3)], read = "context." + arg, has = "context has " + arg;
    switch (pick(7)) {
      case 0: return has;
      case 1: return fmt::format("({} && [{}, {}, {}].contains({}))", has, literal(), literal(), literal(), read);
      case 2: return fmt::format("({} && {} {} principal.limit)", has, read, comparisons[pick(6)]);
      case 3: return fmt::format("({} && principal.numbers.contains({}))", has, read);
      case 4: return fmt::format("({} && {} {} {})", has, literal(), comparisons[pick(6)], read);
      default: return fmt::format("({} && {} {} {})", has, read, comparisons[pick(6)], literal());
    }
  }

  std::string known_test() {
    switch (pick(7)) {
      case 0: return "principal.admin";
      case 1: return fmt::format("principal.limit + {} > 5", literal());   // may overflow: an error
      case 2: return "resource.name like \"get*\"";
      case 3: return "(resource has danger && resource.danger > 2)";
      case 4: return "resource == Syscall::\"getpid\"";
      case 5: return "principal in Group::\"g\"";
      default: return "resource in CallSet::\"x\"";
    }
  }

  std::string condition(int depth) {
    if (depth == 0 || pick(4) == 0) return pick(3) ? argument_test() : known_test();
    switch (pick(4)) {
      case 0: return fmt::format("!({})", condition(depth - 1));
      case 1: return fmt::format("({} && {})", condition(depth - 1), condition(depth - 1));
      case 2: return fmt::format("({} || {})", condition(depth - 1), condition(depth - 1));
      default: return fmt::format("(if {} then {} else {})", condition(depth - 1), condition(depth - 1), condition(depth - 1));
    }
  }

  std::string policy() {
    static constexpr const char* actions[] = {"action", "action == Action::\"call\"", "action == Action::\"other\""};
    static constexpr const char* resources[] = {"resource", "resource in CallSet::\"x\"", "resource == Syscall::\"getpid\"", "resource == Syscall::\"ioctl\"", "resource is Syscall in CallSet::\"y\""};
    std::string text = fmt::format("{}(principal{}, {}, {})", pick(3) ? "permit" : "forbid", pick(4) ? "" : " == Agent::\"a\"",
                                   actions[pick(8) ? pick(2) : 2], resources[pick(4) ? 0 : pick(5)]);
    if (text.find("\"other\"") != std::string::npos) return text + " when { context.ticket == 1 };\n";
    if (text.find("Action::\"call\"") == std::string::npos) return text + " when { " + known_test() + " };\n";   // `other` has no arguments
    if (pick(6)) text += fmt::format(" {} {{ {} }}", pick(4) ? "when" : "unless", condition(2));
    return text + ";\n";
  }

  std::mt19937_64 random_;
};

struct Tally {
  std::size_t points = 0, allowed = 0, engine = 0, kernel = 0, kernel_allowed = 0, errors = 0, changed = 0, noticed = 0, warned = 0, evaded = 0, old = 0;
};

std::uint32_t number_of(const std::string& name) {
  for (auto [known, number] : kHarmless) {
    if (name == known) return static_cast<std::uint32_t>(number);
  }
  if (name == "openat") return SYS_openat;
  if (name == "ioctl") return SYS_ioctl;
  if (name == "execve") return SYS_execve;
  return SYS_close_range;
}

#if defined(__x86_64__)
// getpid as a 32-bit program makes it.
long old_getpid() {
  long result;
  asm volatile("int $0x80" : "=a"(result) : "a"(20L) : "memory", "r8", "r9", "r10", "r11");
  return result;
}

bool has_old_calls() {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(old_getpid() == ::getpid() ? 0 : 1);
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}
#endif

class Test {
 public:
  Test(Oracle& oracle) : oracle_(oracle) {}
  Tally tally;

  bool run(std::uint64_t seed, std::size_t count) {
    Programs random(seed);
    policies_ = random.policies(), entities_ = random.entities(), seed_ = seed;
    ProgramText source{{{"policies.cedar", policies_}}, InputFile{"schema.cedarschema", kSchema}, InputFile{"entities.json", entities_}};
    Program program = check_program(source);
    if (program.diagnostics.has_errors()) return fail("the program does not compile:\n" + render(program.sources, program.diagnostics, ErrorFormat::plain, false));
    Diagnostics diagnostics;
    auto text = seccomp::emit_filters(program.syscalls, diagnostics);
    if (!text) return fail("no filters");
    proof::check_seccomp(program.module, *text, diagnostics);
    if (diagnostics.has_errors()) return fail("the proof says no:\n" + render(program.sources, diagnostics, ErrorFormat::plain, false));
    Result<proof::DecodedFilters> filters = proof::read_filters(*text);
    if (!filters) return fail(filters.error().message);
    std::vector<Point> points;
    for (std::size_t i = 0; i < count; ++i) points.push_back(random.point());
    std::vector<bool> answers;
    if (!evade(program, *filters, points)) return false;
    return compare(program, *filters, points, answers) && compare_kernel(*text, program.module.entities, points, answers) && change(program, *filters, points, random);
  }

 private:
  bool fail(const std::string& why) {
    fmt::print("seed {}: {}\n--- policies\n{}--- entities\n{}\n", seed_, why, policies_, entities_);
    return false;
  }

  static std::string text(const Point& p) {
    return fmt::format("{} by {} with {:#x}, {:#x}, {:#x}, {:#x}, {:#x}, {:#x}", p.call, p.principal, p.args[0], p.args[1], p.args[2], p.args[3], p.args[4], p.args[5]);
  }

  static const proof::Filter& filter_of(const proof::DecodedFilters& filters, const Point& point) {
    return filters.filters.at(filters.principals.at({"Agent", point.principal}).at("x86_64"));
  }

  bool compare(const Program& program, const proof::DecodedFilters& filters, const std::vector<Point>& points, std::vector<bool>& answers) {
    std::vector<Question> questions;
    std::vector<std::size_t> asked;
    for (const Point& point : points) {
      const std::uint32_t answer = proof::run_filter(filter_of(filters, point), {AUDIT_ARCH_X86_64, number_of(point.call), point.args});
      if (answer != SECCOMP_RET_ALLOW && answer != (SECCOMP_RET_ERRNO | EPERM)) return fail(fmt::format("{}: the answer {:#x}", text(point), answer));
      answers.push_back(answer == SECCOMP_RET_ALLOW);
      KernelEventData event{KernelEventId::sys_call, {"Agent", point.principal}, {{"syscall.name", Value(point.call)}}, {}, false};
      bool exact = true;
      for (std::size_t i : {0u, 1u, 5u}) {
        if (point.args[i] < kFirstAbsent) event.observed.emplace(fmt::format("syscall.arg{}", i), Value(static_cast<std::int64_t>(point.args[i])));
        exact = exact && (point.args[i] < kExact || point.args[i] >= kFirstAbsent);
      }
      Result<Materialised> m = materialise(program.module, event);
      if (!m) return fail("materialise: " + m.error().message);
      const Decision decision = authorize(program.module, m->request, m->entities);
      ++tally.points, tally.allowed += decision.allow, tally.errors += !decision.errors.empty();
      if (decision.allow != answers.back()) return fail(fmt::format("{}: the filter {}, the reference does not", text(point), answers.back() ? "allows" : "refuses"));
      if (!exact) continue;
      asked.push_back(answers.size() - 1);
      questions.push_back({m->request, entities_without_actions(program.module, m->entities)});
    }
    Result<std::vector<Answer>> engine = oracle_.ask(policies_, kSchema, questions);
    if (!engine) return fail("official engine: " + engine.error().message);
    for (std::size_t i = 0; i < asked.size(); ++i) {
      if ((*engine)[i].allow != answers[asked[i]]) return fail(fmt::format("{}: the filter differs from the official engine", text(points[asked[i]])));
    }
    tally.engine += asked.size();
    return true;
  }

  // Where a refused call is allowed with another high half of an argument, the compile has warned.
  bool evade(const Program& program, const proof::DecodedFilters& filters, const std::vector<Point>& points) {
    const auto& said = program.diagnostics.all();
    const bool warned = std::any_of(said.begin(), said.end(), [](const Diagnostic& d) { return d.code == Code::K5106; });
    tally.warned += warned;
    bool evaded = false;
    for (const Point& point : points) {
      auto allows = [&](std::size_t arg, std::uint64_t value) {
        proof::FilterInput input{AUDIT_ARCH_X86_64, number_of(point.call), point.args};
        input.args[arg] = value;
        return proof::run_filter(filter_of(filters, point), input) == SECCOMP_RET_ALLOW;
      };
      for (std::size_t arg : {0u, 1u, 5u}) {
        const std::uint64_t low = point.args[arg] & 0xffffffff;
        if (allows(arg, low)) continue;
        for (std::uint64_t high : {1ull << 32, 2ull << 32, 5ull << 40, 1ull << 63, 0xffffffffull << 32}) {
          if (!allows(arg, high | low)) continue;
          evaded = true;
          if (!warned) return fail(fmt::format("{}: argument {} as {:#x} is refused, as {:#x} not, and nothing was said", text(point), arg, low, high | low));
        }
      }
    }
    tally.evaded += evaded;
    return true;
  }

  // In a child under the filter. What it may still do nobody knows, so it tells by memory and is killed.
  bool compare_kernel(const std::string& file, const Entities& entities, const std::vector<Point>& points, const std::vector<bool>& answers) {
#if defined(__x86_64__)
    auto filters = loader::read_filters(file, entities);
    if (!filters) return fail(filters.error().message);
    static const bool old_calls = has_old_calls();
    for (const char* principal : {"a", "b"}) {
      const loader::FilterProgram& filter = filters->programs.at(filters->of.at({"Agent", principal}));
      const std::size_t size = sizeof(std::atomic<int>) * (points.size() + 1);
      void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
      if (memory == MAP_FAILED) return fail("no shared memory");
      auto* told = static_cast<std::atomic<int>*>(memory);   // 0: not yet; the first: how it began; then of each point: 1 made, 2 refused
      const pid_t child = ::fork();
      if (child == 0) {
        const bool installed = ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && loader::install_filter(filter) == 0;
        for (std::size_t i = 0; installed && i < points.size(); ++i) {
          const auto& a = points[i].args;
          if (points[i].principal != principal || !is_harmless(points[i].call)) continue;
          errno = 0;
          const long number = static_cast<long>(number_of(points[i].call) | (i % 2 ? 5ul << 32 : 0));   // the kernel has no use for its high half either
          const long result = ::syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
          told[i + 1] = result >= 0 ? 1 : errno == EPERM ? 2 : 3;
        }
        const bool refused = !old_calls || old_getpid() == -ENOSYS;
        told[0] = !installed ? 2 : !refused ? 3 : 1;
        for (;;) ::usleep(1000);
      }
      for (int waited = 0; told[0] == 0 && waited < 10'000; ++waited) ::usleep(1000);
      ::kill(child, SIGKILL);
      ::waitpid(child, nullptr, 0);
      bool good = told[0] == 1;
      if (told[0] == 3) fmt::print("a call of the 32-bit ABI is not refused with ENOSYS\n");
      tally.old += good && old_calls;
      for (std::size_t i = 0; good && i < points.size(); ++i) {
        if (points[i].principal != principal || !is_harmless(points[i].call)) continue;
        ++tally.kernel, tally.kernel_allowed += told[i + 1] == 1;
        good = told[i + 1] == (answers[i] ? 1 : 2);
        if (!good) fmt::print("{}: in the kernel {}\n", text(points[i]), told[i + 1].load());
      }
      ::munmap(memory, size);
      if (!good) return fail("the kernel differs");
    }
#endif
    return true;
  }

  static bool is_harmless(const std::string& call) {
    return std::any_of(std::begin(kHarmless), std::end(kHarmless), [&](const auto& row) { return call == row.first; });
  }

  // One instruction is another one.
  static void spoil(proof::Filter& filter, Programs& random) {
    sock_filter& step = filter.program.at(random.pick(filter.program.size()));
    if (step.code == (BPF_RET | BPF_K)) step.k = step.k == SECCOMP_RET_ALLOW ? SECCOMP_RET_ERRNO | EPERM : std::uint32_t{SECCOMP_RET_ALLOW};
    else if (step.code == (BPF_LD | BPF_W | BPF_ABS)) step.k = step.k >= 16 ? step.k ^ 4 : step.k;
    else if (BPF_OP(step.code) == BPF_JA) return;
    else if (random.pick(2)) std::swap(step.jt, step.jf);
    else step.k += random.pick(2) ? 1u : ~0u;
  }

  static std::string print(const proof::DecodedFilters& filters) {
    Json json = {{"format", "kerf-seccomp"}, {"version", 1}, {"filters", Json::array()}, {"principals", Json::array()}};
    for (const proof::Filter& filter : filters.filters) {
      Json program = Json::array();
      for (const sock_filter& step : filter.program) program.push_back(Json::array({step.code, step.jt, step.jf, step.k}));
      json["filters"].push_back({{"arch", filter.arch}, {"program", std::move(program)}});
    }
    for (const auto& [principal, of] : filters.principals) json["principals"].push_back({{"principal", uid_to_json(principal)}, {"filters", of}});
    return json.dump();
  }

  bool change(const Program& program, const proof::DecodedFilters& filters, const std::vector<Point>& points, Programs& random) {
    for (int turn = 0; turn < 3; ++turn) {
      proof::DecodedFilters changed = filters;
      spoil(changed.filters.at(changed.principals.at({"Agent", random.pick(2) ? "a" : "b"}).at("x86_64")), random);
      const Point* shows = nullptr;
      for (const Point& point : points) {
        const proof::FilterInput input{AUDIT_ARCH_X86_64, number_of(point.call), point.args};
        if (proof::run_filter(filter_of(changed, point), input) != proof::run_filter(filter_of(filters, point), input)) shows = &point;
      }
      if (!shows) continue;
      Diagnostics diagnostics;
      proof::check_seccomp(program.module, print(changed), diagnostics);
      ++tally.changed, tally.noticed += diagnostics.has_errors();
      if (!diagnostics.has_errors()) return fail(fmt::format("a changed filter is proved; {}", text(*shows)));
    }
    return true;
  }

  Oracle& oracle_;
  std::string policies_, entities_;
  std::uint64_t seed_ = 0;
};

std::uint64_t argument(int argc, char** argv, int i, std::uint64_t otherwise) { return argc > i ? std::strtoull(argv[i], nullptr, 10) : otherwise; }

}  // namespace

int main(int argc, char** argv) {
  const std::uint64_t programs = argument(argc, argv, 1, 20), points = argument(argc, argv, 2, 100), seed = argument(argc, argv, 3, 20261126);
  Oracle oracle;
  if (!oracle.running()) {
    fmt::print("SKIP: {}\n", oracle.why());
    return 0;
  }
  fmt::print("seed {}\n", seed);
  Test test(oracle);
  for (std::uint64_t i = 0; i < programs; ++i) {
    if (!test.run(seed + i, points)) return 1;
  }
  const Tally& t = test.tally;
  fmt::print("{} points, {} allowed, {} with errors, {} by the official engine; in the kernel {}, {} allowed; {} changed filters, {} noticed; {} warned of evasion, {} evaded; {} calls of the 32-bit ABI refused\n", t.points, t.allowed,
             t.errors, t.engine, t.kernel, t.kernel_allowed, t.changed, t.noticed, t.warned, t.evaded, t.old);
  const bool good = t.allowed * 10 >= t.points && t.allowed * 10 <= t.points * 9 && t.errors > 0 && t.engine * 5 >= t.points && t.changed * 2 >= programs && t.evaded > 0 && t.warned < programs;
  if (programs >= 20 && !good) fmt::print("the generator is out of balance\n");
  return programs >= 20 && !good ? 1 : 0;
}
