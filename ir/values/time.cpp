// datetime and duration: strict text to milliseconds and back. The calendar is the proleptic Gregorian one, computed
// with integers only (days from civil: H. Hinnant, "chrono-Compatible Low-Level Date Algorithms").
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "ir/values/extension.h"

namespace kerf {

namespace {

constexpr std::int64_t kSecond = 1000, kMinute = 60 * kSecond, kHour = 60 * kMinute, kDay = 24 * kHour;

std::int64_t days_from_civil(int year, int month, int day) {
  std::int64_t y = month <= 2 ? year - 1 : year;
  std::int64_t era = (y >= 0 ? y : y - 399) / 400;
  std::int64_t year_of_era = y - era * 400;
  std::int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
  std::int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146097 + day_of_era - 719468;
}

struct Civil {
  std::int64_t year, month, day;
};

Civil civil_from_days(std::int64_t days) {
  days += 719468;
  std::int64_t era = (days >= 0 ? days : days - 146096) / 146097;
  std::int64_t day_of_era = days - era * 146097;
  std::int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  std::int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  std::int64_t shifted = (5 * day_of_year + 2) / 153;
  std::int64_t month = shifted < 10 ? shifted + 3 : shifted - 9;
  return {year_of_era + era * 400 + (month <= 2 ? 1 : 0), month, day_of_year - (153 * shifted + 2) / 5 + 1};
}

int days_in_month(int year, int month) {
  constexpr std::array<int, 12> days = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return month == 2 && leap ? 29 : days[static_cast<std::size_t>(month - 1)];
}

// Takes `count` decimal digits from the front, or nothing.
std::optional<int> take_number(std::string_view& text, std::size_t count) {
  if (text.size() < count) return std::nullopt;
  int number = 0;
  for (char c : text.substr(0, count)) {
    if (c < '0' || c > '9') return std::nullopt;
    number = number * 10 + (c - '0');
  }
  text.remove_prefix(count);
  return number;
}

bool take(std::string_view& text, char c) {
  if (!text.starts_with(c)) return false;
  text.remove_prefix(1);
  return true;
}

std::optional<std::array<int, 3>> take_three(std::string_view& text, std::size_t first_digits, char separator) {
  auto a = take_number(text, first_digits);
  if (!a || !take(text, separator)) return std::nullopt;
  auto b = take_number(text, 2);
  if (!b || !take(text, separator)) return std::nullopt;
  auto c = take_number(text, 2);
  if (!c) return std::nullopt;
  return std::array{*a, *b, *c};
}

struct FractionAndZone {
  int ms = 0;
  int sign = 1, hours = 0, minutes = 0;
};

// `[.SSS](Z|+hhmm|-hhmm)`, the whole rest of the text.
std::optional<FractionAndZone> take_fraction_and_zone(std::string_view text) {
  FractionAndZone result;
  if (take(text, '.')) {
    auto ms = take_number(text, 3);
    if (!ms) return std::nullopt;
    result.ms = *ms;
  }
  if (take(text, 'Z')) return text.empty() ? std::optional(result) : std::nullopt;
  result.sign = text.starts_with('-') ? -1 : 1;
  if (!take(text, '+') && !take(text, '-')) return std::nullopt;
  auto hours = take_number(text, 2);
  auto minutes = take_number(text, 2);
  if (!hours || !minutes || !text.empty()) return std::nullopt;
  result.hours = *hours;
  result.minutes = *minutes;
  return result;
}

}  // namespace

Result<Datetime> read_datetime(std::string_view text) {
  std::string_view rest = text;
  auto date = take_three(rest, 4, '-');
  if (!date) return Error{"invalid date pattern"};
  auto [year, month, day] = *date;
  std::optional<std::array<int, 3>> time = std::array{0, 0, 0};
  std::optional<FractionAndZone> zone = FractionAndZone{};
  if (!rest.empty()) {
    time = take(rest, 'T') ? take_three(rest, 2, ':') : std::nullopt;
    if (!time) return Error{"invalid hour/minute/second pattern"};
    zone = take_fraction_and_zone(rest);
    if (!zone) return Error{"invalid millisecond and/or offset pattern"};
  }
  if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month)) {
    return Error{fmt::format("invalid date: {}", text.substr(0, 10))};
  }
  auto [hour, minute, second] = *time;
  if (hour > 23 || minute > 59 || second > 59) {
    return Error{fmt::format("invalid hour/minute/second: {}", text.substr(11, 8))};
  }
  if (zone->hours > 23 || zone->minutes > 59) {
    return Error{fmt::format("invalid offset range: {}{}", zone->hours, zone->minutes)};
  }
  std::int64_t ms = days_from_civil(year, month, day) * kDay;
  ms += hour * kHour + minute * kMinute + second * kSecond + zone->ms;
  return Datetime{ms - zone->sign * (zone->hours * kHour + zone->minutes * kMinute)};
}

bool has_text(const Datetime& d) {
  return d.ms >= days_from_civil(0, 1, 1) * kDay && d.ms < days_from_civil(10000, 1, 1) * kDay;
}

std::string to_text(const Datetime& d) {
  std::int64_t days = d.ms / kDay;
  std::int64_t rest = d.ms % kDay;
  if (rest < 0) {
    rest += kDay;
    --days;
  }
  Civil date = civil_from_days(days);
  std::string out = fmt::format("{:04}-{:02}-{:02}", date.year, date.month, date.day);
  if (rest == 0) return out;
  return fmt::format("{}T{:02}:{:02}:{:02}.{:03}Z", out, rest / kHour, rest / kMinute % 60, rest / kSecond % 60,
                     rest % kSecond);
}

Result<Duration> read_duration(std::string_view text) {
  struct Unit { std::string_view name; std::int64_t ms; };
  constexpr std::array<Unit, 5> units = {{{"d", kDay}, {"h", kHour}, {"m", kMinute}, {"s", kSecond}, {"ms", 1}}};
  Error malformed{"invalid duration pattern"};
  std::string_view rest = text;
  std::int64_t sign = take(rest, '-') ? -1 : 1;
  if (rest.empty()) return malformed;
  // The pattern is checked to the end before numbers are: a malformed text is malformed, however large its numbers.
  bool overflow = false;
  std::int64_t total = 0;
  std::size_t next_unit = 0;
  while (!rest.empty()) {
    std::size_t digits = std::min(rest.find_first_not_of("0123456789"), rest.size());
    std::string_view number = rest.substr(0, digits);
    rest.remove_prefix(digits);
    std::string_view name = rest.substr(0, rest.starts_with("ms") ? 2 : 1);
    while (next_unit < units.size() && units[next_unit].name != name) ++next_unit;
    if (number.empty() || next_unit == units.size()) return malformed;
    rest.remove_prefix(name.size());
    std::int64_t amount = 0;
    for (char c : number) {
      overflow |= __builtin_mul_overflow(amount, std::int64_t{10}, &amount);
      overflow |= __builtin_add_overflow(amount, sign * (c - '0'), &amount);
    }
    overflow |= __builtin_mul_overflow(amount, units[next_unit++].ms, &amount);
    overflow |= __builtin_add_overflow(total, amount, &total);
  }
  if (overflow) return Error{"Duration overflows internal representation"};
  return Duration{total};
}

std::string to_text(const Duration& d) {
  auto magnitude = static_cast<std::uint64_t>(d.ms);
  if (d.ms < 0) magnitude = 0 - magnitude;
  if (magnitude == 0) return "0ms";
  std::string out = d.ms < 0 ? "-" : "";
  auto put = [&](std::int64_t unit_ms, std::string_view name) {
    auto unit = static_cast<std::uint64_t>(unit_ms);
    if (magnitude >= unit) out += fmt::format("{}{}", magnitude / unit, name);
    magnitude %= unit;
  };
  put(kDay, "d");
  put(kHour, "h");
  put(kMinute, "m");
  put(kSecond, "s");
  put(1, "ms");
  return out;
}

}  // namespace kerf
