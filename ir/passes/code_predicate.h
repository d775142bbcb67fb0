// Which conditions become instructions at the hook.
#pragma once
#include <unordered_map>

#include "ir/passes/hook_outcomes.h"
#include "ir/passes/plan.h"

namespace kerf {

// Predicates, slots and code of one environment, each tree once.
class SharedExprs {
 public:
  SharedExprs(const Module& module, KernelEnv& env) : module_(module), env_(env) {}

  std::uint32_t predicate(const PolicyInEnv& policy, NodeId node);
  // Nothing if the hook cannot compute it. Sets `out_of_slots` if that is because all value slots are taken.
  std::optional<std::uint32_t> code(const PolicyInEnv& policy, NodeId node);
  bool out_of_slots = false;

 private:
  struct Tree {
    const Body* body;
    NodeId node;
    std::uint32_t number;
  };
  using Index = std::unordered_multimap<std::uint64_t, Tree>;
  static std::optional<std::uint32_t> find(const Index& index, const Body& body, NodeId node, std::uint64_t hash);
  friend class CodeCheck;
  std::optional<std::uint32_t> slot(const PolicyInEnv& policy, NodeId node, TypeKind type);

  const Module& module_;
  KernelEnv& env_;
  Index predicates_, slots_, codes_;
};

}  // namespace kerf
