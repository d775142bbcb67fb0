// Exceptions to reports, and work on a stack that does not depend on who calls.
#include "driver/capi/border.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <cstring>

namespace kerf::capi {
namespace {

// The parser bounds nesting; its deepest tree fits several times.
constexpr std::size_t kStackBytes = 64u << 20;

Report failed(kerf_status status, std::string_view message) noexcept {
  Report report{status, {}};
  try {
    report.message = message;
  } catch (...) {   // then without its text
  }
  return report;
}

struct Work {
  const std::function<void(Report&)>& body;
  Report report;
};

void* run(void* argument) {
  auto* work = static_cast<Work*>(argument);
  work->report = guarded(work->body);
  return nullptr;
}

// Signals are for the caller's threads.
class NoSignals {
 public:
  NoSignals() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~NoSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  NoSignals(const NoSignals&) = delete;
  NoSignals& operator=(const NoSignals&) = delete;

 private:
  sigset_t before_;
};

int start(pthread_t& thread, Work& work) {
  pthread_attr_t attributes;
  if (int error = pthread_attr_init(&attributes); error != 0) return error;
  int error = pthread_attr_setstacksize(&attributes, kStackBytes);
  if (error == 0) {
    NoSignals masked;
    error = pthread_create(&thread, &attributes, run, &work);
  }
  pthread_attr_destroy(&attributes);
  return error;
}

}  // namespace

Report guarded(const std::function<void(Report&)>& body) noexcept {
  try {
    Report report;
    body(report);
    return report;
  } catch (const InternalError& error) {
    return failed(KERF_INTERNAL, error.what());
  } catch (const std::bad_alloc&) {
    return failed(KERF_NO_MEMORY, "out of memory");
  } catch (const std::length_error&) {
    return failed(KERF_NO_MEMORY, "out of memory");
  } catch (const std::exception& error) {
    return failed(KERF_INTERNAL, error.what());
  } catch (...) {
    return failed(KERF_INTERNAL, "internal error: an exception of no known type");
  }
}

Report guarded_on_large_stack(const std::function<void(Report&)>& body) noexcept {
  Work work{body, {}};
  pthread_t thread;
  int cancelling = 0;
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancelling);
  int error = start(thread, work);
  if (error == 0) pthread_join(thread, nullptr);
  pthread_setcancelstate(cancelling, nullptr);
  if (error == 0) return std::move(work.report);
  return failed(error == ENOMEM ? KERF_NO_MEMORY : KERF_FAILED, "no thread can be started");
}

bool read_sized(const void* theirs, std::size_t first_version_bytes, void* ours, std::size_t our_bytes) {
  if (theirs == nullptr) return true;
  std::size_t size = 0;
  std::memcpy(&size, theirs, sizeof size);   // struct_size is the first field of every such struct
  if (size < first_version_bytes || size > 4096) return false;
  const auto* bytes = static_cast<const unsigned char*>(theirs);
  for (std::size_t i = our_bytes; i < size; ++i) {
    if (bytes[i] != 0) return false;
  }
  std::memcpy(ours, theirs, std::min(size, our_bytes));
  return true;
}

}  // namespace kerf::capi
