// The cases of tests/kernel/files, in a guest: see docs/testing.md.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <string>

#include "stage.h"

int main(int argc, char** argv) {
  std::string modules;
  std::getline(std::ifstream("/sys/kernel/security/lsm"), modules);
  if (::getppid() == 0 || ::access("/guest/actor", X_OK) != 0 || modules.find("bpf") == std::string::npos) {
    std::puts("these tests change file systems and need a kernel with `lsm=…,bpf`: tests/kernel/guest/run.sh makes both");
    return 77;
  }
  kerf::test::make_world();
  doctest::Context context(argc, argv);
  return context.run();
}
