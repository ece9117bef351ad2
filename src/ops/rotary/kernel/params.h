// The parameters of rotary embeddings: plain data, the same for host and device.
#pragma once

#include "src/ops/attention/kernel/params.h"
#include "src/ops/common/kernel/float_type.h"

namespace flashtile::inline v0_2::kernels {

/// The most pairs of a row: the parameters of a CUDA kernel have at most 4 KB.
inline constexpr FT_CONSTANT int kMostRotaryPairs = 288;

/// What turns a row. The angle of a pair at position p is p * turns, in units of 2^-64 of a whole turn: the product of
/// 64-bit integers drops whole turns exactly.
struct RotaryAngles {
  uint64_t turns[kMostRotaryPairs];
  int32_t pairs;  ///< 0: nothing is turned
  bool interleaved;
};

/// i32 (B, L), with stride 0 where it repeats.
struct RowPositions {
  FT_DEVICE const int32_t* data;
  int64_t batch_stride, row_stride;
};

struct RotaryParams {
  FT_DEVICE const void* x;
  FT_DEVICE void* out;
  RowStrides x_strides, out_strides;
  FloatType type;
  RowPositions positions;
  int64_t batch, heads, length;
  int32_t columns;
  RotaryAngles angles;
};

}  // namespace flashtile::inline v0_2::kernels
