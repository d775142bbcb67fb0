// Conditions on the canonical path to PathTests, each distinct one once in an environment.
#pragma once
#include <deque>
#include <map>
#include <optional>
#include <unordered_map>
#include <vector>

#include "ir/passes/hook_outcomes.h"
#include "ir/passes/plan.h"

namespace kerf {

// Sorted, without repetitions and without what a tree of the set already contains.
PathTest path_set(std::vector<std::string> files, std::vector<std::string> trees);

// Tests of one environment. A number names a test; only tests that a row asks for enter KernelEnv::paths.
class PathTests {
 public:
  PathTests(const Module& module, KernelEnv& env);

  // Either an outcome that is the same for all paths, or a test.
  struct Answer {
    std::optional<Outcome> constant;
    std::uint32_t test = 0;
  };
  // A condition with the origin kFromPath that is no connective; nothing: the hook has no test for it.
  std::optional<Answer> leaf(const PolicyInEnv& policy, NodeId node);

  Answer answer(PathTest test);   // an empty set is false
  std::uint32_t intern(PathTest test);
  std::uint32_t unite(const std::vector<std::uint32_t>& sets);
  const PathTest& operator[](std::uint32_t test) const { return tests_[test]; }
  // Its index in KernelEnv::paths.
  std::uint32_t planned(std::uint32_t test);

 private:
  std::optional<Answer> asked_anew(const PolicyInEnv& policy, NodeId node);
  Answer equal_to_any(const Value* first, const Value* last);
  Answer like(const Pattern& pattern);
  Answer in(const Value& groups);
  void add_members(const EntityUid& group, std::vector<std::string>& files, std::vector<std::string>& trees) const;
  bool is_path(const PolicyInEnv& policy, NodeId node) const;

  struct Asked {
    const Body* body;
    NodeId node;
    std::optional<Answer> answer;
  };
  const Module& module_;
  KernelEnv& env_;
  const RequestEnv& request_;
  std::string directory_;         // the directory type, if the resource can be in directories; else empty
  std::deque<PathTest> tests_;
  std::unordered_multimap<std::uint64_t, std::uint32_t> index_;
  std::map<std::vector<std::uint32_t>, std::uint32_t> unions_;
  std::unordered_map<std::uint32_t, std::uint32_t> planned_;
  std::unordered_multimap<std::uint64_t, Asked> asked_;
};

}  // namespace kerf
