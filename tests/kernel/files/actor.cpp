// The program that acts: under `kerf run` as a bound task, or free for comparison. It needs nothing but itself (linked
// statically), so that policies have nothing else to permit.
//   actor serve            one line of steps in -> one line out: "STEP ERRNO", counted from 1; "0 0": all went well;
//                          "0 STATUS": a program ran and ended so (256 + n: by signal n)
//   actor do STEPS         the same for one sequence; ends with the errno
//   actor exit N           what is run where running is all that matters
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <sstream>

#include "steps.h"

namespace kerf::test {

std::string unescape(const std::string& text) {
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%' || i + 2 >= text.size()) {
      bytes += text[i];
      continue;
    }
    bytes += static_cast<char>(std::stoi(text.substr(i + 1, 2), nullptr, 16));
    i += 2;
  }
  return bytes;
}

std::vector<std::string> split_words(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(unescape(word));
  return words;
}

int perform_step(Task& task, const Words& words) {
  for (auto table : {file_step, name_step, exec_step, exe_step, world_step, guard_step, socket_step, way_step, system_step, spawn_step}) {
    int error = table(task, words);
    if (error >= 0) return error;
  }
  unknown_word(words[0]);
}

void unknown_word(const std::string& word) {
  std::fprintf(stderr, "actor: what is `%s`?\n", word.c_str());
  ::_exit(99);
}

namespace {

constexpr unsigned kLimitSeconds = 200;

struct Outcome {
  int step = 0, error = 0;
};

Outcome perform_sequence(const std::string& line) {
  Task task;
  std::istringstream in(line);
  int number = 0;
  for (std::string part; std::getline(in, part, ';');) {
    ++number;
    std::vector<std::string> words = split_words(part);
    if (words.empty()) continue;
    if (int error = perform_step(task, words)) return {number, error};
  }
  return {};
}

// In a child of its own, which is told nothing but the line. It reports through a pipe that an exec closes.
Outcome in_child(const std::string& line) {
  int report[2];
  if (::pipe2(report, O_CLOEXEC) != 0) std::exit(98);
  pid_t child = ::fork();
  for (int tries = 0; child < 0 && errno == EAGAIN && tries < 400; ++tries) {   // there may be a limit, and tasks that are just going
    ::usleep(20000);
    child = ::fork();
  }
  if (child < 0) return {-1, errno};
  if (child == 0) {
    ::alarm(kLimitSeconds);
    Outcome outcome = perform_sequence(line);
    [[maybe_unused]] ssize_t n = ::write(report[1], &outcome, sizeof outcome);
    ::_exit(0);
  }
  ::close(report[1]);
  Outcome outcome;
  ssize_t size = ::read(report[0], &outcome, sizeof outcome);
  ::close(report[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  if (size == sizeof outcome) return outcome;
  return {0, WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status)};
}

int serve() {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  std::printf("ready %d\n", ::getpid());
  for (std::string line; std::getline(std::cin, line);) {
    Outcome outcome = in_child(line);
    std::printf("%d %d\n", outcome.step, outcome.error);
  }
  return 0;
}

}  // namespace
}  // namespace kerf::test

int main(int argc, char** argv) {
  std::string part = argc > 1 ? argv[1] : "";
  if (part == "serve") return kerf::test::serve();
  if (part == "do") return kerf::test::perform_sequence(argc > 2 ? argv[2] : "").error;
  if (part == "exit") return argc > 2 ? std::atoi(argv[2]) : 0;
  return argc == 1 ? 0 : 64;
}
