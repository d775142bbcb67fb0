// The bundle: the artefacts of one compile with a manifest that ties them together (docs/bundle-format.md).
#pragma once
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "backends/bpf/bpf.h"
#include "ir/passes/plan.h"
#include "ir/values/json.h"

namespace kerf {

inline constexpr int kBundleFormat = 2;

struct NamedBytes {
  std::string name;    // relative, without directories
  std::string kind;    // inputs: "policies", "schema", "entities"; outputs: ""
  std::string bytes;
};

struct Bundle {
  std::vector<NamedBytes> files;   // outputs, manifest.json last
};

// XXH3-128 in hexadecimal: finds damage, is no signature.
std::string xxh3_128(std::string_view bytes);
// Over the sorted hashes of the inputs; the object carries it in its event records.
std::array<std::uint8_t, 16> inputs_digest(const std::vector<NamedBytes>& inputs);

// `waived`: guards that the author of the bundle gave up, sorted; see check_waived.
Json make_manifest(const Module& module, const Sources& sources, const KernelPlan& plan, const BpfLayout& layout,
                   const std::vector<NamedBytes>& inputs, const std::vector<NamedBytes>& outputs,
                   const std::vector<std::string>& waived);

// Writes all files to a temporary sibling of `directory`, then renames: the directory appears or changes whole or not
// at all. An existing directory is replaced only if it is empty or holds a bundle.
Status write_bundle(const Bundle& bundle, const std::string& directory);

// Sorted keys, arrays of the outer levels one element a line: stable and readable in a diff.
std::string pretty_json(const Json& json);

}  // namespace kerf
