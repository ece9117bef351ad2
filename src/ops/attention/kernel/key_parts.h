// Keys that are dealt out: which part of a tile's keys a threadgroup sums, and where it leaves what they come to.
//
// A tile of few queries, or few tiles, would leave most of a GPU idle, and sums of very many keys lose digits. So the
// keys of each tile are cut into equal parts, and every part of every tile is a threadgroup's. Parts are cut by shapes
// alone, so that results do not depend on timing.
#pragma once

#include "src/ops/attention/kernel/row_notes.h"
#include "src/ops/attention/kernel/softmax.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {

/// A tile of queries: its first row, among the rows of a head or of a group of heads.
struct TilePlace {
  int64_t row, head, batch;
};

/// The place of tile `number` of a call whose keys are dealt out.
FT_FUNCTION TilePlace tile_at(FT_CONSTANT const AttentionParams& p, int64_t number) {
  const int64_t heads = p.query_heads / p.parts.group;
  const int64_t tiles = tiles_of(static_cast<int64_t>(p.query_length) * p.parts.group, p.parts.tile_rows);
  return {number % tiles * p.parts.tile_rows, number / tiles % heads, number / tiles / heads};
}

/// The place of a threadgroup of a grid (tiles, heads, batch): the last rows, which see most keys of a causal call, first.
FT_FUNCTION TilePlace last_tile_first(FT_CONSTANT const AttentionParams& p, FT_THREAD const GridPosition& at,
                                      int tile_rows) {
  return {(tiles_of(p.longest_query, tile_rows) - 1 - at.x) * tile_rows, at.y, at.z};
}

/// Does this call deal keys out, and can a kernel of such tiles?
template <class Tile>
FT_FUNCTION bool keys_in_parts(FT_CONSTANT const AttentionParams& p) {
  return Tile::kGroupsHeads || (Tile::kParts && p.parts.sums != nullptr);
}

/// Which of a launch's results a threadgroup leaves: the number of its part, those of a tile one by one, or else that of
/// its tile. Kernels keep this one number, since a place takes more registers.
FT_FUNCTION int result_number(FT_CONSTANT const AttentionParams& p, bool in_parts,
                              FT_THREAD const GridPosition& at, FT_THREAD const TilePlace& place,
                              int tile_rows) {
  return in_parts ? static_cast<int>(at.y) * p.parts.count + static_cast<int>(at.x)
                  : static_cast<int>(tile_number(p, place.batch, place.head, place.row, tile_rows));
}

/// Part `part` of `count` of a tile's keys: whole blocks of `block` keys from the first one on. The last ones may be
/// empty.
FT_FUNCTION KeyRange part_of(FT_THREAD const KeyRange& keys, int part, int count, int block) {
  const int64_t size = ((keys.end - keys.begin + count - 1) / count + block - 1) / block * block;
  const int64_t first = keys.begin + part * size;
  const int begin = first < keys.end ? static_cast<int>(first) : keys.end;
  const int end = first + size < keys.end ? static_cast<int>(first + size) : keys.end;
  return {begin, keys.whole_begin, keys.whole_end < end ? keys.whole_end : end, end};
}

/// The parts of one tile of this launch, which follow each other.
struct TileParts {
  int64_t first;
  int count;
};
/// Of even shares, a part is where a threadgroup or a tile begins, so that the sum of both numbers is its own.
FT_FUNCTION TileParts parts_of(FT_CONSTANT const AttentionParams& p, int64_t tile) {
  FT_CONSTANT const KeyParts& parts = p.parts;
  if (parts.tile_blocks == 0) return {tile * parts.count, parts.count};
  const int64_t first = tile * parts.tile_blocks / parts.share_blocks,
                last = ((tile + 1) * parts.tile_blocks - 1) / parts.share_blocks;
  return {tile + first, static_cast<int>(last - first) + 1};
}

/// What one part comes to for each row of a tile: a maximum, the sum of weights under it, and weighted sums of values.
class PartSums {
 public:
  /// Of a part of this launch, the parts of a tile following each other.
  FT_FUNCTION PartSums(FT_CONSTANT const AttentionParams& p, int64_t part)
      : data_(p.parts.sums + part * part_floats(p.parts.stored_rows, p.value_dim)),
        rows_(p.parts.stored_rows),
        columns_(p.value_dim) {}

  FT_FUNCTION FT_DEVICE float& maximum(int row) const { return data_[row]; }
  FT_FUNCTION FT_DEVICE float& sum(int row) const { return data_[rows_ + row]; }
  /// The weighted sums of rows from `row` on, of which there are `count`.
  FT_FUNCTION Matrix<float> values(int row, int count) const {
    const int64_t stride[2] = {1, part_pitch(columns_)};
    return Matrix<float>(data_ + 2 * rows_ + row * stride[1], dextents<int, 2>(columns_, count), stride);
  }

 private:
  FT_DEVICE float* data_;
  int64_t rows_;
  int columns_;
};

/// Stores what a part of a tile's keys comes to, for the tile's rows from `row` on, of which `count` are there. Softmax has
/// the `maximum` and the `sum` of each row.
template <class Output, class Softmax>
FT_FUNCTION void store_part(FT_THREAD const PartSums& part, int row, int count, FT_THREAD Output& output,
                            FT_THREAD Softmax& softmax) {
  auto values = part.values(row, count < 0 ? 0 : count);
  store(output, values);
  for_each_element(softmax.maximum, [&](float value, int r) {
    if (r < count) part.maximum(row + r) = value;
  });
  for_each_element(softmax.sum, [&](float value, int r) {
    if (r < count) part.sum(row + r) = value;
  });
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
