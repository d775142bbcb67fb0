// Object and manifest -> an environment that can be compared with the policies. False: what is wrong was reported.
#pragma once
#include <string_view>

#include "backends/check/kernel_env.h"
#include "backends/check/read_object.h"
#include "backends/check/report.h"

namespace kerf::proof {

struct EnvSources {
  const Module& module;
  const ObjectTables& tables;
  Terms& terms;
  PathClasses &paths, &executables;
  Report& report;
  Diagnostics& diagnostics;
};

// `number`: its place in the manifest, and in the object.
bool read_env(const EnvSources& from, const ManifestEnvironment& manifest, std::size_t number, Env& env);

// Always false.
bool report_malformed(Diagnostics& diagnostics, std::string_view why);

}  // namespace kerf::proof
