// Result<T, E>: the world's failures (files, kernel, helper programs, evaluation). Never thrown, never ignored.
#pragma once
#include <string>
#include <utility>
#include <variant>

#include "ir/base/check.h"

namespace kerf {

struct Error {
  std::string message;
};

template <class T, class E = Error>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(E error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  const T& value() const& { check(ok(), "value() of a failed Result"); return *std::get_if<0>(&state_); }
  T& value() & { check(ok(), "value() of a failed Result"); return *std::get_if<0>(&state_); }
  T&& value() && { check(ok(), "value() of a failed Result"); return std::move(*std::get_if<0>(&state_)); }
  const E& error() const { check(!ok(), "error() of a good Result"); return *std::get_if<1>(&state_); }

  const T& operator*() const& { return value(); }
  T& operator*() & { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  const T* operator->() const { return &value(); }
  T* operator->() { return &value(); }

 private:
  std::variant<T, E> state_;
};

struct Unit {};
using Status = Result<Unit>;

}  // namespace kerf
