// Tiles in threadgroup memory on CPUs; the protocol stands in common/tile_stages_contract.h. A load is done at once, and right
// tiles that can be read in place are not copied at all.
#pragma once

#include "flashtile/primitives/common/tile_stages_contract.h"
#include "flashtile/primitives/cpu/engine/operands.h"

namespace flashtile::inline v0_2::primitives {
inline namespace FLASHTILE_BACKEND {

namespace detail {

/// Operands in the layout of product(), for one matmul2d, whose element types are those of P.
template <class T, class P, int Rows, int Depth>
struct left_tile {
  using element_type = T;
  using left_tile_product = P;
  static constexpr int kRows = Rows, kDepth = Depth;
  left_view view;
};
template <class T, class P, int Depth, int Columns>
struct right_tile {
  using element_type = T;
  using right_tile_product = P;
  static constexpr int kDepth = Depth, kColumns = Columns;
  right_view view;
};

/// Stages x (Rows, Depth) of a left operand; each simdgroup has Rows rows of its own. If
/// Transposed, it is stored by columns.
template <class T, class P, int Rows, int Depth, bool Transposed, int Simdgroups, int Stages>
struct left_tile_stages {
  struct part {
    left_room<Rows, P::steps(Depth)> room;
    left_view loaded;
  };
  static_assert(stages_ok<Stages>());
  part parts[Stages][Simdgroups];
};

/// Stages x (Depth, Columns) of a right operand. If Transposed, it is stored by columns.
template <class T, class P, int Depth, int Columns, bool Transposed, int Stages>
struct right_tile_stages {
  static constexpr int kPitch = panel::rounded_up(Transposed ? P::steps(Depth) : Columns, kLanes);
  static constexpr int kLines = Transposed ? Columns : P::steps(Depth);

  static_assert(stages_ok<Stages>());
  alignas(64) Word packed[Stages][kLines * kPitch];
  right_view loaded[Stages];
};

template <int Simdgroups>
inline int own_part() {
  return Simdgroups == 1 ? 0 : simdgroup_index_in_threadgroup();
}

}  // namespace detail

/// A stage as an operand of matmul2d::run.
template <class T, class P, int Rows, int Depth, bool Transposed, int Simdgroups, int Stages>
inline auto tile(const detail::left_tile_stages<T, P, Rows, Depth, Transposed, Simdgroups, Stages>& stages,
                 int stage) {
  return detail::left_tile<T, P, Rows, Depth>{stages.parts[stage][detail::own_part<Simdgroups>()].loaded};
}
template <class T, class P, int Depth, int Columns, bool Transposed, int Stages>
inline auto tile(const detail::right_tile_stages<T, P, Depth, Columns, Transposed, Stages>& stages, int stage) {
  return detail::right_tile<T, P, Depth, Columns>{stages.loaded[stage]};
}

/// Tiles stored by rows, for simdgroup_load. Rows and Columns in elements.
template <class T, int Rows, int Columns, int Stages>
struct row_tile_stages {
  static constexpr int kElementsPerRow = Columns;  // no padding: a CPU has no memory banks
  static_assert(detail::stages_ok<Stages>());
  alignas(64) T data[Stages][Rows][kElementsPerRow];
};

/// The address of a stage's element (0, 0).
template <class T, int Rows, int Columns, int Stages>
inline const T* row_tile(const row_tile_stages<T, Rows, Columns, Stages>& stages, int stage) {
  return &stages.data[stage][0][0];
}

namespace detail {
/// The rows of a tile that the calling simdgroup of Scope copies.
struct row_range {
  int begin, end;
};
template <class Scope>
inline row_range own_rows(int rows) {
  check_scope<Scope>();
  if constexpr (Scope::simdgroups <= 1) return {0, rows};
  const int share = (rows + Scope::simdgroups - 1) / Scope::simdgroups,
            begin = share * simdgroup_index_in_threadgroup();
  return {begin < rows ? begin : rows, begin + share < rows ? begin + share : rows};
}

/// The part of a tensor of rank 2 that a tile of Rows x Columns covers.
template <class T, int Rows, int Columns, class E, class X, class D>
inline matrix<const T> covered(const tensor<E, X, D>& source) {
  check_tile_source<static_cast<int>(X::rank()), std::is_same_v<std::remove_cv_t<E>, T>>();
  const auto m = matrix_of(source);
  return {m.data, m.stride, m.rows < Rows ? m.rows : Rows, m.columns < Columns ? m.columns : Columns};
}
}  // namespace detail

/// Starts loading a stage from the tensor's first rows and columns; elements outside the tensor become 0.
template <class Scope, class T, class P, int Rows, int Depth, bool Transposed, int Simdgroups, int Stages,
          class E, class X, class D>
inline void load_tile_async(detail::left_tile_stages<T, P, Rows, Depth, Transposed, Simdgroups, Stages>& stages,
                            int stage, const tensor<E, X, D>& source) {
  detail::check_scope<execution_simdgroups<Simdgroups>>();
  constexpr int kAllRows = Rows * Simdgroups;
  const int own = detail::own_part<Simdgroups>();
  const auto all = detail::covered<T, Transposed ? Depth : kAllRows, Transposed ? kAllRows : Depth>(source);
  auto& part = stages.parts[stage][own];
  part.loaded = detail::pack_left<P, Transposed>(
      part.room, Transposed ? all.from(0, own * Rows) : all.from(own * Rows, 0), Depth);
}

/// The same for rows that each lie anywhere: row r < rows of the tile begins at row_at(r) and has `columns` elements;
/// zeros elsewhere.
template <class Scope, class T, class P, int Rows, int Depth, int Simdgroups, int Stages, class F>
inline void load_rows_async(detail::left_tile_stages<T, P, Rows, Depth, false, Simdgroups, Stages>& stages,
                            int stage, int rows, int columns, F row_at) {
  T gathered[Rows * Simdgroups][Depth];
  rows = min(rows, Rows * Simdgroups), columns = min(columns, Depth);
  for (int r = 0; r < rows; ++r)
    std::memcpy(static_cast<void*>(gathered[r]), row_at(r), static_cast<std::size_t>(columns) * sizeof(T));
  const int64_t strides[2] = {1, Depth};
  load_tile_async<Scope>(stages, stage,
                         tensor<const T, dextents<int, 2>, tensor_inline>(
                             &gathered[0][0], dextents<int, 2>(columns, max(rows, 0)), strides));
}

template <class Scope, class T, class P, int Depth, int Columns, bool Transposed, int Stages, class E, class X,
          class D>
inline void load_tile_async(detail::right_tile_stages<T, P, Depth, Columns, Transposed, Stages>& stages,
                            int stage, const tensor<E, X, D>& source) {
  using Memory = detail::right_tile_stages<T, P, Depth, Columns, Transposed, Stages>;
  constexpr int kTogether = Transposed ? 1 : P::kPerStep;  // lines of memory that share steps
  const auto all = detail::covered<T, Transposed ? Columns : Depth, Transposed ? Depth : Columns>(source);
  const auto own = detail::own_rows<Scope>((all.rows + kTogether - 1) / kTogether);
  auto part = all.from(own.begin * kTogether, 0);
  part.rows = min(part.rows, (own.end - own.begin) * kTogether);
  Word* packed = stages.packed[stage] + own.begin * Memory::kPitch;
  auto loaded = detail::pack_right<P, Transposed>(packed, Memory::kPitch, part, Depth, Columns);
  if (Scope::simdgroups > 1 && simdgroup_index_in_threadgroup() > 0) return;
  loaded.depth = Transposed ? all.columns : all.rows, loaded.columns = Transposed ? all.rows : all.columns;
  stages.loaded[stage] = loaded;
}

template <class Scope, class T, class P, int Depth, int Columns, bool Transposed, int Stages, class F>
inline void load_rows_async(detail::right_tile_stages<T, P, Depth, Columns, Transposed, Stages>& stages,
                            int stage, int rows, int columns, F row_at) {
  static_assert(Scope::simdgroups == 1, "load_rows_async: right tiles are gathered by one simdgroup here");
  constexpr int kRows = Transposed ? Columns : Depth, kColumns = Transposed ? Depth : Columns;
  T gathered[kRows][kColumns];
  rows = max(min(rows, kRows), 0), columns = min(columns, kColumns);
  for (int r = 0; r < rows; ++r)
    std::memcpy(static_cast<void*>(gathered[r]), row_at(r), static_cast<std::size_t>(columns) * sizeof(T));
  const int64_t strides[2] = {1, kColumns};
  load_tile_async<Scope>(stages, stage,
                         tensor<const T, dextents<int, 2>, tensor_inline>(
                             &gathered[0][0], dextents<int, 2>(columns, rows), strides));
  auto& loaded = stages.loaded[stage].at;
  if (loaded.data != &gathered[0][0]) return;
  // Read in place they would be gone: then they are as long as what they would be packed into.
  if constexpr (sizeof gathered <= sizeof stages.packed[stage]) {
    std::memcpy(static_cast<void*>(stages.packed[stage]), gathered, sizeof gathered);
    loaded.data = stages.packed[stage];
  }
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

/// Can fill_tile() compute tiles in place of a load, because products read copies of them?
inline constexpr bool kFillsTiles = true;

/// The half that is stored as these 16 bits, as a float.
inline float half_of_bits(std::uint16_t bits) { return half::to_float(bits); }

/// Starts filling a stage of floats: `rows` rows of `columns` elements, as far as the tile has room, and zeros elsewhere.
/// f(row, column, count, to) stores elements column ... column + count - 1 of a row at `to`; it is called for each once.
template <class Scope, class P, int Rows, int Depth, int Simdgroups, int Stages, class F>
inline void fill_tile(detail::left_tile_stages<float, P, Rows, Depth, false, Simdgroups, Stages>& stages,
                      int stage, std::int64_t rows, int columns, F f) {
  float filled[Rows * Simdgroups][Depth];
  const int count = static_cast<int>(max<std::int64_t>(0, min<std::int64_t>(rows, Rows * Simdgroups)));
  columns = min(columns, Depth);
  for (int r = 0; r < count; ++r) f(r, 0, columns, filled[r]);
  const int64_t strides[2] = {1, Depth};
  load_tile_async<Scope>(stages, stage,
                         tensor<const float, dextents<int, 2>, tensor_inline>(
                             &filled[0][0], dextents<int, 2>(columns, count), strides));
}
template <class Scope, class P, int Depth, int Columns, bool Transposed, int Stages, class F>
inline void fill_tile(detail::right_tile_stages<float, P, Depth, Columns, Transposed, Stages>& stages,
                      int stage, std::int64_t rows, int columns, F f) {
  using Memory = detail::right_tile_stages<float, P, Depth, Columns, Transposed, Stages>;
  static_assert(P::kPerStep == 1, "fill_tile: a step of floats is one");
  const int lines =
      static_cast<int>(max<std::int64_t>(0, min<std::int64_t>(rows, Transposed ? Columns : Depth)));
  columns = min(columns, Transposed ? Depth : Columns);
  const auto own = detail::own_rows<Scope>(lines);
  for (int r = own.begin; r < own.end; ++r) {
    float* const line = reinterpret_cast<float*>(stages.packed[stage] + r * Memory::kPitch);
    f(r, 0, columns, line);
    for (int i = columns; i < panel::rounded_up(columns, kLanes); ++i) line[i] = 0.0f;
  }
  if (Scope::simdgroups > 1 && simdgroup_index_in_threadgroup() > 0) return;
  constexpr std::ptrdiff_t kLine = Memory::kPitch * std::ptrdiff_t{sizeof(Word)};
  stages.loaded[stage] = {{stages.packed[stage], Transposed ? kLine : 4, Transposed ? 4 : kLine},
                          Transposed ? columns : lines,
                          Transposed ? lines : columns};
}
template <class Scope, class T, int Rows, int Columns, int Stages, class F>
inline void fill_tile(row_tile_stages<T, Rows, Columns, Stages>& stages, int stage, std::int64_t rows,
                      int columns, F f) {
  const auto own = detail::own_rows<Scope>(Rows);
  columns = min(columns, Columns);
  for (int r = own.begin; r < own.end; ++r) {
    T* const row = stages.data[stage][r];
    const int count = r < rows ? columns : 0;
    if (count > 0) f(r, 0, count, row);
    std::memset(static_cast<void*>(row + count), 0, static_cast<std::size_t>(Columns - count) * sizeof(T));
  }
}

/// Returns when all but the last Pending loads have arrived; a barrier of the scope.
template <class Scope, int Pending>
inline void wait_tiles() {
  detail::check_pending<Pending>();
  if constexpr (Scope::simdgroups > 1) threadgroup_barrier();
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::primitives
