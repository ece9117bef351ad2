// The parameters of every attention kernel: plain data, the same for host and device of every backend.
//
// Letters used by kernel text: B batch, Hq query heads, Hkv KV heads, Lq query length, Lkv key length, D size
// of a query or key row, Dv size of a value row; tiles are kQ queries by kK keys.
#pragma once

#include <stdint.h>

#include "src/ops/attention/kernel/mask.h"
#include "src/ops/attention/kernel/numbers.h"

namespace flashtile::kernels {

/// Distance in elements from one batch, head or row to the next; the elements of a row are adjacent.
struct RowStrides {
  int64_t batch, head, row;
};

enum class EntryType : int32_t { none, u8, f32, f16, bf16 };

/// A tensor of Lq x Lkv entries, or 1 along a repeated dimension, for each batch and head (stride 0 where
/// repeated).
struct MaskEntries {
  const void* data;
  RowStrides strides;     ///< row: from one query to the next
  int32_t rows, columns;  ///< Lq or 1, Lkv or 1
  EntryType type;         ///< none: there is no such tensor

  FLASHTILE_HOST_DEVICE constexpr bool given() const { return type != EntryType::none; }
};

/// What mask tensors say of a pair of query and key is one entry: the bias, or -inf where the boolean hides.
struct MaskTensors {
  MaskEntries boolean, bias;

  FLASHTILE_HOST_DEVICE constexpr bool given() const { return boolean.given() || bias.given(); }
};

struct AttentionParams {
  const void* q;
  const void* k;
  const void* v;
  void* out;
  float* lse;  ///< nullptr when not asked for
  RowStrides q_strides, k_strides, v_strides, out_strides, lse_strides;
  MaskTensors mask;
  float* scores;          ///< (Lq, Lkv) of one head, for kernels that work on stored scores
  int64_t scores_stride;  ///< elements from one row of them to the next
  BandMask band;          ///< causal or none
  int32_t batch, query_heads, kv_heads;
  int32_t query_length, kv_length;
  int32_t head_dim, value_dim;
  float scale;
  float scale_log2;  ///< scale * log2(e), for kernels that keep scores in base 2
};

}  // namespace flashtile::kernels
