// exp, log, log2, sqrt, rsqrt, tanh, abs, sin, cos on vectors of lanes. Their errors are in math.h; exp2 is in
// exp2.h. No approximate instruction is used, so that every instruction set keeps the same bounds.
#pragma once

#include "flashtile/primitives/cpu/simd.h"

namespace flashtile::inline v0_2::primitives {
inline namespace FLASHTILE_BACKEND {

/// |x|, exact.
inline floats abs(floats x) { return floats_of_bits(bits_of(x) & 0x7fffffff); }
inline ints abs(ints x) { return max(x, -x); }

/// The square root, rounded to nearest.
inline floats sqrt(floats x) { return detail::Simd::sqrt(x.v); }
inline floats rsqrt(floats x) { return 1.0f / sqrt(x); }

inline floats exp(floats x) {
  // x = n ln 2 + r, |r| < 0.347. The high part of ln 2 has 9 bits, so that n times it is exact. Adding 1.5 * 2^23
  // rounds to an integer in the low bits; the 126 beside it makes them the exponent field of 2^(n - 1).
  const floats magic = 12582912.0f + 126.0f;
  const floats inside = min(floats(89.0f), max(floats(-87.34f), x));  // NaN passes: it is the second operand
  const floats shifted = fma(inside, 1.44269502f, magic);
  const floats n = shifted - magic;
  const floats r = fma(n, 2.12194442e-4f, fma(n, -0.693359375f, inside));
  floats p = 1.39411236e-3f;  // e^r = 1 + r + r^2 p(r)
  p = fma(p, r, 8.36318079e-3f);
  p = fma(p, r, 4.16663736e-2f);
  p = fma(p, r, 1.66665763e-1f);
  p = fma(p, r, 0.5f);
  p = fma(p * r, r, r) + 1.0f;
  return 2.0f * p * floats_of_bits((ints::native)((ints::wrapping)bits_of(shifted).v << 23));
}

/// 1 - 2 / (1 + e^2x) is 1 or -1 where e^2x is infinity or 0.
inline floats tanh(floats x) { return 1.0f - 2.0f / (1.0f + exp(x + x)); }

namespace detail {

/// x = 2^exponent m with m in [sqrt(1/2), sqrt(2)), and t = (m - 1) / (m + 1): log m = 2 artanh t, |t| < 0.172.
struct log_parts {
  floats exponent, t;
  explicit log_parts(floats x) {
    const bools tiny = x < 0x1p-126f;
    const ints bits = bits_of(select(x, x * 0x1p24f, tiny));
    const ints offset = bits - 0x3f3504f3;  // bits of the square root of 1/2
    const ints whole = offset.v >> 23;
    const floats m = floats_of_bits(bits - (ints::native)((ints::wrapping)whole.v << 23));
    t = (m - 1.0f) / (m + 1.0f);
    exponent = floats(whole) - select(floats(0.0f), floats(24.0f), tiny);
  }
};
/// What every logarithm is at the ends of the line.
inline floats log_with_limits(floats result, floats x) {
  result = select(result, x, x == __builtin_huge_valf());
  result = select(result, -__builtin_huge_valf(), x == 0.0f);
  return select(__builtin_nanf(""), result, x >= 0.0f);
}

}  // namespace detail

inline floats log2(floats x) {
  const detail::log_parts parts(x);
  const floats t2 = parts.t * parts.t;
  floats p = 0.431717694f;
  p = fma(p, t2, 0.576715171f);
  p = fma(p, t2, 0.961798847f);
  p = fma(p, t2, 2.88539004f);
  return detail::log_with_limits(fma(p, parts.t, parts.exponent), x);
}

inline floats log(floats x) {
  const detail::log_parts parts(x);
  const floats t2 = parts.t * parts.t;
  floats p = 0.298712075f;
  p = fma(p, t2, 0.399775654f);
  p = fma(p, t2, 0.666667759f);
  p = fma(p, t2, 2.0f);
  const floats low = fma(p, parts.t, parts.exponent * -2.12194442e-4f);
  return detail::log_with_limits(fma(parts.exponent, 0.693359375f, low), x);
}

namespace detail {

/// sin(x) for Quarter 0, cos(x) = sin(x + pi/2) for Quarter 1.
template <int Quarter>
inline floats sine(floats x) {
  // x = n pi/2 + r, |r| <= pi/4, in double: the high part of pi/2 has 26 bits, so that n times it is exact up to
  // |x| = 2^27. The angles of a rotary embedding, position times frequency, lie far inside.
  using doubles = lane_vector<double>;
  const doubles wide = __builtin_convertvector(x.v, doubles);
  const doubles n = (wide * 0.63661977236758138 + 6755399441055744.0) - 6755399441055744.0;  // 1.5 * 2^52
  const doubles rest = (wide - n * 1.5707963109016418) - n * 1.5893254773528196e-08;
  const floats r = __builtin_convertvector(rest, floats::native);
  const ints quadrant = ints(__builtin_convertvector(n, ints::native)) + Quarter;

  const floats r2 = r * r;
  const floats s = fma(fma(-1.95152184e-4f, r2, 8.3321603e-3f), r2, -0.166666552f);
  const floats c = fma(fma(2.44383791e-5f, r2, -1.38873665e-3f), r2, 4.16666456e-2f);
  const floats of_sine = fma(r * r2, s, r), of_cosine = fma(r2 * r2, c, fma(r2, -0.5f, 1.0f));
  const floats size = select(of_sine, of_cosine, (quadrant & 1) == 1);
  floats result = select(size, -size, (quadrant & 2) == 2);

  if (any(!(abs(x) <= 0x1p27f))) {  // beyond, and for NaN and infinity: the C library, lane by lane
    for (int i = 0; i < kLanes; ++i) {
      if (!(__builtin_fabsf(x.v[i]) <= 0x1p27f))
        result.v[i] = Quarter == 0 ? __builtin_sinf(x.v[i]) : __builtin_cosf(x.v[i]);
    }
  }
  return result;
}

}  // namespace detail

inline floats sin(floats x) { return detail::sine<0>(x); }
inline floats cos(floats x) { return detail::sine<1>(x); }

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::primitives
