#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <unistd.h>

#include <fstream>
#include <string>

int exec_part();

int main(int argc, char** argv) {
  if (argc > 1 && std::string(argv[1]) == "--exec") return exec_part();
  std::string list;
  std::getline(std::ifstream("/sys/kernel/security/lsm"), list);
  if (::geteuid() != 0 || list.find("bpf") == std::string::npos) {
    std::puts("SKIP: LSM programs do not run here; the guests run this test");
    return 77;
  }
  doctest::Context context(argc, argv);
  return context.run();
}
