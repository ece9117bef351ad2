// Where the entries of mask tensors lie, and the one switch over their types.
#pragma once

#include "src/ops/attention/kernel/rows.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {

/// Entries of batch and head from (row, column) on; an extent of 1 repeats along its dimension.
template <class E>
FT_FUNCTION Matrix<const E> entries_from(FT_CONSTANT const MaskEntries& m, int64_t batch, int64_t head,
                                         int64_t row, int column) {
  const int64_t r = m.rows == 1 ? 0 : row;
  const int c = m.columns == 1 ? 0 : column;
  return matrix_of(rows_from(static_cast<FT_DEVICE const E*>(m.data) + c, m.strides, batch, head, r),
                   m.rows - r, m.columns - c);
}

/// f(TypeOf<the bias's element type>); float where there is no bias.
template <class F>
FT_FUNCTION void with_bias_type(FT_CONSTANT const MaskTensors& mask, F f) {
  switch (mask.bias.type) {
    case EntryType::f16: return f(TypeOf<half>());
    case EntryType::bf16: return f(TypeOf<bfloat>());
    default: return f(TypeOf<float>());
  }
}

/// The mask tensors' entry for a pair: the bias, or -inf where the boolean hides.
FT_FUNCTION float entry_at(FT_CONSTANT const MaskTensors& mask, int64_t batch, int64_t head, int64_t row,
                           int column) {
  float entry = 0.0f;
  if (mask.bias.given()) {
    with_bias_type(mask, [&](auto type) {
      using E = typename decltype(type)::type;
      entry = static_cast<float>(entries_from<E>(mask.bias, batch, head, row, column)(0, 0));
    });
  }
  const bool hidden =
      mask.boolean.given() && entries_from<uint8_t>(mask.boolean, batch, head, row, column)(0, 0) == 0;
  return hidden ? kMinusInfinity : entry;
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
