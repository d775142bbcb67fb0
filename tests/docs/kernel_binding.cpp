// The kernel model, the operators and the features as a page: prints docs/kernel-binding.md. The one decision: sentences
// that hold whatever the rows say stand here, everything else is a row of a .def file.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "ir/base/check.h"
#include "ir/body.h"
#include "ir/kernel_model.h"
#include "runtime/loader/features.h"

using namespace kerf;
using loader::KnownFeature;
using loader::KnownProgram;
using loader::ProgramRole;

namespace {

using Cells = std::vector<std::string>;

void row(const Cells& cells) { fmt::print("| {} |\n", fmt::join(cells, " | ")); }

void head(const Cells& cells) {
  fmt::print("\n");
  row(cells);
  fmt::print("|{}\n", fmt::join(Cells(cells.size(), "---|"), ""));
}

std::string code(std::string_view text) {
  std::string out = "`";
  for (char c : text) out += c == '|' ? "\\|" : std::string(1, c);
  return out + "`";
}

template <class Range>
std::string codes(const Range& texts) {
  Cells all;
  for (const auto& text : texts) all.push_back(code(text));
  return fmt::format("{}", fmt::join(all, ", "));
}

std::string_view cedar_type(TypeKind kind) {
  switch (kind) {
    case TypeKind::boolean: return "Bool";
    case TypeKind::long_: return "Long";
    case TypeKind::string: return "String";
    case TypeKind::ip: return "ipaddr";
    case TypeKind::decimal: return "decimal";
    case TypeKind::datetime: return "datetime";
    case TypeKind::duration: return "duration";
    case TypeKind::entity:
    case TypeKind::set:
    case TypeKind::record:
    case TypeKind::never:
    case TypeKind::true_:
    case TypeKind::false_:
    case TypeKind::empty_set: break;
  }
  internal_error("an observable has a primitive or extension type");
}

void kinds() {
  fmt::print("\n## Entity types\n\n`@kernel(\"KIND\")` before an entity type. At most one type of a schema is bound to a kind.\n");
  head({"kind", "an entity is"});
  for (KernelKind kind : kernel_kinds()) row({code(to_text(kind)), std::string(what_is(kind))});
}

void events() {
  fmt::print("\n## Actions\n\n`@kernel(\"EVENT\")` before an action, or several: `@kernel(\"file.create, file.delete\")`. The action's principals are of\n"
             "types bound to `process`, its resources of types bound as the table says. `@errno(\"NAME\")` chooses what a refused call\n"
             "fails with; the first is the default. [Files in the kernel](kernel-files.md) says which calls raise which event.\n");
  head({"event", "is raised when", "resource", "refusals", "hooks", "since Linux"});
  for (const KernelEvent& event : kernel_events()) {
    Cells resources, refusals = {code(event.default_errno)};
    for (KernelKind kind : kernel_kinds()) {
      if (can_be_resource(event, kind)) resources.push_back(code(to_text(kind)));
    }
    for (std::string_view name : event.errnos) {
      if (name != event.default_errno) refusals.push_back(code(name));
    }
    row({code(event.text), std::string(event.what), fmt::format("{}", fmt::join(resources, ", ")),
         fmt::format("{}", fmt::join(refusals, ", ")), codes(event.hooks), std::string(event.minimum_kernel)});
  }
}

std::string observed_with(const Observable& observable) {
  Cells names, others;
  bool files = true;
  for (const KernelEvent& event : kernel_events()) {
    const bool with = is_observed_with(observable, event.id);
    (with ? names : others).push_back(code(event.text));
    files = files && with == (event.resource == KernelKind::file);
  }
  if (files) return "events on files";
  if (others.empty()) return "every event";
  if (others.size() < names.size()) return fmt::format("every event but {}", fmt::join(others, ", "));
  return fmt::format("{}", fmt::join(names, ", "));
}

void attributes() {
  fmt::print("\n## Attributes\n\n`@kernel(\"NAME\")` before an attribute of the entity type, or of the action's context. What can be missing must be\n"
             "declared optional (`?`); the rest may be.\n");
  head({"observable", "attribute of", "type", "declared", "observed with", "value"});
  for (const Observable& observable : observables()) {
    row({code(observable.text), observable.owner ? code(to_text(*observable.owner)) : "the context", code(cedar_type(observable.type)),
         observable.always_present ? "as you like" : "optional", observed_with(observable), std::string(observable.description)});
  }
  fmt::print("\n`@kernel(\"fact.NAME\")` before an optional attribute of the context: a value that is [published](running.md#facts) for a binding\n"
             "while it runs; NAME is letters, digits and `_`. Its type is Bool, Long, String, ipaddr, decimal, datetime, duration, or an entity\n"
             "type that no hook observes; best an enumerated one, which a hook can compare with what it sees.\n");
}

std::string_view support_text(KernelSupport support) {
  switch (support) {
    case KernelSupport::code: return "yes";
    case KernelSupport::table: return "by a table";
    case KernelSupport::no: return "no";
  }
  internal_error("unknown support");
}

std::string result_text(OpResult result) {
  switch (result) {
    case OpResult::any: return "as the operands say";
    case OpResult::boolean: return "`Bool`";
    case OpResult::long_: return "`Long`";
    case OpResult::set: return "`Set`";
    case OpResult::record: return "a record";
  }
  internal_error("unknown result");
}

void operators() {
  fmt::print("\n## Operators\n\nBefore a hook is asked (at compile, when a cgroup is bound, when a fact is published) all of Cedar is evaluated. The\n"
             "table is about what is left for the hook, [the split](split.md) about the rules. *Yes*: the hook computes it. *By a table*:\n"
             "its answers over one observable and constants are worked out when the bundle is made, and looked up at the hook; or it is taken\n"
             "apart [by cases](split.md#values-that-meet). *No*: only before the hook. Missing operators are abbreviations: `a > b` is `!(a <= b)`, `a != b` is `!(a == b)`, `x is T in e` is\n"
             "`x is T && x in e`. `call` stands for extension functions and methods, `literal` and `variable` for leaves.\n");
  head({"operator", "operands", "result", "can itself fail", "at the hook"});
  for (const OpRow& op : op_rows()) {
    row({code(op.text), op.arity < 0 ? "any number" : std::to_string(op.arity), result_text(op.result), op.fallible ? "yes" : "no",
         std::string(support_text(op.kernel))});
  }
}

bool belongs(const KnownProgram& program, const KnownFeature& feature) {
  return program.feature == feature.name && program.role != ProgramRole::selftest;
}

std::uint64_t events_of(const KnownFeature& feature) {
  std::uint64_t mask = 0;
  for (const KnownProgram& program : loader::known_programs()) {
    if (belongs(program, feature)) mask |= program.events;
  }
  return mask;
}

// The model's events in a mask of `enum kerf_event_kind`.
std::string event_list(std::uint64_t mask) {
  if (mask == KERF_ENDPOINT_EVENTS) return "any on endpoints";
  Cells in, out;
  for (const KernelEvent& event : kernel_events()) {
    if (decided_by_filter(event)) continue;
    (mask & KERF_BIT(*loader::find_event_kind(event.text)) ? in : out).push_back(code(event.text));
  }
  if (out.empty()) return "any";
  if (mask == KERF_FILE_EVENTS) return "any on files";
  return fmt::format("{}", fmt::join(in, ", "));
}

std::string brought_by(const KnownFeature& feature) {
  const std::uint64_t mask = events_of(feature);
  if (mask != KERF_READS_EXE) return event_list(mask);
  const auto& all = loader::known_programs();
  const bool gives_way = std::any_of(all.begin(), all.end(), [&](const KnownProgram& p) { return belongs(p, feature) && p.instead != 0; });
  return std::string(gives_way ? "none on files" : "any") + ", and an action binds `process.exe`";
}

bool needs_lsm(const KnownFeature& feature) {
  for (const KnownProgram& program : loader::known_programs()) {
    if (belongs(program, feature) && loader::needs_lsm(program)) return true;
  }
  return false;
}

void features() {
  fmt::print("\n## Features\n\nWhat a loaded bundle enforces comes in features. A bundle has those that one of its governed events brings in. Where the\n"
             "kernel lacks a hook, the feature is *degraded*, and loading stops unless `--allow-degraded=NAME` accepts it. Guards hold\n"
             "whatever the policies say; the author of a bundle can waive them (`kerf compile --waive NAME`).\n");
  head({"feature", "promises that", "governed events that bring it in", "hooks", "can be waived"});
  for (const KnownFeature& feature : loader::known_features()) {
    std::set<std::string_view> seen;
    std::vector<std::string_view> hooks;
    for (const KnownProgram& program : loader::known_programs()) {
      if (belongs(program, feature) && seen.insert(program.section).second) hooks.push_back(program.section);
    }
    row({code(feature.name), std::string(feature.what), brought_by(feature), codes(hooks), loader::guard_bit(feature.name) ? "yes" : "no"});
  }
}

bool on_hook_of(const KnownFeature& feature, const KernelEvent& event) {
  for (const KnownProgram& program : loader::known_programs()) {
    if (belongs(program, feature) && std::find(event.hooks.begin(), event.hooks.end(), program.section) != event.hooks.end()) return true;
  }
  return false;
}

// Features that decide the event; of guards only one that has the event's hook.
std::string deciding(const KernelEvent& event, bool lsm) {
  Cells names;
  for (const KnownFeature& feature : loader::known_features()) {
    if (!(events_of(feature) & KERF_BIT(*loader::find_event_kind(event.text))) || (!lsm && needs_lsm(feature))) continue;
    const bool guard = feature.name.starts_with("guard-");
    if (!guard || (loader::decides_events(feature.name) && on_hook_of(feature, event))) names.push_back(code(feature.name));
  }
  return names.empty() ? "not enforced" : fmt::format("{}", fmt::join(names, ", "));
}

void kernels() {
  fmt::print("\n## Events and kernels\n\nWhich features decide an event. Guards come on top. \"Without\" is a kernel whose `lsm=` list lacks `bpf`, or whose\n"
             "architecture has no trampolines for BPF: only cgroup programs run there. Linux 6.1 and 6.12 are those that are tested; a\n"
             "kernel is not believed but [tried](running.md#the-probe) at each load.\n");
  head({"event", "6.1", "6.12", "without `bpf` in `lsm=`"});
  for (const KernelEvent& event : kernel_events()) {
    check(event.minimum_kernel == "6.1", "this table knows two kernels, and every event is on both");
    if (decided_by_filter(event)) {
      row({code(event.text), "`syscalls`, under `kerf run`", "the same", "the same"});
      continue;
    }
    row({code(event.text), deciding(event, true), deciding(event, true), deciding(event, false)});
  }
}

}  // namespace

int main() {
  fmt::print("# Kernel bindings\n\nEvery name that `@kernel(\"…\")` and `@errno(\"…\")` take in a schema. This page is printed from the compiler's own tables\n"
             "(`ir/kernel_model.def`, `ir/ops.def`, `runtime/abi/programs.def`) and compared with them by the test `docs.kernel_binding`.\n"
             "A misspelt name, or one in the wrong place, is an error (K4001 to K4030), never ignored.\n");
  kinds();
  events();
  attributes();
  operators();
  features();
  kernels();
}
