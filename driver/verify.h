// A bundle against the sources: what `kerf compile` does before it writes, and `kerf verify` from outside.
#pragma once
#include "backends/check/check.h"
#include "driver/pipeline.h"

namespace kerf {

struct Verified {
  proof::Proved table, kernel, seccomp;
};

// The bytes that decide say what the policies say. Differences are errors in program.diagnostics.
Verified prove(Program& program, const std::vector<NamedBytes>& files);

// Of a bundle that lies somewhere: first hashes, the sources' too, and the snapshot; then prove().
Verified verify_bundle(Program& program, const ProgramText& text, const std::vector<NamedBytes>& files);
// Without sources: hashes, and that every file can be decoded. Nothing is compared.
void inspect_bundle(const std::vector<NamedBytes>& files, Diagnostics& diagnostics);

// The files of a bundle's directory.
Result<std::vector<NamedBytes>> read_bundle_files(const std::string& directory);

}  // namespace kerf
