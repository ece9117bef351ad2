// Ours: the maps that every kernel of a softmax has, by name. For whatever tile the maps of a backend take. Included by its
// primitives.h, behind them.
#pragma once

#include "flashtile/detail/kernel_words.h"

namespace flashtile::inline v0_2::primitives {
inline namespace FLASHTILE_BACKEND {

/// Each element becomes 0.
template <class Tile>
FT_FUNCTION void zero(FT_THREAD Tile& tile) {
  map_elements(tile, [](auto x) { return decltype(x)(0); });
}
/// Each element is multiplied with its row's entry.
template <class Tile, class Rows>
FT_FUNCTION void scale_rows(FT_THREAD Tile& tile, FT_THREAD Rows& rows) {
  map_rows(tile, rows, [](auto x, auto factor) { return x * factor; });
}
/// Its row's entry is subtracted from each element.
template <class Tile, class Rows>
FT_FUNCTION void sub_rows(FT_THREAD Tile& tile, FT_THREAD Rows& rows) {
  map_rows(tile, rows, [](auto x, auto entry) { return x - entry; });
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::primitives
