// The object that the helper makes, as bytes: what is in it, and how it is filled.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "ir/base/result.h"

namespace kerf::bpf {

struct Layout;

struct Place {
  std::uint64_t offset, size;   // in the file
};

struct ObjectContents {
  std::map<std::string, Place> sections;   // as their headers say: one of no bytes, or of none in the file, may be anywhere
  std::map<std::string, Place> constants;  // of .rodata
  std::set<std::string> programs, maps;
};

// A little-endian 64-bit BPF object, read strictly; nothing if it is not one.
std::optional<ObjectContents> read_contents(std::string_view elf);

// The object that was made for the layout's request, with the layout's tables, numbers and sizes of maps in it.
Result<std::string> fill_object(std::string_view blank, const ObjectContents& contents, const Layout& layout);

}  // namespace kerf::bpf
