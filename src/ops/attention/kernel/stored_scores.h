// One head's stored scores, or the weights that take their place, as rows of a tensor.
#pragma once

#include "src/ops/attention/kernel/rows.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {

/// Those of queries from `row` on, `step` elements apart.
template <class E>
FT_FUNCTION Matrix<E> stored_rows(FT_DEVICE E* data, int64_t step, FT_CONSTANT const AttentionParams& p,
                                  int64_t row) {
  return matrix_of(RowRun<E>{data + row * step, step}, p.query_length - row, p.kv_length);
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
