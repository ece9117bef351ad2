// Tiles in threadgroup memory, which simdgroup_load reads by rows; the protocol stands in common/tile_stages_contract.h. Loads are
// not asynchronous here. Included by metal/primitives.h.
#pragma once

#include "flashtile/primitives/common/tile_stages_contract.h"
#include "flashtile/primitives/metal/execution.h"
#include "flashtile/primitives/metal/tensor.h"

namespace flashtile::inline v0_2::primitives {
inline namespace FLASHTILE_BACKEND {

/// Threadgroup memory for Stages tiles of Rows x Columns elements. 16 bytes behind each row keep rows in different banks;
/// a kernel has 16 KiB, since Metal's shader validation takes half of the 32, and tiles that fill half of those have none.
template <class T, int Rows, int Columns, int Stages>
struct row_tile_stages {
  using element_type = T;
  static constexpr constant int kPadded = Columns + 16 / static_cast<int>(sizeof(T));
  static constexpr constant int kElementsPerRow =
      Stages * Rows * kPadded * static_cast<int>(sizeof(T)) <= 8192 ? kPadded : Columns;
  static constexpr constant int kStageElements = Rows * kElementsPerRow;
  static_assert(detail::stages_ok<Stages>(), "row_tile_stages: at least one stage");
  T elements[Stages * kStageElements];
};

/// Stage i, as the source of simdgroup_load.
template <class T, int Rows, int Columns, int Stages>
inline threadgroup const T* row_tile(threadgroup const row_tile_stages<T, Rows, Columns, Stages>& stages,
                                     int i) {
  return stages.elements + i * row_tile_stages<T, Rows, Columns, Stages>::kStageElements;
}

/// Copies the tensor's elements from its origin on into stage i, with zeros outside the tensor.
template <class Scope, class T, int Rows, int Columns, int Stages, class E, class X>
inline void load_tile_async(threadgroup row_tile_stages<T, Rows, Columns, Stages>& stages, int i,
                            thread const tensor<E, X>& source) {
  static_assert(detail::is_one_simdgroup<Scope>::value,
                "load_tile_async: a threadgroup has one simdgroup here");
  detail::check_tile_source<tensor<E, X>::kRank,
                            detail::same_type<typename tensor<E, X>::element_type, T>::value>();
  using Tile = row_tile_stages<T, Rows, Columns, Stages>;
  threadgroup T* to = stages.elements + i * Tile::kStageElements;
  for (int at = detail::lane(); at < Rows * Columns; at += 32) {
    const int row = at / Columns, column = at % Columns;
    to[row * Tile::kElementsPerRow + column] = static_cast<T>(detail::clipped(source, column, row));
  }
}

/// Can fill_tile() compute tiles in place of a load, because all products read copies of them?
inline constexpr constant bool kFillsTiles = false;

/// The half that is stored as these 16 bits, as a float.
inline float half_of_bits(uint16_t bits) { return static_cast<float>(as_type<half>(bits)); }

/// Fills stage i: `rows` rows of `columns` elements, as far as the tile has room, and zeros elsewhere; f(row, column, count,
/// to) stores elements column ... column + count - 1 of a row at `to`.
template <class Scope, class T, int Rows, int Columns, int Stages, class F>
inline void fill_tile(threadgroup row_tile_stages<T, Rows, Columns, Stages>& stages, int i, int64_t rows,
                      int columns, F f) {
  static_assert(detail::is_one_simdgroup<Scope>::value, "fill_tile: a threadgroup has one simdgroup here");
  using Tile = row_tile_stages<T, Rows, Columns, Stages>;
  threadgroup T* to = stages.elements + i * Tile::kStageElements;
  for (int at = detail::lane(); at < Rows * Columns; at += 32) {
    const int row = at / Columns, column = at % Columns;
    T value = T(0.0f);
    if (row < rows && column < columns) f(row, column, 1, &value);
    to[row * Tile::kElementsPerRow + column] = value;
  }
}

/// The loads are done, and every lane is done with what it read before. They are not asynchronous here.
template <class Scope, int Pending>
inline void wait_tiles() {
  static_assert(detail::is_one_simdgroup<Scope>::value, "wait_tiles: a threadgroup has one simdgroup here");
  detail::check_pending<Pending>();
  simdgroup_barrier(mem_flags::mem_threadgroup);
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::primitives
