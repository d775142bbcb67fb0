// Random well-typed programs over files and directories for the differential tests: as generator.h, with paths that sit
// on and around what the policies name, and objects that exist, do not exist yet, or have no name.
#pragma once
#include "tests/semantics/generator.h"

namespace kerf::test {

class FileGenerator {
 public:
  // `unknowns`: as Generator.
  explicit FileGenerator(std::uint64_t seed, bool unknowns = false) : random_(seed), unknowns_(unknowns) {}
  GeneratedProgram program(std::size_t events);

 private:
  std::size_t pick(std::size_t n) { return static_cast<std::size_t>(random_() % n); }
  bool chance(unsigned percent) { return random_() % 100 < percent; }
  template <class T>
  const T& one_of(const std::vector<T>& list) { return list[pick(list.size())]; }

  std::string path();                          // one that policies name
  std::string near_path();                     // that, or one beside, above or below it
  std::string pattern();
  std::string set_atom();
  std::string pattern_atom();
  std::string stored_atom();
  std::string command_atom();
  std::string mixed_atom(bool file_only);
  std::string code_atom();
  std::string number_atom();
  std::string bind_atom();
  std::string unknown_atom(bool file_only);
  std::string error_prone(bool file_only);
  std::string atom(bool file_only);
  std::string combine(int depth, bool file_only);
  std::string policy();
  void add_links(GeneratedProgram& program, std::size_t count);
  std::string entities_json();
  KernelEventData event();

  std::mt19937_64 random_;
  bool unknowns_;
  bool about_ioctl_ = false;                   // the policy that is being made
  std::vector<std::string> paths_;             // of the current program
};

}  // namespace kerf::test
