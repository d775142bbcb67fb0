// Random path tests, and texts on and beside every edge that they have.
#pragma once
#include <random>
#include <string>
#include <vector>

#include "ir/passes/plan.h"

namespace kerf::test {

PathTest files(std::vector<std::string> files, std::vector<std::string> trees = {});
PathTest pattern(std::vector<std::string> pieces);

// Over few names, so that they meet; some are not ASCII.
std::string random_path(std::mt19937_64& random, std::size_t components = 5);
std::vector<PathTest> random_tests(std::mt19937_64& random, std::size_t count);

// The tests' own texts, one byte more and less, directories, names below, and random paths. All valid UTF-8, none empty.
std::vector<std::string> interesting_paths(const std::vector<PathTest>& tests, std::size_t count, std::mt19937_64& random);

bool is_utf8(std::string_view text);

}  // namespace kerf::test
