// Arithmetic of kernel text on float: the GPU's own instructions. Included by cuda/primitives.h.
#pragma once

#include <cstdint>

namespace flashtile::primitives {
inline namespace FLASHTILE_BACKEND {

/// 2^x to 2 ulp; results below 2^-126 become 0.
FT_FUNCTION float exp2(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
FT_FUNCTION float log2(float x) { return ::log2f(x); }
FT_FUNCTION float fma(float a, float b, float c) { return ::__fmaf_rn(a, b, c); }
FT_FUNCTION float max(float a, float b) { return ::fmaxf(a, b); }
FT_FUNCTION float min(float a, float b) { return ::fminf(a, b); }

/// `condition ? chosen : other`, in Metal's order of arguments.
template <class T>
FT_FUNCTION T select(T other, T chosen, bool condition) {
  return condition ? chosen : other;
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::primitives
