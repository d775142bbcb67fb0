// A request's text straight into a workspace, in one pass. Takes only what read_request() takes, with the same values, and need
// not take all of that: long or deep texts, rare escapes, long numbers, many unknown keys and everything wrong are left to it.
// Every value is looked at, also those that no policy reads.
#include <simdjson.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "ir/values/extension.h"
#include "runtime/gateway/engine_state.h"

namespace kerf::gateway {

namespace {

constexpr std::size_t kLongest = 1 << 20;
constexpr int kDeepest = 8;

// The first quote, backslash, control character or byte that is not ASCII (which is negative), or some place behind the end. Reads up
// to 15 bytes behind it.
#if defined(__SSE2__)
inline const char* special(const char* at, const char* end) {
  for (; at < end; at += 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    const __m128i ends = _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')), _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\')));
    const auto places = static_cast<unsigned>(_mm_movemask_epi8(_mm_or_si128(ends, _mm_cmplt_epi8(bytes, _mm_set1_epi8(0x20)))));
    if (places != 0) return at + std::countr_zero(places);
  }
  return at;
}
#else
inline const char* special(const char* at, const char* end) {
  while (at < end && *at != '"' && *at != '\\' && static_cast<signed char>(*at) >= 0x20) ++at;
  return at;
}
#endif

// Whether the word stands there, of which so many bytes may be read. The last of its parts overlaps the one before it.
template <std::size_t Size>
inline bool stands_at(const char* at, const char (&word)[Size]) {
  constexpr std::size_t length = Size - 1;
  if constexpr (length < 8) {
    return std::memcmp(at, word, length) == 0;
  } else {
    std::uint64_t other = load<std::uint64_t>(at + length - 8) ^ load<std::uint64_t>(word + length - 8);
    for (std::size_t i = 0; i + 8 < length; i += 8) other |= load<std::uint64_t>(at + i) ^ load<std::uint64_t>(word + i);
    return other == 0;
  }
}
// `==` with a length that the compiler knows.
template <std::size_t Size>
bool is(std::string_view text, const char (&word)[Size]) {
  return text.size() == Size - 1 && stands_at(text.data(), word);
}

// Keys of an object, for finding repetitions; full at 16.
class Keys {
 public:
  bool add(std::string_view key) {
    for (std::size_t i = 0; i < count_; ++i) {
      if (keys_[i].size == key.size() && std::memcmp(keys_[i].data, key.data(), key.size()) == 0) return false;
    }
    if (count_ == kMost) return false;
    keys_[count_++] = {key.data(), key.size()};
    return true;
  }

 private:
  static constexpr std::size_t kMost = 16;
  struct Key {            // not a view, which would be cleared each time
    const char* data;
    std::size_t size;
  } keys_[kMost];
  std::size_t count_ = 0;
};

}  // namespace

struct Workspace::Scanner {
  // Which attribute of the context stood where in the text before: most often it does again. With names that need no escapes.
  struct Place {
    std::string_view name;             // none: it is not known
    std::uint32_t attribute = 0;
  };
  static constexpr std::size_t kLongestName = 32;
  std::array<Place, 16> places;
  std::vector<char> copy;              // of a text without room behind it
  std::vector<char> unescaped;         // strings of a text that has escapes; as long as the text
};

namespace {

class Scan {
 public:
  Scan(Workspace::Scanner& scanner, const Store& store, const Names& names, Workspace& work, std::string_view text)
      : scanner_(scanner), store_(store), names_(names), work_(work), at_(text.data()), end_(text.data() + text.size()), size_(text.size()) {}

  struct Uid {
    std::string_view type, id;
  };
  Uid uids[3];

  bool request() {
    const bool read = has_usual_uids() ? usual_rest() : members();
    skip_space();
    if (!read || at_ != end_) return false;
    return is_ascii_ || simdjson::validate_utf8(end_ - size_, size_);
  }
  // The type is a name if it is known.
  static bool is_name(const Store& store, Node node, const Uid& uid) {
    return (node == kNoNode ? store.find_type(uid.type) : store.type(node)) != TextMap::kNone;
  }

 private:
  bool members() {
    unsigned seen = 0;
    const bool read = object([&](std::string_view name) {
      const unsigned part = is(name, "principal") ? 0 : is(name, "action") ? 1 : is(name, "resource") ? 2 : is(name, "context") ? 3 : 4;
      if (part == 4 || seen & 1u << part) return false;
      seen |= 1u << part;
      return part < 3 ? uid(uids[part]) : context();
    });
    return read && (seen & 7) == 7;
  }
  // As most write it: in this order and without spaces. False: nothing was read.
  bool has_usual_uids() {
    if (take("{\"principal\":{\"type\":\"") && usual_uid(uids[0]) && take("},\"action\":{\"type\":\"") && usual_uid(uids[1]) &&
        take("},\"resource\":{\"type\":\"") && usual_uid(uids[2]) && take("}")) {
      return true;
    }
    at_ = end_ - size_;
    unescaped_ = 0;
    return false;
  }
  // Behind the quote of its type, and up to its bracket.
  bool usual_uid(Uid& out) { return rest_of_string(out.type) && take(",\"id\":\"") && rest_of_string(out.id); }
  bool usual_rest() {
    if (take(",\"context\":{")) return context_members() && take('}');
    if (take('}')) return true;
    std::string_view name;
    return take(',') && string(name) && is(name, "context") && take(':') && context() && take('}');
  }
  char peek() const { return at_ < end_ ? *at_ : '\0'; }
  void skip_space() {
    if (peek() > ' ') return;
    while (peek() == ' ' || peek() == '\n' || peek() == '\t' || peek() == '\r') ++at_;
  }
  bool take(char c) {
    if (peek() != c) {
      skip_space();
      if (peek() != c) return false;
    }
    ++at_;
    return true;
  }
  // Of each member, behind its key and the colon.
  template <class Member>
  bool object(Member member) {
    return take('{') && rest_of_object(member);
  }
  template <class Member>
  bool rest_of_object(Member member) {
    if (take('}')) return true;
    do {
      std::string_view name;
      if (!string(name) || !take(':') || !member(name)) return false;
    } while (take(','));
    return take('}');
  }
  template <class Element>
  bool array(Element element) {
    if (!take('[')) return false;
    if (take(']')) return true;
    do {
      if (!element()) return false;
    } while (take(','));
    return take(']');
  }
  bool string(std::string_view& out) {
    skip_space();
    if (peek() != '"') return false;
    ++at_;
    return rest_of_string(out);
  }
  bool rest_of_string(std::string_view& out) {   // behind its quote
    const char* const begin = at_;
    const char* const close = special(begin, end_);
    if (close >= end_) return false;
    out = {begin, static_cast<std::size_t>(close - begin)};
    at_ = close + 1;
    return *close == '"' || rare_string(begin, close, out);
  }
  bool rare_string(const char* begin, const char* at, std::string_view& out);
  bool unescape(std::string_view& text);
  // May go on behind the end, where no more is taken.
  template <std::size_t Size>
  bool take(const char (&word)[Size]) {
    static_assert(Size <= Engine::kPadding);
    if (!stands_at(at_, word)) return false;
    at_ += Size - 1;
    return true;
  }
  bool integer(std::int64_t& out);
  bool boolean(bool& out);
  bool uid(Uid& out);
  bool context() { return take('{') && context_members(); }
  bool context_members();
  bool take_key(std::string_view name);
  static bool is_plain_name(std::string_view name);
  bool extension(Value& out);
  static bool extension(std::string_view function, std::string_view argument, Value& out);
  bool attribute(Workspace::Entry& entry);
  bool escape_or_record(Workspace::Entry& entry);
  bool read_escape(std::string_view name, Workspace::Entry& entry);
  bool any(int depth);

  Workspace::Scanner& scanner_;
  const Store& store_;
  const Names& names_;
  Workspace& work_;
  const char *at_, *end_;
  std::size_t size_, unescaped_ = 0;   // bytes of the text; of its strings without escapes so far
  bool is_ascii_ = true;
  Workspace::Entry unread_;            // of attributes that no policy names
};

// A string with escapes or with bytes that are not ASCII, from the first of them on.
bool Scan::rare_string(const char* begin, const char* at, std::string_view& out) {
  bool has_escapes = false;
  for (; at < end_ && *at != '"'; ++at) {
    if (*at == '\\') has_escapes = true, ++at;
    else if (static_cast<unsigned char>(*at) < 0x20) return false;
    is_ascii_ = is_ascii_ && static_cast<signed char>(*at) >= 0;
  }
  if (at >= end_) return false;
  out = {begin, static_cast<std::size_t>(at - begin)};
  at_ = at + 1;
  return !has_escapes || unescape(out);
}

bool Scan::unescape(std::string_view& text) {
  const std::size_t first = text.find('\\');
  if (scanner_.unescaped.size() < size_) scanner_.unescaped.resize(size_);   // the first of this text
  char* const begin = scanner_.unescaped.data() + unescaped_;
  char* to = std::copy_n(text.data(), first, begin);
  for (std::size_t i = first; i < text.size(); ++i) {
    char c = text[i];
    if (c == '\\') {
      constexpr std::string_view kWritten = "\"\\/bfnrt", kMeant = "\"\\/\b\f\n\r\t";
      const std::size_t which = kWritten.find(text[++i]);
      if (which == std::string_view::npos) return false;
      c = kMeant[which];
    }
    *to++ = c;
  }
  text = {begin, static_cast<std::size_t>(to - begin)};
  unescaped_ += text.size();
  return true;
}

// Numbers of up to 18 digits.
bool Scan::integer(std::int64_t& out) {
  const bool negative = peek() == '-';
  if (negative) ++at_;
  const char* const first = at_;
  std::int64_t number = 0;
  for (; peek() >= '0' && peek() <= '9' && at_ - first <= 18; ++at_) number = number * 10 + (*at_ - '0');
  const std::ptrdiff_t digits = at_ - first;
  if (digits == 0 || digits > 18 || (*first == '0' && (digits > 1 || negative))) return false;   // -0 is none
  out = negative ? -number : number;
  return true;
}

bool Scan::boolean(bool& out) {
  out = take("true");
  return out || take("false");
}

bool Scan::uid(Uid& out) {
  const char* const begin = at_;
  const std::size_t unescaped = unescaped_;
  if (take("{\"type\":") && string(out.type) && take(",\"id\":") && string(out.id) && take("}")) return true;
  at_ = begin;   // it is not written as most write it
  unescaped_ = unescaped;
  bool has_type = false, has_id = false;
  const bool read = object([&](std::string_view name) {
    const bool type = is(name, "type");
    bool& has = type ? has_type : has_id;
    if ((!type && !is(name, "id")) || has) return false;
    has = true;
    return string(type ? out.type : out.id);
  });
  return read && has_type && has_id;
}

bool Scan::extension(Value& out) {
  std::string_view function, argument;
  const char* const begin = at_;
  const std::size_t unescaped = unescaped_;
  if (take("{\"fn\":\"") && rest_of_string(function) && take(",\"arg\":\"") && rest_of_string(argument) && take("}")) {
    return extension(function, argument, out);
  }
  at_ = begin;
  unescaped_ = unescaped;
  bool has_function = false, has_argument = false;
  const bool read = object([&](std::string_view name) {
    const bool fn = is(name, "fn");
    bool& has = fn ? has_function : has_argument;
    if ((!fn && !is(name, "arg")) || has) return false;
    has = true;
    return string(fn ? function : argument);
  });
  return read && has_function && has_argument && extension(function, argument, out);
}

bool Scan::extension(std::string_view function, std::string_view argument, Value& out) {
  auto keep = [&](auto parsed) {
    if (parsed) out = Value(*parsed);
    return parsed.has_value();
  };
  if (is(function, "ip")) return keep(parse_ip(argument));
  if (is(function, "decimal")) return keep(parse_decimal(argument));
  if (is(function, "datetime")) return keep(parse_datetime(argument));
  return is(function, "duration") && keep(parse_duration(argument));
}

bool Scan::context_members() {
  Keys others;
  if (take('}')) return true;
  std::size_t place = 0;
  do {
    Workspace::Scanner::Place unplaced, &usual = place < scanner_.places.size() ? scanner_.places[place] : unplaced;
    ++place;
    std::uint32_t known = usual.attribute;
    if (!take_key(usual.name)) {
      std::string_view name;
      if (!string(name) || !take(':') || name.starts_with("__")) return false;
      known = names_.find_attribute(name);
      if (known == TextMap::kNone) {
        if (!others.add(name) || !attribute(unread_)) return false;
        continue;
      }
      if (is_plain_name(name)) usual = {names_.attribute_name(known), known};
    }
    Workspace::Entry& entry = work_.entries[known];
    if (entry.stamp == work_.context_stamp) return false;   // a repetition
    entry.stamp = work_.context_stamp;
    entry.present = true;
    entry.pending = Workspace::Pending::none;
    if (!attribute(entry)) return false;
  } while (take(','));
  return take('}');
}

// That key, in quotes and with its colon. May go on behind the end, where no more is taken.
bool Scan::take_key(std::string_view name) {
  if (name.empty() || !same({at_ + 1, name.size()}, name) || at_[0] != '"' || at_[name.size() + 1] != '"' || at_[name.size() + 2] != ':') return false;
  at_ += name.size() + 3;
  return true;
}

bool Scan::is_plain_name(std::string_view name) {
  static_assert(Workspace::Scanner::kLongestName + 3 <= Engine::kPadding);
  return name.size() <= Workspace::Scanner::kLongestName &&
         std::all_of(name.begin(), name.end(), [](char c) { return c >= 0x20 && c < 0x7f && c != '"' && c != '\\'; });
}

bool Scan::attribute(Workspace::Entry& entry) {
  skip_space();
  switch (peek()) {
    case '"': {
      std::string_view text;
      if (!string(text)) return false;
      entry.cell = Cell{nullptr, 0, 0, static_cast<std::uint32_t>(text.size()), ValueKind::string};
      entry.cell.bytes = text.data();
      entry.pending = Workspace::Pending::text;
      return true;
    }
    case 't':
    case 'f': {
      bool truth;
      if (!boolean(truth)) return false;
      entry.cell = Cell{nullptr, truth ? 1 : 0, 0, kNoData, ValueKind::boolean};
      return true;
    }
    case '[': entry.pending = Workspace::Pending::value; return any(0);
    case '{': return escape_or_record(entry);
    default: {
      std::int64_t number;
      if (!integer(number)) return false;
      entry.cell = Cell{nullptr, number, 0, kNoData, ValueKind::long_};
      return true;
    }
  }
}

// An escape is an object with one key; with others beside it, it is wrong.
bool Scan::escape_or_record(Workspace::Entry& entry) {
  if (take("{\"__extn\":")) return read_escape("__extn", entry) && take('}');
  entry.pending = Workspace::Pending::value;
  Keys keys;
  std::size_t count = 0;
  bool escape = false;
  return object([&](std::string_view name) {
    if (!keys.add(name)) return false;
    escape = escape || name.starts_with("__");
    return escape ? count++ == 0 && read_escape(name, entry) : (++count, any(1));
  });
}

bool Scan::read_escape(std::string_view name, Workspace::Entry& entry) {
  if (is(name, "__extn")) {
    if (!extension(entry.held)) return false;
    entry.cell = store_.view(entry.held);
    entry.pending = Workspace::Pending::none;
    return true;
  }
  Uid uid;
  if (!is(name, "__entity") || !this->uid(uid)) return false;
  const Node node = store_.find(uid.type, uid.id);
  if (!is_name(store_, node, uid)) return false;
  if (node == kNoNode) return true;   // equal to others that are not known: compared as values
  entry.cell = Cell{nullptr, 0, 0, node, ValueKind::entity};
  entry.pending = Workspace::Pending::none;
  return true;
}

// A value that is not read now, but must be one.
bool Scan::any(int depth) {
  if (depth > kDeepest) return false;
  skip_space();
  switch (peek()) {
    case '"': {
      std::string_view text;
      return string(text);
    }
    case 't':
    case 'f': {
      bool truth;
      return boolean(truth);
    }
    case '[': return array([&] { return any(depth + 1); });
    case '{': {
      Keys keys;
      return object([&](std::string_view name) { return keys.add(name) && !name.starts_with("__") && any(depth + 1); });
    }
    default: {
      std::int64_t number;
      return integer(number);
    }
  }
}

}  // namespace

bool Engine::scan(Workspace& work, std::string_view text, std::size_t readable) const {
  begin(work);
  work.context = nullptr;
  work.text = text;
  if (text.empty() || text.size() > kLongest) return false;
  if (!work.scanner) work.scanner = {new Workspace::Scanner, [](Workspace::Scanner* scanner) { delete scanner; }};
  Workspace::Scanner& scanner = *work.scanner;
  if (readable < text.size() + kPadding) {
    scanner.copy.resize(text.size() + kPadding);
    std::copy(text.begin(), text.end(), scanner.copy.begin());
    text = {scanner.copy.data(), text.size()};
  }
  Scan scan(scanner, state_->store, state_->plans->names, work, text);
  if (!scan.request()) return false;
  std::uint32_t types[3];
  for (std::size_t i = 0; i < 3; ++i) {
    types[i] = place(work, i, {scan.uids[i].type, scan.uids[i].id});
    if (types[i] == TextMap::kNone) return false;   // it may be no name
  }
  enter(work, state_->find(types[0], work.nodes[1], types[2]));
  return true;
}

}  // namespace kerf::gateway
