// <metal_math>, <metal_common>, <metal_integer>, <metal_relational> and <metal_geometric>, for scalars and vectors.
#pragma once

#include "vec.h"

namespace metal {

// One argument: computed in float for every float type, rounded once; component by component for vectors.
#define METAL_FLOAT1(name, value)                                 \
  inline float name(float x) { return value; }                    \
  inline half name(half h) { return half(name(float(h))); }       \
  inline bfloat name(bfloat b) { return bfloat(name(float(b))); } \
  template <class T, int N>                                       \
  vec<T, N> name(vec<T, N> v) {                                   \
    return v.map([](T c) { return T(name(c)); });                 \
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

#define METAL_TEST(name, value)                         \
  inline bool name(float x) { return value; }           \
  inline bool name(half h) { return name(float(h)); }   \
  inline bool name(bfloat b) { return name(float(b)); } \
  template <class T, int N>                             \
  vec<bool, N> name(vec<T, N> v) {                      \
    vec<bool, N> r;                                     \
    for (int i = 0; i < N; ++i) r.s[i] = name(v.s[i]);  \
    return r;                                           \
  }
METAL_TEST(isnan, x != x)
METAL_TEST(isinf, __builtin_isinf(x) != 0)
METAL_TEST(isfinite, __builtin_isfinite(x) != 0)
METAL_TEST(isnormal, __builtin_isnormal(x) != 0)
METAL_TEST(signbit, __builtin_signbit(x) != 0)
#undef METAL_TEST

/// The vector that two arguments of a function meet in, of which one may be a scalar.
template <class A, class B>
using meet_t = conditional_t<Vector<A>, remove_cvref_t<A>, remove_cvref_t<B>>;

template <class F, class V, class... Rest>
constexpr V zip(F f, V a, Rest... rest) {
  for (int i = 0; i < components<V>; ++i) a.s[i] = f(a.s[i], rest.s[i]...);
  return a;
}

// Two arguments of any arithmetic types: the usual conversions meet, as the overloads of MSL would.
#define METAL_ANY2(name, value)                                                              \
  template <Scalar A, Scalar B>                                                              \
  constexpr common_t<A, B> name(A left, B right) {                                           \
    const common_t<A, B> a(left), b(right);                                                  \
    return value;                                                                            \
  }                                                                                          \
  template <class A, class B>                                                                \
    requires(Vector<A> || Vector<B>)                                                         \
  constexpr meet_t<A, B> name(A a, B b) {                                                    \
    return zip([](auto x, auto y) { return name(x, y); }, meet_t<A, B>(a), meet_t<A, B>(b)); \
  }
// The other operand's value when one is NaN.
METAL_ANY2(max, a != a ? b : b != b ? a : a < b ? b : a)
METAL_ANY2(min, a != a ? b : b != b ? a : b < a ? b : a)
METAL_ANY2(fmax, a != a ? b : b != b ? a : a < b ? b : a)
METAL_ANY2(fmin, a != a ? b : b != b ? a : b < a ? b : a)
METAL_ANY2(absdiff, a < b ? b - a : a - b)
METAL_ANY2(step, (b < a ? common_t<A, B>(0) : common_t<A, B>(1)))
#undef METAL_ANY2

#define METAL_FLOAT2(name, function)                                                         \
  inline float name(float a, float b) { return function(a, b); }                             \
  inline half name(half a, half b) { return half(function(float(a), float(b))); }            \
  inline bfloat name(bfloat a, bfloat b) { return bfloat(function(float(a), float(b))); }    \
  template <class A, class B>                                                                \
    requires(Vector<A> || Vector<B>)                                                         \
  meet_t<A, B> name(A a, B b) {                                                              \
    return zip([](auto x, auto y) { return name(x, y); }, meet_t<A, B>(a), meet_t<A, B>(b)); \
  }
METAL_FLOAT2(pow, __builtin_powf)
METAL_FLOAT2(powr, __builtin_powf)
METAL_FLOAT2(fmod, __builtin_fmodf)
METAL_FLOAT2(atan2, __builtin_atan2f)
METAL_FLOAT2(copysign, __builtin_copysignf)
METAL_FLOAT2(fdim, __builtin_fdimf)
METAL_FLOAT2(nextafter, __builtin_nextafterf)
#undef METAL_FLOAT2

inline float fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
/// Exact: in double the product of two halves and its sum with a third are.
inline half fma(half a, half b, half c) { return half(double(a) * double(b) + double(c)); }
template <class T, int N>
vec<T, N> fma(vec<T, N> a, vec<T, N> b, vec<T, N> c) {
  return zip([](T x, T y, T z) { return fma(x, y, z); }, a, b, c);
}
template <class T>
T mad(T a, T b, T c) {
  return fma(a, b, c);
}

template <class T>
constexpr T abs(T v) {
  if constexpr (Vector<T>)
    return v.map([](auto c) { return abs(c); });
  else if constexpr (is_floating_point_v<T>)
    return fabs(v);
  else
    return v < T(0) ? T(-v) : v;
}
template <class X, class A, class B>
constexpr auto clamp(X x, A low, B high) {
  return min(max(x, low), high);
}
template <class A, class B, class C>
constexpr auto max3(A a, B b, C c) {
  return max(a, max(b, c));
}
template <class A, class B, class C>
constexpr auto min3(A a, B b, C c) {
  return min(a, min(b, c));
}
template <class T>
constexpr T median3(T a, T b, T c) {
  return max(min(a, b), min(max(a, b), c));
}
template <class T, class U>
constexpr T mix(T a, T b, U t) {
  return a + (b - a) * T(t);
}
template <class T>
T smoothstep(T low, T high, T x) {
  const T t = clamp((x - low) / (high - low), T(0), T(1));
  return t * t * (T(3) - T(2) * t);
}
inline float ldexp(float x, int k) { return __builtin_ldexpf(x, k); }
inline float divide(float a, float b) { return a / b; }

template <Scalar T>
constexpr T select(T a, T b, bool c) {
  return c ? b : a;
}
template <class T, int N>
constexpr vec<T, N> select(vec<T, N> a, vec<T, N> b, vec<bool, N> c) {
  for (int i = 0; i < N; ++i) a.s[i] = c.s[i] ? b.s[i] : a.s[i];
  return a;
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

// -- integers -----------------------------------------------------------------------------------------------------------

#define METAL_INTEGER1(name, value)                                      \
  template <Scalar T>                                                    \
  constexpr T name(T x) {                                                \
    [[maybe_unused]] constexpr int bits = int(sizeof(T)) * 8;            \
    [[maybe_unused]] const make_unsigned_t<T> u = make_unsigned_t<T>(x); \
    return T(value);                                                     \
  }                                                                      \
  template <class T, int N>                                              \
  constexpr vec<T, N> name(vec<T, N> v) {                                \
    return v.map([](T c) { return name(c); });                           \
  }
METAL_INTEGER1(popcount, __builtin_popcountll(u))
METAL_INTEGER1(clz, u == 0 ? bits : __builtin_clzll(u) - (64 - bits))
METAL_INTEGER1(ctz, u == 0 ? bits : __builtin_ctzll(u))
#undef METAL_INTEGER1
template <Scalar T>
constexpr T reverse_bits(T x) {
  T r = 0;
  for (size_t i = 0; i < sizeof(T) * 8; ++i) r = T(r << 1 | (x >> i & 1));
  return r;
}
template <Scalar T>
constexpr T rotate(T x, T by) {
  constexpr int bits = int(sizeof(T)) * 8;
  const auto u = make_unsigned_t<T>(x);
  const int n = int(make_unsigned_t<T>(by) % bits);
  return n == 0 ? x : T(u << n | u >> (bits - n));
}
template <Scalar T>
constexpr T mulhi(T a, T b) {
  using Wide = conditional_t<is_signed_v<T>, __int128, unsigned __int128>;
  return T(Wide(a) * Wide(b) >> sizeof(T) * 8);
}
template <Scalar T>
constexpr T addsat(T a, T b) {
  T r;
  return __builtin_add_overflow(a, b, &r) ? (b < T(0) ? numeric_limits<T>::min() : numeric_limits<T>::max())
                                          : r;
}
template <Scalar T>
constexpr T subsat(T a, T b) {
  T r;
  return __builtin_sub_overflow(a, b, &r) ? (b < T(0) ? numeric_limits<T>::max() : numeric_limits<T>::min())
                                          : r;
}
template <Scalar T>
constexpr T extract_bits(T x, uint offset, uint bits) {
  if (bits == 0) return 0;
  const uint width = sizeof(T) * 8;
  return T(T(make_unsigned_t<T>(x) << (width - bits - offset)) >> (width - bits));
}

// -- geometry -----------------------------------------------------------------------------------------------------------

template <class T, int N>
constexpr T dot(vec<T, N> a, vec<T, N> b) {
  T sum = a.s[0] * b.s[0];
  for (int i = 1; i < N; ++i) sum = T(sum + a.s[i] * b.s[i]);
  return sum;
}
template <class T>
constexpr vec<T, 3> cross(vec<T, 3> a, vec<T, 3> b) {
  return {a.s[1] * b.s[2] - a.s[2] * b.s[1], a.s[2] * b.s[0] - a.s[0] * b.s[2],
          a.s[0] * b.s[1] - a.s[1] * b.s[0]};
}
template <class T, int N>
constexpr T length_squared(vec<T, N> v) {
  return dot(v, v);
}
template <class T, int N>
T length(vec<T, N> v) {
  return T(sqrt(dot(v, v)));
}
template <class T, int N>
T distance(vec<T, N> a, vec<T, N> b) {
  return length(a - b);
}
template <class T, int N>
vec<T, N> normalize(vec<T, N> v) {
  return v / vec<T, N>(length(v));
}

// Fast math is not imitated: both give what the plain names give.
namespace fast {
using namespace metal;
}
namespace precise {
using namespace metal;
}

}  // namespace metal
