// The entities that scopes of a table name, by number: their texts in one string, so that one takes little more than its
// id. Private to runtime/gateway.
#pragma once
#include <deque>
#include <string>
#include <vector>

#include "ir/values/value.h"
#include "runtime/gateway/hash.h"

namespace kerf::gateway {

class ScopeUids {
 public:
  static constexpr std::uint32_t kNone = FlatMap::kNone;

  std::uint32_t size() const { return static_cast<std::uint32_t>(ends_.size()); }
  std::string_view type(std::uint32_t number) const { return types_[types_of_[number]]; }
  std::string_view id(std::uint32_t number) const {
    const std::size_t begin = number == 0 ? 0 : ends_[number - 1];
    return std::string_view(ids_).substr(begin, ends_[number] - begin);
  }
  EntityUid uid(std::uint32_t number) const { return {std::string(type(number)), std::string(id(number))}; }
  std::uint32_t find(std::string_view type, std::string_view id) const;   // kNone if no scope names it
  std::uint32_t add(std::string_view type, std::string_view id);          // its number, or a new one
  void shrink_to_fit();

 private:
  bool is(std::uint32_t number, std::string_view type, std::string_view id) const {
    return this->id(number) == id && this->type(number) == type;
  }

  std::deque<std::string> types_;        // few
  TextMap type_numbers_;
  std::string ids_;                      // one after the other
  std::vector<std::size_t> ends_;        // of the ids
  std::vector<std::uint32_t> types_of_;
  NumberSet numbers_;
};

}  // namespace kerf::gateway
