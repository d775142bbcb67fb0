// Comparisons of the path, `like`, and membership in directories and groups to sets of files and trees, or patterns.
// The one decision: a group is the union of its stored members, files by name and directories as trees, so that
// whatever a policy lists is one set however it is written.
#include "ir/passes/path_tests.h"

#include <algorithm>

#include "ir/base/check.h"
#include "ir/canonical.h"

namespace kerf {

namespace {

std::uint64_t mix(std::uint64_t hash, std::uint64_t value) { return (hash ^ value) * 0x100000001b3ull + (hash >> 29); }

std::uint64_t hash_of(const PathTest& test) {
  std::uint64_t hash = 7;
  auto add = [&](const std::vector<std::string>& texts) {
    hash = mix(hash, texts.size());
    for (const std::string& text : texts) hash = mix(hash, std::hash<std::string>{}(text));
  };
  add(test.files);
  add(test.trees);
  if (test.pattern) add(test.pattern->pieces);
  return hash;
}

void sort_unique(std::vector<std::string>& texts) {
  std::sort(texts.begin(), texts.end());
  texts.erase(std::unique(texts.begin(), texts.end()), texts.end());
}

bool below_any(const std::string& path, const std::vector<std::string>& trees) {
  if (trees.empty() || !path.starts_with('/') || path == "/") return false;
  for (std::size_t end = path.size(); (end = path.rfind('/', end - 1)) != std::string::npos;) {
    const std::string_view directory = end == 0 ? std::string_view("/") : std::string_view(path).substr(0, end);
    if (std::binary_search(trees.begin(), trees.end(), directory)) return true;
    if (end == 0) return false;
  }
  return false;
}

}  // namespace

PathTest path_set(std::vector<std::string> files, std::vector<std::string> trees) {
  sort_unique(files);
  sort_unique(trees);
  std::vector<std::string> outer;
  for (std::string& tree : trees) {
    if (!below_any(tree, trees)) outer.push_back(tree);
  }
  std::erase_if(files, [&](const std::string& file) { return below_any(file, outer); });
  return {std::move(files), std::move(outer), std::nullopt};
}

bool PathTest::holds(std::string_view path) const {
  if (pattern) return matches(*pattern, path);
  return std::binary_search(files.begin(), files.end(), path) || below_any(std::string(path), trees);
}

PathTests::PathTests(const Module& module, KernelEnv& env)
    : module_(module), env_(env), request_(module.environments[env.environment]) {
  const EntityType* directory = module.schema.kernel_type(KernelKind::directory);
  const EntityType* resource = module.schema.find_type(request_.resource);
  check(resource != nullptr, "environments have resource types");
  if (directory && resource->ancestors.contains(directory->name)) directory_ = directory->name;
}

std::uint32_t PathTests::intern(PathTest test) {
  const std::uint64_t hash = hash_of(test);
  auto [first, last] = index_.equal_range(hash);
  for (auto it = first; it != last; ++it) {
    if (tests_[it->second] == test) return it->second;
  }
  const std::uint32_t number = static_cast<std::uint32_t>(tests_.size());
  tests_.push_back(std::move(test));
  index_.emplace(hash, number);
  return number;
}

std::uint32_t PathTests::unite(const std::vector<std::uint32_t>& sets) {
  auto [it, added] = unions_.try_emplace(sets, 0);
  if (!added) return it->second;
  std::vector<std::string> files, trees;
  for (std::uint32_t set : sets) {
    check(!tests_[set].pattern, "patterns are not united");
    files.insert(files.end(), tests_[set].files.begin(), tests_[set].files.end());
    trees.insert(trees.end(), tests_[set].trees.begin(), tests_[set].trees.end());
  }
  return it->second = intern(path_set(std::move(files), std::move(trees)));
}

std::uint32_t PathTests::planned(std::uint32_t test) {
  auto [it, added] = planned_.try_emplace(test, static_cast<std::uint32_t>(env_.paths.size()));
  if (added) env_.paths.push_back(tests_[test]);
  return it->second;
}

PathTests::Answer PathTests::answer(PathTest test) {
  if (!test.pattern && test.files.empty() && test.trees.empty()) return {Outcome::false_};
  return {std::nullopt, intern(std::move(test))};
}

std::optional<PathTests::Answer> PathTests::leaf(const PolicyInEnv& policy, NodeId node) {
  const std::uint64_t hash = tree_hash(*policy.body, node);
  auto [first, last] = asked_.equal_range(hash);
  for (auto it = first; it != last; ++it) {
    if (same_tree(*it->second.body, it->second.node, *policy.body, node)) return it->second.answer;
  }
  return asked_.emplace(hash, Asked{policy.body, node, asked_anew(policy, node)})->second.answer;
}

bool PathTests::is_path(const PolicyInEnv& policy, NodeId node) const {
  if ((*policy.body)[node].op != Op::get_attr) return false;
  const Observable* observable = observable_of(module_, *policy.body, request_, node);
  return observable && observable->from == ObservedFrom::path;
}

std::optional<PathTests::Answer> PathTests::asked_anew(const PolicyInEnv& policy, NodeId node) {
  const Body& body = *policy.body;
  auto known = [&](std::size_t arg) { return policy.analysis->folded.value(body.arg(node, arg)); };
  auto path = [&](std::size_t arg) { return is_path(policy, body.arg(node, arg)); };
  switch (body[node].op) {
    case Op::eq:
      if (path(0) && known(1)) return equal_to_any(known(1), known(1) + 1);
      if (path(1) && known(0)) return equal_to_any(known(0), known(0) + 1);
      return std::nullopt;
    case Op::contains:
      if (!path(1) || !known(0) || !known(0)->as_set()) return std::nullopt;
      return equal_to_any(known(0)->as_set()->data(), known(0)->as_set()->data() + known(0)->as_set()->size());
    case Op::like:
      if (!path(0)) return std::nullopt;
      return like(body.pattern(node));
    case Op::in:
      if (!known(1)) return std::nullopt;
      check(is_resource(body, body.arg(node, 0)), "what is in a constant by its path is the resource");
      return in(*known(1));
    case Op::literal:
    case Op::variable:
    case Op::and_:
    case Op::or_:
    case Op::not_:
    case Op::if_:
    case Op::less:
    case Op::less_eq:
    case Op::add:
    case Op::sub:
    case Op::mul:
    case Op::neg:
    case Op::is:
    case Op::has_attr:
    case Op::get_attr:
    case Op::has_tag:
    case Op::get_tag:
    case Op::contains_all:
    case Op::contains_any:
    case Op::is_empty:
    case Op::set:
    case Op::record:
    case Op::call: return std::nullopt;
  }
  internal_error("operator");
}

PathTests::Answer PathTests::equal_to_any(const Value* first, const Value* last) {
  std::vector<std::string> files;
  for (; first != last; ++first) {   // no event has a path that is spelled otherwise
    if (const std::string* text = first->as_string(); text && is_canonical_text(*text)) files.push_back(*text);
  }
  return answer(path_set(std::move(files), {}));
}

// Below a directory, and equal to a text, are sets: they then merge with other sets.
PathTests::Answer PathTests::like(const Pattern& pattern) {
  const std::vector<std::string>& pieces = pattern.pieces;
  if (pieces.size() == 1) {
    const Value text(pieces.front());
    return equal_to_any(&text, &text + 1);
  }
  const std::string& prefix = pieces.front();
  if (pieces.size() == 2 && pieces.back().empty()) {
    if (prefix.empty()) return {Outcome::true_};
    if (prefix == "/") return answer(path_set({"/"}, {"/"}));
    if (prefix.ends_with('/') && is_canonical_path(prefix.substr(0, prefix.size() - 1))) {
      return answer(path_set({}, {prefix.substr(0, prefix.size() - 1)}));
    }
  }
  return answer({{}, {}, pattern});
}

PathTests::Answer PathTests::in(const Value& groups) {
  std::vector<std::string> files, trees;
  auto add = [&](const Value& group) {
    check(group.as_entity(), "`in` asks about entities");
    add_members(*group.as_entity(), files, trees);
  };
  if (const ValueSet* set = groups.as_set()) std::for_each(set->begin(), set->end(), add);
  else add(groups);
  return answer(path_set(std::move(files), std::move(trees)));
}

void PathTests::add_members(const EntityUid& group, std::vector<std::string>& files,
                            std::vector<std::string>& trees) const {
  auto add = [&](const EntityUid& member) {
    if (member.type == request_.resource && is_canonical_text(member.id)) files.push_back(member.id);
    if (!directory_.empty() && member.type == directory_ && is_canonical_path(member.id)) trees.push_back(member.id);
  };
  add(group);
  for (const Entity* entity : module_.entities.descendants(group)) add(entity->uid);
}

}  // namespace kerf
