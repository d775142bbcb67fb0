// Random well-typed programs over resources that are known by a fixed name and numbers: kinds of sockets. As generator.h.
#pragma once
#include "tests/semantics/generator.h"

namespace kerf::test {

class NamedGenerator {
 public:
  explicit NamedGenerator(std::uint64_t seed) : random_(seed) {}
  GeneratedProgram program(std::size_t events);

 private:
  std::size_t pick(std::size_t n) { return static_cast<std::size_t>(random_() % n); }
  bool chance(unsigned percent) { return random_() % 100 < percent; }
  template <class T>
  const T& one_of(const std::vector<T>& list) { return list[pick(list.size())]; }

  std::string resource();                      // a literal
  std::string attribute();                     // an observed number
  std::string identity_atom();
  std::string number_atom();
  std::string comparison();
  std::string bind_atom();
  std::string error_prone();
  std::string combine(int depth);
  std::string policy();
  std::string entities_json();
  KernelEventData event();

  std::mt19937_64 random_;
};

}  // namespace kerf::test
