// Elements of tensors that are no types of the language: several a byte, or floats of 8 bits and fewer, behind a uchar pointer.
#pragma once

#include "traits.h"

namespace metal {

struct int4b_format {};
struct uint4b_format {};
struct int2b_format {};
struct uint2b_format {};
struct metal_fp4_e2m1_format {};
struct metal_fp8_e4m3_format {};
struct metal_fp8_e5m2_format {};

namespace tensor_detail {

/// A float's code: sign, exponent, mantissa. `finite_only` has no infinities, and a NaN in its last code alone.
template <int exponent_bits, int mantissa_bits, bool finite_only>
constexpr float float_of_code(uint code) {
  const int mantissa = int(code & ((1u << mantissa_bits) - 1));
  const int exponent = int(code >> mantissa_bits & ((1u << exponent_bits) - 1));
  constexpr int most = (1 << exponent_bits) - 1, bias = most / 2;
  const bool last = exponent == most && (!finite_only || mantissa == (1 << mantissa_bits) - 1);
  float value = 0;
  if (last && exponent_bits > 2) {
    value = mantissa == 0 ? __builtin_inff() : __builtin_nanf("");
  } else {
    value = float(mantissa + (exponent > 0 ? 1 << mantissa_bits : 0));
    const int power = (exponent > 0 ? exponent : 1) - bias - mantissa_bits;
    for (int i = 0; i < power; ++i) value *= 2;
    for (int i = 0; i > power; --i) value /= 2;
  }
  return (code >> (exponent_bits + mantissa_bits) & 1) != 0 ? -value : value;
}

/// How many bits an element takes, what it is read as, and its value.
template <class T>
struct Format {
  static constexpr int bits = 0;  // no packed format
  using type = T;
};
template <int width, bool is_signed>
struct IntegerFormat {
  static constexpr int bits = width;
  using type = int8_t;
  static constexpr type value(uint code) {
    return type(is_signed && (code >> (width - 1)) != 0 ? int(code) - (1 << width) : int(code));
  }
};
template <int exponent_bits, int mantissa_bits, bool finite_only>
struct FloatFormat {
  static constexpr int bits = 1 + exponent_bits + mantissa_bits;
  using type = float;
  static constexpr type value(uint code) {
    return float_of_code<exponent_bits, mantissa_bits, finite_only>(code);
  }
};
template <>
struct Format<int4b_format> : IntegerFormat<4, true> {};
template <>
struct Format<uint4b_format> : IntegerFormat<4, false> {};
template <>
struct Format<int2b_format> : IntegerFormat<2, true> {};
template <>
struct Format<uint2b_format> : IntegerFormat<2, false> {};
template <>
struct Format<metal_fp4_e2m1_format> : FloatFormat<2, 1, true> {};
template <>
struct Format<metal_fp8_e4m3_format> : FloatFormat<4, 3, true> {};
template <>
struct Format<metal_fp8_e5m2_format> : FloatFormat<5, 2, false> {};

template <class T>
inline constexpr int packed_bits = Format<remove_cv_t<T>>::bits;
template <class T>
inline constexpr bool is_packed = packed_bits<T> > 0;
/// Elements that share a byte; 1 of other types too.
template <class T>
inline constexpr int elements_in_byte = is_packed<T> ? 8 / (is_packed<T> ? packed_bits<T> : 8) : 1;
/// What memory holds, and what an element is read as.
template <class T>
using stored_t = conditional_t<is_packed<T>, conditional_t<is_const_v<T>, const uchar, uchar>, T>;
template <class T>
using element_t = typename Format<remove_cv_t<T>>::type;

/// Element `at`: of those that share a byte the first is in its lowest bits, though Apple does not say so.
template <class T>
METAL_UNCHECKED element_t<T> read(stored_t<T>* data, ptrdiff_t at) {
  if constexpr (is_packed<T>) {
    constexpr int bits = packed_bits<T>, in_byte = elements_in_byte<T>;
    return Format<remove_cv_t<T>>::value(data[at / in_byte] >> (at % in_byte * bits) & ((1 << bits) - 1));
  } else {
    return data[at];
  }
}

}  // namespace tensor_detail
}  // namespace metal
