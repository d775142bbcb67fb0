// A request's text straight into a workspace: one pass with simdjson, which finds the structure and checks UTF-8. Takes
// only what read_request() takes, with the same values, and need not take all of that: long or deep texts, rare escapes,
// many unknown keys and everything wrong are left to it. Every value is looked at, also those that no policy reads.
#include <simdjson.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include <bit>
#include <cstring>

#include "ir/values/extension.h"
#include "runtime/gateway/engine_state.h"

namespace kerf::gateway {

namespace {

namespace od = simdjson::ondemand;

constexpr std::size_t kLongest = 1 << 20;
constexpr int kDeepest = 8;

// The first quote or backslash, some bytes at a time; there is one, and room behind it.
#if defined(__SSE2__)
const char* special(const char* at) {
  for (;; at += 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    const __m128i found = _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')), _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\')));
    const auto places = static_cast<unsigned>(_mm_movemask_epi8(found));
    if (places != 0) return at + std::countr_zero(places);
  }
}
#else
const char* special(const char* at) {
  if constexpr (std::endian::native == std::endian::little) {
    constexpr std::uint64_t ones = 0x0101010101010101u, highs = ones << 7;
    auto zeros = [](std::uint64_t word) { return (word - ones) & ~word & highs; };
    for (;; at += 8) {
      const auto word = load<std::uint64_t>(at);
      const std::uint64_t found = zeros(word ^ ones * '"') | zeros(word ^ ones * '\\');
      if (found != 0) return at + std::countr_zero(found) / 8;
    }
  }
  while (*at != '"' && *at != '\\') ++at;
  return at;
}
#endif

// `==` with a length that the compiler knows.
template <std::size_t Size>
bool is(std::string_view text, const char (&word)[Size]) {
  return text.size() == Size - 1 && std::memcmp(text.data(), word, Size - 1) == 0;
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

static_assert(Engine::kPadding >= simdjson::SIMDJSON_PADDING);

struct Workspace::Scanner {
  od::parser parser;
  std::vector<char> copy;              // of a text without room behind it
  std::vector<std::uint8_t> unescaped;
  std::uint8_t* unescaped_end = nullptr;
};

namespace {

class Scan {
 public:
  Scan(Workspace::Scanner& scanner, const Store& store, const Names& names, Workspace& work)
      : scanner_(scanner), store_(store), names_(names), work_(work) {}

  struct Uid {
    std::string_view type, id;
  };
  Uid uids[3];

  bool request(od::object object) {
    unsigned seen = 0;
    for (auto field : object) {
      std::string_view name;
      od::value value;
      if (!key(field, name) || field.value().get(value)) return false;
      const unsigned part = is(name, "principal") ? 0 : is(name, "action") ? 1 : is(name, "resource") ? 2 : is(name, "context") ? 3 : 4;
      if (part == 4 || seen & 1u << part) return false;
      seen |= 1u << part;
      od::object inner;
      if (value.get_object().get(inner)) return false;
      if (part < 3 ? !uid(inner, uids[part]) : !context(inner)) return false;
    }
    return (seen & 7) == 7;
  }

 private:
  bool key(simdjson::simdjson_result<od::field> field, std::string_view& out) {
    od::raw_json_string raw;
    return !field.key().get(raw) && text(raw, out);
  }
  bool string(od::value value, std::string_view& out) {
    od::raw_json_string raw;
    return !value.get_raw_json_string().get(raw) && text(raw, out);
  }
  // Strings are closed and free of control characters: the parser's first stage has seen to that.
  bool text(od::raw_json_string raw, std::string_view& out) {
    const char* at = special(raw.raw());
    out = {raw.raw(), static_cast<std::size_t>(at - raw.raw())};
    return *at == '"' || unescape(raw, at, out);
  }
  bool unescape(od::raw_json_string raw, const char* at, std::string_view& out);
  static bool integer(od::value value, std::int64_t& out) {
    const bool negative = value.raw_json_token().starts_with('-');
    return !value.get_int64().get(out) && !(negative && out == 0);   // -0 is none
  }
  bool uid(od::object object, Uid& out);
  bool context(od::object object);
  bool extension(od::object object, Value& out);
  bool attribute(od::value value, Workspace::Entry& entry);
  bool escape_or_record(od::object object, Workspace::Entry& entry);
  bool read_escape(std::string_view name, od::value value, Workspace::Entry& entry);
  bool any(od::value value, int depth);
  bool members(od::object object, int depth);

  Workspace::Scanner& scanner_;
  const Store& store_;
  const Names& names_;
  Workspace& work_;
  Workspace::Entry unread_;   // of attributes that no policy names
};

// From the first backslash on.
bool Scan::unescape(od::raw_json_string raw, const char* at, std::string_view& out) {
  for (; *at != '"'; ++at) {
    if (*at == '\\' && *++at == 'u') return false;
  }
  return !scanner_.parser.unescape(raw, scanner_.unescaped_end).get(out);
}

bool Scan::uid(od::object object, Uid& out) {
  bool has_type = false, has_id = false;
  for (auto field : object) {
    std::string_view name;
    od::value value;
    if (!key(field, name) || field.value().get(value)) return false;
    bool& has = is(name, "type") ? has_type : has_id;
    if ((!is(name, "type") && !is(name, "id")) || has) return false;
    has = true;
    if (!string(value, is(name, "type") ? out.type : out.id)) return false;
  }
  // The type is a name if it is known.
  return has_type && has_id && store_.find_type(out.type) != TextMap::kNone;
}

bool Scan::extension(od::object object, Value& out) {
  std::string_view function, argument;
  Keys keys;
  int count = 0;
  for (auto field : object) {
    std::string_view name;
    od::value value;
    if (!key(field, name) || field.value().get(value) || !keys.add(name)) return false;
    if ((!is(name, "fn") && !is(name, "arg")) || !string(value, is(name, "fn") ? function : argument)) return false;
    ++count;
  }
  if (count != 2) return false;
  auto keep = [&](auto parsed) {
    if (parsed) out = Value(*parsed);
    return parsed.has_value();
  };
  if (is(function, "ip")) return keep(parse_ip(argument));
  if (is(function, "decimal")) return keep(parse_decimal(argument));
  if (is(function, "datetime")) return keep(parse_datetime(argument));
  return is(function, "duration") && keep(parse_duration(argument));
}

bool Scan::context(od::object object) {
  Keys others;
  for (auto field : object) {
    std::string_view name;
    od::value value;
    if (!key(field, name) || field.value().get(value) || name.starts_with("__")) return false;
    const std::uint32_t known = names_.find_attribute(name);
    if (known == TextMap::kNone) {
      if (!others.add(name) || !attribute(value, unread_)) return false;
      continue;
    }
    Workspace::Entry& entry = work_.entries[known];
    if (entry.stamp == work_.context_stamp) return false;   // a repetition
    entry.stamp = work_.context_stamp;
    entry.present = true;
    entry.pending = Workspace::Pending::none;
    if (!attribute(value, entry)) return false;
  }
  return true;
}

bool Scan::attribute(od::value value, Workspace::Entry& entry) {
  od::json_type type;
  if (value.type().get(type)) return false;
  switch (type) {
    case od::json_type::string: {
      std::string_view text;
      if (!string(value, text)) return false;
      entry.cell = Cell{nullptr, 0, 0, static_cast<std::uint32_t>(text.size()), ValueKind::string};
      entry.cell.bytes = text.data();
      entry.pending = Workspace::Pending::text;
      return true;
    }
    case od::json_type::number: {
      std::int64_t number;
      if (!integer(value, number)) return false;
      entry.cell = Cell{nullptr, number, 0, kNoData, ValueKind::long_};
      return true;
    }
    case od::json_type::boolean: {
      bool truth;
      if (value.get_bool().get(truth)) return false;
      entry.cell = Cell{nullptr, truth ? 1 : 0, 0, kNoData, ValueKind::boolean};
      return true;
    }
    case od::json_type::array:
      entry.pending = Workspace::Pending::value;
      return any(value, 0);
    case od::json_type::object: {
      od::object object;
      return !value.get_object().get(object) && escape_or_record(object, entry);
    }
    case od::json_type::null: break;
  }
  return false;
}

// An escape is an object with one key; with others beside it, it is wrong.
bool Scan::escape_or_record(od::object object, Workspace::Entry& entry) {
  entry.pending = Workspace::Pending::value;
  Keys keys;
  std::size_t count = 0;
  bool escape = false;
  for (auto field : object) {
    std::string_view name;
    od::value value;
    if (!key(field, name) || field.value().get(value) || !keys.add(name)) return false;
    escape = escape || name.starts_with("__");
    if (escape ? count++ != 0 || !read_escape(name, value, entry) : (++count, !any(value, 1))) return false;
  }
  return true;
}

bool Scan::read_escape(std::string_view name, od::value value, Workspace::Entry& entry) {
  od::object object;
  if (value.get_object().get(object)) return false;
  if (is(name, "__extn")) {
    if (!extension(object, entry.held)) return false;
    entry.cell = store_.view(entry.held);
    entry.pending = Workspace::Pending::none;
    return true;
  }
  Uid uid;
  if (!is(name, "__entity") || !this->uid(object, uid)) return false;
  const Node node = store_.find(uid.type, uid.id);
  if (node == kNoNode) return true;   // equal to others that are not known: compared as values
  entry.cell = Cell{nullptr, 0, 0, node, ValueKind::entity};
  entry.pending = Workspace::Pending::none;
  return true;
}

bool Scan::members(od::object object, int depth) {
  Keys keys;
  for (auto field : object) {
    std::string_view name;
    od::value value;
    if (!key(field, name) || field.value().get(value) || !keys.add(name)) return false;
    if (name.starts_with("__") || !any(value, depth)) return false;
  }
  return true;
}

// A value that is not read now, but must be one.
bool Scan::any(od::value value, int depth) {
  od::json_type type;
  if (depth > kDeepest || value.type().get(type)) return false;
  switch (type) {
    case od::json_type::string: {
      std::string_view text;
      return string(value, text);
    }
    case od::json_type::number: {
      std::int64_t number;
      return integer(value, number);
    }
    case od::json_type::boolean: return !value.get_bool().error();
    case od::json_type::array: {
      od::array array;
      if (value.get_array().get(array)) return false;
      for (auto element : array) {
        od::value inner;
        if (element.get(inner) || !any(inner, depth + 1)) return false;
      }
      return true;
    }
    case od::json_type::object: {
      od::object object;
      return !value.get_object().get(object) && members(object, depth + 1);
    }
    case od::json_type::null: break;
  }
  return false;
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
  if (scanner.unescaped.size() < text.size() + kPadding) scanner.unescaped.resize(text.size() + kPadding);
  scanner.unescaped_end = scanner.unescaped.data();
  od::document document;
  od::object object;
  if (scanner.parser.iterate(text.data(), text.size(), text.size() + kPadding).get(document)) return false;
  if (document.get_object().get(object)) return false;
  Scan scan(scanner, state_->store, state_->plans->names, work);
  if (!scan.request(object) || document.current_location().error() != simdjson::OUT_OF_BOUNDS) return false;
  place(work, {{scan.uids[0].type, scan.uids[0].id}, {scan.uids[1].type, scan.uids[1].id}, {scan.uids[2].type, scan.uids[2].id}});
  return true;
}

}  // namespace kerf::gateway
