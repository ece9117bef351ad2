// What the library sees of flash.sm90's kernels: one row for each element type and shape of rows.
#pragma once

#include <cstdint>
#include <span>

#include "flashtile/device.h"
#include "flashtile/dtype.h"
#include "src/ops/attention/kernel/params.h"

namespace flashtile::kernels {

struct FlashSm90Kernel {
  DType dtype;
  int head_dim, value_dim;  ///< the largest that it takes
  int tile_queries, tile_keys;
  /// Queues the kernel on `threadgroups` threadgroups that stay. `counter` is in device memory, or nullptr for
  /// tiles that are dealt out beforehand.
  void (*launch)(const Queue& queue, const AttentionParams& params, std::uint32_t threadgroups,
                 std::uint32_t* counter);
};

/// Smaller shapes first.
std::span<const FlashSm90Kernel> flash_sm90_bf16_kernels();
std::span<const FlashSm90Kernel> flash_sm90_f16_kernels();

}  // namespace flashtile::kernels
