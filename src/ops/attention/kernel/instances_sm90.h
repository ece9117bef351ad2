// How flash.sm90's kernel is compiled and launched. Included by instances_sm90_<type>.cu.
#pragma once

#include <algorithm>

#include "flashtile/launch.h"
#include "src/core/checked.h"
#include "src/ops/attention/kernel/flash_sm90.h"
#include "src/ops/attention/kernel/flash_sm90_tiles.h"
#include "src/ops/attention/kernel/instances_sm90_maps.h"
#include "src/ops/attention/kernel/instances_sm90_table.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {

/// Keys and values of so many heads are worked on together that this part of a 50 MB L2 cache holds them. 16 MB
/// lose 2 % and 8 MB 4 to 7 %, causal, at 2 to 16 thousand keys; 48 MB are no better.
constexpr std::int64_t kSectionBytes = std::int64_t{32} << 20;

template <class T, int HeadDim, int ValueDim>
void launch_flash_sm90(const Queue& queue, const AttentionParams& p, std::uint32_t threadgroups,
                       FlashSm90Notes* notes) {
  using Kernel = AttentionFlashSm90<T, FlashSm90Tile<HeadDim, ValueDim>>;
  const std::int64_t heads = std::int64_t{p.batch} * p.query_heads;
  const std::int64_t pair_bytes = std::int64_t{p.kv_length} * (p.head_dim + p.value_dim) * sizeof(T);
  const std::int64_t heads_in_cache = kSectionBytes / pair_bytes * (p.query_heads / p.kv_heads);
  const int query_tiles = (p.query_length + Kernel::kQ - 1) / Kernel::kQ;
  // Where tiles differ in their keys, threadgroups take the next one when they are done; else they are dealt
  // out.
  const bool counted = notes != nullptr && heads * query_tiles > threadgroups;
  const std::int64_t heads_at_once = counted ? std::clamp<std::int64_t>(heads_in_cache, 1, heads) : 1;
  core::narrow(heads * query_tiles, "attention: tiles of queries");
  typename Kernel::Params params{
      map_of<T>(p.q, p.q_strides, p.head_dim, p.query_length, p.query_heads, p.batch, Kernel::kRows),
      map_of<T>(p.k, p.k_strides, p.head_dim, p.kv_length, p.kv_heads, p.batch, Kernel::kK),
      map_of<T>(p.v, p.v_strides, p.value_dim, p.kv_length, p.kv_heads, p.batch, Kernel::kK),
      map_of<T>(p.out, p.out_strides, p.value_dim, p.query_length, p.query_heads, p.batch, 16),
      p,
      QueryTileOrder(p.batch, p.query_heads, p.kv_heads, query_tiles, heads_at_once),
      notes == nullptr ? nullptr : &notes->broken};
  params.order.threadgroups = std::min(threadgroups, params.order.tiles);
  params.order.next = counted ? &notes->taken : nullptr;
  launch<Kernel>(queue, Grid{params.order.threadgroups, 1, 1}, params);
}

template <class T, int HeadDim, int ValueDim>
constexpr FlashSm90Kernel flash_sm90_row() {
  using Tile = FlashSm90Tile<HeadDim, ValueDim>;
  return {dtype_of<T>,
          HeadDim,
          ValueDim,
          Tile::kQ,
          Tile::kK,
          Tile::kAnyScore,
          launch_flash_sm90<T, HeadDim, ValueDim>};
}
/// Smaller shapes first.
template <class T>
inline constexpr FlashSm90Kernel kFlashSm90Rows[] = {
    flash_sm90_row<T, 64, 64>(),   flash_sm90_row<T, 96, 96>(),   flash_sm90_row<T, 128, 128>(),
    flash_sm90_row<T, 192, 128>(), flash_sm90_row<T, 192, 192>(), flash_sm90_row<T, 256, 256>()};

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
