#include "paths.h"

#include <algorithm>

#include "ir/base/source.h"
#include "runtime/abi/policy_abi.h"

namespace kerf::test {
namespace {

const char* const kNames[] = {"a", "b", "ab", "ba", "aa", "secret", "é", "日本", "x.pem", "a.b", "\U0001f600"};

std::string random_name(std::mt19937_64& random) { return kNames[random() % std::size(kNames)]; }

// A piece of a pattern: often part of a path.
std::string random_piece(std::mt19937_64& random) {
  std::string piece;
  for (std::size_t i = random() % 3; i-- > 0;) piece += random() % 2 ? "/" + random_name(random) : random_name(random);
  return random() % 4 ? piece : piece + "/";
}

std::vector<std::string> tidy(std::vector<std::string> texts) {
  std::sort(texts.begin(), texts.end());
  texts.erase(std::unique(texts.begin(), texts.end()), texts.end());
  return texts;
}

}  // namespace

PathTest files(std::vector<std::string> files, std::vector<std::string> trees) {
  return {tidy(std::move(files)), tidy(std::move(trees)), std::nullopt};
}

PathTest pattern(std::vector<std::string> pieces) { return {{}, {}, Pattern{std::move(pieces)}}; }

std::string random_path(std::mt19937_64& random, std::size_t components) {
  if (random() % 40 == 0) return "/";
  if (random() % 40 == 0) return "kerf:memfd";
  std::string path;
  for (std::size_t i = 1 + random() % components; i-- > 0;) path += "/" + random_name(random);
  return path;
}

std::vector<PathTest> random_tests(std::mt19937_64& random, std::size_t count) {
  std::vector<PathTest> tests;
  for (std::size_t i = 0; i < count; ++i) {
    switch (random() % 4) {
      case 0: case 1: {
        std::vector<std::string> single, trees;
        for (std::size_t n = random() % 4; n-- > 0;) single.push_back(random_path(random));
        for (std::size_t n = random() % 3; n-- > 0;) trees.push_back(random_path(random, 3));
        std::erase(trees, "kerf:memfd");
        tests.push_back(files(std::move(single), std::move(trees)));
        break;
      }
      case 2: tests.push_back(pattern({random_path(random) + (random() % 2 ? "/" : ""), ""})); break;
      default: {
        std::vector<std::string> pieces{random() % 3 ? random_path(random, 2) : ""};
        for (std::size_t n = 1 + random() % 2; n-- > 0;) pieces.push_back(random_piece(random));
        for (std::size_t p = 1; p + 1 < pieces.size();) {
          if (pieces[p].empty()) pieces.erase(pieces.begin() + static_cast<std::ptrdiff_t>(p));
          else ++p;
        }
        tests.push_back(pattern(std::move(pieces)));
      }
    }
  }
  std::sort(tests.begin(), tests.end());
  tests.erase(std::unique(tests.begin(), tests.end()), tests.end());
  return tests;
}

bool is_utf8(std::string_view text) { return find_invalid_utf8(text) == std::string_view::npos; }

std::vector<std::string> interesting_paths(const std::vector<PathTest>& tests, std::size_t count, std::mt19937_64& random) {
  std::vector<std::string> seeds{"/", "kerf:memfd", "kerf:pipe", "kerf"};
  for (const PathTest& test : tests) {
    seeds.insert(seeds.end(), test.files.begin(), test.files.end());
    seeds.insert(seeds.end(), test.trees.begin(), test.trees.end());
    if (!test.pattern) continue;
    for (int turn = 0; turn < 3; ++turn) {
      std::string text = test.pattern->pieces[0];
      for (std::size_t i = 1; i < test.pattern->pieces.size(); ++i) text += random_piece(random) + test.pattern->pieces[i];
      seeds.push_back(text);
    }
  }
  std::vector<std::string> paths;
  auto add = [&](std::string path) {
    if (!path.empty() && path.size() <= KERF_PATH_BYTES && is_utf8(path)) paths.push_back(std::move(path));
  };
  for (std::size_t i = 0; i < count; ++i) {
    std::string seed = random() % 4 ? seeds[random() % seeds.size()] : random_path(random);
    add(seed);
    add(seed.substr(0, seed.size() - 1));
    add(seed + "/");
    add(seed + "a");
    add(seed + (seed == "/" ? "" : "/") + random_name(random));
    add(seed.substr(0, seed.rfind('/')));
    add(random_path(random) + seed);
    if (random() % 16 == 0) add(seed + std::string(KERF_PATH_BYTES - std::min<std::size_t>(seed.size(), KERF_PATH_BYTES), 'a'));
  }
  return paths;
}

}  // namespace kerf::test
