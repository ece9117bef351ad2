// How flash.sm90's kernel for few queries is compiled and launched. Included by instances_sm90_groups_<type>.cu.
#pragma once

#include "flashtile/launch.h"
#include "src/ops/attention/kernel/flash_sm90_groups.h"
#include "src/ops/attention/kernel/flash_sm90_tiles.h"
#include "src/ops/attention/kernel/instances_sm90_maps.h"
#include "src/ops/attention/kernel/instances_sm90_table.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {

template <class T, int HeadDim>
void launch_flash_sm90_groups(const Queue& queue, const AttentionParams& p, std::int64_t shares) {
  using Kernel = AttentionFlashSm90Groups<T, FlashSm90GroupsTile<HeadDim>>;
  const bool paged = p.pages.given();  // pages take the place of entries
  const std::int64_t rows = paged ? p.pages.rows : p.kv_length, entries = paged ? p.pages.count : p.batch;
  const int box_rows = paged ? Kernel::kPageRows : Kernel::kK;
  const typename Kernel::Params params{
      map_of<T>(p.k, p.k_strides, p.head_dim, rows, p.kv_heads, entries, box_rows),
      map_of<T>(p.v, p.v_strides, p.value_dim, rows, p.kv_heads, entries, box_rows), p};
  launch<Kernel>(queue, Grid{shares, 1, 1}, params);
}

template <class T, int HeadDim>
constexpr FlashSm90GroupsKernel flash_sm90_groups_row() {
  using Kernel = AttentionFlashSm90Groups<T, FlashSm90GroupsTile<HeadDim>>;
  return {HeadDim, Kernel::kQ, Kernel::kK, Kernel::kThreadgroupsPerUnit, launch_flash_sm90_groups<T, HeadDim>};
}
/// Smaller shapes first.
template <class T>
inline constexpr FlashSm90GroupsKernel kFlashSm90GroupsRows[] = {
    flash_sm90_groups_row<T, 64>(), flash_sm90_groups_row<T, 128>(), flash_sm90_groups_row<T, 256>()};

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
