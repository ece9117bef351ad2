// 2^x on vectors of lanes, three times: for any x, for the weights of a softmax, and for
// weights that become bfloats.
//
// Each splits x = n + f, computes 2^f by a polynomial, and adds n to the exponent.
#pragma once

#include "flashtile/primitives/cpu/simd.h"

namespace flashtile::inline v0_2::primitives {
inline namespace FLASHTILE_BACKEND {

/// 2^x for any x: relative error below 1.5e-7 from -125 up, by polynomials of degree 6 that are exactly 1 at 0
/// (error before rounding 1.2e-8 on [0, 1], 9e-9 on [-1/2, 1/2]). Below -125 the result may be 0.
/// exp2(-inf) = 0, NaN stays.
inline floats exp2(floats x) {
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

/// The weights of a softmax: 2^z for z < 128, relative error 1.5e-7, by minimax polynomials of degree 5 for the
/// relative error. exp2_weight(-inf) = 0, NaN stays; results below 2^-126 may be 0.
inline floats exp2_weight(floats z) {
#if defined(FT_AVX512)  // on [0, 1): VSCALEFPS rounds its second operand down by itself
  constexpr float c[] = {9.999999251e-01f, 6.931530732e-01f, 2.401536170e-01f,
                         5.582631812e-02f, 8.989340024e-03f, 1.877576700e-03f};
  const floats f = (floats::native)_mm512_reduce_ps((__m512)z.v, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
#else  // on [-1/2, 1/2]; adding 1.5 * 2^23 rounds, and 127 more make the low bits the exponent field of 2^n
  constexpr float c[] = {1.000000072e+00f, 6.931469671e-01f, 2.402211972e-01f,
                         5.550713273e-02f, 9.675541331e-03f, 1.327647217e-03f};
  const floats magic = 12582912.0f + 127.0f;
  const floats inside = max(floats(-127.0f), z);  // NaN passes: it is the second operand
  const floats shifted = inside + magic;
  const floats f = inside - (shifted - magic);
#endif
  floats p = c[5];
  FT_UNROLL for (int i = 4; i >= 0; --i) p = fma(p, f, c[i]);
#if defined(FT_AVX512)
  return (floats::native)_mm512_maskz_scalef_ps(0xffff, (__m512)p.v, (__m512)z.v);
#else
  return p * floats_of_bits((ints::native)((ints::wrapping)bits_of(shifted).v << 23));
#endif
}

#if defined(FT_AVX512)
/// Returns 2^z + half a bfloat ulp for z < 128, so that truncating the result to bfloat rounds 2^z to nearest.
/// Relative error of the polynomial 8.6e-5 at most, and 0 at powers of two, where rounding to bfloat alone may
/// use the whole 2^-8; together they stay below 2^-8 everywhere. exp2_to_cut(-inf) = 0, NaN stays. Always inlined:
/// between the tile products that it hides behind, a call would save and load every register.
[[gnu::always_inline]] inline floats exp2_to_cut(floats z) {
  constexpr float c[] = {1.0f + 0x1p-8f, 6.951173e-01f, 2.2764346e-01f, 7.706808e-02f};
  const floats f = (floats::native)_mm512_reduce_ps((__m512)z.v, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
  floats p = c[3];
  FT_UNROLL for (int i = 2; i >= 0; --i) p = fma(p, f, c[i]);
  return (floats::native)_mm512_maskz_scalef_ps(0xffff, (__m512)p.v, (__m512)z.v);
}
#endif

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::primitives
