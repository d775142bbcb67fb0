// The limits are those of DNS (RFC 1035, 2.3.4).
#include "ir/values/host_name.h"

#include <algorithm>

namespace kerf {

namespace {

constexpr std::size_t kMaxNameBytes = 253, kMaxLabelBytes = 63;

bool is_label(std::string_view label) {
  return !label.empty() && label.size() <= kMaxLabelBytes && label.front() != '-' && label.back() != '-' &&
         label.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-_") == std::string_view::npos;
}

}  // namespace

bool is_canonical_host(std::string_view name) {
  if (name.size() > kMaxNameBytes) return false;
  for (std::size_t begin = 0;;) {
    const std::size_t dot = name.find('.', begin);
    if (!is_label(name.substr(begin, dot == std::string_view::npos ? dot : dot - begin))) return false;
    if (dot == std::string_view::npos) return true;
    begin = dot + 1;
  }
}

std::optional<std::string> suggest_host(std::string_view name) {
  std::string made(name.ends_with('.') ? name.substr(0, name.size() - 1) : name);
  std::transform(made.begin(), made.end(), made.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return is_canonical_host(made) ? std::optional(made) : std::nullopt;
}

}  // namespace kerf
