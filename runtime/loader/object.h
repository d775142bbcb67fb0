// policy.bpf.o against the manifest and the ABI, before anything is loaded: exactly the programs and maps that are
// promised, each of the right kind and size, nothing else inside.
#pragma once
#include <bpf/libbpf.h>

#include <memory>
#include <string>

#include "runtime/loader/manifest.h"

namespace kerf::loader {

struct CloseObject {
  void operator()(bpf_object* object) const { bpf_object__close(object); }
};
using Object = std::unique_ptr<bpf_object, CloseObject>;

// Opened, checked, not loaded. libbpf says nothing on stderr while it works for us.
LoaderResult<Object> open_object(const std::string& bytes, const Manifest& manifest);
LoaderResult<Unit> check_object(const std::string& bytes, const Manifest& manifest);

class QuietLibbpf {
 public:
  QuietLibbpf() : before_(libbpf_set_print(nullptr)) {}
  ~QuietLibbpf() { libbpf_set_print(before_); }
  QuietLibbpf(const QuietLibbpf&) = delete;
  QuietLibbpf& operator=(const QuietLibbpf&) = delete;

 private:
  libbpf_print_fn_t before_;
};

}  // namespace kerf::loader
