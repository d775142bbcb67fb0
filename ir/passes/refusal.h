// Why the kernel cannot decide a condition, as a diagnostic on its narrowest part.
#pragma once
#include <set>
#include <tuple>

#include "ir/base/diagnostic.h"
#include "ir/passes/hook_outcomes.h"

namespace kerf {

class Refusals {
 public:
  Refusals(const Module& module, Diagnostics& diagnostics) : module_(module), diagnostics_(diagnostics) {}
  // `leaf` is a condition that is no connective and not expressible.
  void report(const PolicyInEnv& policy, const RequestEnv& env, NodeId leaf);
  void too_many_values(const PolicyInEnv& policy, const RequestEnv& env, NodeId expression);
  void hidden_addresses(const PolicyInEnv& policy, const RequestEnv& env, NodeId blame);
  // It hangs on the names of the address, in a way that whoever has none evades.
  void evaded_name(const PolicyInEnv& policy, const RequestEnv& env, NodeId leaf);
  // What the same would report; nothing is reported.
  Diagnostic why(const PolicyInEnv& policy, const RequestEnv& env, NodeId leaf) const;
  Diagnostic why_name(const PolicyInEnv& policy, const RequestEnv& env, NodeId leaf) const;
  Diagnostic why_hidden(const PolicyInEnv& policy, const RequestEnv& env, NodeId blame) const;

 private:
  Diagnostic* add(Code code, const PolicyInEnv& policy, const RequestEnv& env, NodeId node, std::string argument);
  void not_in_kernel(const PolicyInEnv& policy, const RequestEnv& env, NodeId leaf);
  void mixed(const PolicyInEnv& policy, const RequestEnv& env, NodeId leaf);
  bool reads_name(const PolicyInEnv& policy, const RequestEnv& env, NodeId node) const;

  const Module& module_;
  Diagnostics& diagnostics_;
  std::set<std::tuple<PolicyId, NodeId, Code>> reported_;   // once, however many environments
};

std::string environment_text(const RequestEnv& env);

}  // namespace kerf
