// Reads a file of the conformance corpus; a test that needs it says so and passes when the corpus is not there.
#pragma once
#include <fmt/core.h>

#include <fstream>
#include <optional>
#include <sstream>
#include <string>

#include "ir/values/json.h"

namespace kerf::test {

inline std::optional<Json> corpus(const std::string& path) {
  std::ifstream file(std::string(KERF_CORPUS_DIR) + "/" + path);
  if (!file) {
    fmt::print("skipped: the corpus file {} is not here\n", path);
    return std::nullopt;
  }
  std::ostringstream text;
  text << file.rdbuf();
  auto json = parse_json(text.str());
  if (!json.ok()) fmt::print("{}: {}\n", path, json.error().message);
  check(json.ok(), "the corpus is valid JSON");
  return std::move(json).value();
}

}  // namespace kerf::test
