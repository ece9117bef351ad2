// Which row of k and v a key of a batch entry is.
#pragma once

#include "flashtile/primitives.h"
#include "src/ops/attention/kernel/entry.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {
using namespace flashtile::primitives;

/// Where row `row` of an entry's keys and values lies: in its tensor, in packed ones, or in a page, which pools have in the
/// place of entries. Pages are kept within the pool: on a GPU nobody has looked at their numbers before.
struct KeyPlace {
  int64_t entry, row;
};
FT_FUNCTION KeyPlace key_place(FT_CONSTANT const AttentionParams& p, int64_t batch, int64_t row) {
  if (!p.pages.given()) return {batch, row + first_row(p.kv_starts, batch, p.kv_length)};
  const int number = static_cast<int>(row) / p.pages.rows;
  const int page = p.pages.table[batch * p.pages.batch + number * p.pages.page];
  return {page < 0 ? 0 : page < p.pages.count ? page : p.pages.count - 1, row - int64_t{number} * p.pages.rows};
}
/// How many of `count` rows from `row` on follow each other in memory: those of the same page.
FT_FUNCTION int adjacent_keys(FT_CONSTANT const AttentionParams& p, int64_t row, int count) {
  if (!p.pages.given()) return count;
  const int left = p.pages.rows - static_cast<int>(row) % p.pages.rows;
  return left < count ? left : count;
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
