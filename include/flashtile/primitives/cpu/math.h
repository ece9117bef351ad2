// Arithmetic of kernel text, on single values and on vectors of lanes: exp2, log2, fma, max, min, select.
//
// Numerics  exp2: relative error below 1.5e-7 from -125 up; below that the result may be 0; exp2(-inf) = 0, NaN
// stays.
//           log2: absolute or relative error below 2.5e-7, whichever is larger; log2(0) = -inf, NaN below 0.
//           max, min: the second operand where either is NaN.
#pragma once

#include "flashtile/primitives/cpu/simd.h"

namespace flashtile::primitives {
inline namespace FLASHTILE_BACKEND {

inline float exp2(float x) { return __builtin_exp2f(x); }
inline float log2(float x) { return __builtin_log2f(x); }
inline float fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
inline float max(float a, float b) { return a > b ? a : b; }
inline float min(float a, float b) { return a < b ? a : b; }
inline int max(int a, int b) { return a > b ? a : b; }
inline int min(int a, int b) { return a < b ? a : b; }
inline float select(float when_false, float when_true, bool condition) {
  return condition ? when_true : when_false;
}
inline int select(int when_false, int when_true, bool condition) { return condition ? when_true : when_false; }

namespace detail {
/// 2^f for f in [-1/2, 1/2], exactly 1 at 0: minimax polynomial of degree 6, relative error 3e-9 before
/// rounding.
inline floats exp2_fraction(floats f) {
  floats p = 1.5353362e-4f;
  p = fma(p, f, 1.3398874e-3f);
  p = fma(p, f, 9.6184373e-3f);
  p = fma(p, f, 5.5503324e-2f);
  p = fma(p, f, 2.4022647e-1f);
  p = fma(p, f, 6.9314718e-1f);
  return fma(p, f, 1.0f);
}
}  // namespace detail

inline floats exp2(floats x) {
#if defined(FT_AVX512)
  const __m512 fraction = _mm512_maskz_reduce_ps(
      detail::kAllLanes, (__m512)x.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);  // x - round(x)
  const floats p = detail::exp2_fraction((floats::native)fraction);
  return (floats::native)_mm512_maskz_scalef_ps(detail::kAllLanes, (__m512)p.v,
                                                _mm512_sub_ps((__m512)x.v, fraction));
#else
  // Adding 1.5 * 2^23 rounds to an integer in the low bits; the 126 beside it makes them the exponent field of
  // 2^(n - 1), and doubling p instead keeps 2^128 out of the way.
  const floats magic = 12582912.0f + 126.0f;
  const floats inside = min(floats(128.0f), max(floats(-126.0f), x));  // NaN passes: it is the second operand
  const floats shifted = inside + magic;
  const floats p = detail::exp2_fraction(inside - (shifted - magic));
  const floats power = floats_of_bits((ints::native)((ints::wrapping)bits_of(shifted).v << 23));
  return (p + p) * power;
#endif
}

inline floats log2(floats x) {
  // x = 2^e m with m in [sqrt(1/2), sqrt(2)); log2(m) = 2 / ln 2 * artanh(t), t = (m - 1) / (m + 1), |t| <
  // 0.172.
  const bools tiny = x < 0x1p-126f;
  const floats normal = select(x, x * 0x1p24f, tiny);
  const ints bits = bits_of(normal);
  const ints offset = bits - 0x3f3504f3;  // bits of sqrt(1/2)
  const ints exponent = offset.v >> 23;
  const floats m = floats_of_bits(bits - (ints::native)((ints::wrapping)exponent.v << 23));
  const floats t = (m - 1.0f) / (m + 1.0f);
  const floats t2 = t * t;
  floats p = 0.3205989f;  // 2 / (9 ln 2)
  p = fma(p, t2, 0.4121985f);
  p = fma(p, t2, 0.5770780f);
  p = fma(p, t2, 0.9617967f);
  p = fma(p, t2, 2.8853900f);
  const floats whole = floats(exponent) - select(floats(0.0f), floats(24.0f), tiny);
  floats result = fma(p, t, whole);
  result = select(result, x, x == __builtin_huge_valf());
  result = select(result, -__builtin_huge_valf(), x == 0.0f);
  return select(__builtin_nanf(""), result, x >= 0.0f);
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::primitives
