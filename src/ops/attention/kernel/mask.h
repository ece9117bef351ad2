// Which keys a query sees by position: the band mask, and the range of keys that a tile of queries needs.
#pragma once

#include <stdint.h>

#include "flashtile/dtype.h"

namespace flashtile::kernels {

/// Keys begin ... end - 1 matter to a tile of queries; each key in [whole_begin, whole_end)
/// is seen by all of them.
struct KeyRange {
  int32_t begin, whole_begin, whole_end, end;
};

/// Query i sees keys 0 ... i + offset. kOpen is the offset of no mask at all.
struct BandMask {
  static constexpr int64_t kOpen = int64_t{1} << 40;

  int64_t offset;

  FLASHTILE_HOST_DEVICE constexpr bool visible(int64_t row, int64_t column) const {
    return column <= row + offset;
  }
  FLASHTILE_HOST_DEVICE constexpr KeyRange keys(int64_t first_row, int64_t last_row, int32_t kv_length) const {
    return {0, 0, clamp(first_row + offset + 1, kv_length), clamp(last_row + offset + 1, kv_length)};
  }
  /// Is any (query, key) pair of an Lq x Lkv problem hidden?
  FLASHTILE_HOST_DEVICE constexpr bool hides_some(int32_t query_length, int32_t kv_length) const {
    return query_length > 0 && keys(0, 0, kv_length).end < kv_length;
  }

 private:
  FLASHTILE_HOST_DEVICE static constexpr int32_t clamp(int64_t end, int32_t kv_length) {
    return end < 0 ? 0 : end < kv_length ? static_cast<int32_t>(end) : kv_length;
  }
};

}  // namespace flashtile::kernels
