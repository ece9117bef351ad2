// Arithmetic of kernel text on single values: the GPU's own instructions and CUDA's functions, with the errors
// that cpu/math.h states. Included by cuda/primitives.h. What nvcc makes of them under --use_fast_math is its own.
#pragma once

#include <cmath>
#include <cstdint>
#include <type_traits>

namespace flashtile::inline v0_2::primitives {
inline namespace FLASHTILE_BACKEND {

/// 2^x to 2 ulp; results below 2^-126 become 0.
FT_FUNCTION float exp2(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
FT_FUNCTION float exp(float x) { return ::expf(x); }
FT_FUNCTION float log2(float x) { return ::log2f(x); }
FT_FUNCTION float log(float x) { return ::logf(x); }
FT_FUNCTION float sqrt(float x) { return ::__fsqrt_rn(x); }
FT_FUNCTION float rsqrt(float x) { return ::__frsqrt_rn(x); }
namespace detail {
/// 2 / y for y >= 1, infinity or NaN. A division has a branch for numbers that are none of these: in the unrolled maps of
/// a kernel that was a third of its instructions.
FT_FUNCTION float two_over(float y) {
  float r;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(y));
  const float quotient = r + r, rest = ::__fmaf_rn(-y, quotient, 2.0f);
  return y == INFINITY ? 0.0f : ::__fmaf_rn(rest, r, quotient);
}
}  // namespace detail
/// Exactly this formula: tanhf may become an approximate instruction.
FT_FUNCTION float tanh(float x) { return 1.0f - detail::two_over(1.0f + exp(x + x)); }
FT_FUNCTION float sin(float x) { return ::sinf(x); }
FT_FUNCTION float cos(float x) { return ::cosf(x); }
FT_FUNCTION float abs(float x) { return ::fabsf(x); }
FT_FUNCTION int abs(int x) { return x < 0 ? -x : x; }
FT_FUNCTION float fma(float a, float b, float c) { return ::__fmaf_rn(a, b, c); }
FT_FUNCTION float max(float a, float b) { return ::fmaxf(a, b); }
FT_FUNCTION float min(float a, float b) { return ::fminf(a, b); }
template <class I>
  requires std::is_integral_v<I>
FT_FUNCTION constexpr I max(I a, I b) {
  return a > b ? a : b;
}
template <class I>
  requires std::is_integral_v<I>
FT_FUNCTION constexpr I min(I a, I b) {
  return a < b ? a : b;
}

/// `condition ? chosen : other`, in Metal's order of arguments.
template <class T>
FT_FUNCTION T select(T other, T chosen, bool condition) {
  return condition ? chosen : other;
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::primitives
