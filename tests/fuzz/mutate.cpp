// Mutations that keep brackets in pairs, so that more inputs get past the parsers: pieces of text or JSON, a bracket with all
// that it holds being one, are dropped, repeated, swapped, wrapped in one another, or put where another was. Half of the
// mutations are the fuzzer's own.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <string_view>
#include <vector>

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

namespace {

struct Piece {
  std::size_t begin, end;
};

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || static_cast<unsigned char>(c) >= 0x80; }

std::size_t token_end(std::string_view text, std::size_t at) {
  std::size_t end = at + 1;
  if (text[at] == '"') {
    while (end < text.size() && text[end] != '"') end += text[end] == '\\' ? 2 : 1;
    return std::min(end + 1, text.size());
  }
  if (is_word(text[at])) {
    while (end < text.size() && is_word(text[end])) ++end;
  }
  return end;
}

// Every token, and every bracket with what it holds.
std::vector<Piece> pieces_of(std::string_view text) {
  std::vector<Piece> pieces;
  std::vector<std::size_t> open;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = token_end(text, at);
    char c = text[at];
    if (std::isspace(static_cast<unsigned char>(c)) == 0) pieces.push_back({at, end});
    if (std::strchr("([{", c) != nullptr && c != 0) open.push_back(at);
    if (std::strchr(")]}", c) != nullptr && c != 0 && !open.empty()) {
      pieces.push_back({open.back(), end});
      open.pop_back();
    }
    at = end;
  }
  return pieces;
}

class Mutation {
 public:
  Mutation(std::string_view text, unsigned seed) : text_(text), pieces_(pieces_of(text)), random_(seed) {}

  std::string run() {
    if (pieces_.empty()) return std::string(text_);
    Piece a = pick(), b = pick();
    std::string one(text_.substr(a.begin, a.end - a.begin)), other(text_.substr(b.begin, b.end - b.begin));
    switch (random_() % 6) {
      case 0: return replaced(a, "");
      case 1: return replaced(a, one + (random_() % 2 ? "" : ",") + one);
      case 2: return replaced(a, other);
      case 3: return a.end <= b.begin ? swapped(a, b) : b.end <= a.begin ? swapped(b, a) : replaced(a, other);
      case 4: return replaced(a, "(" + one + ")");
      default: return run_of(a, b);
    }
  }

 private:
  Piece pick() { return pieces_[random_() % pieces_.size()]; }
  std::string replaced(Piece at, const std::string& with) const {
    return std::string(text_.substr(0, at.begin)) + with + std::string(text_.substr(at.end));
  }
  std::string swapped(Piece first, Piece second) const {
    return std::string(text_.substr(0, first.begin)) + std::string(text_.substr(second.begin, second.end - second.begin)) +
           std::string(text_.substr(first.end, second.begin - first.end)) +
           std::string(text_.substr(first.begin, first.end - first.begin)) + std::string(text_.substr(second.end));
  }
  // The stretch between two pieces once more.
  std::string run_of(Piece a, Piece b) const {
    std::size_t begin = std::min(a.begin, b.begin), end = std::max(a.end, b.end);
    return replaced({end, end}, std::string(text_.substr(begin, end - begin)));
  }

  std::string_view text_;
  std::vector<Piece> pieces_;
  std::minstd_rand random_;
};

}  // namespace

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size, unsigned seed) {
  if (seed % 2 == 0 || size == 0) return LLVMFuzzerMutate(data, size, max_size);
  std::string mutated = Mutation({reinterpret_cast<const char*>(data), size}, seed / 2).run();
  if (mutated.empty() || mutated.size() > max_size) return LLVMFuzzerMutate(data, size, max_size);
  std::memcpy(data, mutated.data(), mutated.size());
  return mutated.size();
}
