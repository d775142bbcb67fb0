// Translation validation: the artefacts of a compile, decoded from their bytes, against the checked program. For every
// policy and request environment both are functions of the same atoms, with Cedar's three outcomes; equal functions are
// equal decision diagrams. Nothing of the lowering is linked here.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "backends/check/diagram.h"
#include "ir/approximation.h"
#include "ir/base/diagnostic.h"
#include "ir/module.h"

namespace kerf::proof {

// What was proved, for people.
struct Proved {
  std::size_t policies = 0;        // pairs of policy and environment that were compared, those included that cannot apply
  std::size_t environments = 0;
  std::vector<std::string> not_proved;   // by name, with why
  std::vector<std::string> approximated; // by name: of these the direction was proved
};

struct CheckOptions {
  std::size_t max_nodes = kMaxDiagramNodes;
  std::optional<Approximation> residual = {};   // what policies without `@residual` may be in the object
};

// table.json. Differences are K77xx errors.
Proved check_table(const Module& module, std::string_view bytes, Diagnostics& diagnostics, const CheckOptions& options = {});

// policy.bpf.o with manifest.json: rows, automata, address, port and endpoint tables, and predicates.
Proved check_kernel(const Module& module, std::string_view object, std::string_view manifest, Diagnostics& diagnostics,
                    const CheckOptions& options = {});

// seccomp.json: for each principal and call, on numbers of every range of arguments that filter or policies tell apart.
Proved check_seccomp(const Module& module, std::string_view bytes, Diagnostics& diagnostics);

// Whether a file of a bundle can be decoded at all: table.json, policy.bpf.o, seccomp.json, manifest.json.
std::optional<Error> decodes(std::string_view name, std::string_view bytes);

}  // namespace kerf::proof
