#include "ir/passes/exe_tests.h"

#include "ir/passes/origin.h"

namespace kerf {

namespace {

void add_texts(const Value& value, std::vector<Pattern>& to) {
  if (const std::string* text = value.as_string()) to.push_back({{*text}});
  if (const ValueSet* set = value.as_set()) {
    for (const Value& element : *set) add_texts(element, to);
  }
}

}  // namespace

std::optional<std::vector<Pattern>> executables_of(const Module& module, const KernelEnv& env, const CodePredicate& predicate, NodeId node) {
  const Body& body = env.body(module, predicate.policy);
  const Op op = body[node].op;
  auto executable = [&](std::size_t arg) {
    const NodeId id = body.arg(node, arg);
    const Observable* observable = body[id].op == Op::get_attr ? observable_of(module, body, module.environments[env.environment], id) : nullptr;
    return observable && observable->from == ObservedFrom::executable;
  };
  if (op == Op::like) return executable(0) ? std::optional(std::vector{body.pattern(node)}) : std::nullopt;
  if (op != Op::eq && op != Op::contains) return std::nullopt;
  const bool first = op == Op::eq && executable(0);
  if (!first && !executable(1)) return std::nullopt;
  const NodeId other = body.arg(node, first ? 1 : 0);
  std::vector<Pattern> texts;
  if (auto known = predicate.constants.find(other); known != predicate.constants.end()) add_texts(known->second, texts);
  else if (body[other].op == Op::literal) add_texts(body.literal(other), texts);
  else return std::nullopt;
  return texts;
}

std::vector<Pattern> executables_of(const Module& module, const KernelEnv& env, const CodePredicate& predicate) {
  std::vector<Pattern> all;
  std::vector<NodeId> open{predicate.node};
  const Body& body = env.body(module, predicate.policy);
  while (!open.empty()) {
    const NodeId node = open.back();
    open.pop_back();
    if (predicate.constants.contains(node) || predicate.slots.contains(node)) continue;
    if (auto asked = executables_of(module, env, predicate, node)) {
      all.insert(all.end(), asked->begin(), asked->end());
      continue;
    }
    for (NodeId arg : body.args(node)) open.push_back(arg);
  }
  return all;
}

}  // namespace kerf
