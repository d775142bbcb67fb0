// The border to C: what crosses it, and what must not. Handles are the structs that kerf.h names.
#pragma once
#include <functional>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "include/kerf.h"

namespace kerf::capi {

// What check() throws in this library instead of ending the process (internal_error.cpp).
struct InternalError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Report {
  kerf_status status = KERF_OK;
  std::string message;   // one line
};

// Runs the body; whatever it throws becomes an report. The body may set the report itself.
Report guarded(const std::function<void(Report&)>& body) noexcept;
// The same on a thread of its own: a large stack, no signals, and no cancellation of the caller on the way.
Report guarded_on_large_stack(const std::function<void(Report&)>& body) noexcept;

// A caller's struct: copied as far as both sides know it. False if it is smaller than its first version, or larger than
// ours with something in the rest. NULL is the default of every field.
bool read_sized(const void* theirs, std::size_t first_version_bytes, void* ours, std::size_t our_bytes);

// Sizes that the structs had when they were first published. A struct that grows keeps its row.
template <class T> inline constexpr std::size_t kFirstBytes = 0;
template <> inline constexpr std::size_t kFirstBytes<kerf_check_options> = 16;
template <> inline constexpr std::size_t kFirstBytes<kerf_compile_options> = 64;
template <> inline constexpr std::size_t kFirstBytes<kerf_format_options> = 16;
template <> inline constexpr std::size_t kFirstBytes<kerf_authorize_options> = 16;
template <> inline constexpr std::size_t kFirstBytes<kerf_request> = 120;

template <class T>
bool read_options(const T* theirs, T& ours) {
  static_assert(kFirstBytes<T> != 0 && kFirstBytes<T> <= sizeof(T));
  ours = {};
  return read_sized(theirs, kFirstBytes<T>, &ours, sizeof(T));
}

inline std::string_view view(kerf_text text) { return text.data ? std::string_view(text.data, text.size) : std::string_view(); }
inline kerf_text text_of(const std::string& text) { return {text.c_str(), text.size()}; }
inline kerf_text no_text() { return {"", 0}; }
// Bytes without an address are no text.
inline bool is_text(kerf_text text) { return text.data != nullptr || text.size == 0; }

}  // namespace kerf::capi

// The texts lie in `ids`, or with the gateway's table.
struct kerf_answer {
  bool allow = false;
  std::vector<kerf_text> determining;
  struct Error {
    kerf_text policy;
    std::string message;
  };
  std::vector<Error> errors;
  std::vector<std::string> ids;
};
