// Numbers of any type somewhere in memory, read as doubles one by one: an oracle needs no copy of its inputs,
// and reads only what the rows that it computes are made of.
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

namespace flashtile::reference {

/// How an element lies in memory. 4-bit ones lie in pairs, the first in the low half of its byte; those of q8_0 and q4_0
/// in ggml's blocks of 32.
enum class Element { f64, f32, f16, bf16, i32, i8, u8, int4, uint4, i64, f8_e4m3, f8_e5m2, q8_0, q4_0 };

/// A float of 8 bits, of which so many are fraction, without its infinities and NaN.
inline double f8_value(std::uint8_t bits, int fraction_bits, int bias) {
  const int exponent = (bits & 127) >> fraction_bits, fraction = bits & ((1 << fraction_bits) - 1);
  const double size = std::ldexp(exponent == 0 ? fraction : fraction + (1 << fraction_bits),
                                 (exponent == 0 ? 1 : exponent) - bias - fraction_bits);
  return bits >= 128 ? -size : size;
}

inline double half_value(std::uint16_t bits) {
  const int exponent = bits >> 10 & 31, fraction = bits & 1023;
  const double size =
      exponent == 31 ? (fraction != 0 ? std::numeric_limits<double>::quiet_NaN() : HUGE_VAL)
      : exponent == 0
          ? fraction * 0x1p-24
          : std::bit_cast<double>((std::uint64_t(exponent) + 1008) << 52 | std::uint64_t(fraction) << 42);
  return (bits & 0x8000) != 0 ? -size : size;
}

/// Element `index` of what begins at `data`.
inline double element(const void* data, Element type, std::int64_t index) {
  const auto at = [&]<class T>(T value) {
    std::memcpy(&value, static_cast<const char*>(data) + index * std::int64_t{sizeof(T)}, sizeof(T));
    return value;
  };
  const auto nibble = [&] {
    return static_cast<const std::uint8_t*>(data)[index >> 1] >> 4 * (index & 1) & 15;
  };
  // The block of an element of ggml's formats: its scale, and then its codes.
  const auto block = [&](int bytes) { return static_cast<const std::uint8_t*>(data) + (index >> 5) * bytes; };
  const auto scale = [&](const std::uint8_t* b) {
    return half_value(static_cast<std::uint16_t>(b[0] | b[1] << 8));
  };
  switch (type) {
    case Element::f8_e4m3: {
      const auto bits = at(std::uint8_t{});
      return (bits & 127) == 127 ? std::numeric_limits<double>::quiet_NaN() : f8_value(bits, 3, 7);
    }
    case Element::f8_e5m2: {
      const auto bits = at(std::uint8_t{});
      return (bits & 127) >= 124 ? half_value(static_cast<std::uint16_t>(bits << 8)) : f8_value(bits, 2, 15);
    }
    case Element::q8_0: {
      const std::uint8_t* b = block(34);
      return scale(b) * static_cast<std::int8_t>(b[2 + (index & 31)]);
    }
    case Element::q4_0: {
      const std::uint8_t* b = block(18);
      return scale(b) * ((b[2 + (index & 15)] >> ((index & 16) == 0 ? 0 : 4) & 15) - 8);
    }
    case Element::f64: return at(double{});
    case Element::f32: return static_cast<double>(at(float{}));
    case Element::f16: return half_value(at(std::uint16_t{}));
    case Element::bf16:
      return static_cast<double>(std::bit_cast<float>(std::uint32_t{at(std::uint16_t{})} << 16));
    case Element::i32: return at(std::int32_t{});
    case Element::i8: return at(std::int8_t{});
    case Element::u8: return at(std::uint8_t{});
    case Element::int4: return (nibble() ^ 8) - 8;
    case Element::uint4: return nibble();
    case Element::i64: return static_cast<double>(at(std::int64_t{}));
  }
  return std::numeric_limits<double>::quiet_NaN();
}

/// An array of Rank dimensions; a stride, in elements, of 0 repeats.
template <int Rank>
struct Array {
  const void* data = nullptr;
  std::array<std::int64_t, Rank> strides{};
  Element type = Element::f64;
  std::int64_t first = 0;            ///< index of its first element
  bool subnormals_are_zero = false;  ///< does what is below 2^-126, as an operand of a product, count as 0?

  /// An element, or the array of what the indices that are not given choose from.
  template <class... Indices>
    requires(sizeof...(Indices) <= Rank)
  auto operator()(Indices... indices) const {
    constexpr std::size_t kGiven = sizeof...(Indices);
    std::int64_t at = first;
    std::size_t dimension = 0;
    ((at += indices * strides[dimension++]), ...);
    if constexpr (kGiven == Rank) {
      const double value = element(data, type, at);
      return subnormals_are_zero && std::fabs(value) < 0x1p-126 ? 0.0 : value;
    } else {
      Array<Rank - static_cast<int>(kGiven)> rest{data, {}, type, at, subnormals_are_zero};
      for (std::size_t i = 0; i < rest.strides.size(); ++i) rest.strides[i] = strides[kGiven + i];
      return rest;
    }
  }
};
using Array2 = Array<2>;
using Array4 = Array<4>;

}  // namespace flashtile::reference
