// Random operations whose results were worked out before, by judges that are not in the guest: tests/semantics/operations.
#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "stage.h"

using namespace kerf::test;

namespace {

const std::string kPrograms = "/guest/operations/";

std::string line_of(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

void plant(const std::string& tree) {
  for (const char* root : {"/play", "/play/m"}) {
    for (const auto& entry : std::filesystem::directory_iterator(root)) {
      if (entry.path() != "/play/m") std::filesystem::remove_all(entry.path());
    }
  }
  std::ifstream file(tree);
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string kind, path;
    unsigned mode = 0, owner = 0;
    words >> kind >> path >> std::oct >> mode >> std::dec >> owner;
    if (kind == "d") {
      put_directory(path);
      continue;
    }
    if (kind == "r") put_copy("/guest/tiny", path);
    else put(path);
    REQUIRE(::chown(path.c_str(), owner, static_cast<gid_t>(-1)) == 0);
    REQUIRE(::chmod(path.c_str(), mode) == 0);
  }
}

// Every operation of one program; false at the first that ends otherwise: from there on the trees differ.
bool perform_all(Actor& actor, const std::string& program, int& performed) {
  std::ifstream operations(program + "/operations");
  for (std::string line; std::getline(operations, line);) {
    std::size_t space = line.find(' ');
    int error = std::stoi(line);
    std::string steps = line.substr(space + 1);
    Outcome expected = error == 0 ? Outcome{} : Outcome{1, error}, outcome = actor.perform(steps);
    ++performed;
    CHECK_MESSAGE(outcome == expected, program << ", operation " << performed << " `" << steps << "`: " << to_text(outcome) << " instead of " << to_text(expected));
    if (outcome != expected) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("random operations end as the official engine says") {
  int programs = 0, performed = 0;
  for (; std::filesystem::exists(kPrograms + std::to_string(programs)); ++programs) {
    std::string program = kPrograms + std::to_string(programs);
    plant(program + "/tree");
    Stage here(program + "/bundle", line_of(program + "/principal"));
    REQUIRE_MESSAGE(here.status().empty(), here.status());
    perform_all(here.bound(), program, performed);
  }
  std::printf("%d random operations of %d programs\n", performed, programs);
  CHECK(programs >= 2);
  CHECK(performed >= 2000);
}
