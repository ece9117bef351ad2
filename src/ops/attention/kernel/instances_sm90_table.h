// What the library sees of flash.sm90's kernels: one row for each element type and shape of rows.
#pragma once

#include <cstdint>
#include <span>

#include "flashtile/device.h"
#include "flashtile/dtype.h"
#include "src/ops/attention/kernel/params.h"

namespace flashtile::inline v0_2::kernels {

/// What a call notes in device memory; zeros before it.
struct FlashSm90Notes {
  std::uint32_t taken;   ///< tiles of queries beyond the first of each threadgroup
  std::uint32_t broken;  ///< 1: exact_rows has rows to compute again
};

struct FlashSm90Kernel {
  DType dtype;
  int head_dim, value_dim;  ///< the largest that it takes
  int tile_queries, tile_keys;
  bool any_score;  ///< false: only scores that need no more than a positive factor
  /// Queues the kernel on `threadgroups` threadgroups that stay. `notes` are in device memory, or nullptr for a
  /// call that hides no pair.
  void (*launch)(const Queue& queue, const AttentionParams& params, std::uint32_t threadgroups,
                 FlashSm90Notes* notes);
};

/// For few queries: sums parts of the keys, which merge_parts adds up.
struct FlashSm90GroupsKernel {
  int head_dim;  ///< the largest that it takes, of keys and of values
  int tile_rows, tile_keys;
  int threadgroups_per_unit;
  /// Queues the kernel on one threadgroup for each of `shares` even shares; `params` has their sums.
  void (*launch)(const Queue& queue, const AttentionParams& params, std::int64_t shares);
};

/// Smaller shapes first.
std::span<const FlashSm90Kernel> flash_sm90_bf16_kernels();
std::span<const FlashSm90Kernel> flash_sm90_f16_kernels();
std::span<const FlashSm90GroupsKernel> flash_sm90_groups_bf16_kernels();
std::span<const FlashSm90GroupsKernel> flash_sm90_groups_f16_kernels();

}  // namespace flashtile::inline v0_2::kernels
