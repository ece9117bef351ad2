// How flash.sm90's kernels tell the copy engine of their tensors. Included by instances_sm90*.h.
#pragma once

#include "flashtile/primitives.h"
#include "src/ops/attention/kernel/params.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {
using namespace flashtile::primitives;

/// The map of rows of `columns` elements of a tensor (B, H, L, columns).
template <class T>
tensor_map map_of(const void* data, const RowStrides& strides, std::int64_t columns, std::int64_t rows,
                  std::int64_t heads, std::int64_t batch, int box_rows) {
  return make_tensor_map(static_cast<const T*>(data),
                         {{columns, rows, heads, batch}, {strides.row, strides.head, strides.batch}}, box_rows);
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
