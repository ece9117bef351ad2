// The parameters of the kernel that merges parts of an attention call: plain data, the same for host and device.
#pragma once

#include "src/ops/attention/kernel/params.h"
#include "src/ops/common/kernel/float_type.h"

namespace flashtile::inline v0_2::kernels {

/// The most parts of one launch: the parameters of a CUDA kernel have at most 4 KB.
inline constexpr FT_CONSTANT int kMostMergedParts = 32;

/// What attention over some of the keys came to.
struct MergedPart {
  FT_DEVICE const void* out;
  FT_DEVICE const float* lse;
  RowStrides out_strides, lse_strides;
  FloatType type;
};

struct MergeAttentionParams {
  MergedPart parts[kMostMergedParts];
  int32_t count;
  FloatType type;  ///< of out
  FT_DEVICE void* out;
  FT_DEVICE float* lse;  ///< nullptr when not asked for
  RowStrides out_strides, lse_strides;
  FT_DEVICE const float* sinks;  ///< nullptr: none
  int64_t sink_stride;
  int64_t batch, heads, length, value_dim;
};

}  // namespace flashtile::inline v0_2::kernels
