// What a call that throws nothing returns, for programs without exceptions.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "flashtile/detail/config.h"
#include "flashtile/error.h"

namespace flashtile::inline v0_2 {
FLASHTILE_EXPORTS_BEGIN

/// Why a call failed: what its throwing twin throws as an Error.
struct Failure {
  ErrorCode code;
  std::string message;
  std::vector<RefusedWay> refused = {};
};

/// The value of a call, or why there is none. True when there is a value.
///
///   if (auto out = try_attention(q, k, v)) use(*out); else report(out.failure().message);
template <class T = void>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}
  Result(Failure failure) noexcept : failure_(std::move(failure)) {}

  explicit operator bool() const noexcept { return value_.has_value(); }
  /// Only where there is a value.
  T& operator*() noexcept { return *value_; }
  const T& operator*() const noexcept { return *value_; }
  T* operator->() noexcept { return &*value_; }
  const T* operator->() const noexcept { return &*value_; }
  /// Only where there is none.
  const Failure& failure() const noexcept { return *failure_; }

 private:
  std::optional<T> value_;
  std::optional<Failure> failure_;
};

/// The same of a call without a value: true when it has done its work.
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() noexcept = default;
  Result(Failure failure) noexcept : failure_(std::move(failure)) {}

  explicit operator bool() const noexcept { return !failure_.has_value(); }
  const Failure& failure() const noexcept { return *failure_; }

 private:
  std::optional<Failure> failure_;
};

FLASHTILE_EXPORTS_END
}  // namespace flashtile::inline v0_2
