// What parses and is refused later: one list, in frontend/ast/not_accepted.def, which may only shrink.
#include <doctest/doctest.h>

#include <fstream>
#include <iostream>
#include <set>
#include <string>

#include "frontend/parse/parse.h"

using namespace kerf;

namespace {

struct Row {
  const char* construct;
  const char* example;
};

constexpr Row kRows[] = {
#define NOT_ACCEPTED(construct, example) {construct, example},
#include "frontend/ast/not_accepted.def"
#undef NOT_ACCEPTED
};

}  // namespace

TEST_CASE("constructs that parse but are not accepted later") {
  std::set<std::string> known;
  std::ifstream list(std::string(KERF_SOURCE_DIR) + "/tests/unit/parse/not_accepted.txt");
  REQUIRE(list.good());
  for (std::string line; std::getline(list, line);) known.insert(line);

  std::set<std::string> now;
  for (const Row& row : kRows) {
    std::cout << "not accepted yet: " << row.construct << "\n";
    now.insert(row.construct);
    CHECK_MESSAGE(known.contains(row.construct), "new in the list: ", row.construct);
    Sources sources;
    Diagnostics diagnostics;
    ast::PolicyFile file = parse_policies(sources, sources.add("p", row.example), diagnostics);
    CHECK_FALSE(diagnostics.has_errors());
    REQUIRE_EQ(file.policies.size(), 1);
    CHECK(file.policies[0].is_template());
  }
  for (const std::string& construct : known) CHECK_MESSAGE(now.contains(construct), "accepted now, drop it: ", construct);
  CHECK_LE(now.size(), 3);
}
