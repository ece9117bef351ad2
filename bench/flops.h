// Floating-point operations and bytes that a problem needs at least: what rates and shares of peak are computed
// from. Called by the command line. Counts are doubles: exact to 2^53, and rates need no more.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "flashtile/mask.h"
#include "flashtile/tensor.h"

namespace flashtile::bench {

struct Work {
  double flops = 0;  ///< a multiplication and an addition are two
  double bytes = 0;  ///< each input read once and each output written once
};

struct AttentionSizes {
  std::int64_t batch, query_heads, kv_heads, query_length, kv_length, head_dim, value_dim;
};

namespace detail {

/// Keys 0 ... count - 1 that the causal part of a mask lets query i see.
inline std::int64_t causal_keys(const AttentionSizes& s, const Mask& mask, std::int64_t i) {
  if (!mask.causal) return s.kv_length;
  const std::int64_t offset = *mask.causal == CausalCorner::bottom_right ? s.kv_length - s.query_length : 0;
  return std::clamp<std::int64_t>(i + offset + 1, 0, s.kv_length);
}

inline bool attends(const MaskTensor& mask, std::int64_t index) {
  switch (mask.view.dtype) {
    case DType::u8: return static_cast<const std::uint8_t*>(mask.view.data)[index] != 0;
    case DType::f32:
      return static_cast<const float*>(mask.view.data)[index] != -std::numeric_limits<float>::infinity();
    case DType::f16: return static_cast<const half*>(mask.view.data)[index].bits != 0xfc00;
    default: return static_cast<const bfloat*>(mask.view.data)[index].bits != 0xff80;
  }
}

}  // namespace detail

/// Pairs of a query and a key that it attends to, over all batches and query heads, counted from the mask. The
/// mask is in host memory.
inline double attended_pairs(const AttentionSizes& s, const Mask& mask) {
  std::int64_t pairs = 0;
  if (!mask.tensor) {
    for (std::int64_t i = 0; i < s.query_length; ++i) pairs += detail::causal_keys(s, mask, i);
    return static_cast<double>(pairs) * static_cast<double>(s.batch) * static_cast<double>(s.query_heads);
  }
  // The mask's own batches and heads are counted, and stand for those that they repeat over.
  const TensorView& view = mask.tensor->view;
  const auto size = [&](int from_right) {
    return view.rank() >= from_right ? view.shape[view.rank() - from_right] : 1;
  };
  const auto stride = [&](int from_right) {
    return size(from_right) == 1 ? 0 : view.strides[view.rank() - from_right];
  };
  for (std::int64_t b = 0; b < size(4); ++b) {
    for (std::int64_t h = 0; h < size(3); ++h) {
      for (std::int64_t i = 0; i < s.query_length; ++i) {
        const std::int64_t row = b * stride(4) + h * stride(3) + i * stride(2);
        const std::int64_t keys = detail::causal_keys(s, mask, i);
        for (std::int64_t j = 0; j < keys; ++j)
          pairs += detail::attends(*mask.tensor, row + j * stride(1)) ? 1 : 0;
      }
    }
  }
  return static_cast<double>(pairs) * (static_cast<double>(s.batch) / static_cast<double>(size(4))) *
         (static_cast<double>(s.query_heads) / static_cast<double>(size(3)));
}

/// Two products of 2 D and 2 Dv operations for each attended pair; q, k, v, the mask and out moved once.
inline Work attention_work(const AttentionSizes& s, const Mask& mask, DType dtype) {
  const double heads = static_cast<double>(s.batch) * static_cast<double>(s.query_heads);
  const double kv_heads = static_cast<double>(s.batch) * static_cast<double>(s.kv_heads);
  const double dims = static_cast<double>(s.head_dim + s.value_dim);
  const double elements =
      heads * static_cast<double>(s.query_length) * dims + kv_heads * static_cast<double>(s.kv_length) * dims;
  const double mask_bytes = mask.tensor ? static_cast<double>(element_count(mask.tensor->view.shape)) *
                                              bits(mask.tensor->view.dtype) / 8
                                        : 0;
  return {2 * attended_pairs(s, mask) * dims, elements * bits(dtype) / 8 + mask_bytes};
}

struct GemmTypes {
  DType a, b, c;
};

/// C = A B with A (M, K) and B (K, N).
inline Work gemm_work(std::int64_t m, std::int64_t n, std::int64_t k, const GemmTypes& types) {
  const auto rows = static_cast<double>(m), columns = static_cast<double>(n), depth = static_cast<double>(k);
  return {
      2 * rows * columns * depth,
      (rows * depth * bits(types.a) + depth * columns * bits(types.b) + rows * columns * bits(types.c)) / 8};
}

}  // namespace flashtile::bench
