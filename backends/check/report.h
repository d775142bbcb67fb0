// Differences as diagnostics; after a few of them the rest is counted.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "ir/base/diagnostic.h"
#include "ir/eval.h"
#include "ir/module.h"

namespace kerf::proof {

class Report {
 public:
  Report(const Module& module, Diagnostics& diagnostics) : module_(module), diagnostics_(diagnostics) {}

  // A policy's outcome differs: what is assumed, what the policy says, what the artefact says.
  void difference(Code code, PolicyId policy, const RequestEnv& env, const std::vector<std::string>& assumed, Outcome source,
                  Outcome artefact);
  // A list that must be the same is not.
  void whole(std::string_view what, const std::string& why);
  void not_understood(PolicyId policy, const RequestEnv& env, const std::string& what);
  void too_large(PolicyId policy, const RequestEnv& env, std::size_t limit);

 private:
  bool enough();

  const Module& module_;
  Diagnostics& diagnostics_;
  std::size_t reported_ = 0;
};

std::string to_text(const RequestEnv& env);

}  // namespace kerf::proof
