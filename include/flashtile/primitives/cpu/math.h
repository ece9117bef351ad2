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

inline floats exp2(floats x) {
  // 2^f by polynomials of degree 6, exactly 1 at 0: error 1.2e-8 on [0, 1], 9e-9 on [-1/2, 1/2] before
  // rounding.
#if defined(FT_AVX512)
  const floats f = (floats::native)_mm512_maskz_reduce_ps(detail::kAllLanes, (__m512)x.v,
                                                          _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
  floats p = 2.08179146e-4f;
  p = fma(p, f, 1.26921665e-3f);
  p = fma(p, f, 9.6521955e-3f);
  p = fma(p, f, 5.54960221e-2f);
  p = fma(p, f, 2.40227208e-1f);
  p = fma(p, f, 6.93147182e-1f);
  p = fma(p, f, 1.0f);
  // SCALEF multiplies with 2^floor(x): what REDUCE took away.
  return (floats::native)_mm512_maskz_scalef_ps(detail::kAllLanes, (__m512)p.v, (__m512)x.v);
#else
  // Adding 1.5 * 2^23 rounds to an integer in the low bits; the 126 beside it makes them the exponent field of
  // 2^(n - 1), and doubling p instead keeps 2^128 out of the way.
  const floats magic = 12582912.0f + 126.0f;
  const floats inside = min(floats(128.0f), max(floats(-126.0f), x));  // NaN passes: it is the second operand
  const floats shifted = inside + magic;
  const floats f = inside - (shifted - magic);
  floats p = 2 * 1.54531634e-4f;
  p = fma(p, f, 2 * 1.33908633e-3f);
  p = fma(p, f, 2 * 9.61808302e-3f);
  p = fma(p, f, 2 * 5.55035695e-2f);
  p = fma(p, f, 2 * 2.40226507e-1f);
  p = fma(p, f, 2 * 6.93147182e-1f);
  p = fma(p, f, 2.0f);
  return p * floats_of_bits((ints::native)((ints::wrapping)bits_of(shifted).v << 23));
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
