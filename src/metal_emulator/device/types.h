// Scalar types of the Metal Shading Language and its constants. No header of the C++ library is included: it would bring
// POSIX's names into kernels.
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime.h"

using uchar = unsigned char;
using ushort = unsigned short;
using uint = unsigned int;
using ulong = unsigned long;
using half = _Float16;  // arithmetic rounds after every operation

/// bfloat16 arithmetic is float32 arithmetic, rounded to nearest even after every operation. As in MSL an integer becomes a bfloat
/// by itself, and a bfloat a float; what loses digits must be written.
struct bfloat {
  uint16_t bits;

  template <class T, class... U>
  static constexpr bool is_any = (__is_same(T, U) || ...);
  template <class T>
  static constexpr bool is_integer = is_any<T, bool, char, signed char, uchar, short, ushort, int, uint, long,
                                            ulong, long long, unsigned long long>;
  template <class T>
  static constexpr bool is_number = is_integer<T> || is_any<T, float, half, double>;
  template <class T, bool integer = is_integer<T>>
  struct Meet {
    using type = float;
  };
  template <class T>
  struct Meet<T, true> {
    using type = bfloat;
  };
  template <class T>
  using Met = typename Meet<T>::type;

  bfloat() = default;
  template <class T>
    requires(is_integer<T>)
  constexpr bfloat(T value) : bits(round(float(value))) {}
  template <class T>
    requires(is_any<T, float, half, double>)
  constexpr explicit bfloat(T value) : bits(round(float(value))) {}

  template <class T>
    requires(__is_same(T, float))
  constexpr operator T() const {
    return __builtin_bit_cast(float, uint32_t(bits) << 16);
  }
  template <class T>
    requires(is_integer<T> || is_any<T, half, double>)
  constexpr explicit operator T() const {
    return T(float(*this));
  }

  static constexpr uint16_t round(float value) {
    const uint32_t b = __builtin_bit_cast(uint32_t, value);
    if ((b & 0x7fffffffu) > 0x7f800000u) return uint16_t((b >> 16) | 0x40u);  // a quiet NaN
    return uint16_t((b + 0x7fffu + ((b >> 16) & 1u)) >> 16);
  }
  // With an integer as with another bfloat; with a wider float that is the type. Written out, since the compiler's own operators
  // would turn "b ? x : 0" and the like into integers.
#define METAL_BFLOAT(op)                                                                           \
  friend constexpr bfloat operator op(bfloat a, bfloat b) { return bfloat(float(a) op float(b)); } \
  template <class T>                                                                               \
    requires(is_number<T>)                                                                         \
  friend constexpr Met<T> operator op(bfloat a, T b) {                                             \
    return Met<T>(a) op Met<T>(b);                                                                 \
  }                                                                                                \
  template <class T>                                                                               \
    requires(is_number<T>)                                                                         \
  friend constexpr Met<T> operator op(T a, bfloat b) {                                             \
    return Met<T>(a) op Met<T>(b);                                                                 \
  }                                                                                                \
  template <class T>                                                                               \
    requires(is_number<T>)                                                                         \
  friend constexpr T& operator op## = (T & a, bfloat b) {                                          \
    return a = T(a op b);                                                                          \
  }                                                                                                \
  constexpr bfloat& operator op## = (bfloat b) { return *this = *this op b; }
  METAL_BFLOAT(+)
  METAL_BFLOAT(-)
  METAL_BFLOAT(*)
  METAL_BFLOAT(/)
#undef METAL_BFLOAT
#define METAL_BFLOAT(op)                                                                 \
  friend constexpr bool operator op(bfloat a, bfloat b) { return float(a) op float(b); } \
  template <class T>                                                                     \
    requires(is_number<T>)                                                               \
  friend constexpr bool operator op(bfloat a, T b) {                                     \
    return float(a) op b;                                                                \
  }                                                                                      \
  template <class T>                                                                     \
    requires(is_number<T>)                                                               \
  friend constexpr bool operator op(T a, bfloat b) {                                     \
    return a op float(b);                                                                \
  }
  METAL_BFLOAT(==)
  METAL_BFLOAT(!=)
  METAL_BFLOAT(<)
  METAL_BFLOAT(>)
  METAL_BFLOAT(<=)
  METAL_BFLOAT(>=)
#undef METAL_BFLOAT
  friend constexpr bfloat operator+(bfloat a) { return a; }
  friend constexpr bfloat operator-(bfloat a) { return bfloat(-float(a)); }
};

constexpr half operator""h(long double value) { return half(value); }
constexpr half operator""h(unsigned long long value) { return half(value); }
constexpr bfloat operator"" bf(long double value) { return bfloat(float(value)); }
constexpr bfloat operator"" bf(unsigned long long value) { return bfloat(float(value)); }

#define INFINITY __builtin_inff()
#define HUGE_VALF __builtin_inff()
#define HUGE_VALH half(__builtin_inff())
#define NAN __builtin_nanf("")
#define MAXFLOAT 3.402823466e+38f
#define FLT_MAX 3.402823466e+38f
#define FLT_MIN 1.175494351e-38f
#define FLT_EPSILON 1.192092896e-07f
#define FLT_DIG 6
#define FLT_MANT_DIG 24
#define FLT_MAX_EXP 128
#define FLT_MIN_EXP (-125)
#define FLT_RADIX 2
#define HALF_MAX half(65504.0f)
#define HALF_MIN half(6.103515625e-05f)
#define HALF_EPSILON half(9.765625e-04f)
#define HALF_DIG 3
#define HALF_MANT_DIG 11
#define HALF_MAX_EXP 16
#define HALF_MIN_EXP (-13)
#define HALF_RADIX 2
#define MAXHALF half(65504.0f)
#define INT_MAX 2147483647
#define INT_MIN (-2147483647 - 1)
#define UINT_MAX 4294967295u
#define LONG_MAX 9223372036854775807l
#define LONG_MIN (-9223372036854775807l - 1)
#define ULONG_MAX 18446744073709551615ul
#define SHRT_MAX 32767
#define SHRT_MIN (-32768)
#define USHRT_MAX 65535
#define CHAR_BIT 8
#define CHAR_MAX 127
#define CHAR_MIN (-128)
#define SCHAR_MAX 127
#define SCHAR_MIN (-128)
#define UCHAR_MAX 255

// Named as M_PI_F and M_PI_H, to the digits that a float holds.
#define M_E_F 2.71828174591064453125f
#define M_LOG2E_F 1.44269502162933349609f
#define M_LOG10E_F 0.43429449200630187988f
#define M_LN2_F 0.69314718246459960938f
#define M_LN10_F 2.30258512496948242188f
#define M_PI_F 3.14159274101257324219f
#define M_PI_2_F 1.57079637050628662109f
#define M_PI_4_F 0.78539818525314331055f
#define M_1_PI_F 0.31830987334251403809f
#define M_2_PI_F 0.63661974668502807617f
#define M_2_SQRTPI_F 1.12837922573089599609f
#define M_SQRT2_F 1.41421353816986083984f
#define M_SQRT1_2_F 0.70710676908493041992f
#define M_E_H half(M_E_F)
#define M_LOG2E_H half(M_LOG2E_F)
#define M_LOG10E_H half(M_LOG10E_F)
#define M_LN2_H half(M_LN2_F)
#define M_LN10_H half(M_LN10_F)
#define M_PI_H half(M_PI_F)
#define M_PI_2_H half(M_PI_2_F)
#define M_PI_4_H half(M_PI_4_F)
#define M_1_PI_H half(M_1_PI_F)
#define M_2_PI_H half(M_2_PI_F)
#define M_2_SQRTPI_H half(M_2_SQRTPI_F)
#define M_SQRT2_H half(M_SQRT2_F)
#define M_SQRT1_2_H half(M_SQRT1_2_F)
#define METAL_FUNC inline
