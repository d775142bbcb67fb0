// Work in a child process: its answer, its crash, its silence.
#include <doctest/doctest.h>

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "runtime/loader/elf.h"
#include "runtime/loader/trial.h"

using namespace kerf;
using namespace kerf::loader;

TEST_CASE("a trial answers") {
  CHECK(*in_child([] { return std::string("yes"); }) == "yes");
  CHECK(*in_child([] { return std::string(); }) == "");
  CHECK(in_child([] { return std::string(1 << 20, 'x'); })->size() == (64u << 10));
}

TEST_CASE("a trial that crashes or leaves is a failure") {
  CHECK(!in_child([]() -> std::string { ::raise(SIGSEGV); return ""; }).ok());
  CHECK(!in_child([]() -> std::string { ::abort(); }).ok());
  CHECK(!in_child([]() -> std::string { ::_exit(0); }).ok());
}

TEST_CASE("a caller that ignores SIGCHLD still learns the truth") {
  auto before = ::signal(SIGCHLD, SIG_IGN);
  CHECK(*in_child([] { return std::string("yes"); }) == "yes");
  CHECK(!in_child([]() -> std::string { ::raise(SIGSEGV); return ""; }).ok());
  ::signal(SIGCHLD, before);
}

TEST_CASE("bytes that are no object") {
  CHECK(!check_elf("").ok());
  CHECK(!check_elf(std::string(64, '\0')).ok());
  std::string header("\x7f" "ELF\x02\x01\x01", 7);
  CHECK(!check_elf(header + std::string(1000, '\0')).ok());
  CHECK(!check_elf(header + std::string(1000, '\xff')).ok());
}
