// Arithmetic of kernel text on single values, with the errors that cpu/math.h states where the source is compiled without
// fast math. Included by metal/primitives.h.
#pragma once

#include "flashtile/primitives/metal/standard.h"

namespace flashtile::inline v0_2::primitives {
inline namespace FLASHTILE_BACKEND {

inline float exp2(float x) { return ::metal::exp2(x); }
inline float exp(float x) { return ::metal::exp(x); }
inline float log2(float x) { return ::metal::log2(x); }
inline float log(float x) { return ::metal::log(x); }
inline float sqrt(float x) { return ::metal::sqrt(x); }
inline float rsqrt(float x) { return ::metal::rsqrt(x); }
/// Exactly this formula: Metal's own may be an approximation.
inline float tanh(float x) { return 1.0f - 2.0f / (1.0f + exp(x + x)); }
inline float sin(float x) { return ::metal::sin(x); }
inline float cos(float x) { return ::metal::cos(x); }
inline float abs(float x) { return ::metal::fabs(x); }
inline int abs(int x) { return x < 0 ? -x : x; }
inline float fma(float a, float b, float c) { return ::metal::fma(a, b, c); }
inline float max(float a, float b) { return ::metal::fmax(a, b); }
inline float min(float a, float b) { return ::metal::fmin(a, b); }
inline int max(int a, int b) { return a > b ? a : b; }
inline int min(int a, int b) { return a < b ? a : b; }

/// `condition ? chosen : other`, in Metal's order of arguments.
template <class T>
inline T select(T other, T chosen, bool condition) {
  return condition ? chosen : other;
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::primitives
