// The other names of Metal's functions: metal::fast and metal::precise, and those that begin with __metal_, which Apple's own
// headers call and some kernels too. Fast math is not imitated: all give what the plain names give.
#pragma once

#include "integer.h"

// clang-format off
#define METAL_MATH_FUNCTIONS(X)                                                                        \
  X(abs) X(acos) X(acosh) X(asin) X(asinh) X(atan) X(atan2) X(atanh) X(ceil) X(clamp) X(copysign)      \
  X(cos) X(cosh) X(cospi) X(divide) X(exp) X(exp10) X(exp2) X(fabs) X(fdim) X(floor) X(fma) X(fmax)    \
  X(fmax3) X(fmedian3) X(fmin) X(fmin3) X(fmod) X(fract) X(frexp) X(ilogb) X(ldexp) X(log) X(log10)    \
  X(log2) X(max) X(max3) X(median3) X(min) X(min3) X(mix) X(modf) X(nextafter) X(pow) X(powr) X(rint)  \
  X(round) X(rsqrt) X(saturate) X(sign) X(sin) X(sincos) X(sinh) X(sinpi) X(smoothstep) X(sqrt)        \
  X(step) X(tan) X(tanh) X(tanpi) X(trunc)
// clang-format on

// Declarations one by one: a kernel file that declares a function of its own in these namespaces would hide the names of a
// using-directive.
#define METAL_USE(name) using metal::name;
namespace metal::fast {
METAL_MATH_FUNCTIONS(METAL_USE)
}
namespace metal::precise {
METAL_MATH_FUNCTIONS(METAL_USE)
}
#undef METAL_USE

/// The last argument of most __metal_ functions.
enum class MetalMathMode { maybe_fast, fast, precise };
#define __METAL_MAYBE_FAST_MATH__ MetalMathMode::maybe_fast
#define __METAL_FAST_MATH__ MetalMathMode::fast
#define __METAL_PRECISE_MATH__ MetalMathMode::precise

#define METAL_PRIVATE(name)                           \
  template <class A>                                  \
  auto __metal_##name(A a, MetalMathMode) {           \
    return metal::name(a);                            \
  }                                                   \
  template <class A>                                  \
  auto __metal_##name(A a, A b, MetalMathMode) {      \
    return metal::name(a, b);                         \
  }                                                   \
  template <class A>                                  \
  auto __metal_##name(A a, A b, A c, MetalMathMode) { \
    return metal::name(a, b, c);                      \
  }
METAL_MATH_FUNCTIONS(METAL_PRIVATE)
#undef METAL_PRIVATE
#undef METAL_MATH_FUNCTIONS
inline float __metal_ldexp(float x, int k, MetalMathMode) { return metal::ldexp(x, k); }
inline float __metal_frexp(float x, int* exponent) { return metal::frexp(x, *exponent); }
inline float __metal_fma(float a, float b, float c) { return metal::fma(a, b, c); }
inline float __metal_nextafter(float a, float b) { return metal::nextafter(a, b); }
