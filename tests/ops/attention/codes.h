// Quantised elements, one by one, as tests write and read them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <stdexcept>

#include "flashtile/tensor.h"
#include "reference/array.h"

namespace flashtile::test {

inline bool is_block(DType dtype) { return dtype == DType::q8_0 || dtype == DType::q4_0; }
inline bool takes_scales(DType dtype) {
  return dtype == DType::i8 || dtype == DType::int4 || dtype == DType::f8_e4m3 || dtype == DType::f8_e5m2;
}
/// What a normal number becomes a code by.
inline double usual_code(DType dtype) {
  switch (dtype) {
    case DType::i8:
    case DType::q8_0: return 40;
    case DType::int4:
    case DType::q4_0: return 2.5;
    default: return 1;
  }
}

/// The block that an element lies in.
inline std::uint8_t* block_at(const TensorView& view, std::int64_t offset) {
  return static_cast<std::uint8_t*>(view.data) + (offset >> 5) * block_of(view.dtype).bytes;
}
/// Sets the scale of an element's block, if it has one.
inline void set_block_scale(const TensorView& view, std::int64_t offset, double scale) {
  if (!is_block(view.dtype)) return;
  const std::uint16_t bits = half(static_cast<float>(scale)).bits;
  block_at(view, offset)[0] = static_cast<std::uint8_t>(bits);
  block_at(view, offset)[1] = static_cast<std::uint8_t>(bits >> 8);
}

/// Sets a code, rounded; of NaN and of infinities some code, and in a block, also its scale.
inline void set_code(const TensorView& view, std::int64_t offset, double value) {
  auto* const bytes = static_cast<std::uint8_t*>(view.data);
  const auto integer = [&](double low, double high) {
    return std::isfinite(value) ? static_cast<int>(std::clamp(std::round(value), low, high))
                                : static_cast<int>(low);
  };
  const auto set_nibble = [](std::uint8_t& pair, bool high, int nibble) {
    pair = static_cast<std::uint8_t>(high ? (pair & 15) | nibble << 4 : (pair & 240) | (nibble & 15));
  };
  const std::int64_t in_block = offset & 31;
  switch (view.dtype) {
    case DType::i8: bytes[offset] = static_cast<std::uint8_t>(integer(-128, 127)); return;
    case DType::int4: return set_nibble(bytes[offset >> 1], (offset & 1) == 1, integer(-8, 7) & 15);
    case DType::f8_e4m3: bytes[offset] = f8_e4m3(static_cast<float>(value)).bits; return;
    case DType::f8_e5m2: bytes[offset] = f8_e5m2(static_cast<float>(value)).bits; return;
    case DType::q8_0:
      block_at(view, offset)[2 + in_block] = static_cast<std::uint8_t>(integer(-128, 127));
      break;
    case DType::q4_0:
      set_nibble(block_at(view, offset)[2 + in_block % 16], in_block >= 16, integer(-8, 7) + 8);
      break;
    default: throw std::logic_error("set_code: this type has no codes");
  }
  if (!std::isfinite(value)) set_block_scale(view, offset, value);
}

/// The element of a block, or else its code, as the oracle reads it.
inline double code_at(const TensorView& view, std::int64_t offset) {
  using reference::Element;
  switch (view.dtype) {
    case DType::i8: return reference::element(view.data, Element::i8, offset);
    case DType::int4: return reference::element(view.data, Element::int4, offset);
    case DType::f8_e4m3: return reference::element(view.data, Element::f8_e4m3, offset);
    case DType::f8_e5m2: return reference::element(view.data, Element::f8_e5m2, offset);
    case DType::q8_0: return reference::element(view.data, Element::q8_0, offset);
    case DType::q4_0: return reference::element(view.data, Element::q4_0, offset);
    default: return std::nan("");
  }
}

}  // namespace flashtile::test
