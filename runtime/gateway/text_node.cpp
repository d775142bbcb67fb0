// Where pieces of a JSON text end: 64 bytes at a time, quotes, backslashes and brackets as bits of words, as simdjson does it
// (Langdale and Lemire, "Parsing gigabytes of JSON per second", 2019).
#include "runtime/gateway/text_node.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include <bit>
#include <cstdint>
#include <cstring>

namespace kerf::gateway {
namespace {

constexpr std::ptrdiff_t kBlock = 64;

// Which of 64 bytes are which, the first as the lowest bit.
struct Block {
  std::uint64_t quotes = 0, backslashes = 0, opens = 0, closes = 0;
};

Block classify(const char* bytes) {
  Block block;
#if defined(__SSE2__)
  for (int i = 0; i < kBlock; i += 16) {
    const __m128i part = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes + i));
    const __m128i folded = _mm_or_si128(part, _mm_set1_epi8(0x20));       // square brackets become braces
    auto which = [i](__m128i from, char c) {
      return static_cast<std::uint64_t>(static_cast<unsigned>(_mm_movemask_epi8(_mm_cmpeq_epi8(from, _mm_set1_epi8(c))))) << i;
    };
    block.quotes |= which(part, '"');
    block.backslashes |= which(part, '\\');
    block.opens |= which(folded, '{');
    block.closes |= which(folded, '}');
  }
#else
  for (int i = 0; i < kBlock; ++i) {
    const std::uint64_t bit = std::uint64_t{1} << i;
    if (bytes[i] == '"') block.quotes |= bit;
    if (bytes[i] == '\\') block.backslashes |= bit;
    if ((bytes[i] | 0x20) == '{') block.opens |= bit;
    if ((bytes[i] | 0x20) == '}') block.closes |= bit;
  }
#endif
  return block;
}

// Bytes behind an odd number of backslashes. `carry`: whether the block's first is one, then whether the next block's is.
std::uint64_t escaped(std::uint64_t backslashes, bool& carry) {
  std::uint64_t escapes = carry;
  carry = false;
  for (; backslashes != 0; backslashes &= backslashes - 1) {
    const int i = std::countr_zero(backslashes);
    if (escapes >> i & 1) continue;
    if (i == 63) carry = true;
    else escapes |= std::uint64_t{2} << i;
  }
  return escapes;
}

// Each bit is the exclusive or of those up to it.
std::uint64_t prefix_xor(std::uint64_t bits) {
  for (int shift = 1; shift < 64; shift *= 2) bits ^= bits << shift;
  return bits;
}

// Behind the bracket that closes the one here; null if none does.
const char* container_end(const char* at, const char* end) {
  std::uint64_t in_string = 0;                  // all ones if a string began before this block
  bool carry = false;
  std::int64_t depth = 0;
  for (; at < end; at += kBlock) {
    char rest[kBlock];
    const char* bytes = at;
    if (end - at < kBlock) {
      std::memset(rest, ' ', sizeof rest);
      std::memcpy(rest, at, static_cast<std::size_t>(end - at));
      bytes = rest;
    }
    const Block block = classify(bytes);
    const std::uint64_t quotes = (block.backslashes | carry) == 0 ? block.quotes : block.quotes & ~escaped(block.backslashes, carry);
    const std::uint64_t strings = prefix_xor(quotes) ^ in_string;
    in_string = static_cast<std::uint64_t>(static_cast<std::int64_t>(strings) >> 63);
    const std::uint64_t opens = block.opens & ~strings, closes = block.closes & ~strings;
    if (std::popcount(closes) < depth) {
      depth += std::popcount(opens) - std::popcount(closes);
      continue;
    }
    for (std::uint64_t both = opens | closes; both != 0; both &= both - 1) {
      const int i = std::countr_zero(both);
      depth += opens >> i & 1 ? 1 : -1;
      if (depth == 0) return at + i + 1;
    }
  }
  return nullptr;
}

// Behind the quote that ends the string here; null if none does.
const char* string_end(const char* begin, const char* end) {
  for (const char* at = begin + 1; at < end;) {
    const char* quote = static_cast<const char*>(std::memchr(at, '"', static_cast<std::size_t>(end - at)));
    if (quote == nullptr) return nullptr;
    const char* backslash = quote;
    while (backslash > at && backslash[-1] == '\\') --backslash;
    at = quote + 1;
    if ((quote - backslash) % 2 == 0) return at;
  }
  return nullptr;
}

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

const char* value_end(const char* at, const char* end) {
  if (at == end) return nullptr;
  if (*at == '{' || *at == '[') return container_end(at, end);
  if (*at == '"') return string_end(at, end);
  while (at < end && *at != ',' && *at != '}' && *at != ']' && !is_space(*at)) ++at;
  return at;
}

}  // namespace

TextPieces::TextPieces(std::string_view container)
    : at_(container.data()), end_(container.data() + container.size()), close_(container.starts_with('{') ? '}' : ']') {
  if (container.starts_with('{') || container.starts_with('[')) ++at_;
  else wrong_ = true;
}

void TextPieces::skip_space() {
  while (at_ < end_ && is_space(*at_)) ++at_;
}

bool TextPieces::next() {
  if (wrong_) return false;
  skip_space();
  if (at_ == end_) return fail();
  if (*at_ == close_ && at_ + 1 == end_) return false;
  if (!first_) {
    if (*at_ != ',') return fail();
    ++at_;
    skip_space();
  }
  first_ = false;
  if (close_ == '}') {
    const char* key_end = at_ < end_ && *at_ == '"' ? string_end(at_, end_) : nullptr;
    if (key_end == nullptr) return fail();
    key_ = {at_ + 1, key_end - 1};
    at_ = key_end;
    skip_space();
    if (at_ == end_ || *at_ != ':') return fail();
    ++at_;
    skip_space();
  }
  const char* value_begin = at_;
  at_ = value_end(at_, end_);
  if (at_ == nullptr || at_ == value_begin) return fail();
  value_ = {value_begin, at_};
  return true;
}

// Null if it is not JSON.
TapeNode TextNode::parse(std::string_view before, std::string_view text, std::string_view behind, Memory& memory) {
  memory.copy.assign(before).append(text).append(behind);
  const std::size_t size = memory.copy.size();
  memory.copy.append(simdjson::SIMDJSON_PADDING, ' ');
  simdjson::dom::element root;
  if (memory.parser.parse(memory.copy.data(), size, false).get(root) == simdjson::SUCCESS) return TapeNode(root);
  memory.wrong = true;
  return TapeNode(memory.parser.parse(std::string_view("null")).value_unsafe());
}

TapeNode TextNode::whole() const { return parse("", text_, "", *memory_); }

std::optional<TapeNode> TextNode::find(std::string_view key) const {
  TextPieces pieces(text_);
  while (pieces.next()) {
    if (pieces.key() == key) return TextNode(pieces.value(), *memory_).whole();
  }
  memory_->wrong |= pieces.is_wrong();
  return std::nullopt;
}

}  // namespace kerf::gateway
