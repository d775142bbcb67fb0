#include <doctest/doctest.h>

#include <limits>

#include "ir/values/operations.h"
#include "tests/unit/values/corpus.h"

using namespace kerf;

namespace {
Value number(std::int64_t n) { return Value(n); }
Value text(const char* s) { return Value(std::string(s)); }
Value uid(const char* s) { return Value(*parse_uid(s)); }
}  // namespace

TEST_CASE("sets ignore order and repetitions, deeply") {
  Value a = Value::set({number(2), number(1), number(2), Value::set({text("x"), text("y")})});
  Value b = Value::set({Value::set({text("y"), text("x"), text("x")}), number(1), number(2)});
  CHECK(a == b);
  CHECK(a.as_set()->size() == 3);
  CHECK(!(a == Value::set({number(1), number(2)})));
  CHECK(compare(a, b) == 0);
}

TEST_CASE("values of different types are unequal and ordered") {
  std::vector<Value> values = {Value(false), Value(true), number(-1), number(1), text(""), text("1"), uid("A::\"1\""),
                               Value::set({}), Value(ValueRecord{}), Value(ValueRecord{{"a", number(1)}}),
                               Value(Decimal{1}), Value(IpAddr{}), Value(Datetime{1}), Value(Duration{1})};
  for (std::size_t i = 0; i < values.size(); ++i) {
    for (std::size_t j = 0; j < values.size(); ++j) {
      CHECK((compare(values[i], values[j]) <=> 0) == (i <=> j));
    }
  }
}

TEST_CASE("uids and strings are quoted and read back") {
  for (std::string id : {std::string("plain"), std::string("a\"b\\c\n\r\t"), std::string("\0x", 2),
                         std::string("\xc3\xa9\xe2\x80\xae"), std::string("'*"), std::string()}) {
    EntityUid entity{"Acme::Agent", id};
    CHECK(parse_uid(to_text(entity)) == entity);
    CHECK(unquote(quote(id)) == id);
  }
  CHECK(quote("\xe2\x80\xae") == "\"\\u{202e}\"");
  CHECK(parse_uid(R"(U::"\x41\u{4_1}")") == EntityUid{"U", "AA"});
}

TEST_CASE("bad uids are refused") {
  for (const char* bad : {"", "U", "U::", "::\"a\"", "U::a", "U:: \"a\"", " U::\"a\"", "U::\"a\" ", "U::\"a\"b\"",
                          "in::\"a\"", "A::if::\"a\"", "__cedar::\"a\"", "1::\"a\"", "A::::\"a\"", R"(U::"\*")",
                          R"(U::"\x80")", R"(U::"\u{d800}")", R"(U::"\u{}")", R"(U::"\u{_1}")", R"(U::"\u{1234567}")",
                          "U::\"\r\"", "U::\"\\\"", "U::\"\\", "U::\"\xff\""}) {
    CAPTURE(bad);
    CHECK(!parse_uid(bad));
  }
}

TEST_CASE("like") {
  auto like = [](std::vector<std::string> pieces, std::string_view subject) { return matches({pieces}, subject); };
  CHECK(like({"abc"}, "abc"));
  CHECK(!like({"abc"}, "abcd"));
  CHECK(like({"", ""}, ""));
  CHECK(like({"", ""}, "any\nthing"));
  CHECK(like({"a", "b"}, "ab"));
  CHECK(like({"a", "a"}, "aa"));
  CHECK(!like({"a", "a"}, "a"));
  CHECK(like({"a", "bc", ""}, "axbcbcd"));
  CHECK(!like({"ab", "ba"}, "aba"));
  CHECK(like({"", "x", "x", ""}, "xx"));
  CHECK(!like({"", "x", "x", ""}, "x"));
  CHECK(like({"/a/", "/c"}, "/a/b/c"));
  CHECK(to_text(Pattern{{"a*", "\\", ""}}) == R"("a\**\\*")");
}

TEST_CASE("like agrees with a plain backtracking matcher on all short texts") {
  auto naive = [](auto&& self, std::string_view pattern, std::string_view subject) -> bool {
    if (pattern.empty()) return subject.empty();
    if (pattern[0] == '*') {
      return self(self, pattern.substr(1), subject) || (!subject.empty() && self(self, pattern, subject.substr(1)));
    }
    return !subject.empty() && subject[0] == pattern[0] && self(self, pattern.substr(1), subject.substr(1));
  };
  auto words = [](std::string_view alphabet, int longest) {
    std::vector<std::string> all{""};
    for (std::size_t begin = 0, length = 1; length <= static_cast<std::size_t>(longest); ++length) {
      std::size_t end = all.size();
      for (; begin < end; ++begin) {
        for (char c : alphabet) all.push_back(all[begin] + c);
      }
    }
    return all;
  };
  for (const std::string& pattern_text : words("ab*", 5)) {
    Pattern pattern;
    for (char c : pattern_text) {
      if (c != '*') {
        pattern.pieces.back() += c;
      } else {
        pattern.pieces.push_back("");
      }
    }
    for (const std::string& subject : words("ab", 5)) {
      if (matches(pattern, subject) != naive(naive, pattern_text, subject)) {
        FAIL("pattern " << pattern_text << " on " << subject);
      }
    }
  }
}

TEST_CASE("operators report type errors as the official engine does") {
  Entities none;
  auto message = [](const EvalResult& result) { return result.error().message; };
  CHECK(message(op_less(text("a"), text("b"))) == "type error: expected one of [long, datetime, duration], got string");
  CHECK(message(op_less(uid("U::\"a\""), number(1))) == "type error: expected long, got (entity of type `U`)");
  CHECK(message(op_less(Value(Datetime{}), Value(Duration{}))) == "type error: expected datetime, got duration");
  CHECK(message(op_less(Value(Duration{}), number(1))) == "type error: expected long, got duration");
  CHECK(message(op_less(Value(Decimal{}), Value(Decimal{}))) ==
        "type error: expected one of [long, datetime, duration], got decimal");
  CHECK(message(op_in(uid("U::\"a\""), Value::set({uid("U::\"a\""), number(1)}), none)) ==
        "type error: expected (entity of type `any_entity_type`), got long");
  CHECK(message(op_get_attr(uid("U::\"g\""), "x", none)) == "entity `U::\"g\"` does not exist");
  CHECK(message(op_get_attr(Value(ValueRecord{}), "x", none)) == "record does not have the attribute `x`");
  CHECK(message(op_is(number(1), "U")) == "type error: expected (entity of type `any_entity_type`), got long");
  CHECK(message(op_contains(text("abc"), text("a"))) == "type error: expected set, got string");
}

TEST_CASE("arithmetic never wraps") {
  constexpr std::int64_t max = std::numeric_limits<std::int64_t>::max();
  constexpr std::int64_t min = std::numeric_limits<std::int64_t>::min();
  CHECK(op_add(number(max), number(1)).error().message ==
        "integer overflow while attempting to add the values `9223372036854775807` and `1`");
  CHECK(op_sub(number(min), number(1)).error().kind == EvalErrorKind::integer_overflow);
  CHECK(op_mul(number(min), number(-1)).error().kind == EvalErrorKind::integer_overflow);
  CHECK(op_neg(number(min)).error().message ==
        "integer overflow while attempting to negate the value `-9223372036854775808`");
  CHECK(*op_add(number(max), number(min))->as_long() == -1);
}

TEST_CASE("set operators") {
  Value abc = Value::set({text("a"), text("b"), text("c")});
  CHECK(*op_contains(abc, text("b"))->as_bool());
  CHECK(!*op_contains(abc, number(1))->as_bool());
  CHECK(*op_contains_all(abc, Value::set({}))->as_bool());
  CHECK(!*op_contains_any(abc, Value::set({}))->as_bool());
  CHECK(*op_contains_any(abc, Value::set({text("c"), text("z")}))->as_bool());
  CHECK(!*op_contains_all(abc, Value::set({text("c"), text("z")}))->as_bool());
  CHECK(*op_is_empty(Value::set({}))->as_bool());
}
