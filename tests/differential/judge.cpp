#include "tests/differential/judge.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

namespace kerf::test {

Judge::Judge() {
  std::string folder = KERF_SOURCE_DIR "/tests/differential";
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
    if (::chdir(folder.c_str()) != 0) ::_exit(127);
    ::execlp("node", "node", "judge.mjs", nullptr);
    ::_exit(127);
  }
  ::close(in[0]);
  ::close(out[1]);
  to_ = ::fdopen(in[1], "w");
  from_ = ::fdopen(out[0], "r");
  send({{"getCedarVersion", {}}});
  if (receive(1).empty()) why_ = "node does not run tests/differential/judge.mjs";
}

Judge::~Judge() {
  if (to_ != nullptr) std::fclose(to_);
  if (from_ != nullptr) std::fclose(from_);
  if (pid_ > 0) ::waitpid(pid_, nullptr, 0);
}

void Judge::send(const std::vector<Call>& calls) {
  std::string text;
  for (const Call& call : calls) {
    text += call.function;
    for (const std::string& argument : call.arguments) text += "\t" + argument;
    text += "\n";
  }
  text += "\n";
  std::fwrite(text.data(), 1, text.size(), to_);
  std::fflush(to_);
}

std::vector<Json> Judge::receive(std::size_t count) {
  std::vector<Json> out;
  char* buffer = nullptr;
  std::size_t capacity = 0;
  while (out.size() < count) {
    ssize_t size = ::getline(&buffer, &capacity, from_);
    if (size <= 0) break;
    out.push_back(Json::parse(std::string_view(buffer, static_cast<std::size_t>(size)), nullptr, false));
  }
  std::free(buffer);
  return out;
}

}  // namespace kerf::test
