// Tiles in threadgroup memory, in the layout that products want, loaded ahead in stages. Ours: Metal leaves
// staging to each kernel.
//
// Protocol, the same on every backend: load_tile_async<Scope>(stages, s, tensor) starts loading; all simdgroups
// of the scope call it with the same arguments. wait_tiles<Scope, Pending>() returns when all but the last
// Pending loads have arrived for everybody, and is a barrier of the scope, so that a stage may be loaded anew
// after it. On a CPU a load is done at once, and float tiles are not copied at all: the source must stay as it
// is until the tile has been used.
#pragma once

#include "flashtile/primitives/cpu/cooperative_tensor.h"

namespace flashtile::primitives {
inline namespace FLASHTILE_BACKEND {

namespace detail {

/// A right operand ready for product(): B(k, n) for k < view.depth, n < view.columns; all else is 0.
template <class T, class S, int Depth, int Columns>
struct right_tile {
  using element_type = T;
  using right_tile_storage = S;
  static constexpr int kDepth = Depth, kColumns = Columns;
  right_view<S> view;
};

/// Stages x (Rows, Columns) of a right operand as it lies in memory: Transposed, rows are columns of B.
template <class T, class S, int Rows, int Columns, bool Transposed, int Stages>
struct right_tile_stages {
  static constexpr bool kInPlace = std::is_same_v<T, S>;
  static constexpr int kPitch = (Columns + kLanes - 1) / kLanes * kLanes;
  static constexpr int kSlots = kInPlace ? kLanes : Rows * kPitch;

  alignas(64) S dense[kInPlace ? 1 : Stages][kSlots];
  matrix<const S> loaded[Stages];
};

}  // namespace detail

namespace detail {
/// Stages of a left operand, each as the cooperative tensor Tile (which borrows its memory) of every simdgroup.
template <class Tile, int Simdgroups, int Stages>
struct left_tile_stages {
  using S = typename Tile::lane_tile_storage;
  struct part {
    alignas(64) S slots[Tile::kColumns * Tile::kPitch];
    int used_rows, used_columns;
  };
  part parts[Stages][Simdgroups];
  part& own(int stage) { return parts[stage][Simdgroups == 1 ? 0 : simdgroup_index_in_threadgroup()]; }
};
}  // namespace detail

/// A stage as the left operand of matmul2d::run.
template <class Tile, int Simdgroups, int Stages>
inline Tile tile(detail::left_tile_stages<Tile, Simdgroups, Stages>& stages, int stage) {
  auto& own = stages.own(stage);
  Tile result(own.slots);
  result.used_rows = own.used_rows, result.used_columns = own.used_columns;
  return result;
}

/// Tiles of whole rows, row after row, for simdgroup_load. Rows and Columns in elements.
template <class T, int Rows, int Columns, int Stages>
struct row_tile_stages {
  static constexpr int kElementsPerRow = Columns;  // a CPU has no banks to pad for
  alignas(64) T data[Stages][Rows][kElementsPerRow];
};

/// The address of a stage's element (0, 0).
template <class T, int Rows, int Columns, int Stages>
inline const T* row_tile(const row_tile_stages<T, Rows, Columns, Stages>& stages, int stage) {
  return &stages.data[stage][0][0];
}

/// A stage as the right operand of matmul2d::run.
template <class T, class S, int Rows, int Columns, bool Transposed, int Stages>
inline auto tile(const detail::right_tile_stages<T, S, Rows, Columns, Transposed, Stages>& stages, int stage) {
  const auto& m = stages.loaded[stage];
  if constexpr (Transposed) {
    return detail::right_tile<T, S, Columns, Rows>{{m.data, 1, m.stride, m.columns, m.rows}};
  } else {
    return detail::right_tile<T, S, Rows, Columns>{{m.data, m.stride, 1, m.rows, m.columns}};
  }
}

namespace detail {
/// The rows of a tile that the calling simdgroup of Scope copies.
struct row_range {
  int begin, end;
};
template <class Scope>
inline row_range own_rows(int rows) {
  if constexpr (Scope::simdgroups <= 1) return {0, rows};
  const int share = (rows + Scope::simdgroups - 1) / Scope::simdgroups,
            begin = share * simdgroup_index_in_threadgroup();
  return {begin < rows ? begin : rows, begin + share < rows ? begin + share : rows};
}

/// The part of a tensor of rank 2 that a tile of Rows x Columns covers.
template <class T, int Rows, int Columns, class E, class X, class D>
inline matrix<const T> covered(const tensor<E, X, D>& source) {
  static_assert(X::rank() == 2, "load_tile_async: give a tensor of rank 2");
  static_assert(std::is_same_v<std::remove_cv_t<E>, T>,
                "load_tile_async: tensor and tile have different element types");
  const auto m = matrix_of(source);
  return {m.data, m.stride, m.rows < Rows ? m.rows : Rows, m.columns < Columns ? m.columns : Columns};
}
}  // namespace detail

/// Starts loading a stage from the tensor's first rows and columns; what the tensor lacks is 0.
template <class Scope, class T, class S, int Rows, int Columns, bool Transposed, int Stages, class E, class X,
          class D>
inline void load_tile_async(detail::right_tile_stages<T, S, Rows, Columns, Transposed, Stages>& stages,
                            int stage, const tensor<E, X, D>& source) {
  using Memory = detail::right_tile_stages<T, S, Rows, Columns, Transposed, Stages>;
  const auto m = detail::covered<T, Rows, Columns>(source);
  detail::matrix<const S> loaded{nullptr, 0, m.rows, m.columns};
  if constexpr (Memory::kInPlace) {
    loaded.data = m.data;
    loaded.stride = m.stride;
  } else {
    S* dense = stages.dense[stage];
    const auto own = detail::own_rows<Scope>(m.rows);
    detail::copy_rows<S, T>(dense + own.begin * Memory::kPitch, Memory::kPitch, m.from(own.begin, 0).data,
                            m.stride, own.end - own.begin, (m.columns + kLanes - 1) / kLanes * kLanes,
                            m.columns);
    loaded.data = dense;
    loaded.stride = Memory::kPitch;
  }
  if (Scope::simdgroups <= 1 || simdgroup_index_in_threadgroup() == 0) stages.loaded[stage] = loaded;
}

template <class Scope, class Tile, int Simdgroups, int Stages, class E, class X, class D>
inline void load_tile_async(detail::left_tile_stages<Tile, Simdgroups, Stages>& stages, int stage,
                            const tensor<E, X, D>& source) {
  auto& own = stages.own(stage);
  Tile loaded(own.slots);
  load(loaded, source);
  own.used_rows = loaded.used_rows, own.used_columns = loaded.used_columns;
}

template <class Scope, class T, int Rows, int Columns, int Stages, class E, class X, class D>
inline void load_tile_async(row_tile_stages<T, Rows, Columns, Stages>& stages, int stage,
                            const tensor<E, X, D>& source) {
  const auto m = detail::covered<T, Rows, Columns>(source);
  const auto own = detail::own_rows<Scope>(Rows);
  for (int r = own.begin; r < own.end; ++r) {
    T* row = stages.data[stage][r];
    const int columns = r < m.rows ? m.columns : 0;
    if (columns > 0)
      std::memcpy(static_cast<void*>(row), m.data + r * m.stride,
                  static_cast<std::size_t>(columns) * sizeof(T));
    std::memset(static_cast<void*>(row + columns), 0, static_cast<std::size_t>(Columns - columns) * sizeof(T));
  }
}

/// Returns when all but the last Pending loads have arrived; a barrier of the scope.
template <class Scope, int Pending>
inline void wait_tiles() {
  static_assert(Pending >= 0, "wait_tiles: Pending is a number of loads");
  if constexpr (Scope::simdgroups > 1) threadgroup_barrier();
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::primitives
