// Element types: the run-time enum DType, and the 16-bit and 4-bit types that C++20 lacks.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "flashtile/detail/config.h"
#include "flashtile/detail/kernel_words.h"

namespace flashtile::inline v0_2 {
FLASHTILE_EXPORTS_BEGIN

/// Type of a tensor's elements. f64 is only for oracles and files, i64 for files, lengths and offsets. int4 and
/// uint4 are packed in pairs, low nibble first. f8_e4m3 has no infinity (OCP 8-bit floating point, 2023). q8_0 and
/// q4_0 are blocks of 32 elements that share a scale, as ggml lays them out: an f16 scale, then 32 i8; or an f16
/// scale, then 16 bytes, of which byte i holds element i, low, and element i + 16, high, each 8 too large.
enum class DType : std::uint8_t {
  f64 = 0,
  f32 = 1,
  f16 = 2,
  bf16 = 3,
  i8 = 4,
  u8 = 5,
  i32 = 6,
  int4 = 7,
  uint4 = 8,
  i64 = 9,
  f8_e4m3 = 10,
  f8_e5m2 = 11,
  q8_0 = 12,
  q4_0 = 13,
};

/// "f32", "bf16", ...
const char* name(DType dtype) noexcept;

/// Bits of one element: 64, 32, 16, 8 or 4; of q8_0 and q4_0, whose blocks hold a scale besides, those of its code.
int bits(DType dtype) noexcept;

/// The smallest piece of memory that holds whole elements.
struct Block {
  int elements, bytes;
};
/// {1, 4} of f32, {2, 1} of int4, {32, 34} of q8_0. A type that is none has {1, 0}.
Block block_of(DType dtype) noexcept;

namespace detail {
FLASHTILE_HOST_DEVICE constexpr std::uint32_t float_bits(float value) {
#if defined(__CUDA_ARCH__)
  return __float_as_uint(value);
#else
  return std::bit_cast<std::uint32_t>(value);
#endif
}
FLASHTILE_HOST_DEVICE constexpr float bits_float(std::uint32_t value) {
#if defined(__CUDA_ARCH__)
  return __uint_as_float(value);
#else
  return std::bit_cast<float>(value);
#endif
}
}  // namespace detail

/// IEEE 754 binary16, stored as its bits. Conversion from float rounds to nearest even.
struct half {
  std::uint16_t bits;

  half() = default;
  FLASHTILE_HOST_DEVICE constexpr explicit half(float value) : bits(from_float(value)) {}
  FLASHTILE_HOST_DEVICE constexpr operator float() const { return to_float(bits); }
  FLASHTILE_HOST_DEVICE static constexpr half from_bits(std::uint16_t b) {
    half h{};
    h.bits = b;
    return h;
  }

  FLASHTILE_HOST_DEVICE static constexpr float to_float(std::uint16_t h) {
    const std::uint32_t sign = static_cast<std::uint32_t>(h & 0x8000u) << 16;
    const std::uint32_t magnitude = h & 0x7fffu;
    if (magnitude >= 0x7c00u) return detail::bits_float(sign | 0x7f800000u | (magnitude & 0x3ffu) << 13);
    if (magnitude >= 0x0400u) return detail::bits_float(sign | ((magnitude << 13) + 0x38000000u));
    const float subnormal = static_cast<float>(magnitude) * 0x1p-24f;
    return sign != 0 ? -subnormal : subnormal;
  }
  FLASHTILE_HOST_DEVICE static constexpr std::uint16_t from_float(float value) {
    const std::uint32_t b = detail::float_bits(value);
    const auto sign = static_cast<std::uint16_t>((b >> 16) & 0x8000u);
    const std::uint32_t magnitude = b & 0x7fffffffu;
    if (magnitude > 0x7f800000u)
      return static_cast<std::uint16_t>(sign | 0x7e00u | ((magnitude >> 13) & 0x3ffu));
    if (magnitude >= 0x477ff000u) return static_cast<std::uint16_t>(sign | 0x7c00u);  // 65520 and above
    if (magnitude < 0x38800000u) {                                                    // below 2^-14: subnormal
      const float units = detail::bits_float(magnitude) * 0x1p24f;                    // exact
      const auto floor = static_cast<std::uint32_t>(units);
      const float rest = units - static_cast<float>(floor);
      const std::uint32_t up = rest > 0.5f || (rest == 0.5f && (floor & 1u) != 0) ? 1u : 0u;
      return static_cast<std::uint16_t>(sign | (floor + up));
    }
    const std::uint32_t rounded = magnitude - 0x38000000u + 0xfffu + ((magnitude >> 13) & 1u);
    return static_cast<std::uint16_t>(sign | (rounded >> 13));
  }
};

/// bfloat16: the upper half of a binary32, stored as its bits. Conversion from float rounds to nearest even.
struct bfloat {
  std::uint16_t bits;

  bfloat() = default;
  FLASHTILE_HOST_DEVICE constexpr explicit bfloat(float value) : bits(from_float(value)) {}
  FLASHTILE_HOST_DEVICE constexpr operator float() const {
    return detail::bits_float(static_cast<std::uint32_t>(bits) << 16);
  }
  FLASHTILE_HOST_DEVICE static constexpr bfloat from_bits(std::uint16_t b) {
    bfloat v{};
    v.bits = b;
    return v;
  }

  FLASHTILE_HOST_DEVICE static constexpr std::uint16_t from_float(float value) {
    const std::uint32_t b = detail::float_bits(value);
    if ((b & 0x7fffffffu) > 0x7f800000u) return static_cast<std::uint16_t>((b >> 16) | 0x40u);  // quiet NaN
    return static_cast<std::uint16_t>((b + 0x7fffu + ((b >> 16) & 1u)) >> 16);
  }
};

namespace detail {
/// A float as an 8-bit one of `fraction_bits` bits of fraction and an exponent whose bias is `bias`, rounded to nearest
/// even. What is past the largest number, `most`, becomes `past`.
constexpr std::uint8_t f8_from_float(float value, int fraction_bits, int bias, std::uint32_t most,
                                     std::uint32_t past, std::uint32_t nan) {
  const std::uint32_t b = float_bits(value), magnitude = b & 0x7fffffffu, sign = b >> 24 & 0x80u;
  if (magnitude > 0x7f800000u) return static_cast<std::uint8_t>(sign | nan);
  const std::uint32_t smallest_normal = static_cast<std::uint32_t>(128 - bias) << 23;
  std::uint32_t code;
  if (magnitude < smallest_normal) {  // a multiple of the smallest number: the addition rounds to one
    const float units = bits_float(static_cast<std::uint32_t>(126 + bias + fraction_bits) << 23);
    code = float_bits(bits_float(magnitude) * units + 0x1p23f) - 0x4b000000u;
  } else {
    const int dropped = 23 - fraction_bits;
    const std::uint32_t even = magnitude >> dropped & 1u;
    code = (magnitude - (smallest_normal - (1u << 23)) + (1u << (dropped - 1)) - 1u + even) >> dropped;
  }
  return static_cast<std::uint8_t>(sign | (code > most ? past : code));
}
}  // namespace detail

/// 8-bit floating point with 4 bits of exponent and 3 of fraction, stored as its bits: numbers up to 448, NaN, and no
/// infinity (OCP, 2023). Conversion from float rounds to nearest even; what is past the largest number becomes it, as
/// OCP's saturating conversion says.
struct f8_e4m3 {
  std::uint8_t bits;

  f8_e4m3() = default;
  constexpr explicit f8_e4m3(float value) : bits(detail::f8_from_float(value, 3, 7, 0x7e, 0x7e, 0x7f)) {}
  FLASHTILE_HOST_DEVICE constexpr operator float() const {
    const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x80u) << 24, magnitude = bits & 0x7fu;
    if (magnitude == 0x7fu) return detail::bits_float(sign | 0x7fc00000u);
    if (magnitude >= 8u) return detail::bits_float(sign | ((magnitude << 20) + (120u << 23)));
    const float subnormal = static_cast<float>(magnitude) * 0x1p-9f;
    return sign != 0 ? -subnormal : subnormal;
  }
  FLASHTILE_HOST_DEVICE static constexpr f8_e4m3 from_bits(std::uint8_t b) {
    f8_e4m3 value{};
    value.bits = b;
    return value;
  }
};

/// 8-bit floating point with 5 bits of exponent and 2 of fraction: the upper half of a binary16, with its infinities.
/// Conversion from float rounds to nearest even.
struct f8_e5m2 {
  std::uint8_t bits;

  f8_e5m2() = default;
  constexpr explicit f8_e5m2(float value) : bits(detail::f8_from_float(value, 2, 15, 0x7b, 0x7c, 0x7e)) {}
  FLASHTILE_HOST_DEVICE constexpr operator float() const {
    return half::to_float(static_cast<std::uint16_t>(bits << 8));
  }
  FLASHTILE_HOST_DEVICE static constexpr f8_e5m2 from_bits(std::uint8_t b) {
    f8_e5m2 value{};
    value.bits = b;
    return value;
  }
};

/// A pair of packed 4-bit integers; the element with the even index is the low nibble.
struct int4b_format {
  std::uint8_t pair;
};
struct uint4b_format {
  std::uint8_t pair;
};

/// The DType of a C++ element type.
template <class T>
inline constexpr DType dtype_of = T::no_such_dtype;
template <>
inline constexpr DType dtype_of<double> = DType::f64;
template <>
inline constexpr DType dtype_of<float> = DType::f32;
template <>
inline constexpr DType dtype_of<half> = DType::f16;
template <>
inline constexpr DType dtype_of<bfloat> = DType::bf16;
template <>
inline constexpr DType dtype_of<std::int8_t> = DType::i8;
template <>
inline constexpr DType dtype_of<std::uint8_t> = DType::u8;
template <>
inline constexpr DType dtype_of<std::int32_t> = DType::i32;
template <>
inline constexpr DType dtype_of<std::int64_t> = DType::i64;
template <>
inline constexpr DType dtype_of<f8_e4m3> = DType::f8_e4m3;
template <>
inline constexpr DType dtype_of<f8_e5m2> = DType::f8_e5m2;
template <>
inline constexpr DType dtype_of<int4b_format> = DType::int4;
template <>
inline constexpr DType dtype_of<uint4b_format> = DType::uint4;

FLASHTILE_EXPORTS_END
}  // namespace flashtile::inline v0_2
