// The official Cedar engine as a child process that answers lines with lines (node, npm packages of tests/oracle).
#pragma once
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace kerf::test {

class EngineProcess {
 public:
  // Runs KERF_SOURCE_DIR/tests/FOLDER/SCRIPT. why() is empty if it could be started.
  EngineProcess(const std::string& folder, const char* script) {
    if (::access(KERF_SOURCE_DIR "/tests/oracle/node_modules/cedar412", F_OK) != 0) {
      why_ = "the npm package of the official engine is not installed (tests/oracle)";
      return;
    }
    int in[2], out[2];
    if (::pipe(in) != 0 || ::pipe(out) != 0) {
      why_ = "no pipe";
      return;
    }
    ::signal(SIGPIPE, SIG_IGN);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::dup2(in[0], 0);
      ::dup2(out[1], 1);
      for (int fd : {in[0], in[1], out[0], out[1]}) ::close(fd);
      if (::chdir((KERF_SOURCE_DIR "/tests/" + folder).c_str()) != 0) ::_exit(127);
      ::execlp("node", "node", script, nullptr);
      ::_exit(127);
    }
    ::close(in[0]);
    ::close(out[1]);
    to_ = ::fdopen(in[1], "w");
    from_ = ::fdopen(out[0], "r");
  }
  ~EngineProcess() {
    if (to_ != nullptr) std::fclose(to_);
    if (from_ != nullptr) std::fclose(from_);
    if (pid_ > 0) ::waitpid(pid_, nullptr, 0);
    std::free(line_);
  }
  EngineProcess(const EngineProcess&) = delete;

  const std::string& why() const { return why_; }
  void send(std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), to_);
    std::fflush(to_);
  }
  // The next line, valid until the next call; empty when the process has ended.
  std::string_view receive() {
    const ssize_t size = ::getline(&line_, &capacity_, from_);
    return {line_, size > 0 ? static_cast<std::size_t>(size) : 0};
  }

 private:
  std::string why_;
  pid_t pid_ = -1;
  FILE* to_ = nullptr;
  FILE* from_ = nullptr;
  char* line_ = nullptr;
  std::size_t capacity_ = 0;
};

}  // namespace kerf::test
