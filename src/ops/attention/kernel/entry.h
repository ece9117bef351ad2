// What a batch entry has of its own: how many of its rows are there, and which keys its queries see by position. Rows
// behind them are padding: nobody reads them, and the output's become 0, their lse -inf.
#pragma once

#include "src/ops/attention/kernel/params.h"

namespace flashtile::inline v0_2::kernels {

struct Entry {
  int32_t query_length, kv_length;
  int64_t offset;  ///< position of query 0
  Band band;

  /// The keys of queries first ... last, as far as these are there.
  FLASHTILE_HOST_DEVICE constexpr KeyRange keys(int64_t first, int64_t last) const {
    if (first >= query_length) return {0, 0, 0, 0};
    return band.keys(first, last < query_length ? last : query_length - 1, kv_length);
  }
};

/// The number of a batch entry, kept within limits: on a GPU nobody has looked at it before.
FLASHTILE_HOST_DEVICE inline int64_t number_of(FT_CONSTANT const EntryNumbers& numbers, int64_t batch,
                                               int64_t least, int64_t most) {
  const int64_t at = batch * numbers.stride;
  const int64_t number = numbers.type == NumberType::i64
                             ? static_cast<FT_DEVICE const int64_t*>(numbers.data)[at]
                             : static_cast<FT_DEVICE const int32_t*>(numbers.data)[at];
  return number < least ? least : number < most ? number : most;
}

FLASHTILE_HOST_DEVICE inline Entry entry_of(FT_CONSTANT const AttentionParams& p, int64_t batch) {
  Entry entry{p.query_length, p.kv_length, p.query_offset, p.band};
  if (p.query_lengths.given())
    entry.query_length = static_cast<int32_t>(number_of(p.query_lengths, batch, 0, p.query_length));
  if (p.kv_lengths.given())
    entry.kv_length = static_cast<int32_t>(number_of(p.kv_lengths, batch, 0, p.kv_length));
  int64_t own = 0;  // beside p.query_offset
  if (p.query_offsets.given())
    own = number_of(p.query_offsets, batch, -kFarthestOffset, kFarthestOffset);
  else if (p.ends_together)
    own = entry.kv_length - entry.query_length;
  entry.offset += own;
  entry.band = entry.band.moved(own);
  return entry;
}

/// The keys that a query of any entry may see.
FLASHTILE_HOST_DEVICE inline KeyRange keys_of_all(FT_CONSTANT const AttentionParams& p) {
  if (p.query_offsets.given() || p.ends_together) return {0, 0, p.kv_length, p.kv_length};
  const Band band = p.band;
  return band.keys(0, p.query_length > 0 ? p.query_length - 1 : 0, p.kv_length);
}

}  // namespace flashtile::inline v0_2::kernels
