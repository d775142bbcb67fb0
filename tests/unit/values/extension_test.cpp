#include <doctest/doctest.h>

#include <limits>

#include "ir/values/extension.h"
#include "ir/values/operations.h"
#include "tests/unit/values/corpus.h"

using namespace kerf;
using test::corpus;

namespace {

// Every row of one type: verdict, error text, and what the caller checks of accepted values.
template <class Check>
void each_row(const char* type, const char* constructor, Check check_value) {
  auto data = corpus("derived/edge/extensions.json");
  if (!data) return;
  for (const Json& row : data->at(type)) {
    std::string input = row.at("input");
    CAPTURE(type);
    CAPTURE(input);
    EvalResult result = op_call(constructor, {Value(input)});
    REQUIRE(result.ok() == row.at("ok").get<bool>());
    if (result.ok()) {
      check_value(*result, row);
    } else if (input.find('\xd9') == std::string::npos) {  // Arabic digits: the official engine refuses them later
      CHECK(result.error().message == row.at("error").get<std::string>());
    }
  }
}

bool holds(const char* method, const Value& value) { return *op_call(method, {value})->as_bool(); }

}  // namespace

TEST_CASE("decimals agree with the official engine, and their text reads back") {
  each_row("decimal", "decimal", [](const Value& value, const Json& row) {
    CHECK(value.as_decimal()->ten_thousandths == row.at("scaled_1e4").get<std::int64_t>());
    CHECK(parse_decimal(to_text(*value.as_decimal())) == *value.as_decimal());
  });
}

TEST_CASE("addresses agree with the official engine, and their text reads back") {
  each_row("ip", "ip", [](const Value& value, const Json& row) {
    for (const char* method : {"isIpv4", "isIpv6", "isLoopback", "isMulticast"}) {
      CHECK(holds(method, value) == row.at(method).get<bool>());
    }
    CHECK(parse_ip(to_text(*value.as_ip())) == *value.as_ip());
  });
}

TEST_CASE("datetimes agree with the official engine, and their text reads back") {
  each_row("datetime", "datetime", [](const Value& value, const Json& row) {
    CHECK(value.as_datetime()->ms == row.at("epoch_ms").get<std::int64_t>());
    if (has_text(*value.as_datetime())) CHECK(parse_datetime(to_text(*value.as_datetime())) == *value.as_datetime());
  });
}

TEST_CASE("durations agree with the official engine, and their text reads back") {
  each_row("duration", "duration", [](const Value& value, const Json& row) {
    CHECK(value.as_duration()->ms == row.at("ms").get<std::int64_t>());
    CHECK(parse_duration(to_text(*value.as_duration())) == *value.as_duration());
  });
}

TEST_CASE("pairs of addresses agree with the official engine") {
  auto data = corpus("derived/edge/extensions.json");
  if (!data) return;
  for (const Json& row : data->at("ip_pairs")) {
    std::string a = row.at("a"), b = row.at("b");
    CAPTURE(a);
    CAPTURE(b);
    auto x = parse_ip(a), y = parse_ip(b);
    REQUIRE(x);
    REQUIRE(y);
    CHECK(ip_in_range(*x, *y) == row.at("inRange").get<bool>());
    CHECK((*x == *y) == row.at("eq").get<bool>());
  }
}

TEST_CASE("canonical texts") {
  auto ip = [](const char* text) { return to_text(*parse_ip(text)); };
  CHECK(ip("10.0.0.1/32") == "10.0.0.1");
  CHECK(ip("10.0.0.1/8") == "10.0.0.1/8");
  CHECK(ip("2001:DB8:0:0:1:0:0:1") == "2001:db8::1:0:0:1");
  CHECK(ip("2001:db8:0:1:1:1:1:1") == "2001:db8:0:1:1:1:1:1");
  CHECK(ip("0:0:0:0:0:0:0:0") == "::");
  CHECK(ip("1:0:0:0:0:0:0:0") == "1::");
  CHECK(ip("0:0:0:0:0:0:0:1/64") == "::1/64");
  CHECK(ip("1:0:0:2:0:0:0:3") == "1:0:0:2::3");
  CHECK(ip("::ffff:102:304") == "::ffff:102:304");
  CHECK(ip("1:2:3:4:5:6:7::") == "1:2:3:4:5:6:7:0");
  CHECK(to_text(Decimal{15000}) == "1.5");
  CHECK(to_text(Decimal{-1}) == "-0.0001");
  CHECK(to_text(Decimal{0}) == "0.0");
  CHECK(to_text(Decimal{std::numeric_limits<std::int64_t>::min()}) == "-922337203685477.5808");
  CHECK(to_text(Duration{93784005}) == "1d2h3m4s5ms");
  CHECK(to_text(Duration{0}) == "0ms");
  CHECK(to_text(Duration{std::numeric_limits<std::int64_t>::min()}) == "-106751991167d7h12m55s808ms");
  CHECK(to_text(Datetime{0}) == "1970-01-01");
  CHECK(to_text(Datetime{-1}) == "1969-12-31T23:59:59.999Z");
  CHECK(to_text(Datetime{951782400000}) == "2000-02-29");
  CHECK(!has_text(Datetime{std::numeric_limits<std::int64_t>::min()}));
}

TEST_CASE("an IPv4 address has four numbers up to 255, without zeros before them") {
  const std::string digits = "0123456789";
  std::vector<std::string> texts = {""}, all;
  for (int length = 1; length <= 4; ++length) {
    std::vector<std::string> longer;
    for (const std::string& text : texts) {
      for (char digit : digits) longer.push_back(text + digit);
    }
    all.insert(all.end(), longer.begin(), longer.end());
    texts = std::move(longer);
  }
  for (std::size_t place = 0; place < 4; ++place) {
    for (const std::string& part : all) {
      std::string text;
      for (std::size_t i = 0; i < 4; ++i) text += (i == 0 ? "" : ".") + (i == place ? part : std::to_string(i + 1));
      const auto address = parse_ip(text);
      const bool good = std::stoi(part) <= 255 && std::to_string(std::stoi(part)) == part;
      CAPTURE(text);
      if (address.has_value() != good) FAIL_CHECK("taken or refused wrongly");
      if (address && (address->v6 || address->prefix != 32 || address->bytes[place] != std::stoi(part) || to_text(*address) != text)) FAIL_CHECK("another address");
    }
  }
  for (const char* text : {"", ".", "1", "1.2.3", "1.2.3.", ".1.2.3", "1..2.3", "1.2.3.4.", "1.2.3.4.5", " 1.2.3.4", "1.2.3.4 ", "1.2.3.a", "1.2.3./", "1.2.3.:", "1,2,3,4",
                           "+1.2.3.4", "-1.2.3.4", "1.2.3.4a", "1.2.3.0x1", "1.2.3.00", "1.2.3.4/", "1.2.3.\xb2"}) {
    CAPTURE(text);
    CHECK(!parse_ip(text));
  }
  CHECK(!parse_ip(std::string_view("1.2.3.4\0", 8)));
  CHECK(parse_ip(std::string_view("1.2.3.45", 7)) == parse_ip("1.2.3.4"));
}

TEST_CASE("bad IPv6 texts are refused") {
  for (const char* text : {"1:2:3:4:5:6:7:8::", "::1:2:3:4:5:6:7:8", "1::2::3", ":1", "1:", "12345::", "1:2:3:4:5:6:7",
                           "::1%eth0", "fe80::g", "1:2:3:4:5:6:7:8:9", "::/", "/64", "::1/ 64"}) {
    CAPTURE(text);
    CHECK(!parse_ip(text));
  }
}

TEST_CASE("calls check their name, number and types of arguments, in that order") {
  auto message = [](const char* name, std::vector<Value> args) { return op_call(name, args).error().message; };
  CHECK(message("nope", {}) == "extension function `nope` does not exist");
  CHECK(message("ip", {}) == "wrong number of arguments provided to extension function `ip`: expected 1, got 0");
  CHECK(message("lessThan", {Value(Decimal{1}), Value(std::int64_t{1})}) ==
        "type error: expected decimal, got long");
  CHECK(op_call("toDate", {Value(Datetime{std::numeric_limits<std::int64_t>::min()})}).error().kind ==
        EvalErrorKind::extension_function_error);
  CHECK(op_call("toDate", {Value(Datetime{-1})})->as_datetime()->ms == -86'400'000);
  CHECK(op_call("toTime", {Value(Datetime{-1})})->as_duration()->ms == 86'399'999);
  CHECK(*op_call("toDays", {Value(Duration{-86'400'001})})->as_long() == -1);
  CHECK(is_extension_function("ip"));
  CHECK(!is_extension_function("isIpv4"));
  CHECK(is_extension_method("isIpv4"));
  CHECK(!is_extension_method("contains"));
}

TEST_CASE("decimal: a whole part that is too large is told before a fraction that is too long") {
  CHECK(read_decimal("-77579118838073192.44225").error().message == "overflow when converting to decimal");
  CHECK(read_decimal("7.44225").error().message == "too many digits after the decimal in `7.44225`");
  CHECK(read_decimal("922337203685477.5808").error().message == "overflow when converting to decimal");
  CHECK(read_decimal("-922337203685477.5808")->ten_thousandths == std::numeric_limits<std::int64_t>::min());
}
