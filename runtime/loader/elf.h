// A first look at an object file before libbpf parses it: header, section table and names within the bytes, and no
// section that a kerf object does not have.
#pragma once
#include <string_view>

#include "ir/base/result.h"

namespace kerf::loader {

Status check_elf(std::string_view bytes);

}  // namespace kerf::loader
