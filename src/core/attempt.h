// How a try_ function is made of the one that throws. Called beside each of those.
#pragma once

#include <exception>
#include <new>
#include <span>
#include <type_traits>
#include <utility>

#include "flashtile/result.h"

namespace flashtile::inline v0_2::core {

/// Without its text and ways where there is no memory for them.
inline Failure failure(ErrorCode code, const char* text, std::span<const RefusedWay> refused = {}) noexcept {
  try {
    return {code, text, {refused.begin(), refused.end()}};
  } catch (...) {
    return {code, {}, {}};
  }
}

/// Calls f, and turns what it throws into a Failure: an exception of somebody else's, from an executor, into
/// device_failure with its text.
template <class F>
Result<std::invoke_result_t<F>> attempt(F&& f) noexcept {
  try {
    if constexpr (std::is_void_v<std::invoke_result_t<F>>) {
      std::forward<F>(f)();
      return {};
    } else {
      return std::forward<F>(f)();
    }
  } catch (const Error& e) {
    return failure(e.code(), e.what(), e.refused());
  } catch (const std::bad_alloc&) {
    return failure(ErrorCode::out_of_memory, "out of memory");  // short enough to need none
  } catch (const std::exception& e) {
    return failure(ErrorCode::device_failure, e.what());
  } catch (...) {
    return failure(ErrorCode::device_failure, "an executor threw something that is no std::exception");
  }
}

}  // namespace flashtile::inline v0_2::core
