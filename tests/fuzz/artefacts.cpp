// What a loader reads.
#include "runtime/loader/manifest.h"
#include "tests/fuzz/target.h"

namespace kerf::fuzz {

void manifest(std::string_view input) {
  loader::LoaderResult<loader::Manifest> read = loader::read_manifest(input);
  if (!read) require(!read.error().code.empty() && !read.error().message.empty(), "a refusal without a reason");
}

}  // namespace kerf::fuzz
