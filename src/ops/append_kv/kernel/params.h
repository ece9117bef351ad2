// The parameters of the kernel that stores new keys and values: plain data, the same for host and device.
#pragma once

#include "src/ops/rotary/kernel/params.h"

namespace flashtile::inline v0_2::kernels {

/// New rows (B, Hkv, L, columns).
struct NewRows {
  FT_DEVICE const void* data;
  RowStrides strides;
  FloatType type;
  int32_t columns;
};

/// The rows of a cache: `block` steps from one batch entry to the next, or from page to page.
struct CacheRows {
  FT_DEVICE void* data;
  int64_t block, head, row;  ///< strides
  FloatType type;
};

struct AppendKvParams {
  NewRows k, v;
  CacheRows cache_k, cache_v;
  RowPositions positions;
  FT_DEVICE const int32_t* table;  ///< nullptr: the block of a batch entry is its own
  int64_t table_batch_stride, table_stride;
  int64_t table_length;  ///< blocks of a batch entry; 1 without a table
  int64_t block_rows;    ///< rows of a page, or of a batch entry's cache
  int64_t blocks;        ///< pages, or batch entries
  int64_t batch, heads, length;
  RotaryAngles angles;
};

}  // namespace flashtile::inline v0_2::kernels
