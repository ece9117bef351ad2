// Which keys a query sees by position: a band of the score matrix, the range of keys that a tile of queries
// needs, and the band in a tile's own coordinates. Causal masks, windows and query offsets are bands.
//
// What every loop over keys relies on: a query sees one run of keys, and neither end of it moves back from one query to
// the next. A mask that keeps this is written here alone.
#pragma once

#include <stdint.h>

#include "flashtile/detail/kernel_words.h"

namespace flashtile::inline v0_2::kernels {

/// Keys begin ... end - 1 matter to a tile of queries; each key in [whole_begin, whole_end) is seen by all of
/// them, unless that range is empty. begin <= end always.
struct KeyRange {
  int32_t begin, whole_begin, whole_end, end;

  /// Does every query of the tile see keys column ... column + count - 1?
  FLASHTILE_HOST_DEVICE constexpr bool all_see(int32_t column, int32_t count) const {
    return column >= whole_begin && column + count <= whole_end;
  }
};

/// A band in the coordinates of a tile: its row r sees its column c.
struct TileBand {
  int32_t low, high;  ///< least and greatest c - r
  int32_t limit;      ///< columns that are keys

  /// The first and the last column that row r sees, keys or not. r and c are int or a backend's vectors of them.
  template <class R>
  FLASHTILE_HOST_DEVICE constexpr auto first(R r) const {
    return r + low;
  }
  template <class R>
  FLASHTILE_HOST_DEVICE constexpr auto last(R r) const {
    return r + high;
  }
  template <class R, class C>
  FLASHTILE_HOST_DEVICE constexpr auto visible(R r, C c) const {
    return (c >= first(r)) & (c <= last(r)) & (c < limit);
  }
};

/// Query i sees key j where low <= j - i <= high.
class Band {
 public:
  /// A limit that is none: farther than any key.
  static constexpr FT_CONSTANT int64_t kOpen = int64_t{1} << 42;

  constexpr Band() = default;
  FLASHTILE_HOST_DEVICE constexpr Band(int64_t low, int64_t high) : low_(low), high_(high) {}

  /// The band of queries that lie `offset` further on.
  FLASHTILE_HOST_DEVICE constexpr Band moved(int64_t offset) const { return {low_ + offset, high_ + offset}; }

  FLASHTILE_HOST_DEVICE constexpr bool visible(int64_t row, int64_t column) const {
    return low_ <= column - row && column - row <= high_;
  }

  /// The keys of queries first_row ... last_row.
  FLASHTILE_HOST_DEVICE constexpr KeyRange keys(int64_t first_row, int64_t last_row, int32_t kv_length) const {
    const int32_t begin = clamp(first_row + low_, kv_length), end = clamp(last_row + high_ + 1, kv_length);
    return {begin, clamp(last_row + low_, kv_length), clamp(first_row + high_ + 1, kv_length),
            end < begin ? begin : end};
  }

  /// The band of a tile whose first query is `row` and whose first key is `column`.
  FLASHTILE_HOST_DEVICE constexpr TileBand tile(int64_t row, int64_t column, int32_t kv_length) const {
    return {near(low_ + row - column), near(high_ + row - column), near(kv_length - column)};
  }

  /// Does any pair of an Lq x Lkv problem stay unseen?
  FLASHTILE_HOST_DEVICE constexpr bool hides_some(int32_t query_length, int32_t kv_length) const {
    return query_length > 0 && kv_length > 0 && !(visible(0, kv_length - 1) && visible(query_length - 1, 0));
  }

 private:
  FLASHTILE_HOST_DEVICE static constexpr int32_t clamp(int64_t key, int32_t kv_length) {
    return key < 0 ? 0 : key < kv_length ? static_cast<int32_t>(key) : kv_length;
  }
  /// Keeps the sum with a tile's row inside 32 bits; no tile is nearly as large.
  FLASHTILE_HOST_DEVICE static constexpr int32_t near(int64_t distance) {
    constexpr int32_t kFar = int32_t{1} << 30;
    return distance < -kFar ? -kFar : distance > kFar ? kFar : static_cast<int32_t>(distance);
  }

  int64_t low_ = -kOpen, high_ = kOpen;
};

}  // namespace flashtile::inline v0_2::kernels
