// What tiles in threadgroup memory are on every backend, and what loads of them refuse. Included by each backend's tile_stages.h.
//
// Ours, since Metal leaves staging to each kernel: tiles in the layout that products read, loaded ahead in stages.
//
//   load_tile_async<Scope>(stages, s, tensor)   starts loading stage s from the tensor's first rows and columns; elements
//                                               outside the tensor become 0. Counts as one load, however much it copies.
//   load_rows_async<Scope>(stages, s, rows, columns, row_at)
//                                               the same for rows that each lie anywhere: row r < rows of the tile begins at
//                                               row_at(r) and has `columns` elements; zeros elsewhere. CPUs and NVIDIA GPUs.
//   fill_tile<Scope>(stages, s, rows, columns, f)
//                                               computes a stage in place of a load: f(row, column, count, to) stores elements
//                                               column ... column + count - 1 of a row at `to`; zeros elsewhere. Of
//                                               row_tile_stages everywhere, of others where kFillsTiles.
//   wait_tiles<Scope, Pending>()                returns when all but the last Pending loads have arrived for everybody, and is
//                                               a barrier of the scope, so that a stage may be loaded anew after it.
//   tile(stages, s), row_tile(stages, s)        stage s, as an operand of matmul2d, or as the source of simdgroup_load.
//
// All simdgroups of the scope call these with the same arguments. Tensors are of rank 2 and of the tile's element type. A source
// must not change until the tile has been used: backends may read it in place.
#pragma once

#include "flashtile/detail/kernel_words.h"

namespace flashtile::inline v0_2::primitives {
inline namespace FLASHTILE_BACKEND {
namespace detail {

template <class A, class B>
struct same_type {
  static constexpr FT_CONSTANT bool value = false;
};
template <class A>
struct same_type<A, A> {
  static constexpr FT_CONSTANT bool value = true;
};

template <int Rank, bool SameType>
FLASHTILE_HOST_DEVICE constexpr void check_tile_source() {
  static_assert(Rank == 2, "load_tile_async: give a tensor of rank 2");
  static_assert(SameType, "load_tile_async: tensor and tile have different element types");
}
template <int Stages>
FLASHTILE_HOST_DEVICE constexpr bool stages_ok() {
  static_assert(Stages >= 1, "tile_stages: at least one stage");
  return true;
}
template <int Pending>
FLASHTILE_HOST_DEVICE constexpr void check_pending() {
  static_assert(Pending >= 0, "wait_tiles: Pending is a number of loads");
}

}  // namespace detail
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::primitives
