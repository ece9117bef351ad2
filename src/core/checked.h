// Checked 64-bit integer maths for sizes, and the one place where sizes are narrowed for a kernel.
#pragma once

#include <cstdint>
#include <limits>
#include <string>

#include "flashtile/error.h"

namespace flashtile::inline v0_2::core {

inline std::int64_t checked_multiply(std::int64_t a, std::int64_t b, const char* what) {
  std::int64_t product;
  if (__builtin_mul_overflow(a, b, &product)) {
    throw Error(ErrorCode::invalid_argument, std::string(what) + ": " + std::to_string(a) + " x " +
                                                 std::to_string(b) + " does not fit 64 bits");
  }
  return product;
}

inline std::int64_t checked_add(std::int64_t a, std::int64_t b, const char* what) {
  std::int64_t sum;
  if (__builtin_add_overflow(a, b, &sum)) {
    throw Error(ErrorCode::invalid_argument, std::string(what) + ": " + std::to_string(a) + " + " +
                                                 std::to_string(b) + " does not fit 64 bits");
  }
  return sum;
}

/// A size as the 32 bits that kernels count rows and columns in.
inline std::int32_t narrow(std::int64_t value, const char* what) {
  if (value < std::numeric_limits<std::int32_t>::min() || value > std::numeric_limits<std::int32_t>::max()) {
    throw Error(ErrorCode::invalid_argument,
                std::string(what) + " is " + std::to_string(value) + "; at most 2^31 - 1 is supported");
  }
  return static_cast<std::int32_t>(value);
}

}  // namespace flashtile::inline v0_2::core
