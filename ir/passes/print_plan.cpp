// The plan as text, for people and goldens: environments, shared expressions, rows. Deterministic.
#include <fmt/format.h>

#include "ir/base/check.h"
#include "ir/canonical.h"
#include "ir/passes/address_set.h"
#include "ir/passes/refusal.h"

namespace kerf {

namespace {

std::string ports_text(const PortSet& ports) {
  std::string text;
  for (const PortRange& range : ports) {
    if (!text.empty()) text += ", ";
    text += range.first == range.last ? fmt::format("{}", range.first) : fmt::format("{}-{}", range.first, range.last);
  }
  return text;
}

std::string endpoints_text(const EndpointSet& endpoints) {
  std::string text = endpoints.others ? "all but" : "";
  for (const EndpointKey& key : endpoints.listed) {
    const IpAddr address{key.v6, static_cast<std::uint8_t>(key.v6 ? 128 : 32), key.address};
    if (!text.empty()) text += ' ';
    text += endpoint_id(address, key.port);
  }
  return text;
}

std::string path_text(const PathTest& test) {
  if (test.pattern) return "like " + to_text(*test.pattern);
  std::string text;
  auto add = [&](std::string_view word, const std::vector<std::string>& paths) {
    if (paths.empty()) return;
    text += (text.empty() ? "" : ", ") + std::string(word);
    for (const std::string& path : paths) text += " " + quote(path);
  };
  add("is", test.files);
  add("below", test.trees);
  return text;
}

std::string row_text(const Module& module, const KernelRow& row) {
  std::string text = fmt::format("  row {} {}:", module.policies[row.policy.index].id, to_text(row.result));
  if (row.address) text += fmt::format(" address {};", to_text(*row.address));
  if (row.port) text += fmt::format(" port {};", ports_text(*row.port));
  if (row.endpoint) text += fmt::format(" endpoint {};", endpoints_text(*row.endpoint));
  for (const Requirement& r : row.path) text += fmt::format(" path {} {};", r.atom, to_text(r.outcome));
  for (const Requirement& r : row.bind) text += fmt::format(" predicate {} {};", r.atom, to_text(r.outcome));
  for (const Requirement& r : row.code) text += fmt::format(" code {} {};", r.atom, to_text(r.outcome));
  if (text.back() == ';' || text.back() == ':') text.pop_back();
  return text + '\n';
}

std::string code_text(const Body& body, const CodePredicate& code) {
  std::string text = print_expr(body, code.node);
  for (auto [node, slot] : code.slots) text += fmt::format("; slot {} is {}", slot, print_expr(body, node));
  return text;
}

}  // namespace

std::string print_plan(const Module& module, const KernelPlan& plan) {
  std::string text;
  for (const KernelEnv& env : plan.envs) {
    text += fmt::format("environment {}: {}, refused with {}\n", environment_text(module.environments[env.environment]),
                        kernel_event(env.event).text, env.refusal_errno);
    for (std::size_t i = 0; i < env.paths.size(); ++i) text += fmt::format("  path {}: {}\n", i, path_text(env.paths[i]));
    for (std::size_t i = 0; i < env.predicates.size(); ++i) {
      const Predicate& predicate = env.predicates[i];
      text += fmt::format("  predicate {} at {}: {}\n", i, to_text(predicate.stage),
                          print_expr(env.body(module, predicate.policy), predicate.node));
    }
    for (std::size_t i = 0; i < env.slots.size(); ++i) {
      const ValueSlot& slot = env.slots[i];
      text += fmt::format("  slot {} at {}: {}\n", i, to_text(slot.stage),
                          print_expr(env.body(module, slot.policy), slot.node));
    }
    for (std::size_t i = 0; i < env.code.size(); ++i) {
      text += fmt::format("  code {}: {}\n", i, code_text(env.body(module, env.code[i].policy), env.code[i]));
    }
    for (const ApproximatedPolicy& one : env.approximated) {
      text += fmt::format("  {} of {}:", to_text(one.kind), module.policies[one.policy.index].id);
      for (const Unknown& unknown : one.unknowns) {
        text += fmt::format(" unknown {}{};", unknown.text, unknown.can_error ? ", an error too" : "");
      }
      text.back() = '\n';
    }
    for (const KernelRow& row : env.rows) text += row_text(module, row);
  }
  return text;
}

}  // namespace kerf
