// The nodes of a parser's trees, in blocks: ANTLR's own tracker asks the heap for each node and gives them back one by
// one, which takes longer than parsing. A member of the generated parsers, with the two functions that they call.
#pragma once
#include <antlr4-runtime.h>

#include <cstddef>
#include <memory>
#include <new>
#include <vector>

namespace kerf::grammar {

class TreePool {
 public:
  TreePool() = default;
  TreePool(const TreePool&) = delete;
  TreePool& operator=(const TreePool&) = delete;
  ~TreePool() { reset(); }

  template <class Node, class... Args>
  Node* createInstance(Args&&... args) {
    static_assert(sizeof(Node) <= kBlock && alignof(Node) <= alignof(std::max_align_t));
    Node* node = new (take(sizeof(Node))) Node(args...);
    nodes_.push_back(node);
    return node;
  }

  void reset() {
    for (antlr4::tree::ParseTree* node : nodes_) node->~ParseTree();
    nodes_.clear();
    blocks_.resize(blocks_.empty() ? 0 : 1);
    used_ = 0;
  }

 private:
  static constexpr std::size_t kBlock = std::size_t{1} << 12;

  void* take(std::size_t size) {
    size = (size + alignof(std::max_align_t) - 1) / alignof(std::max_align_t) * alignof(std::max_align_t);
    if (blocks_.empty() || used_ + size > kBlock) {
      blocks_.emplace_back(new std::byte[kBlock]);
      used_ = 0;
    }
    void* at = blocks_.back().get() + used_;
    used_ += size;
    return at;
  }

  std::vector<std::unique_ptr<std::byte[]>> blocks_;
  std::size_t used_ = 0;   // of the last block
  std::vector<antlr4::tree::ParseTree*> nodes_;
};

}  // namespace kerf::grammar
