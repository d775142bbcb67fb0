// What each principal may do by itself, whatever the rest of the policies says: links of templates, and `resource in` attributes of
// the principal, together are one set of resources. Made when the engine is built, and good for a principal that has not changed
// since. Private to runtime/gateway.
#pragma once
#include <memory>

#include "runtime/gateway/store.h"
#include "runtime/gateway/table_state.h"

namespace kerf::gateway {

class Reach {
 public:
  struct Of {
    const Cell* cells;                  // of the principal's row then, and
    const std::uint64_t* bits;
    const std::uint32_t* members;       // of a set (Cell)
    std::uint32_t count;
    bool all;                           // resources, of a link
    bool has(const Store::Row& resource, Node node) const {
      Cell set;
      set.members = members;
      set.data = count;
      return all || Store::is_in_columns(resource, node, set);
    }
  };

  // `shape`: of the principals that have `attributes`, which are entities and sets of them; null: there are none. `links`: whether
  // groups with a principal `in` something are links (straight.h). Null if it would be too large.
  static std::unique_ptr<const Reach> make(const Environment& environment, const std::vector<Node>& scope_nodes, const Store& store,
                                           const std::uint16_t* shape, const std::vector<std::uint32_t>& attributes, bool links);

  // Null: the principal has changed, or came later.
  const Of* find(Node principal, const Store::Row& row) const {
    const std::size_t place = std::size_t{principal} - first_;   // of one before it: past the end
    if (place >= places_.size() || places_[place] == 0) return nullptr;
    const Of& of = all_[places_[place] - 1];
    return of.cells == row.object.cells && of.bits == row.bits ? &of : nullptr;
  }
  std::size_t bytes() const { return places_.capacity() * sizeof(std::uint32_t) + all_.capacity() * sizeof(Of) + memory_.bytes(); }

 private:
  Node first_ = 0;
  std::vector<std::uint32_t> places_;   // by principal, from the first one on: 1 + place in `all_`
  std::vector<Of> all_;
  Slab<std::uint32_t> memory_{1024};
};

}  // namespace kerf::gateway
