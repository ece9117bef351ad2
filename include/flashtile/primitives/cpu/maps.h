// Ours, since Metal leaves them to each kernel: element-wise and row-wise maps over tiles, and row reductions.
//
// They work on every tile whose lanes are rows: cooperative tensors, simdgroup_matrix_block, simdgroup_rows.
// Here their functions are called with whole vectors of lanes, on other backends with single values, so kernel
// text writes generic lambdas over the arithmetic of math.h. The order of calls is not specified.
#pragma once

#include "flashtile/primitives/cpu/simd.h"

namespace flashtile::inline v0_2::primitives {
inline namespace FLASHTILE_BACKEND {

namespace detail {

/// A tile of kColumns columns, kPitch elements apart, each with the rows of this simdgroup, padded to kPitch.
template <class T>
concept lane_tile = requires { typename T::lane_tile_storage; };

template <class Tile>
using storage_of = typename Tile::lane_tile_storage;
template <class Tile>
using lanes_of = lanes<storage_of<Tile>>;

/// The result of a map's function, converted to what the tile stores.
template <class Tile, class Value>
inline void put(storage_of<Tile>* at, Value value) {
  rounded_to<typename Tile::element_type>(lanes_of<Tile>(value)).store(at);
}

}  // namespace detail

/// Each element e of dst becomes f(e).
template <class Tile, class F>
inline void map_elements(Tile& dst, F f) {
  static_assert(detail::lane_tile<Tile>,
                "map_elements: give a cooperative tensor, a simdgroup_matrix_block or simdgroup_rows");
  auto* data = dst.data();
  dst.written_everywhere();
  for (int i = 0; i < Tile::kColumns * Tile::kPitch; i += kLanes)
    detail::put<Tile>(data + i, f(detail::lanes_of<Tile>::load(data + i)));
}

/// Each element d of dst becomes f(d, s), where s is the element of src at the same place.
template <class Tile, class Source, class F>
inline void map_elements(Tile& dst, Source& src, F f) {
  static_assert(detail::lane_tile<Tile> && detail::lane_tile<Source>,
                "map_elements: give cooperative tensors, blocks of simdgroup matrices or simdgroup_rows");
  static_assert(Tile::kColumns == Source::kColumns && Tile::kPitch == Source::kPitch,
                "map_elements: the two tiles differ in shape");
  auto* data = dst.data();
  const auto* from = src.data();
  dst.written_everywhere();
  for (int i = 0; i < Tile::kColumns * Tile::kPitch; i += kLanes) {
    detail::put<Tile>(data + i,
                      f(detail::lanes_of<Tile>::load(data + i), detail::lanes_of<Source>::load(from + i)));
  }
}

/// Each element of dst becomes f(element, row, column), counted from the tile's origin.
template <class Tile, class F>
inline void map_indexed(Tile& dst, F f) {
  static_assert(detail::lane_tile<Tile>, "map_indexed: give a cooperative tensor or a simdgroup_matrix_block");
  auto* data = dst.data();
  dst.written_everywhere();
  const ints first = lane_indices() + dst.first_row();
  for (int column = 0; column < Tile::kColumns; ++column) {
    for (int v = 0; v < Tile::kPitch; v += kLanes) {
      auto* at = data + column * Tile::kPitch + v;
      detail::put<Tile>(at, f(detail::lanes_of<Tile>::load(at), first + v, column));
    }
  }
}

/// The same one element at a time, for functions that read memory by row and column.
template <class Tile, class F>
inline void map_each(Tile& dst, F f) {
  static_assert(detail::lane_tile<Tile>, "map_each: give a cooperative tensor or a simdgroup_matrix_block");
  static_assert(std::is_same_v<detail::storage_of<Tile>, float>, "map_each: give a tile of float");
  auto* data = dst.data();
  dst.written_everywhere();
  for (int column = 0; column < Tile::kColumns; ++column) {
    for (int i = 0; i < Tile::kPitch; ++i) {
      auto* at = data + column * Tile::kPitch + i;
      *at = f(*at, dst.first_row() + i, column);
    }
  }
}

/// Each element d of dst becomes f(d, r, s), where r and s are the entries of its row in `rows` and `more`.
template <class Tile, class Rows, class More, class F>
inline void map_rows(Tile& dst, Rows& rows, More& more, F f) {
  static_assert(detail::lane_tile<Tile> && detail::lane_tile<Rows> && detail::lane_tile<More>,
                "map_rows: give a tile, and the row-reduction tile or simdgroup_rows that belongs to it");
  static_assert(Rows::kColumns == 1 && Tile::kPitch == Rows::kPitch && More::kColumns == 1 &&
                    Tile::kPitch == More::kPitch,
                "map_rows: the second tile has not one entry for each row of the first");
  constexpr int kVectors = Tile::kPitch / kLanes, kTogether = kVectors < 4 ? kVectors : 4;
  auto* data = dst.data();
  dst.written_everywhere();
  for (int v = 0; v < kVectors; v += kTogether) {
    detail::lanes_of<Rows> row[kTogether];
    detail::lanes_of<More> other[kTogether];
    FT_UNROLL for (int i = 0; i < kTogether; ++i) {
      if (v + i < kVectors) {
        row[i] = detail::lanes_of<Rows>::load(rows.data() + (v + i) * kLanes);
        other[i] = detail::lanes_of<More>::load(more.data() + (v + i) * kLanes);
      }
    }
    for (int column = 0; column < Tile::kColumns; ++column) {
      FT_UNROLL for (int i = 0; i < kTogether; ++i) {
        auto* at = data + column * Tile::kPitch + (v + i) * kLanes;
        if (v + i < kVectors) detail::put<Tile>(at, f(detail::lanes_of<Tile>::load(at), row[i], other[i]));
      }
    }
  }
}

/// Each element d of dst becomes f(d, r), where r is the entry of its row in `rows`.
template <class Tile, class Rows, class F>
inline void map_rows(Tile& dst, Rows& rows, F f) {
  map_rows(dst, rows, rows, [&f](auto d, auto r, auto) { return f(d, r); });
}

/// Each element d of dst becomes f(d, c), where c is the entry of its column in `columns`.
template <class Tile, class Columns, class F>
inline void map_columns(Tile& dst, Columns& columns, F f) {
  static_assert(detail::lane_tile<Tile> && detail::lane_tile<Columns>,
                "map_columns: give a tile and the column-reduction tile that belongs to it");
  static_assert(Columns::kColumns == 1 && Columns::kRows == Tile::kColumns,
                "map_columns: the second tile has not one entry for each column of the first");
  auto* data = dst.data();
  dst.written_everywhere();
  for (int column = 0; column < Tile::kColumns; ++column) {
    const detail::lanes_of<Columns> entry(columns.data()[column]);
    for (int v = 0; v < Tile::kPitch; v += kLanes) {
      auto* at = data + column * Tile::kPitch + v;
      detail::put<Tile>(at, f(detail::lanes_of<Tile>::load(at), entry));
    }
  }
}

/// Calls f(value, row) for each entry of a tile of rows, row counted from the tile's origin.
template <class Rows, class F>
inline void for_each_element(Rows& rows, F f) {
  static_assert(detail::lane_tile<Rows>, "for_each_element: give a row-reduction tile or simdgroup_rows");
  static_assert(Rows::kColumns == 1, "for_each_element: give a tile of one entry a row");
  const int first = rows.first_row();
  for (int i = 0; i < rows.local_rows(); ++i)
    f(static_cast<typename Rows::element_type>(rows.data()[i]), first + i);
}

namespace detail {
template <class Tile, class Rows>
inline void reduce_rows(Tile& src, Rows& dst, reduction_operation op, storage_of<Tile> identity) {
  using S = storage_of<Tile>;
  constexpr int kVectors = Tile::kPitch / kLanes, kTogether = kVectors < 4 ? kVectors : 4;
  for (int v = 0; v < kVectors; v += kTogether) {
    lanes<S> total[2][kTogether];  // even and odd columns: two chains hide the latency of an addition
    FT_UNROLL for (int i = 0; i < kTogether; ++i) {
      total[0][i] = lanes<S>(identity);
      total[1][i] = lanes<S>(op == reduction_operation::sum ? S{0} : identity);
    }
    const auto* at = src.data() + v * kLanes;
    const auto pass = [&](auto combine) {
      int column = 0;
      for (; column + 2 <= Tile::kColumns; column += 2, at += 2 * Tile::kPitch) {
        FT_UNROLL for (int i = 0; i < kTogether; ++i) {
          if (v + i >= kVectors) continue;
          total[0][i] = combine(total[0][i], lanes<S>::load(at + i * kLanes));
          total[1][i] = combine(total[1][i], lanes<S>::load(at + Tile::kPitch + i * kLanes));
        }
      }
      FT_UNROLL for (int i = 0; i < kTogether; ++i) {
        if (v + i >= kVectors) continue;
        if (column < Tile::kColumns) total[0][i] = combine(total[0][i], lanes<S>::load(at + i * kLanes));
        total[0][i] = combine(total[0][i], total[1][i]);
      }
    };
    switch (op) {
      case reduction_operation::sum: pass([](lanes<S> a, lanes<S> b) { return a + b; }); break;
      case reduction_operation::max: pass([](lanes<S> a, lanes<S> b) { return max(a, b); }); break;
      case reduction_operation::min: pass([](lanes<S> a, lanes<S> b) { return min(a, b); }); break;
    }
    FT_UNROLL for (int i = 0; i < kTogether; ++i) {
      if (v + i < kVectors) put<Rows>(dst.data() + (v + i) * kLanes, total[0][i]);
    }
  }
}
}  // namespace detail

/// dst[row] = identity op element op element ..., over the columns of each row; the order is not specified. As
/// in Metal, the identity is that of a sum unless given: a trap for max and min.
template <class Tile, class Rows>
inline void reduce_rows(Tile& src, Rows& dst, reduction_operation op = reduction_operation::sum,
                        typename Tile::element_type identity = static_cast<typename Tile::element_type>(0)) {
  static_assert(detail::lane_tile<Tile> && detail::lane_tile<Rows>,
                "reduce_rows: give a tile and a row-reduction tile");
  static_assert(std::is_same_v<typename Tile::element_type, typename Rows::element_type>,
                "reduce_rows: source and destination have different element types");
  static_assert(Rows::kColumns == 1 && Tile::kPitch == Rows::kPitch,
                "reduce_rows: the destination has not one entry for each row");
  detail::reduce_rows(src, dst, op, static_cast<detail::storage_of<Tile>>(identity));
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::primitives
