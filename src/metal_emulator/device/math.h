// <metal_math>, <metal_common> and <metal_relational>, for scalars and vectors. A bfloat becomes a float first: Apple's functions
// have no overloads for it.
#pragma once

#include "vec.h"

namespace metal {

/// What the arguments of a function meet in: the first vector among them, or else their common type. One that is a scalar becomes
/// a vector of the others' size.
template <class... A>
struct meet;
template <class A>
struct meet<A> {
  using type = remove_cvref_t<A>;
};
template <class A, class B, class... Rest>
struct meet<A, B, Rest...>
    : meet<conditional_t<Vector<A>, A, conditional_t<Vector<B>, B, common_t<A, B>>>, Rest...> {};
template <class... A>
using meet_t = typename meet<A...>::type;
template <class... A>
concept SomeVector = (Vector<A> || ...);

template <class F, class V, class... Rest>
constexpr V zip(F f, V a, Rest... rest) {
  for (int i = 0; i < components<V>; ++i) a.s[i] = f(a.s[i], rest.s[i]...);
  return a;
}

/// `name` of vectors and scalars, component by component.
#define METAL_OF_VECTORS(name)                                            \
  template <class... A>                                                   \
    requires(SomeVector<A...> && sizeof...(A) > 1)                        \
  constexpr meet_t<A...> name(A... a) {                                   \
    return zip([](auto... x) { return name(x...); }, meet_t<A...>(a)...); \
  }

// -- one argument: computed in float, rounded once -----------------------------------------------------------------------

namespace math_detail {
/// sin(pi * x), exact where it is 0 or 1. The constant is long double, since others are float here.
inline float sine_of_half_turns(float x) {
  const double r = double(x) - 2 * __builtin_rint(double(x) / 2);  // from -1 to 1
  if (r == 0 || r == 1 || r == -1) return __builtin_copysignf(0.0f, x);
  return float(__builtin_sin(double(3.14159265358979323846L) * r));
}
inline float cosine_of_half_turns(float x) {
  const double r = __builtin_fabs(double(x) - 2 * __builtin_rint(double(x) / 2));
  return r * 2 == 1 ? 0.0f : float(__builtin_cos(double(3.14159265358979323846L) * r));
}
}  // namespace math_detail

#define METAL_FLOAT1(name, value)                           \
  inline float name(float x) { return value; }              \
  inline half name(half h) { return half(name(float(h))); } \
  template <class T, int N>                                 \
  vec<T, N> name(vec<T, N> v) {                             \
    return v.map([](T c) { return T(name(c)); });           \
  }
METAL_FLOAT1(exp, __builtin_expf(x))
METAL_FLOAT1(exp2, __builtin_exp2f(x))
METAL_FLOAT1(exp10, __builtin_powf(10.0f, x))
METAL_FLOAT1(log, __builtin_logf(x))
METAL_FLOAT1(log2, __builtin_log2f(x))
METAL_FLOAT1(log10, __builtin_log10f(x))
METAL_FLOAT1(sqrt, __builtin_sqrtf(x))
METAL_FLOAT1(rsqrt, 1.0f / __builtin_sqrtf(x))
METAL_FLOAT1(sin, __builtin_sinf(x))
METAL_FLOAT1(cos, __builtin_cosf(x))
METAL_FLOAT1(tan, __builtin_tanf(x))
METAL_FLOAT1(sinpi, math_detail::sine_of_half_turns(x))
METAL_FLOAT1(cospi, math_detail::cosine_of_half_turns(x))
METAL_FLOAT1(tanpi, math_detail::sine_of_half_turns(x) / math_detail::cosine_of_half_turns(x))
METAL_FLOAT1(asin, __builtin_asinf(x))
METAL_FLOAT1(acos, __builtin_acosf(x))
METAL_FLOAT1(atan, __builtin_atanf(x))
METAL_FLOAT1(sinh, __builtin_sinhf(x))
METAL_FLOAT1(cosh, __builtin_coshf(x))
METAL_FLOAT1(tanh, __builtin_tanhf(x))
METAL_FLOAT1(asinh, __builtin_asinhf(x))
METAL_FLOAT1(acosh, __builtin_acoshf(x))
METAL_FLOAT1(atanh, __builtin_atanhf(x))
METAL_FLOAT1(floor, __builtin_floorf(x))
METAL_FLOAT1(ceil, __builtin_ceilf(x))
METAL_FLOAT1(round, __builtin_roundf(x))
METAL_FLOAT1(rint, __builtin_rintf(x))
METAL_FLOAT1(trunc, __builtin_truncf(x))
METAL_FLOAT1(fabs, __builtin_fabsf(x))
METAL_FLOAT1(fract, __builtin_fminf(x - __builtin_floorf(x), 0x1.fffffep-1f))
METAL_FLOAT1(saturate, __builtin_fminf(__builtin_fmaxf(x, 0.0f), 1.0f))
METAL_FLOAT1(sign, x > 0 ? 1.0f : x < 0 ? -1.0f : x == 0 ? x : 0.0f)
#undef METAL_FLOAT1

// -- one argument, of which one says something ---------------------------------------------------------------------------

#define METAL_TEST(name, Result, value)                 \
  inline Result name(float x) { return value; }         \
  inline Result name(half h) { return name(float(h)); } \
  template <class T, int N>                             \
  vec<Result, N> name(vec<T, N> v) {                    \
    vec<Result, N> r;                                   \
    for (int i = 0; i < N; ++i) r.s[i] = name(v.s[i]);  \
    return r;                                           \
  }
METAL_TEST(isnan, bool, x != x)
METAL_TEST(isinf, bool, __builtin_isinf(x) != 0)
METAL_TEST(isfinite, bool, __builtin_isfinite(x) != 0)
METAL_TEST(isnormal, bool, __builtin_isnormal(x) != 0)
METAL_TEST(signbit, bool, __builtin_signbit(x) != 0)
METAL_TEST(ilogb, int, __builtin_ilogbf(x))
#undef METAL_TEST

// -- one argument and a second result ------------------------------------------------------------------------------------

#define METAL_FLOAT1_AND(name, Second, value)                       \
  inline float name(float x, Second& second) { return value; }      \
  template <class T, class U, int N>                                \
  vec<T, N> name(vec<T, N> v, vec<U, N>& second) {                  \
    for (int i = 0; i < N; ++i) v.s[i] = name(v.s[i], second.s[i]); \
    return v;                                                       \
  }
METAL_FLOAT1_AND(sincos, float, (second = __builtin_cosf(x), __builtin_sinf(x)))
METAL_FLOAT1_AND(modf, float, __builtin_modff(x, &second))
METAL_FLOAT1_AND(frexp, int, __builtin_frexpf(x, &second))
#undef METAL_FLOAT1_AND
inline half sincos(half x, half& second) { return second = cos(x), sin(x); }
inline half modf(half x, half& second) { return second = trunc(x), x - second; }
inline half frexp(half x, int& second) { return half(frexp(float(x), second)); }

// -- two arguments -------------------------------------------------------------------------------------------------------

// Of any arithmetic types: the usual conversions meet, as the overloads of MSL would.
#define METAL_ANY2(name, value)                    \
  template <Scalar A, Scalar B>                    \
  constexpr common_t<A, B> name(A left, B right) { \
    const common_t<A, B> a(left), b(right);        \
    return value;                                  \
  }                                                \
  METAL_OF_VECTORS(name)
// The other operand's value when one is NaN.
METAL_ANY2(max, a != a ? b : b != b ? a : a < b ? b : a)
METAL_ANY2(min, a != a ? b : b != b ? a : b < a ? b : a)
METAL_ANY2(fmax, a != a ? b : b != b ? a : a < b ? b : a)
METAL_ANY2(fmin, a != a ? b : b != b ? a : b < a ? b : a)
METAL_ANY2(absdiff, a < b ? b - a : a - b)
METAL_ANY2(step, (b < a ? common_t<A, B>(0) : common_t<A, B>(1)))
#undef METAL_ANY2

#define METAL_FLOAT2(name, function)                                              \
  inline float name(float a, float b) { return function(a, b); }                  \
  inline half name(half a, half b) { return half(function(float(a), float(b))); } \
  METAL_OF_VECTORS(name)
METAL_FLOAT2(pow, __builtin_powf)
METAL_FLOAT2(powr, __builtin_powf)
METAL_FLOAT2(fmod, __builtin_fmodf)
METAL_FLOAT2(atan2, __builtin_atan2f)
METAL_FLOAT2(copysign, __builtin_copysignf)
METAL_FLOAT2(fdim, __builtin_fdimf)
#undef METAL_FLOAT2
inline float divide(float a, float b) { return a / b; }
inline half divide(half a, half b) { return a / b; }
METAL_OF_VECTORS(divide)
inline float nextafter(float a, float b) { return __builtin_nextafterf(a, b); }
METAL_OF_VECTORS(nextafter)

inline float ldexp(float x, int k) { return __builtin_ldexpf(x, k); }
inline half ldexp(half x, int k) { return half(__builtin_ldexpf(float(x), k)); }
template <class T, int N>
vec<T, N> ldexp(vec<T, N> x, vec<int, N> k) {
  for (int i = 0; i < N; ++i) x.s[i] = ldexp(x.s[i], k.s[i]);
  return x;
}

template <class A, class B>
constexpr auto isunordered(A a, B b) {
  return a != a || b != b;
}
template <class A, class B>
constexpr auto isordered(A a, B b) {
  return a == a && b == b;
}

// -- three arguments -----------------------------------------------------------------------------------------------------

inline float fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
/// Exact: in double the product of two halves and its sum with a third are.
inline half fma(half a, half b, half c) { return half(double(a) * double(b) + double(c)); }
METAL_OF_VECTORS(fma)
template <class A, class B, class C>
auto mad(A a, B b, C c) {
  return fma(a, b, c);
}

template <class T>
constexpr T abs(T v) {
  if constexpr (Vector<T>)
    return v.map([](auto c) { return abs(c); });
  else if constexpr (is_floating_point_v<T>)
    return T(fabs(v));
  else
    return v < T(0) ? T(-v) : v;
}
template <class X, class A, class B>
constexpr auto clamp(X x, A low, B high) {
  return min(max(x, low), high);
}
#define METAL_ANY3(name, value)        \
  template <class A, class B, class C> \
  constexpr auto name(A a, B b, C c) { \
    return value;                      \
  }
METAL_ANY3(max3, max(a, max(b, c)))
METAL_ANY3(min3, min(a, min(b, c)))
METAL_ANY3(median3, max(min(a, b), min(max(a, b), c)))
METAL_ANY3(fmax3, max3(a, b, c))
METAL_ANY3(fmin3, min3(a, b, c))
METAL_ANY3(fmedian3, median3(a, b, c))
#undef METAL_ANY3
template <class A, class B, class C>
constexpr auto mix(A low, B high, C t) {
  using T = meet_t<A, B, C>;
  const T a(low), b(high);
  return T(a + (b - a) * T(t));
}
template <class A, class B, class C>
auto smoothstep(A low, B high, C x) {
  using T = meet_t<A, B, C>;
  const T a(low), b(high), t = clamp((T(x) - a) / (b - a), T(0), T(1));
  return T(t * t * (T(3) - T(2) * t));
}

template <Scalar A, Scalar B>
constexpr auto select(A a, B b, bool c) {
  return common_t<A, B>(c ? b : a);
}
template <class A, class B, int N>
constexpr meet_t<A, B> select(A a, B b, vec<bool, N> c) {
  meet_t<A, B> r(a), other(b);
  for (int i = 0; i < N; ++i) r.s[i] = c.s[i] ? other.s[i] : r.s[i];
  return r;
}
template <int N>
constexpr bool any(vec<bool, N> v) {
  bool r = false;
  for (int i = 0; i < N; ++i) r = r || v.s[i];
  return r;
}
template <int N>
constexpr bool all(vec<bool, N> v) {
  bool r = true;
  for (int i = 0; i < N; ++i) r = r && v.s[i];
  return r;
}
constexpr bool any(bool v) { return v; }
constexpr bool all(bool v) { return v; }

}  // namespace metal
