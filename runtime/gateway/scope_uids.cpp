#include "runtime/gateway/scope_uids.h"

namespace kerf::gateway {

std::uint32_t ScopeUids::find(std::string_view type, std::string_view id) const {
  return numbers_.find(hash_uid(type, id), [&](std::uint32_t number) { return is(number, type, id); });
}

std::uint32_t ScopeUids::add(std::string_view type, std::string_view id) {
  if (const std::uint32_t known = find(type, id); known != kNone) return known;
  if (type_numbers_.find(type) == TextMap::kNone) type_numbers_.add(types_.emplace_back(type));
  const std::uint32_t number = size();
  ids_ += id;
  ends_.push_back(ids_.size());
  types_of_.push_back(type_numbers_.find(type));
  numbers_.add(number, [&](std::uint32_t n) { return hash_uid(this->type(n), this->id(n)); });
  return number;
}

void ScopeUids::shrink_to_fit() {
  ids_.shrink_to_fit();
  ends_.shrink_to_fit();
  types_of_.shrink_to_fit();
}

}  // namespace kerf::gateway
