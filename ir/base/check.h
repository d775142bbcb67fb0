// check(): our own mistakes. A failed check prints where and exits 70; it never guards user input.
#pragma once
#include <source_location>
#include <string_view>

namespace kerf {

[[noreturn]] void internal_error(std::string_view what,
                                 std::source_location where = std::source_location::current());

inline void check(bool holds, std::string_view what,
                  std::source_location where = std::source_location::current()) {
  if (!holds) internal_error(what, where);
}

}  // namespace kerf
