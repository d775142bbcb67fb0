// A trie of texts. Node 0 is the empty text.
#pragma once
#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace kerf::proof {

class TextTrie {
 public:
  static constexpr std::uint32_t kOff = ~0u;   // where no text leads

  std::uint32_t insert(std::string_view text) {
    std::uint32_t node = 0;
    for (char c : text) {
      const auto byte = static_cast<std::uint8_t>(c);
      auto [it, fresh] = children_.try_emplace(std::uint64_t{node} << 8 | byte, static_cast<std::uint32_t>(bytes_.size()));
      if (fresh) {
        bytes_[node].push_back(byte);
        bytes_.emplace_back();
      }
      node = it->second;
    }
    return node;
  }
  std::uint32_t next(std::uint32_t node, std::uint8_t byte) const {
    if (node == kOff) return kOff;
    auto child = children_.find(std::uint64_t{node} << 8 | byte);
    return child == children_.end() ? kOff : child->second;
  }
  const std::vector<std::uint8_t>& bytes(std::uint32_t node) const { return bytes_[node]; }   // that lead on
  std::size_t size() const { return bytes_.size(); }

 private:
  std::vector<std::vector<std::uint8_t>> bytes_{1};             // by node
  std::unordered_map<std::uint64_t, std::uint32_t> children_;   // node << 8 | byte
};

}  // namespace kerf::proof
