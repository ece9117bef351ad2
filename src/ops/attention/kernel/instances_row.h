// One row of the tables of compiled attention kernels. Included by the files that compile them and by kernels.h.
#pragma once

#include <cstddef>

#include "flashtile/device.h"
#include "flashtile/dtype.h"
#include "src/ops/attention/kernel/params.h"

namespace flashtile::inline v0_2::kernels {

/// One kernel text compiled for one element type and for rows of at most `head_dim` elements.
struct AttentionKernel {
  const char*
      text;  ///< "tensor_ops", "tensor_ops.groups", "simdgroup", "exact_rows", "merge_parts", "score_stages" or "softmax_rows"
  DType dtype;
  int head_dim;                 ///< 0: any
  int tile_queries, tile_keys;  ///< 0: not tiled
  std::size_t threadgroup_bytes;
  void (*launch)(const Queue& queue, const AttentionParams& params);
  int threadgroups_per_unit = 1;  ///< as many are to fit a compute unit side by side
  int notes_of_tile = 0;          ///< that simdgroups leave of what they store, see row_notes.h
};

}  // namespace flashtile::inline v0_2::kernels
