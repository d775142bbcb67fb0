// Hashes of texts and keys, and a flat map from 64-bit keys: what a decision looks up. Private to runtime/gateway.
#pragma once
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

namespace kerf::gateway {

inline std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

template <class Word>
Word load(const char* from) {
  Word word;
  std::memcpy(&word, from, sizeof(word));
  return word;
}

// `==`; most are short.
inline bool same(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  const std::size_t size = a.size();
  const char *x = a.data(), *y = b.data();
  auto differ = [&]<class Word>(Word) {   // both ends, which overlap
    return ((load<Word>(x) ^ load<Word>(y)) | (load<Word>(x + size - sizeof(Word)) ^ load<Word>(y + size - sizeof(Word)))) != 0;
  };
  if (size > 16) return std::memcmp(x, y, size) == 0;
  if (size >= 8) return !differ(std::uint64_t{});
  if (size >= 4) return !differ(std::uint32_t{});
  return size == 0 || (x[0] == y[0] && x[size / 2] == y[size / 2] && x[size - 1] == y[size - 1]);
}

// The last word overlaps the one before it, so that no length needs a loop over bytes.
inline std::uint64_t hash_text(std::string_view text) {
  constexpr std::uint64_t k0 = 0x9e3779b97f4a7c15u, k1 = 0xe7037ed1a0b428dbu, k2 = 0x8ebc6af09c88c6e3u;
  const char* at = text.data();
  const std::size_t size = text.size();
  std::uint64_t hash = k0 ^ size, tail = 0;
  if (size >= 8) {
    for (std::size_t left = size; left > 8; at += 8, left -= 8) hash = mix(hash ^ load<std::uint64_t>(at), k1);
    tail = load<std::uint64_t>(text.data() + size - 8);
  } else if (size >= 4) {
    tail = load<std::uint32_t>(at) | static_cast<std::uint64_t>(load<std::uint32_t>(at + size - 4)) << 32;
  } else if (size != 0) {
    auto byte = [&](std::size_t i) { return static_cast<std::uint64_t>(static_cast<unsigned char>(at[i])); };
    tail = byte(0) | byte(size / 2) << 8 | byte(size - 1) << 16;
  }
  return mix(hash ^ tail, k2);
}

// `type`: its hash.
inline std::uint64_t hash_uid(std::uint64_t type, std::string_view id) { return mix(type + 0x51ed270b, hash_text(id)); }
inline std::uint64_t hash_uid(std::string_view type, std::string_view id) {
  return hash_uid(hash_text(type), id);
}

// Open addressing, never more than half full; built once, then read. A key occurs once.
class FlatMap {
 public:
  static constexpr std::uint32_t kNone = 0xffffffffu;

  void reserve(std::size_t keys) {
    std::size_t size = 4;
    while (size < keys * 2) size *= 2;
    slots_.assign(size, {});
  }
  void insert(std::uint64_t key, std::uint32_t value) {
    if (slots_.empty() || (count_ + 1) * 2 > slots_.size()) grow();
    ++count_;
    place(key, value);
  }
  std::uint32_t find(std::uint64_t key) const {
    if (slots_.empty()) return kNone;
    for (std::size_t at = start(key);; at = (at + 1) & (slots_.size() - 1)) {
      if (slots_[at].value == kNone || slots_[at].key == key) return slots_[at].value;
    }
  }
  std::size_t bytes() const { return slots_.capacity() * sizeof(Slot); }

 private:
  struct Slot {
    std::uint64_t key = 0;
    std::uint32_t value = kNone;
  };
  std::size_t start(std::uint64_t key) const { return mix(key, 0x9e3779b97f4a7c15u) & (slots_.size() - 1); }
  void place(std::uint64_t key, std::uint32_t value) {
    std::size_t at = start(key);
    while (slots_[at].value != kNone) at = (at + 1) & (slots_.size() - 1);
    slots_[at] = {key, value};
  }
  void grow() {
    std::vector<Slot> old = std::move(slots_);
    slots_.assign(old.empty() ? 4 : old.size() * 2, {});
    for (const Slot& slot : old) {
      if (slot.value != kNone) place(slot.key, slot.value);
    }
  }

  std::vector<Slot> slots_;
  std::size_t count_ = 0;
};

// Numbers from 0, found by what they stand for, which the caller keeps: four bytes a slot, never more than two thirds full.
class NumberSet {
 public:
  static constexpr std::uint32_t kNone = FlatMap::kNone;

  // is(number): whether it is the one.
  template <class Is>
  std::uint32_t find(std::uint64_t hash, Is is) const {
    if (slots_.empty()) return kNone;
    for (std::size_t at = hash & (slots_.size() - 1);; at = (at + 1) & (slots_.size() - 1)) {
      if (slots_[at] == kNone || is(slots_[at])) return slots_[at];
    }
  }
  // The next number, which is not there yet; hash_of(number) for it and those before.
  template <class HashOf>
  void add(std::uint32_t number, HashOf hash_of) {
    if ((number + std::size_t{1}) * 3 > slots_.size() * 2) {
      slots_.assign(slots_.empty() ? 4 : slots_.size() * 2, kNone);
      for (std::uint32_t before = 0; before < number; ++before) place(before, hash_of(before));
    }
    place(number, hash_of(number));
  }
  std::size_t bytes() const { return slots_.capacity() * sizeof(std::uint32_t); }

 private:
  void place(std::uint32_t number, std::uint64_t hash) {
    std::size_t at = hash & (slots_.size() - 1);
    while (slots_[at] != kNone) at = (at + 1) & (slots_.size() - 1);
    slots_[at] = number;
  }
  std::vector<std::uint32_t> slots_;
};

// Texts -> numbers from 0, in the order of insertion. The texts are the caller's and must stay.
class TextMap {
 public:
  static constexpr std::uint32_t kNone = FlatMap::kNone;
  std::uint32_t add(std::string_view text) {
    if (std::uint32_t known = find(text); known != kNone) return known;
    const auto number = static_cast<std::uint32_t>(texts_.size());
    texts_.push_back(text);
    if ((texts_.size()) * 2 > slots_.size()) rebuild();
    else place(hash_text(text), number);
    return number;
  }
  std::uint32_t find(std::string_view text) const {
    if (slots_.empty()) return kNone;
    const std::uint64_t hash = hash_text(text);
    const auto tag = static_cast<std::uint32_t>(hash >> 32);
    for (std::size_t at = hash & (slots_.size() - 1);; at = (at + 1) & (slots_.size() - 1)) {
      const Slot& slot = slots_[at];
      if (slot.number == kNone) return kNone;
      if (slot.tag == tag && same(texts_[slot.number], text)) return slot.number;
    }
  }
  std::string_view text(std::uint32_t number) const { return texts_[number]; }
  std::size_t size() const { return texts_.size(); }

 private:
  struct Slot {
    std::uint32_t tag = 0, number = kNone;
  };
  void place(std::uint64_t hash, std::uint32_t number) {
    std::size_t at = hash & (slots_.size() - 1);
    while (slots_[at].number != kNone) at = (at + 1) & (slots_.size() - 1);
    slots_[at] = {static_cast<std::uint32_t>(hash >> 32), number};
  }
  void rebuild() {
    slots_.assign(slots_.empty() ? 8 : slots_.size() * 2, {});
    for (std::uint32_t i = 0; i < texts_.size(); ++i) place(hash_text(texts_[i]), i);
  }
  std::vector<std::string_view> texts_;
  std::vector<Slot> slots_;
};

}  // namespace kerf::gateway
