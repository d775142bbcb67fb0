// What instrumented sources include (tests/mutants/instrument.py): each place where a fault can be is a number, and one
// number at most is chosen. Without a choice everything is as it was written.
#ifndef KERF_MUTANTS_H   // `#pragma once` does not hold across libclang's precompiled preambles
#define KERF_MUTANTS_H
#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <map>
#include <string>
#include <string_view>

namespace kerf_mutants {

constexpr unsigned kCount = 1u << 14;   // more than there are; fixed, so that one more place is not a reason to build everything
constexpr unsigned kNone = 0xffffffffu;
inline unsigned char own_seen[kCount];
inline unsigned char* seen = own_seen;   // places that were reached; the driver puts shared memory here

inline unsigned from_environment() {
  const char* number = std::getenv("KERF_MUTANT");
  return number != nullptr ? static_cast<unsigned>(std::strtoul(number, nullptr, 10)) : kNone;
}
inline unsigned chosen = from_environment();

// What kerf-codegen answered without a fault, by request: the same request is not answered again. Only the driver has them.
inline std::map<std::string, std::string, std::less<>>* answers = nullptr;
inline const std::string* known_answer(std::string_view request) {
  if (answers == nullptr) return nullptr;
  auto known = answers->find(request);
  return known == answers->end() ? nullptr : &known->second;
}
inline void keep_answer(std::string_view request, const std::string& answer) {
  if (answers != nullptr && chosen == kNone) answers->emplace(request, answer);
}

// Appends what was reached to the file KERF_MUTANT_SEEN when the program ends.
struct Reporter {
  ~Reporter() {
    const char* path = std::getenv("KERF_MUTANT_SEEN");
    if (path == nullptr) return;
    int fd = ::open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return;
    [[maybe_unused]] auto written = ::write(fd, seen, kCount);
    ::close(fd);
  }
};
inline Reporter reporter;

inline bool on(unsigned n) {
  seen[n] = 1;
  return n == chosen;
}

template <class A, class B> bool lt(unsigned n, const A& a, const B& b) { return on(n) ? a <= b : a < b; }
template <class A, class B> bool le(unsigned n, const A& a, const B& b) { return on(n) ? a < b : a <= b; }
template <class A, class B> bool gt(unsigned n, const A& a, const B& b) { return on(n) ? a >= b : a > b; }
template <class A, class B> bool ge(unsigned n, const A& a, const B& b) { return on(n) ? a > b : a >= b; }
template <class A, class B> bool eq(unsigned n, const A& a, const B& b) { return on(n) ? !(a == b) : a == b; }
template <class A, class B> bool ne(unsigned n, const A& a, const B& b) { return on(n) ? !(a != b) : a != b; }

// Sums: the other sign; with 1, the step is lost.
template <class A, class B> auto add(unsigned n, A a, B b) -> decltype(a + b) { return on(n) ? a - b : a + b; }
template <class A, class B> auto sub(unsigned n, A a, B b) -> decltype(a - b) { return on(n) ? a + b : a - b; }
template <class A, class B> auto step(unsigned n, A a, B b) -> decltype(a + b) { return on(n) ? decltype(a + b)(a) : a + b; }
template <class A, class B> auto back(unsigned n, A a, B b) -> decltype(a - b) { return on(n) ? decltype(a - b)(a) : a - b; }
template <class A, class B> auto times(unsigned n, A a, B b) -> decltype(a * b) { return on(n) ? decltype(a * b)(a) : a * b; }

template <class T> T pick(unsigned n, T right, T wrong) { return on(n) ? wrong : right; }

}  // namespace kerf_mutants

#endif
