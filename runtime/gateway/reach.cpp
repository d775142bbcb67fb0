// Links and attributes of principals -> Reach.
#include "runtime/gateway/reach.h"

#include <algorithm>

namespace kerf::gateway {
namespace {

constexpr std::size_t kMostPrincipals = 4096, kForLink = 4;   // and so many more for each link
constexpr std::size_t kMostEach = 16, kFirst = 256;           // resources of a principal or a link, on the average of those and so many

struct Link {
  Node principal;
  ScopeKey resource;
  friend bool operator<(const Link& a, const Link& b) { return a.principal < b.principal; }
};

}  // namespace

std::unique_ptr<const Reach> Reach::make(const Environment& environment, const std::vector<Node>& scope_nodes, const Store& store,
                                         const std::uint16_t* shape, const std::vector<std::uint32_t>& attributes, bool links) {
  auto node_of = [&](ScopeKey key) { return scope_nodes[(key - 1) / 2]; };
  std::vector<Link> all;
  for (const Group& group : environment.groups) {
    if (links && group.principal != kAnyScope && group.principal % 2 == 0) all.push_back({node_of(group.principal), group.resource});
  }
  std::sort(all.begin(), all.end());
  const std::uint32_t type = store.find_type(environment.principal);
  auto reach = std::make_unique<Reach>();
  std::size_t found = 0;
  std::vector<Node> in, same;
  for (Node node = 0; node < store.nodes(); ++node) {
    const Store::Row& row = store.row(node);
    if (row.type != type || row.bits == nullptr || (shape != nullptr && row.object.shape != shape)) continue;
    in.clear();
    same.clear();
    bool any = false;
    for (std::uint32_t attribute : attributes) {
      const Cell& cell = *Store::attribute(row.object, attribute);
      if (cell.kind == ValueKind::entity) in.push_back(cell.data);
      else in.insert(in.end(), cell.all_members().begin(), cell.all_members().end());
    }
    auto add_links = [&](Node principal) {
      const auto [first, last] = std::equal_range(all.begin(), all.end(), Link{principal, kAnyScope});
      for (auto link = first; link != last; ++link) {
        if (link->resource == kAnyScope) any = true;
        else (link->resource % 2 == 0 ? in : same).push_back(node_of(link->resource));
      }
    };
    add_links(node);
    for (Node ancestor : store.ancestors(node)) add_links(ancestor);
    found += in.size() + same.size();
    if (reach->all_.empty()) reach->first_ = node;
    reach->places_.resize(node - reach->first_ + 1);
    const Cell set = store.reach(in, same, reach->memory_);
    reach->all_.push_back({row.object.cells, row.bits, set.members, set.data, any});
    reach->places_.back() = static_cast<std::uint32_t>(reach->all_.size());
    const std::size_t principals = reach->all_.size();
    if (principals > kMostPrincipals + kForLink * all.size() || found > kMostEach * (kFirst + principals + all.size())) return nullptr;
  }
  return reach;
}

}  // namespace kerf::gateway
