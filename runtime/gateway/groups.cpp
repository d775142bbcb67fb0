// Scopes that can hold are looked up by pairs, or, where many principals are `in` something, in lists by columns.
#include "runtime/gateway/groups.h"

namespace kerf::gateway {
namespace {

constexpr std::uint8_t kAny = 1, kSame = 2, kMember = 4;   // bits of kinds of scopes
constexpr std::size_t kLongList = 4;                       // times as many look-ups cost as much as the list

// `kOne`: one group is enough, and it does not matter which.
template <bool kOne>
class Finder {
 public:
  Finder(const Store& store, const EnvironmentPlan& plan, Workspace& work) : store_(store), plan_(plan), work_(work) {
    if (!kOne) work_.groups.clear();
  }
  bool found() const { return found_; }

  void find_pairs(std::uint8_t principals) {
    for (unsigned kind = 0; kind < 3; ++kind) {
      if (plan_.shapes[kind] == 0) principals &= static_cast<std::uint8_t>(~(1u << kind));
    }
    scopes(0, principals, [&](std::uint32_t principal, unsigned kind) {
      scopes(2, plan_.shapes[kind], [&](std::uint32_t resource, unsigned) { look_up(principal, resource); });
    });
  }

  void find_members() {
    const Store::Row& row = *work_.rows[0];
    if (!plan_.has_lists || row.bits == nullptr) return find_pairs(kMember);
    const Node node = work_.nodes[0];
    if (node >= store_.nodes()) return;
    const bool is_own = is_scope(plan_.principal_in, node), has_column = store_.entity_cell(node).number != 0;
    std::uint8_t resources = plan_.shapes[2];
    const Store::Row& resource_row = *work_.rows[2];
    if ((resources & kMember) && row.ancestor_count < resource_row.ancestor_count && resource_row.bits != nullptr) {
      auto add_of = [&](Node principal) { add(plan_.by_principal, in_scope(principal), resource_row.bits); };
      if (is_own && has_column) add_of(node);
      for (Node ancestor : std::span(row.ancestors, row.ancestor_count)) {
        if (is_done()) return;
        add_of(ancestor);
      }
      // What nothing else is in has no column: of all principals at once.
      const Node resource = work_.nodes[2];
      if (store_.entity_cell(resource).number == 0 && is_scope(plan_.resource_in, resource)) {
        add(plan_.by_resource, in_scope(resource), row.bits);
      }
      resources &= static_cast<std::uint8_t>(~kMember);
    }
    scopes(2, resources, [&](std::uint32_t resource, unsigned) {
      if (is_done()) return;
      const auto list = plan_.by_resource.of(resource);
      if (list.empty()) return;
      if (list.size() <= kLongList * (row.ancestor_count + 1)) return add(plan_.by_resource, resource, row.bits);
      if (is_own && has_column) look_up(in_scope(node), resource);
      for (Node ancestor : store_.ancestors(node)) {
        if (is_scope(plan_.principal_in, ancestor)) look_up(in_scope(ancestor), resource);
      }
    });
    if (is_own && !has_column && !is_done()) find_own(in_scope(node));
  }

 private:
  // The scope of a principal that nothing else is in, and so has no column.
  void find_own(std::uint32_t principal) {
    const Store::Row& row = *work_.rows[2];
    const Node node = work_.nodes[2];
    if (row.bits == nullptr || node >= store_.nodes()) {
      return scopes(2, plan_.shapes[2], [&](std::uint32_t resource, unsigned) { look_up(principal, resource); });
    }
    if (plan_.shapes[2] & kAny) look_up(principal, 0);
    if (plan_.shapes[2] & kSame) look_up(principal, equal_scope(node));
    // What the resource is in, with this principal scope.
    add(plan_.by_principal, principal, row.bits);
    if (store_.entity_cell(node).number == 0 && is_scope(plan_.resource_in, node)) look_up(principal, in_scope(node));
  }

  bool is_done() const { return kOne && found_; }
  void add(const ScopeLists& lists, std::uint32_t scope, const std::uint64_t* bits) {
    if (kOne) found_ = found_ || lists.has_any(scope, bits);
    else lists.add(lists.of(scope), bits, work_.groups);
  }

  template <class Visit>
  void scopes(std::size_t variable, std::uint8_t kinds, Visit visit) const {
    if (kinds & kAny) visit(0, 0);
    const Node node = work_.nodes[variable];
    if (node >= store_.nodes()) return;
    if (kinds & kSame) visit(equal_scope(node), 1);
    if ((kinds & kMember) == 0) return;
    const std::vector<std::uint64_t>& in = variable == 0 ? plan_.principal_in : plan_.resource_in;
    if (is_scope(in, node)) visit(in_scope(node), 2);
    const Store::Row& row = *work_.rows[variable];
    for (Node ancestor : std::span(row.ancestors, row.ancestor_count)) {
      if (is_scope(in, ancestor)) visit(in_scope(ancestor), 2);
    }
  }
  static bool is_scope(const std::vector<std::uint64_t>& in, Node node) {   // later nodes are none
    return node / 64 < in.size() && (in[node / 64] >> (node % 64) & 1);
  }
  void look_up(std::uint32_t principal, std::uint32_t resource) {
    const std::uint32_t group = plan_.groups.find(pair_key(principal, resource));
    if (group == GroupIndex::kNone) return;
    if (kOne) found_ = true;
    else work_.groups.push_back(group);
  }

  const Store& store_;
  const EnvironmentPlan& plan_;
  Workspace& work_;
  bool found_ = false;
};

}  // namespace

void find_groups(const Store& store, const EnvironmentPlan& plan, Workspace& work) {
  Finder<false> finder(store, plan, work);
  finder.find_pairs(kAny | kSame);
  if (plan.shapes[2] != 0) finder.find_members();
}

void find_groups_of_members(const Store& store, const EnvironmentPlan& plan, Workspace& work) {
  Finder<false>(store, plan, work).find_members();
}

bool has_group_of_members(const Store& store, const EnvironmentPlan& plan, Workspace& work) {
  Finder<true> finder(store, plan, work);
  finder.find_members();
  return finder.found();
}

}  // namespace kerf::gateway
