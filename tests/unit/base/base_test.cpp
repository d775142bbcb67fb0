#include <doctest/doctest.h>

#include <set>

#include "ir/base/diagnostic.h"
#include "ir/base/result.h"

using namespace kerf;

TEST_CASE("positions count scalars, not bytes") {
  Sources sources;
  SourceId id = sources.add("a.cedar", "ab\n\xc3\xa9z\r\n\nlast");
  CHECK(sources.locate(id, 0).line == 1);
  CHECK(sources.locate(id, 5).line == 2);
  CHECK(sources.locate(id, 5).column == 2);
  CHECK(sources.locate(id, 9).line == 4);
  CHECK(sources.locate(id, 999).column == 5);
  CHECK(sources.line_text(id, 2) == "\xc3\xa9z");
  CHECK(sources.line_text(id, 3).empty());
  CHECK(sources.line_text(id, 4) == "last");
  CHECK(sources.line_text(id, 5).empty());
  CHECK(sources.text(Span{id, 3, 5}) == "\xc3\xa9");
}

TEST_CASE("UTF-8 is checked as RFC 3629 says") {
  for (const char* good : {"", "a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf", "\xed\x9f\xbf"}) {
    CHECK(find_invalid_utf8(good) == std::string_view::npos);
  }
  CHECK(find_invalid_utf8("a\xff") == 1);
  for (const char* bad : {"\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x80\x80", "\xed\xa0\x80", "\xf0\x80\x80\x80",
                          "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80", "\xc3", "\xe2\x82", "\xf0\x9f\x98"}) {
    CHECK(find_invalid_utf8(bad) == 0);
  }
}

TEST_CASE("diagnostics are counted, sorted and kept once") {
  Sources sources;
  SourceId id = sources.add("a", "text");
  Diagnostics diagnostics;
  diagnostics.report(Code::K1001, Span{id, 2, 3}, 2);
  diagnostics.report(Code::K8001, Span{id, 0, 1}, 256).with_note("n").with_help("h").with_fix(Span{id, 0, 1}, "x");
  diagnostics.report(Code::K1001, Span{id, 2, 3}, 2);
  CHECK(diagnostics.error_count() == 3);
  diagnostics.sort();
  REQUIRE(diagnostics.all().size() == 2);
  CHECK(diagnostics.error_count() == 2);
  CHECK(diagnostics.all()[0].code == Code::K8001);
  CHECK(diagnostics.all()[0].message == "nesting is deeper than 256 levels");
  CHECK(diagnostics.all()[1].message == "the text is not valid UTF-8 (byte 2 is wrong)");
  Diagnostics other;
  other.append(diagnostics);
  CHECK(other.error_count() == 2);
  CHECK(other.has_errors());
}

TEST_CASE("a thousand errors and a thousand warnings are kept, more are counted") {
  Diagnostics diagnostics;
  auto report = [&](std::size_t errors, std::size_t warnings) {
    for (std::size_t i = 0; i < errors; ++i) diagnostics.report(Code::K8001, {SourceId(0), static_cast<std::uint32_t>(i), 0}, i);
    for (std::size_t i = 0; i < warnings; ++i) diagnostics.report(Code::K3201, {SourceId(0), static_cast<std::uint32_t>(i), 0});
  };
  report(Diagnostics::kMaxKept, Diagnostics::kMaxKept);
  CHECK_EQ(diagnostics.all().size(), 2 * Diagnostics::kMaxKept);
  CHECK_EQ(diagnostics.not_kept(), 0);
  diagnostics.report(Code::K8001, {}, 1).with_help("goes nowhere");
  diagnostics.report(Code::K3201, {});
  diagnostics.report(Code::K3201, {});
  CHECK_EQ(diagnostics.all().size(), 2 * Diagnostics::kMaxKept);
  CHECK_EQ(diagnostics.error_count(), Diagnostics::kMaxKept + 1);
  CHECK_EQ(diagnostics.not_kept(), 3);
  diagnostics.sort();
  CHECK_EQ(diagnostics.error_count(), Diagnostics::kMaxKept + 1);
  Diagnostics all;
  all.append(std::move(diagnostics));
  CHECK_EQ(all.error_count(), Diagnostics::kMaxKept + 1);
  CHECK_EQ(all.not_kept(), 3);
}

TEST_CASE("every row of the catalogue is complete, and codes are unique") {
  std::set<std::string_view> names;
  for (const CatalogueRow& row : catalogue()) {
    CAPTURE(row.name);
    CHECK(names.insert(row.name).second);
    CHECK(row.name.size() == 5);
    CHECK(!row.message.empty());
    CHECK(!row.cause.empty());
    CHECK(!row.example.empty());
    CHECK(!row.cure.empty());
    CHECK(find_code(row.name) == row.code);
  }
  CHECK(!find_code("K0000"));
}

TEST_CASE("the closest word is near, not far") {
  std::vector<std::string> words = {"principal", "resource", "id"};
  CHECK(closest("principle", words) == "principal");
  CHECK(closest("resorce", words) == "resource");
  CHECK(!closest("it", words));
  CHECK(!closest("elephant", words));
  CHECK(!closest("", words));
}

TEST_CASE("a result holds a value or an error") {
  Result<int> good = 1;
  Result<int> bad = Error{"no"};
  CHECK(good.ok());
  CHECK(*good == 1);
  CHECK(!bad);
  CHECK(bad.error().message == "no");
}
