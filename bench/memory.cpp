// What parsing and validating one policy takes from the heap at its peak, above the same run without a policy.
//   bench_memory POLICIES SCHEMA
// The policy is the first of the file. Blocks are counted with what the allocator makes of their size.
#include <malloc.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <new>
#include <sstream>

#include "frontend/parse/parse.h"
#include "frontend/sema/policies.h"
#include "frontend/sema/schema.h"

namespace {

std::size_t live = 0, peak = 0;

std::string read_text(const char* path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// Peak of bytes in use during the run, above those before it.
std::size_t peak_of(const std::string& policies, const std::string& schema) {
  using namespace kerf;
  const std::size_t before = live;
  peak = live;
  Sources sources;
  Diagnostics diagnostics;
  SourceId policy_source = sources.add("policies.cedar", policies), schema_source = sources.add("schema.cedarschema", schema);
  Module module;
  module.schema = resolve_schema(parse_schema(sources, schema_source, diagnostics), diagnostics);
  module.environments = module.schema.environments();
  lower_policies({parse_policies(sources, policy_source, diagnostics)}, module, diagnostics);
  typecheck(module, diagnostics);
  if (diagnostics.has_errors()) std::abort();
  return peak - before;
}

}  // namespace

void* operator new(std::size_t size) {
  void* block = std::malloc(size);
  if (block == nullptr) throw std::bad_alloc();
  live += malloc_usable_size(block) + sizeof(std::size_t);
  if (live > peak) peak = live;
  return block;
}
void operator delete(void* block) noexcept {
  if (block != nullptr) live -= malloc_usable_size(block) + sizeof(std::size_t);
  std::free(block);
}
void operator delete(void* block, std::size_t) noexcept { operator delete(block); }

int main(int argc, char** argv) {
  if (argc != 3) return 64;
  const std::string all = read_text(argv[1]), schema = read_text(argv[2]);
  const std::string policy = all.substr(0, all.find(";\n") + 1);
  peak_of(policy, schema);   // what is made once a process
  const std::size_t empty = peak_of("", schema), one = peak_of(policy, schema);
  std::printf("one policy of %zu bytes: heap at its peak %.1f KiB above a run without policies (%.1f KiB)\n", policy.size(),
              static_cast<double>(one - empty) / 1024, static_cast<double>(empty) / 1024);
}
