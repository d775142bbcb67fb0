// How long a compile to an object takes, phase by phase, with code generation and from a template, beside clang on C that decides the same. Processor time, of the helper and
// clang too: the machine has other work.
//   bench_compile [POLICIES…]
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>

#include "backends/bpf/bpf.h"
#include "backends/bpf/templates.h"
#include "driver/pipeline.h"
#include "driver/render.h"
#include "driver/verify.h"

namespace {

using namespace kerf;

constexpr int kTurns = 5;

double processor_ms() {
  double ms = 0;
  for (int who : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
    rusage usage{};
    getrusage(who, &usage);
    for (const timeval& t : {usage.ru_utime, usage.ru_stime}) ms += static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_usec) / 1e3;
  }
  return ms;
}

template <class Work>
double least(const Work& work) {
  double ms = 1e18;
  for (int turn = 0; turn < kTurns; ++turn) {
    const double start = processor_ms();
    work();
    ms = std::min(ms, processor_ms() - start);
  }
  return ms;
}

const char* const kSchema = R"(
@kernel("process") entity Agent;
@kernel("endpoint") entity Destination { @kernel("endpoint.ip") ip: ipaddr, @kernel("endpoint.port") port: Long };
@kernel("net.connect") action connect appliesTo { principal: Agent, resource: Destination, context: { @kernel("process.uid") uid: Long } };
)";

// Addresses, ports and numbers, all of which become data.
std::string policies(std::size_t count, int first = 10) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) {
    const std::string network = fmt::format("{}.{}.{}.0/24", first, i >> 8 & 255, i & 255);
    switch (i % 3) {
      case 0: text += fmt::format("permit (principal, action, resource) when {{ resource.ip.isInRange(ip(\"{}\")) }};\n", network); break;
      case 1: text += fmt::format("permit (principal, action, resource) when {{ resource.port == {} && resource.ip.isInRange(ip(\"{}\")) }};\n", i % 60000, network); break;
      default: text += fmt::format("forbid (principal, action, resource) when {{ context.uid == {} }};\n", i);
    }
  }
  return text;
}

// The same as a chain of tests, forbids first: what one would write by hand.
std::string equivalent_c(std::size_t count) {
  std::string text = "struct event { unsigned ip, port, uid; };\n__attribute__((section(\"syscall\"))) int decide(struct event *e)\n{\n"
                     "\tunsigned ip = e->ip, port = e->port, uid = e->uid;\n";
  for (std::size_t i = 2; i < count; i += 3) text += fmt::format("\tif (uid == {}u) return 0;\n", i);
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t network = 0x0a0000 | i % 65536;
    if (i % 3 == 0) text += fmt::format("\tif (ip >> 8 == {}u) return 1;\n", network);
    if (i % 3 == 1) text += fmt::format("\tif (port == {} && ip >> 8 == {}u) return 1;\n", i % 60000, network);
  }
  return text + "\treturn 0;\n}\nchar kerf_license[] __attribute__((section(\"license\"))) = \"GPL\";\n";
}

double clang_ms(std::size_t count) {
  const std::string name = fmt::format("/tmp/kerf-bench-{}", getpid());
  std::ofstream(name + ".c") << equivalent_c(count);
  const std::string command = fmt::format("timeout 300 clang-19 -target bpf -O2 -c {0}.c -o {0}.o", name);
  const double start = processor_ms();
  const int status = std::system(command.c_str());
  const double ms = processor_ms() - start;
  unlink((name + ".c").c_str());
  unlink((name + ".o").c_str());
  return status == 0 ? ms : -1;
}

ProgramText text_of(std::string policies) {
  return {{{"policies.cedar", std::move(policies)}}, InputFile{"schema.cedarschema", kSchema}, InputFile{"entities.json", "[]"}, std::nullopt};
}

void measure(std::size_t count) {
  const ProgramText text = text_of(policies(count)), changed = text_of(policies(count, 11));
  std::optional<Program> program;
  const double checked = least([&] { program.emplace(check_program(text)); });
  if (program->diagnostics.has_errors()) return fmt::print("{}", render(program->sources, program->diagnostics, ErrorFormat::plain, false));
  Diagnostics ignored;
  const double planned = least([&] { plan_kernel(program->module, ignored); });
  auto object_with = [&](const Program& of, ObjectTemplates* templates) {
    if (auto made = emit_bpf(of.module, of.plan, {}, {codegen_helper_path(), templates}); !made) fmt::print("{}\n", made.error().message);
  };
  const double first = least([&] { object_with(*program, nullptr); });
  // Other policies of the same shape came before.
  ObjectTemplates templates;
  object_with(check_program(changed), &templates);
  const double next = least([&] { object_with(*program, &templates); });
  std::optional<Artefacts> artefacts = compile_program(*program, text, {codegen_helper_path()});
  if (!artefacts) return fmt::print("{}", render(program->sources, program->diagnostics, ErrorFormat::plain, false));
  const double proved = least([&] { prove(*program, artefacts->bundle.files); });
  bool turn = false;
  const double bundle = least([&] {
    const ProgramText& input = (turn = !turn) ? changed : text;
    Program compiled = check_program(input);
    compile_program(compiled, input, {codegen_helper_path()});
  });
  const double clang = count <= 1000 ? clang_ms(count) : -1;   // it takes minutes past that
  auto times = [&](double object) { return clang < 0 ? "–" : fmt::format("{:.1f}", clang / (checked + object)); };
  fmt::print("| {} | {:.0f} | {:.0f} | {:.0f} | {:.1f} | {:.0f} | {:.0f} | {} | {} | {} |\n", count, checked, planned, first, next, proved, bundle,
             clang < 0 ? "–" : fmt::format("{:.0f}", clang), times(first), times(next));
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  fmt::print("Processor time in ms, the least of {} turns.\n\n"
             "| policies | text to checked program | of that: plan | tables and object: the first of its shape | the next of its shape | "
             "proof of table and object | text to bundle in memory, next of its shape | clang-19 -O2 on equivalent C | "
             "text to object, times faster than clang: first | next |\n"
             "|---|---|---|---|---|---|---|---|---|---|\n", kTurns);
  if (argc == 1) {
    for (std::size_t count : {1u, 1000u, 10000u}) measure(count);
  }
  for (int i = 1; i < argc; ++i) measure(std::strtoul(argv[i], nullptr, 10));
  return 0;
}
