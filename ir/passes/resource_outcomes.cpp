// Conditions on the identity and the stored data of `resource` to exceptions from a common outcome. The one decision:
// lists of resources are read off the condition, and everything else is evaluated by the reference for each resource
// that has a name somewhere.
#include "ir/passes/resource_outcomes.h"

#include <algorithm>

#include "ir/base/check.h"
#include "ir/canonical.h"

namespace kerf {

namespace {

// A resource that no entity and no policy can name: ids of endpoints have a colon, those of files start with `/` or
// with `kerf:`, those of sockets have a `/`.
constexpr std::string_view kOtherId = "other";

std::optional<EndpointKey> key_of(const EntityUid& uid, const EndpointKey*) {
  auto parsed = parse_endpoint_id(uid.id);
  if (!parsed) return std::nullopt;
  return EndpointKey{parsed->first.v6, parsed->first.bytes, parsed->second};
}

std::optional<std::string> key_of(const EntityUid& uid, const std::string*) {
  if (!is_canonical_text(uid.id)) return std::nullopt;
  return uid.id;
}

bool can_list(Op op) { return op == Op::eq || op == Op::in || op == Op::contains; }

}  // namespace

template <class Key>
KnownResources<Key>::KnownResources(const Module& module, std::string type) : module_(module), type_(std::move(type)) {
  for (const Entity& entity : module.entities.all()) {
    add_known(Value(entity.uid), known_);
    for (const auto& [name, value] : entity.attrs) add_known(value, known_);
    for (const auto& [name, value] : entity.tags) add_known(value, known_);
    for (const EntityUid& parent : entity.parents) add_known(Value(parent), known_);
  }
  std::sort(known_.begin(), known_.end());
  known_.erase(std::unique(known_.begin(), known_.end()), known_.end());
}

template <class Key>
std::optional<Key> KnownResources<Key>::key(const EntityUid& uid) const {
  if (uid.type != type_) return std::nullopt;
  return key_of(uid, static_cast<const Key*>(nullptr));
}

template <class Key>
void KnownResources<Key>::add_members(const EntityUid& group, std::vector<Key>& to) const {
  if (auto own = key(group)) to.push_back(*own);
  for (const Entity* entity : module_.entities.descendants(group)) {
    if (auto own = key(entity->uid)) to.push_back(*own);
  }
}

template <class Key>
void KnownResources<Key>::add_known(const Value& value, std::vector<Known>& to) const {
  if (const EntityUid* uid = value.as_entity()) {
    if (auto own = key(*uid)) to.push_back({*own, *uid});
  } else if (const ValueSet* set = value.as_set()) {
    for (const Value& element : *set) add_known(element, to);
  } else if (const ValueRecord* record = value.as_record()) {
    for (const auto& [name, field] : *record) add_known(field, to);
  }
}

template <class Key>
Exceptions<Key> ResourceOutcomes<Key>::outcomes(const PolicyInEnv& policy, NodeId node) {
  auto result = combine_outcomes<Map>(policy, node, [&](NodeId leaf) -> std::optional<Map> {
    if (auto outcome = policy.analysis->folded.outcome(leaf)) return Map{*outcome, {}};
    if (auto list = listed(policy, leaf)) return list;
    return cached_leaf(policy, leaf);
  });
  return std::move(*result);
}

// `resource == X`, `resource in G`, `resource in [G, …]`, `[X, …].contains(resource)`: true for a list, else false.
template <class Key>
std::optional<Exceptions<Key>> ResourceOutcomes<Key>::listed(const PolicyInEnv& policy, NodeId node) const {
  const Body& body = *policy.body;
  const Op op = body[node].op;
  if (!can_list(op)) return std::nullopt;
  NodeId subject = body.arg(node, op == Op::contains ? 1 : 0), other = body.arg(node, op == Op::contains ? 0 : 1);
  if (op == Op::eq && !is_resource(body, subject)) std::swap(subject, other);
  const Value* value = policy.analysis->folded.value(other);
  if (!is_resource(body, subject) || !value) return std::nullopt;
  std::vector<Key> keys;
  auto add = [&](const Value& element) {
    check(element.as_entity(), "a resource is compared with entities");
    if (op == Op::in) {
      resources_.add_members(*element.as_entity(), keys);
    } else if (auto own = resources_.key(*element.as_entity())) {
      keys.push_back(*own);
    }
  };
  if (const ValueSet* set = value->as_set()) std::for_each(set->begin(), set->end(), add);
  else add(*value);
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  Map result;
  for (Key& key : keys) result.append(std::move(key), Outcome::true_);
  return result;
}

template <class Key>
const Exceptions<Key>& ResourceOutcomes<Key>::cached_leaf(const PolicyInEnv& policy, NodeId node) {
  const std::uint64_t hash = tree_hash(*policy.body, node);
  auto [first, last] = leaves_.equal_range(hash);
  for (auto it = first; it != last; ++it) {
    if (same_tree(*it->second.body, it->second.node, *policy.body, node)) return it->second.outcomes;
  }
  return leaves_.emplace(hash, Cached{policy.body, node, leaf(policy, node)})->second.outcomes;
}

template <class Key>
Exceptions<Key> ResourceOutcomes<Key>::leaf(const PolicyInEnv& policy, NodeId node) const {
  std::vector<typename KnownResources<Key>::Known> named;
  visit_tree(policy, node, [&](NodeId id) {
    if (const Value* value = policy.analysis->folded.value(id)) resources_.add_known(*value, named);
  });
  const Body leaf = rewrite(*policy.body, node, policy.analysis->folded,
                            [](NodeId, Body&) -> std::optional<NodeId> { return std::nullopt; });
  auto all = resources_.known();
  if (!named.empty()) {
    all.insert(all.end(), named.begin(), named.end());
    std::sort(all.begin(), all.end());
    all.erase(std::unique(all.begin(), all.end()), all.end());
  }
  Request request{{env_.principal, ""}, env_.action, {env_.resource, std::string(kOtherId)}, {}};
  auto ask = [&] { return evaluate_outcome(leaf, leaf.root, EvalContext{&request, &module_.entities}); };
  Map result{ask(), {}};
  for (const auto& resource : all) {
    request.resource = resource.uid;
    result.append(resource.key, ask());
  }
  return result;
}

template class KnownResources<EndpointKey>;
template class KnownResources<std::string>;
template class ResourceOutcomes<EndpointKey>;
template class ResourceOutcomes<std::string>;

}  // namespace kerf
