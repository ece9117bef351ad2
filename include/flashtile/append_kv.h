// New keys and values into a cache.
#pragma once

#include <optional>

#include "flashtile/detail/config.h"
#include "flashtile/device.h"
#include "flashtile/result.h"
#include "flashtile/rotary.h"
#include "flashtile/tensor.h"

namespace flashtile::inline v0_2 {
FLASHTILE_EXPORTS_BEGIN

struct AppendKvOptions {
  /// Turns the rows of k_new by their positions on the way.
  std::optional<Rotary> rotary{};
  /// i32 (B, most): the caches are pools of pages, and entry [b, n] is the page that holds the rows from n * page size on
  /// of batch entry b.
  std::optional<TensorView> block_table{};
  /// Where to run; unset = Queue::default_for(cache_k.device).
  std::optional<Queue> queue{};
};

/// Stores new rows at their positions in a cache of keys and values.
///
/// Shapes    cache_k (B, Hkv, C, D), cache_v (B, Hkv, C, Dv), or with a block table pools (pages, page size, Hkv, D) and
///           (pages, page size, Hkv, Dv); k_new (B, Hkv, L, D), v_new (B, Hkv, L, Dv); positions i32, broadcast to (B, L):
///           row l of entry b becomes row positions[b, l] of its cache. -1: the row is not stored, as padding is.
/// Strides   Any; the last one of all but positions and the table is 1. Elements of a cache lie apart.
/// Types     Each f32, f16 or bf16, whatever the others are: rows are converted, to nearest even.
/// Memory    The caches share none with each other or with an input. All other rows of them stay as they are. Of rows with the
///           same place, through equal positions or pages, each element is that of one of them.
/// Errors    invalid_argument names the argument and what was found. On CPUs that is, before any work, also a position
///           outside the cache and, of a position that is used, a page outside the pool; GPUs do not store such rows.
///           unsupported on devices that are not CPUs or NVIDIA GPUs. Asynchronous on a GPU queue. Allocates nothing.
/// Threads   Safe from any thread.
void append_kv(const TensorView& cache_k, const TensorView& cache_v, const TensorView& k_new,
               const TensorView& v_new, const TensorView& positions, const AppendKvOptions& options = {});

/// The same for a program without exceptions.
Result<> try_append_kv(const TensorView& cache_k, const TensorView& cache_v, const TensorView& k_new,
                       const TensorView& v_new, const TensorView& positions,
                       const AppendKvOptions& options = {}) noexcept;

FLASHTILE_EXPORTS_END
}  // namespace flashtile::inline v0_2
