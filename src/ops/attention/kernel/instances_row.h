// The tables of compiled attention kernels: what a row is. Included by the files that compile them and by kernels.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "flashtile/device.h"
#include "flashtile/dtype.h"
#include "src/ops/attention/kernel/params.h"

namespace flashtile::inline v0_2::kernels {

/// A kernel text, which is compiled for several types and sizes.
enum class AttentionText : std::uint8_t {
  tensor_ops,
  tensor_ops_groups,  ///< tensor_ops, where the query heads of a KV head share tiles
  simdgroup,
  exact_rows,
  merge_parts,
  score_stages,
  softmax_rows
};

/// "tensor_ops", ...
constexpr const char* name(AttentionText text) {
  switch (text) {
    case AttentionText::tensor_ops: return "tensor_ops";
    case AttentionText::tensor_ops_groups: return "tensor_ops.groups";
    case AttentionText::simdgroup: return "simdgroup";
    case AttentionText::exact_rows: return "exact_rows";
    case AttentionText::merge_parts: return "merge_parts";
    case AttentionText::score_stages: return "score_stages";
    case AttentionText::softmax_rows: return "softmax_rows";
  }
  return "";
}

/// One kernel text compiled for one element type and for rows of at most `head_dim` elements.
struct AttentionKernel {
  AttentionText text;
  DType dtype;
  int head_dim;                 ///< 0: any
  int tile_queries, tile_keys;  ///< 0: not tiled
  std::size_t threadgroup_bytes;
  void (*launch)(const Queue& queue, const AttentionParams& params);
  int threadgroups_per_unit = 1;  ///< as many are to fit a compute unit side by side
  int notes_of_tile = 0;          ///< that simdgroups leave of what they store, see row_notes.h
};

/// Those of one element type.
using AttentionKernels = std::span<const AttentionKernel>;

}  // namespace flashtile::inline v0_2::kernels
