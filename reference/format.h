// How floating-point types round.
#pragma once

#include <algorithm>
#include <cmath>

namespace flashtile::reference {

/// A type's rounding to nearest: relative error `unit` for normal numbers, absolute error `tiny` below them.
struct Format {
  int digits;        ///< of the significand, the hidden one included
  int min_exponent;  ///< of the smallest normal number
  double largest;

  double unit() const { return std::ldexp(1.0, -digits); }
  double tiny() const { return std::ldexp(1.0, min_exponent - digits); }
  /// From the number that is as large as `value` to the next larger one.
  double spacing(double value) const {
    const int exponent = value == 0 ? min_exponent : std::max(std::ilogb(value), min_exponent);
    return std::ldexp(1.0, exponent - digits + 1);
  }
  /// `value` rounded to nearest even.
  double round(double value) const {
    if (value == 0 || !std::isfinite(value)) return value;
    const double rounded = std::nearbyint(value / spacing(value)) * spacing(value);
    return std::fabs(rounded) > largest ? std::copysign(HUGE_VAL, value) : rounded;
  }
};
inline constexpr Format kFloat32{24, -126, 3.4028234663852886e38};
inline constexpr Format kFloat16{11, -14, 65504.0};
inline constexpr Format kBfloat16{8, -126, 3.3895313892515355e38};

}  // namespace flashtile::reference
