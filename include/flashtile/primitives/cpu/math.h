// Arithmetic of kernel text, on single values and on vectors of lanes: exp2, log2, fma, max, min, select.
//
// Numerics  exp2: relative error below 1.5e-7 from -125 up, below that the result may be 0; exp2(-inf) = 0; NaN
//           stays NaN.
//           log2: absolute or relative error below 2.5e-7, whichever is larger; log2(0) = -inf; NaN below 0.
//           max, min: the second operand where either is NaN.
#pragma once

#include "flashtile/primitives/cpu/exp2.h"
#include "flashtile/primitives/cpu/simd.h"

namespace flashtile::primitives {
inline namespace FLASHTILE_BACKEND {

inline float exp2(float x) { return __builtin_exp2f(x); }
inline float log2(float x) { return __builtin_log2f(x); }
inline float fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
inline float max(float a, float b) { return a > b ? a : b; }
inline float min(float a, float b) { return a < b ? a : b; }
/// Not std::max and std::min: a template of std would be shared with code for other instruction sets.
template <class I>
  requires std::is_integral_v<I>
constexpr I max(I a, I b) {
  return a > b ? a : b;
}
template <class I>
  requires std::is_integral_v<I>
constexpr I min(I a, I b) {
  return a < b ? a : b;
}
inline float select(float when_false, float when_true, bool condition) {
  return condition ? when_true : when_false;
}
inline int select(int when_false, int when_true, bool condition) { return condition ? when_true : when_false; }

inline floats log2(floats x) {
  // x = 2^e m with m in [sqrt(1/2), sqrt(2)).
  // log2(m) = 2 / ln 2 * artanh(t) with t = (m - 1) / (m + 1), |t| < 0.172.
  const bools tiny = x < 0x1p-126f;
  const floats normal = select(x, x * 0x1p24f, tiny);
  const ints bits = bits_of(normal);
  const ints offset = bits - 0x3f3504f3;  // bits of sqrt(1/2)
  const ints exponent = offset.v >> 23;
  const floats m = floats_of_bits(bits - (ints::native)((ints::wrapping)exponent.v << 23));
  const floats t = (m - 1.0f) / (m + 1.0f);
  const floats t2 = t * t;
  floats p = 0.431717694f;
  p = fma(p, t2, 0.576715171f);
  p = fma(p, t2, 0.961798847f);
  p = fma(p, t2, 2.88539004f);
  const floats whole = floats(exponent) - select(floats(0.0f), floats(24.0f), tiny);
  floats result = fma(p, t, whole);
  result = select(result, x, x == __builtin_huge_valf());
  result = select(result, -__builtin_huge_valf(), x == 0.0f);
  return select(__builtin_nanf(""), result, x >= 0.0f);
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::primitives
