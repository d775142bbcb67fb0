// Steps that run programs. A program that runs ends the sequence: its status is the answer.
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "steps.h"

extern char** environ;

namespace kerf::test {
namespace {

std::vector<char*> arguments(const Words& w, std::size_t first) {
  std::vector<char*> argv;
  for (std::size_t i = first; i < w.size(); ++i) argv.push_back(const_cast<char*>(w[i].c_str()));
  argv.push_back(nullptr);
  return argv;
}

int exec_descriptor(int fd, const Words& w = {"program"}) {
  ::syscall(SYS_execveat, fd, "", arguments(w, 0).data(), environ, AT_EMPTY_PATH);
  return errno;
}

// `w`: the path, and arguments.
int exec_copy_in_memory(const Words& w) {
  const std::string& path = w.at(0);
  int from = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (from < 0) return errno;
  int to = ::memfd_create(path.c_str(), MFD_CLOEXEC);   // a name that policies know helps nothing
  struct stat info;
  if (to < 0 || ::fstat(from, &info) != 0) return errno;
  for (off_t at = 0; at < info.st_size;) {
    if (::sendfile(to, from, &at, static_cast<std::size_t>(info.st_size - at)) < 0) return errno;
  }
  return exec_descriptor(to, w);
}

struct ThreadExec {
  const char* path;
  char** argv;
  int error;
};

void* exec_in_thread(void* data) {
  auto* exec = static_cast<ThreadExec*>(data);
  ::execve(exec->path, exec->argv, environ);
  exec->error = errno;
  return nullptr;
}

int exec_by_other_thread(const Words& w) {
  std::vector<char*> argv = arguments(w, 1);
  ThreadExec exec{w.at(1).c_str(), argv.data(), 0};
  pthread_t thread;
  if (int error = ::pthread_create(&thread, nullptr, exec_in_thread, &exec)) return error;
  ::pthread_join(thread, nullptr);
  return exec.error;
}

}  // namespace

int exec_step(Task& task, const Words& w) {
  const std::string& word = w[0];
  if (word == "exec") return ::execve(w.at(1).c_str(), arguments(w, 1).data(), environ), errno;
  if (word == "exec-remembered") return exec_descriptor(task.fd);
  if (word == "exec-memory") return exec_copy_in_memory({w.begin() + 1, w.end()});
  if (word == "exec-by-thread") return exec_by_other_thread(w);
  return -1;
}

}  // namespace kerf::test
