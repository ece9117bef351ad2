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

/// bfloat16 arithmetic is float32 arithmetic, rounded to nearest even after every operation.
struct bfloat {
  uint16_t bits;

  bfloat() = default;
  constexpr explicit bfloat(float value) : bits(round(value)) {}
  template <class T>
    requires(__is_same(T, int) || __is_same(T, uint) || __is_same(T, long) || __is_same(T, ulong) ||
             __is_same(T, half) || __is_same(T, short) || __is_same(T, ushort) || __is_same(T, bool) ||
             __is_same(T, double))
  constexpr explicit bfloat(T value) : bits(round(float(value))) {}
  constexpr operator float() const { return __builtin_bit_cast(float, uint32_t(bits) << 16); }

  static constexpr uint16_t round(float value) {
    const uint32_t b = __builtin_bit_cast(uint32_t, value);
    if ((b & 0x7fffffffu) > 0x7f800000u) return uint16_t((b >> 16) | 0x40u);  // a quiet NaN
    return uint16_t((b + 0x7fffu + ((b >> 16) & 1u)) >> 16);
  }
#define METAL_BFLOAT(op)                                                                           \
  friend constexpr bfloat operator op(bfloat a, bfloat b) { return bfloat(float(a) op float(b)); } \
  constexpr bfloat& operator op## = (bfloat b) { return *this = *this op b; }
  METAL_BFLOAT(+)
  METAL_BFLOAT(-)
  METAL_BFLOAT(*)
  METAL_BFLOAT(/)
#undef METAL_BFLOAT
  friend constexpr bfloat operator-(bfloat a) { return bfloat(-float(a)); }
};

constexpr half operator""h(long double value) { return half(value); }
constexpr half operator""h(unsigned long long value) { return half(value); }
constexpr bfloat operator"" bf(long double value) { return bfloat(float(value)); }
constexpr bfloat operator"" bf(unsigned long long value) { return bfloat(float(value)); }

#define INFINITY __builtin_inff()
#define NAN __builtin_nanf("")
#define MAXFLOAT 3.402823466e+38f
#define FLT_MAX 3.402823466e+38f
#define FLT_MIN 1.175494351e-38f
#define FLT_EPSILON 1.192092896e-07f
#define HALF_MAX half(65504.0f)
#define HALF_MIN half(6.103515625e-05f)
#define MAXHALF half(65504.0f)
#define INT_MAX 2147483647
#define INT_MIN (-2147483647 - 1)
#define UINT_MAX 4294967295u
#define SHRT_MAX 32767
#define USHRT_MAX 65535
#define CHAR_MAX 127
#define UCHAR_MAX 255
#define M_PI_F 3.14159274101257324219f
#define M_PI_2_F 1.57079637050628662109f
#define M_E_F 2.71828174591064453125f
#define M_LN2_F 0.69314718055994530942f
#define M_LOG2E_F 1.44269502162933349609f
#define M_LOG2E_H half(1.4427f)
#define M_SQRT2_F 1.41421353816986083984f
#define METAL_FUNC inline
