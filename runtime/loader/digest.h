// XXH3-128 in hexadecimal: finds damage, is no signature.
#pragma once
#include <string>
#include <string_view>

namespace kerf::loader {

std::string xxh3_128(std::string_view bytes);

}  // namespace kerf::loader
