// KernelPlan -> object: laid out, asked of the helper program, or of a template that it made before, filled, and checked before
// it is used.
#include <fmt/format.h>

#include <memory>
#include <set>

#include "backends/bpf/bpf.h"
#include "backends/bpf/helper.h"
#include "backends/bpf/layout.h"
#include "backends/bpf/object.h"
#include "backends/bpf/programs.h"
#include "backends/bpf/templates.h"

namespace kerf {
namespace {

// What the object holds must be what the governed events need; says so in `layout`.
std::optional<Error> check_contents(const bpf::ObjectContents& contents, BpfLayout& layout) {
  auto bytes_of = [&](const char* name) {
    auto section = contents.sections.find(name);
    return section == contents.sections.end() ? 0 : section->second.size;
  };
  for (const char* needed : {".text", ".maps", ".BTF", ".BTF.ext", "license"}) {
    if (bytes_of(needed) == 0) return Error{fmt::format("kerf-codegen made an object without `{}`", needed)};
  }
  for (const char* forbidden : {".data", ".bss", ".kconfig", ".ksyms"}) {
    if (bytes_of(forbidden) != 0) return Error{fmt::format("kerf-codegen made an object with `{}`", forbidden)};
  }
  std::set<std::string> unasked = contents.programs;
  for (const char* name : bpf::needed_programs(layout.governed)) {
    if (!unasked.erase(name)) return Error{fmt::format("kerf-codegen made an object without the program `{}`", name)};
    layout.programs.push_back(name);
  }
  if (!unasked.empty()) return Error{fmt::format("kerf-codegen made an object with a program `{}`", *unasked.begin())};
  layout.maps.assign(contents.maps.begin(), contents.maps.end());
  return std::nullopt;
}

}  // namespace

Result<BpfObject> emit_bpf(const Module& module, const KernelPlan& plan, const std::array<std::uint8_t, 16>& digest,
                           const CodegenOptions& options) {
  Result<bpf::Layout> layout = bpf::lay_out(module, plan, digest);
  if (!layout) return layout.error();
  const std::string request = bpf::write_request(layout->request);
  const std::string key = options.helper + '\0' + request;
  ObjectTemplates::Object blank = options.templates ? options.templates->find(key) : nullptr;
  const bool fresh = !blank;
  if (fresh) {
    Result<std::string> made = bpf::run_helper(options.helper, request);
    if (!made) return made.error();
    blank = std::make_shared<const std::string>(std::move(*made));
  }
  std::optional<bpf::ObjectContents> contents = bpf::read_contents(*blank);
  if (!contents) return Error{"kerf-codegen made no BPF object"};
  if (auto error = check_contents(*contents, layout->object)) return *error;
  Result<std::string> elf = bpf::fill_object(*blank, *contents, *layout);
  if (!elf) return elf.error();
  if (fresh && options.templates) options.templates->keep(key, std::move(blank));
  return BpfObject{std::move(*elf), std::move(layout->object)};
}

}  // namespace kerf
