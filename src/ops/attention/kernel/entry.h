// What a batch entry has of its own: how many of its rows are there, where they begin in packed tensors, and which keys its
// queries see by position. Rows behind those of a padded tensor are padding: nobody reads them, and the output's become
// 0, their lse -inf. What lies around packed rows is no concern of the entry's.
#pragma once

#include "src/ops/attention/kernel/params.h"

namespace flashtile::inline v0_2::kernels {

struct Entry {
  int32_t query_length, kv_length;
  int32_t result_rows;  ///< rows of the output: queries and padding
  int64_t offset;       ///< position of query 0
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

/// The first row of a batch entry in a tensor of `rows` rows: 0 where each entry has a tensor of its own.
FLASHTILE_HOST_DEVICE inline int64_t first_row(FT_CONSTANT const EntryNumbers& starts, int64_t batch,
                                               int32_t rows) {
  return starts.given() ? number_of(starts, batch, 0, rows) : 0;
}
/// How many rows there are from it to the next entry's.
FLASHTILE_HOST_DEVICE inline int32_t rows_between(FT_CONSTANT const EntryNumbers& starts, int64_t batch,
                                                  int32_t rows) {
  const int64_t first = number_of(starts, batch, 0, rows);
  return static_cast<int32_t>(number_of(starts, batch + 1, first, rows) - first);
}

FLASHTILE_HOST_DEVICE inline Entry entry_of(FT_CONSTANT const AttentionParams& p, int64_t batch) {
  Entry entry{p.query_length, p.kv_length, p.query_length, p.query_offset, p.band};
  if (p.query_starts.given())
    entry.query_length = entry.result_rows = rows_between(p.query_starts, batch, p.query_length);
  else if (p.query_lengths.given())
    entry.query_length = static_cast<int32_t>(number_of(p.query_lengths, batch, 0, p.query_length));
  if (p.kv_starts.given())
    entry.kv_length = rows_between(p.kv_starts, batch, p.kv_length);
  else if (p.kv_lengths.given())
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

}  // namespace flashtile::inline v0_2::kernels
