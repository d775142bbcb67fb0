#include <doctest/doctest.h>

#include "ir/values/host_name.h"

using namespace kerf;

TEST_CASE("names of hosts have one spelling") {
  for (const char* name : {"a", "example.com", "xn--bcher-kva.example", "_dmarc.example.com", "1.2.3", "a-b.c"}) {
    CHECK_MESSAGE(is_canonical_host(name), name);
    CHECK(suggest_host(name) == name);
  }
  for (const char* name : {"", ".", "a..b", ".a", "a.", "A.example", "-a.example", "a-.example", "*.example.com", "a b", "bücher.example", "a/b", "[::1]"}) {
    CHECK_MESSAGE(!is_canonical_host(name), name);
  }
  CHECK(suggest_host("WWW.Example.COM.") == "www.example.com");
  CHECK(!suggest_host("*.example.com"));
  CHECK(!suggest_host("a.."));
  const std::string label(63, 'a');
  CHECK(is_canonical_host(label + ".b"));
  CHECK(!is_canonical_host(label + "a.b"));
  const std::string three = label + "." + label + "." + label + ".";
  CHECK(is_canonical_host(three + std::string(61, 'a')));     // 253 bytes
  CHECK(!is_canonical_host(three + std::string(62, 'a')));
}
