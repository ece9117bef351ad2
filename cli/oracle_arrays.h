// Tensors in host memory as the oracles read them: where they lie, in their own types.
#pragma once

#include "flashtile/tensor.h"
#include "reference/array.h"
#include "reference/format.h"

namespace flashtile::cli {

reference::Element element_of(DType dtype);

/// How results of a floating-point type are rounded.
reference::Format format_of(DType dtype);

/// Do operands of these types count as 0 below 2^-126? Bfloats do where a CPU multiplies two of them.
inline bool subnormals_are_zero(DType a, DType b, Device device) {
  return device.type == DeviceType::cpu && a == DType::bf16 && b == DType::bf16;
}

/// Dimensions are aligned at the right; one of size 1 repeats.
template <int Rank>
reference::Array<Rank> oracle_array(const TensorView& view) {
  reference::Array<Rank> array{.data = view.data, .strides = {}, .type = element_of(view.dtype)};
  for (int i = 0; i < view.rank(); ++i) {
    array.strides[static_cast<std::size_t>(Rank - view.rank() + i)] = view.shape[i] == 1 ? 0 : view.strides[i];
  }
  return array;
}

}  // namespace flashtile::cli
