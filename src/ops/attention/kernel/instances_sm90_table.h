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

/// Smaller shapes first.
std::span<const FlashSm90Kernel> flash_sm90_bf16_kernels();
std::span<const FlashSm90Kernel> flash_sm90_f16_kernels();

}  // namespace flashtile::inline v0_2::kernels
