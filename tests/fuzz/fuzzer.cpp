// One target for libFuzzer: KERF_FUZZ_TARGET is its name.
#include <cstdint>

#include "tests/fuzz/target.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  kerf::fuzz::KERF_FUZZ_TARGET({reinterpret_cast<const char*>(data), size});
  return 0;
}
