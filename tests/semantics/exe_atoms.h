// What policies ask about executables, and what those are called: the same for every generator.
#pragma once
#include <fmt/format.h>

#include <random>
#include <string>
#include <vector>

namespace kerf::test {

class ExeAtoms {
 public:
  explicit ExeAtoms(std::mt19937_64& random) : random_(random) {}

  const std::string& path() { return one_of(paths()); }
  std::string atom() {
    switch (random_() % 4) {
      case 0: return fmt::format("context.exe == \"{}\"", path());
      case 1: return fmt::format("[\"{}\", \"{}\", \"{}\"].contains(context.exe)", path(), path(), path());
      default: return fmt::format("context.exe like \"{}\"", one_of(patterns()));
    }
  }

 private:
  static const std::vector<std::string>& paths() {
    static const std::vector<std::string> list = {"/usr/bin/bash", "/usr/bin/curl", "/usr/bin/curl2", "/usr/sbin/sshd", "/opt/a/b/tool",
                                                  "/opt/c/tool", "/", "kerf:memfd", "/ü/grün", "/usr/bin/c"};
    return list;
  }
  static const std::vector<std::string>& patterns() {
    static const std::vector<std::string> list = {"*", "/usr/*", "/usr/bin/c*", "*/tool", "/opt/*/b/*", "*r*n", "/usr/bin/curl", "kerf:*", "*/c*/*o*", "/opt/*"};
    return list;
  }
  const std::string& one_of(const std::vector<std::string>& list) { return list[static_cast<std::size_t>(random_() % list.size())]; }

  std::mt19937_64& random_;
};

}  // namespace kerf::test
