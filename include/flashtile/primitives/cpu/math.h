// Arithmetic of kernel text, on single values and on vectors of lanes.
//
// Numerics  What is said of errors holds for every instruction set and for GPUs.
//           exp2, exp         relative error below 1.5e-7 while the result is above 2^-125, below that it may be 0;
//                             0 at -inf
//           log2, log         absolute or relative error below 2.5e-7, whichever is larger; -inf at 0, NaN below 0
//           sqrt              rounded to nearest
//           rsqrt             1 / sqrt(x): relative error below 1.5e-7
//           tanh              1 - 2 / (1 + e^2x): absolute error below 2.5e-7
//           sin, cos          absolute error below 1.5e-7, for any x
//           abs, fma          exact; one rounding (but see fma in simd.h)
//           max, min          the second operand where either is NaN on a CPU, the number on a GPU
//           NaN stays NaN in all others.
#pragma once

#include "flashtile/primitives/cpu/exp2.h"
#include "flashtile/primitives/cpu/functions.h"
#include "flashtile/primitives/cpu/simd.h"

namespace flashtile::inline v0_2::primitives {
inline namespace FLASHTILE_BACKEND {

inline float exp2(float x) { return __builtin_exp2f(x); }
inline float exp(float x) { return __builtin_expf(x); }
inline float log2(float x) { return __builtin_log2f(x); }
inline float log(float x) { return __builtin_logf(x); }
inline float sqrt(float x) { return __builtin_sqrtf(x); }
inline float rsqrt(float x) { return 1.0f / __builtin_sqrtf(x); }
inline float tanh(float x) { return 1.0f - 2.0f / (1.0f + exp(x + x)); }
inline float sin(float x) { return __builtin_sinf(x); }
inline float cos(float x) { return __builtin_cosf(x); }
inline float abs(float x) { return __builtin_fabsf(x); }
inline int abs(int x) { return x < 0 ? -x : x; }
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

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::primitives
