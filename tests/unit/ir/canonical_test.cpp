#include <doctest/doctest.h>

#include "ir/canonical.h"
#include "ir/values/extension.h"

using namespace kerf;

TEST_CASE("endpoints have one spelling") {
  for (const char* good : {"10.0.0.1:443", "255.255.255.255:65535", "10.0.0.1:0", "[::1]:80", "[2001:db8::1]:443",
                           "[2001:db8:0:1:1:1:1:1]:1", "[1:0:0:2::]:9", "[fe80::1:0:0:1]:53"}) {
    CAPTURE(good);
    auto parsed = parse_endpoint_id(good);
    REQUIRE(parsed);
    CHECK(endpoint_id(parsed->first, parsed->second) == good);
    CHECK(suggest_endpoint_id(good) == good);
  }
}

TEST_CASE("other spellings are refused, with what was probably meant") {
  struct Row { const char* bad; const char* meant; };
  for (auto [bad, meant] : {Row{"10.0.0.1:0443", "10.0.0.1:443"}, {"010.0.0.1:443", "10.0.0.1:443"},
                            {"2001:db8::1:443", "[2001:db8::1]:443"}, {"[2001:DB8::1]:443", "[2001:db8::1]:443"},
                            {"[2001:db8:0:0:0:0:0:1]:443", "[2001:db8::1]:443"}, {"[::ffff:a00:1]:1", "10.0.0.1:1"},
                            {"[::ffff:10.0.0.1]:1", "10.0.0.1:1"}, {"::ffff:10.0.0.1:1", "10.0.0.1:1"},
                            {"[10.0.0.1]:1", "10.0.0.1:1"}, {" 10.0.0.1:1", "10.0.0.1:1"},
                            {"0.0.0.0:80", "127.0.0.1:80"}, {"[::]:80", "[::1]:80"}, {"[0::1]:80", "[::1]:80"},
                            {"[2001:db8::0:1]:80", "[2001:db8::1]:80"}, {"[1:0:0:2:0:0:0:3]:1", "[1:0:0:2::3]:1"},
                            {"[1::2:0:0:3:4]:1", "[1::2:0:0:3:4]:1"}}) {
    CAPTURE(bad);
    if (std::string_view(bad) != meant) CHECK(!parse_endpoint_id(bad));
    CHECK(suggest_endpoint_id(bad) == std::string(meant));
    CHECK(parse_endpoint_id(meant));
  }
  for (const char* bad : {"", "10.0.0.1", "example.com:443", "10.0.0.1:", "10.0.0.1:65536", "10.0.0.256:1", "10.0.0.1:+1",
                          "10.0.0.0/8:443", "[::1/64]:443", "[::1%eth0]:80", "[::1]", "::1", ":80", "10.0.0.1:80:",
                          "10.0.0.1:99999999999999999999"}) {
    CAPTURE(bad);
    CHECK(!parse_endpoint_id(bad));
    if (std::string_view(bad) != "::1") CHECK(!suggest_endpoint_id(bad));
  }
}

TEST_CASE("addresses are normalised as hooks see them") {
  auto normalised = [](const char* text) { return to_text(normalise_address(*parse_ip(text))); };
  CHECK(normalised("::ffff:a00:1") == "10.0.0.1");
  CHECK(normalised("::ffff:0:0") == "127.0.0.1");
  CHECK(normalised("0.0.0.0") == "127.0.0.1");
  CHECK(normalised("::") == "::1");
  CHECK(normalised("::fffe:a00:1") == "::fffe:a00:1");
  CHECK(normalised("::ffff:a00:0/104") == "10.0.0.0/8");
  CHECK(normalised("0.0.0.0/0") == "0.0.0.0/0");
  CHECK(normalised("::/0") == "::/0");
}

TEST_CASE("paths have one spelling") {
  for (const char* good : {"/", "/a", "/a/b", "/.a", "/a..", "/..."}) {
    CAPTURE(good);
    CHECK(is_canonical_path(good));
  }
  struct Row { const char* bad; const char* meant; };
  for (auto [bad, meant] : {Row{"/a/", "/a"}, {"//", "/"}, {"/a//b", "/a/b"}, {"/./a", "/a"}, {"/a/.", "/a"},
                            {"/a/../b", "/b"}, {"/..", "/"}}) {
    CAPTURE(bad);
    CHECK(!is_canonical_path(bad));
    CHECK(suggest_path(bad) == std::string(meant));
  }
  for (std::string_view bad : {std::string_view(""), std::string_view("a/b"), std::string_view("/a\0b", 4)}) {
    CHECK(!is_canonical_path(bad));
    CHECK(!suggest_path(bad));
  }
}

TEST_CASE("paths have a greatest length and depth") {
  auto deep = [](std::size_t components) {
    std::string path;
    for (std::size_t i = 0; i < components; ++i) path += "/d";
    return path;
  };
  CHECK(is_canonical_path("/" + std::string(kMaxPathBytes - 1, 'x')));
  CHECK(!is_canonical_path("/" + std::string(kMaxPathBytes, 'x')));
  CHECK(is_canonical_path(deep(kMaxPathComponents)));
  CHECK(!is_canonical_path(deep(kMaxPathComponents + 1)));
  CHECK(!suggest_path(deep(kMaxPathComponents + 1)));
  CHECK(suggest_path("/" + std::string(kMaxPathBytes - 1, 'x') + "//") == "/" + std::string(kMaxPathBytes - 1, 'x'));
}

TEST_CASE("files without a name have fixed ids") {
  for (const char* id : {"kerf:memfd", "kerf:pipe", "kerf:socket", "kerf:anon"}) {
    CHECK(is_nameless_object(id));
    CHECK(is_canonical_file_id(id));
    CHECK(!is_canonical_path(id));
    CHECK(ancestor_directories(id).empty());
    CHECK(!is_below(id, "/"));
  }
  CHECK(!is_canonical_file_id("kerf:"));
  CHECK(!is_canonical_file_id("kerf:memfd:x"));
}

TEST_CASE("what is above and below") {
  CHECK(ancestor_directories("/").empty());
  CHECK(ancestor_directories("/a") == std::vector<std::string>{"/"});
  CHECK(ancestor_directories("/a/b!/c") == std::vector<std::string>{"/", "/a", "/a/b!"});
  CHECK(is_below("/a", "/"));
  CHECK(is_below("/a/b", "/a"));
  CHECK(!is_below("/a", "/a"));
  CHECK(!is_below("/", "/"));
  CHECK(!is_below("/ab", "/a"));
  CHECK(!is_below("/a", "/a/b"));
}
