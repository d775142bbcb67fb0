// Steps by which a task says that it is another executable, and what its other calls of prctl(2) answer.
#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

#include "steps.h"

namespace kerf::test {
namespace {

constexpr std::uintptr_t kPage = 4096;
constexpr unsigned long kHighHalf = 1ul << 32;   // of a number that the kernel takes as an int

// A copy of the segment, at the same addresses, takes the place of what is mapped from the file. The code that does it is in there.
int leave_segment(const ElfW(Phdr)& segment, std::uintptr_t base) {
  const std::uintptr_t first = (base + segment.p_vaddr) & ~(kPage - 1);
  const std::size_t size = (base + segment.p_vaddr + segment.p_filesz - first + kPage - 1) & ~(kPage - 1);
  void* const place = reinterpret_cast<void*>(first);
  void* copy = ::mmap(nullptr, size, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (copy == MAP_FAILED) return errno;
  std::memcpy(copy, place, size);
  return ::mremap(copy, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, place) == place ? 0 : errno;
}

// The kernel changes the executable only of a task that has nothing of the old one mapped. This program is static: one object.
int leave_file() {
  auto each = [](dl_phdr_info* info, std::size_t, void*) {
    int error = 0;
    for (int i = 0; i < info->dlpi_phnum && error == 0; ++i) {
      if (info->dlpi_phdr[i].p_type == PT_LOAD) error = leave_segment(info->dlpi_phdr[i], info->dlpi_addr);
    }
    return error != 0 ? error : -1;
  };
  const int error = ::dl_iterate_phdr(each, nullptr);
  return error < 0 ? 0 : error;
}

// `kind`: PR_SET_MM_EXE_FILE or PR_SET_MM_MAP; `high`: added to both numbers.
int become_executable(int kind, const std::string& path, unsigned long high) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return errno;
  const unsigned long number = high + static_cast<unsigned long>(kind);
  if (kind == PR_SET_MM_EXE_FILE) return result_of(::prctl(PR_SET_MM, number, static_cast<unsigned long>(fd), 0ul, 0ul));
  prctl_mm_map map{};
  const auto somewhere = reinterpret_cast<std::uintptr_t>(::sbrk(0));
  for (auto* field : {&map.start_code, &map.end_code, &map.start_data, &map.end_data, &map.start_brk, &map.brk, &map.start_stack,
                      &map.arg_start, &map.arg_end, &map.env_start, &map.env_end}) {
    *field = somewhere;
  }
  ++map.end_code;
  map.exe_fd = static_cast<__u32>(fd);
  return result_of(::prctl(PR_SET_MM, number, &map, sizeof map, 0ul));
}

// 0, or the number of the first one that answers otherwise than it should.
int call_others() {
  int signal = 0;
  unsigned size = 0;
  char name[16] = {};
  auto call = [](int option, auto... arguments) { return ::prctl(option, arguments..., 0ul, 0ul, 0ul, 0ul); };
  auto refused = [](int answer, int error) { return answer == -1 && errno == error; };
  const bool right[] = {
      call(PR_SET_NAME, "other") == 0 && call(PR_GET_NAME, name) == 0 && std::strcmp(name, "other") == 0,
      call(PR_SET_PDEATHSIG, 10ul) == 0 && call(PR_GET_PDEATHSIG, &signal) == 0 && signal == 10,
      call(PR_SET_KEEPCAPS, 1ul) == 0 && call(PR_GET_KEEPCAPS) == 1,   // these two, and the next, other modules answer
      call(PR_CAPBSET_READ, 0ul) >= 0 && refused(call(PR_CAPBSET_READ, 99ul), EINVAL),
      call(PR_SET_PTRACER, 0ul) == 0,
      refused(call(0x7fff0000), EINVAL),
      call(PR_SET_MM, static_cast<unsigned long>(PR_SET_MM_MAP_SIZE), &size) == 0 && size == sizeof(prctl_mm_map),
      refused(call(PR_SET_MM, 99ul, kPage * 32), EINVAL),
      call(PR_SET_MM, static_cast<unsigned long>(PR_SET_MM_START_STACK), &size) == 0,
  };
  int number = 0;
  for (bool one : right) {
    ++number;
    if (!one) return number;
  }
  return 0;
}

int copy_file(const std::string& from, const std::string& to) {
  const int in = ::open(from.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat info;
  if (in < 0 || ::fstat(in, &info) != 0) return errno;
  const int out = ::open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
  if (out < 0) return errno;
  for (off_t at = 0; at < info.st_size;) {
    if (::sendfile(out, in, &at, static_cast<std::size_t>(info.st_size - at)) < 0) return errno;
  }
  ::close(in);
  ::close(out);
  return 0;
}

}  // namespace

int exe_step(Task&, const Words& w) {
  const std::string& word = w[0];
  if (word == "leave-file") return leave_file();
  if (word == "exe-file") return become_executable(PR_SET_MM_EXE_FILE, w.at(1), 0);
  if (word == "exe-file-high") return become_executable(PR_SET_MM_EXE_FILE, w.at(1), kHighHalf);
  if (word == "exe-map") return become_executable(PR_SET_MM_MAP, w.at(1), 0);
  if (word == "exe-map-high") return become_executable(PR_SET_MM_MAP, w.at(1), kHighHalf);
  if (word == "other-prctls") return call_others();
  if (word == "copy") return copy_file(w.at(1), w.at(2));
  return -1;
}

}  // namespace kerf::test
