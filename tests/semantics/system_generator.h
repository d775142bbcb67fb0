// Random well-typed programs over operations on the system: mounts, signals, kernel variables. As generator.h.
#pragma once
#include "tests/semantics/generator.h"

namespace kerf::test {

class SystemGenerator {
 public:
  explicit SystemGenerator(std::uint64_t seed) : random_(seed) {}
  GeneratedProgram program(std::size_t events);

 private:
  enum class Action { mount, signal, tune, spawn };

  std::size_t pick(std::size_t n) { return static_cast<std::size_t>(random_() % n); }
  bool chance(unsigned percent) { return random_() % 100 < percent; }
  template <class T>
  const T& one_of(const std::vector<T>& list) { return list[pick(list.size())]; }

  std::string operation(Action action);
  std::string identity_atom(Action action);
  std::string observed_atom(Action action);
  std::string combine(Action action, int depth);
  std::string policy();
  std::string entities_json();
  KernelEventData event();

  std::mt19937_64 random_;
};

}  // namespace kerf::test
