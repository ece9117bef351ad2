// Inline tensors over one head's rows of Q, K, V and O. Pointers are advanced in 64 bits before a tensor, whose
// indices are 32-bit, is built.
#pragma once

#include "flashtile/detail/grid.h"
#include "flashtile/primitives.h"
#include "src/ops/attention/kernel/params.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {
using namespace flashtile::primitives;

template <class T>
using Matrix = tensor<FT_DEVICE T, dextents<int, 2>, tensor_inline>;

/// Rows first_row ... length - 1 of one head, extents (columns, rows left).
template <class T>
FT_FUNCTION Matrix<T> rows_of(FT_DEVICE T* data, FT_CONSTANT const RowStrides& strides, int64_t batch,
                              int64_t head, int64_t first_row, int length, int columns) {
  const int64_t stride[2] = {1, strides.row};
  const int64_t left = length - first_row;
  return Matrix<T>(data + batch * strides.batch + head * strides.head + first_row * strides.row,
                   dextents<int, 2>(columns, left > 0 ? static_cast<int>(left) : 0), stride);
}

/// One head of one batch, as the kernels address it.
template <class T>
struct Head {
  FT_CONSTANT const AttentionParams& p;
  int64_t batch, head, kv_head;

  FT_FUNCTION Head(FT_CONSTANT const AttentionParams& params, int64_t batch_index, int64_t head_index)
      : p(params),
        batch(batch_index),
        head(head_index),
        kv_head(head_index / (params.query_heads / params.kv_heads)) {}

  FT_FUNCTION Matrix<const T> queries(int64_t row) const {
    return rows_of(static_cast<FT_DEVICE const T*>(p.q), p.q_strides, batch, head, row, p.query_length,
                   p.head_dim);
  }
  FT_FUNCTION Matrix<const T> keys(int64_t row) const {
    return rows_of(static_cast<FT_DEVICE const T*>(p.k), p.k_strides, batch, kv_head, row, p.kv_length,
                   p.head_dim);
  }
  FT_FUNCTION Matrix<const T> values(int64_t row) const {
    return rows_of(static_cast<FT_DEVICE const T*>(p.v), p.v_strides, batch, kv_head, row, p.kv_length,
                   p.value_dim);
  }
  FT_FUNCTION Matrix<T> out(int64_t row) const {
    return rows_of(static_cast<FT_DEVICE T*>(p.out), p.out_strides, batch, head, row, p.query_length,
                   p.value_dim);
  }
  /// The lse of row `row`; asked for only when p.lse is set.
  FT_FUNCTION FT_DEVICE float& lse(int64_t row) const {
    return p.lse[batch * p.lse_strides.batch + head * p.lse_strides.head + row * p.lse_strides.row];
  }
};

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
