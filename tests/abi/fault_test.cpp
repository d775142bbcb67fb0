// Our own mistakes inside the library are results; the next call works.
#include <doctest/doctest.h>

#include "use.h"

TEST_CASE("an internal error, an exception and no memory do not reach the caller") {
  struct Case {
    const char* text;
    kerf_status status;
    const char* message;   // a part of it
  };
  for (const Case& c : {Case{"check", KERF_INTERNAL, "tests/abi/fault.cpp:"}, Case{"memory", KERF_NO_MEMORY, "out of memory"},
                        Case{"exception", KERF_INTERNAL, "injected"}, Case{"number", KERF_INTERNAL, "internal error"},
                        Case{"nothing", KERF_INTERNAL, "nothing was made"}, Case{"good", KERF_OK, ""}}) {
    CAPTURE(c.text);
    kerf_result* result = nullptr;
    CHECK(kerf_format(t("p.cedar"), t(c.text), nullptr, &result) == c.status);
    CHECK(kerf_result_status(result) == c.status);
    CHECK(s(kerf_result_message(result)).find(c.message) != std::string::npos);
    CHECK(kerf_result_count(result) == (c.status == KERF_OK ? 1 : 0));
    kerf_result_free(result);
  }
}
