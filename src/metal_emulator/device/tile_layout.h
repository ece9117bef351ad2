// Which element of a tile a lane's slot holds: the layouts that cooperative tensors can have. Apple promises none, so that
// kernels must ask; running them under each of these shows whether they do.
#pragma once

#include "simdgroup_matrix.h"

namespace metal_device {

enum class Role : uint8_t { destination, left, right };
enum class Axis : uint8_t { row, column };

/// A slot's place in its tile; not `valid` for padding.
struct Place {
  int row, column;
  bool valid;
};

/// A tile of R rows and C columns over S simdgroups; S = 0: all of it in one thread.
///
/// Layouts   before_m5  8x8 fragments in row-major order, each in the map of simdgroup_matrix: measured on an M4.
///           m5         16x16 granules in row-major order, eight elements a lane: measured on M5s.
///           os26_0     8x8 fragments in column-major order; inputs have as many slots as the destination, the rest is padding.
///           os26_2     8x8 fragments in row-major order, those of destinations turned, so that no result can become an
///                      input in place.
/// The last two stand for layouts that nobody has published: they differ from the others in what kernels tend to assume.
/// How the fragments of a tile are divided over several simdgroups is nowhere documented: evenly, in their order.
template <int R, int C, int S, Role role, int DestinationSlots = 0>
struct TileLayout {
  static constexpr int kRows = R, kColumns = C, kSimdgroups = S;
  static constexpr Role kRole = role;

  METAL_UNCHECKED static uint32_t simdgroup_in_scope() { return S > 1 ? simdgroup_id() : 0; }

  static constexpr int slots(int piece) {  // of one lane, for pieces of `piece` x `piece` elements
    if (S == 0) return R * C;
    const int pieces = ((R + piece - 1) / piece) * ((C + piece - 1) / piece);
    return (pieces + S - 1) / S * (piece * piece / int(kLanes));
  }
  /// The most slots under any layout, for storage.
  static constexpr int kMostSlots = slots(8) > slots(16)
                                        ? (slots(8) > DestinationSlots ? slots(8) : DestinationSlots)
                                        : (slots(16) > DestinationSlots ? slots(16) : DestinationSlots);

  METAL_UNCHECKED static int capacity(Layout layout) {
    const int own = slots(S > 0 && layout == Layout::m5 ? 16 : 8);
    return layout == Layout::os26_0 && own < DestinationSlots ? DestinationSlots : own;
  }

  METAL_UNCHECKED static Place place(Layout layout, uint32_t simdgroup, uint32_t lane, int slot) {
    if constexpr (S == 0) return {slot / C, slot % C, slot < R * C};
    if (layout == Layout::m5) return granule_place(simdgroup, lane, slot);
    constexpr int kDown = (R + 7) / 8, kAcross = (C + 7) / 8;
    const int fragment = int(simdgroup) * slots(8) / 2 + slot / 2;
    const bool turned = layout == Layout::os26_2 && role == Role::destination;
    int row = int(matrix_row(lane)), column = int(matrix_column(lane)) + slot % 2;
    if (turned) row = int(matrix_column(lane)) + slot % 2, column = int(matrix_row(lane));
    const bool by_column = layout == Layout::os26_0;
    row += 8 * (by_column ? fragment % kDown : fragment / kAcross);
    column += 8 * (by_column ? fragment / kDown : fragment % kAcross);
    return {row, column, slot < slots(8) && fragment < kDown * kAcross && row < R && column < C};
  }

  /// A row's (column's) place among the rows (columns) that the lane has a part of, which is its entry in a reduction.
  template <Axis axis>
  METAL_UNCHECKED static int entry(Layout layout, int slot) {
    return axis == Axis::row ? row_entry(layout, slot) : column_entry(layout, slot);
  }

 private:
  METAL_UNCHECKED static int row_entry(Layout layout, int slot) {
    constexpr int kDown = (R + 7) / 8, kAcross = (C + 7) / 8, kGranulesAcross = (C + 15) / 16;
    const bool turned = role == Role::destination;
    switch (layout) {
      case Layout::before_m5: return slot / 2 / kAcross;
      case Layout::m5: return 2 * (slot / 8 / kGranulesAcross) + slot % 8 / 4;
      case Layout::os26_0: return slot / 2 % kDown;
      case Layout::os26_2: return turned ? slot / 2 / kAcross * 2 + slot % 2 : slot / 2 / kAcross;
    }
    return 0;
  }
  METAL_UNCHECKED static int column_entry(Layout layout, int slot) {
    constexpr int kDown = (R + 7) / 8, kAcross = (C + 7) / 8, kGranulesAcross = (C + 15) / 16;
    const bool turned = role == Role::destination;
    switch (layout) {
      case Layout::before_m5: return slot / 2 % kAcross * 2 + slot % 2;
      case Layout::m5: return 4 * (slot / 8 % kGranulesAcross) + slot % 4;
      case Layout::os26_0: return slot / 2 / kDown * 2 + slot % 2;
      case Layout::os26_2: return turned ? slot / 2 % kAcross : slot / 2 % kAcross * 2 + slot % 2;
    }
    return 0;
  }
  /// 16x16 granules: a lane holds four columns of two rows that are eight apart.
  METAL_UNCHECKED static Place granule_place(uint32_t simdgroup, uint32_t lane, int slot) {
    constexpr int kAcross = (C + 15) / 16, kDown = (R + 15) / 16;
    const int granule = int(simdgroup) * slots(16) / 8 + slot / 8, i = slot % 8, quad = int(lane) / 4;
    const int row = 16 * (granule / kAcross) + ((quad & 4) | (int(lane) / 2 & 3)) + 8 * (i / 4);
    const int column = 16 * (granule % kAcross) + ((quad & 2) | (int(lane) & 1)) * 4 + i % 4;
    return {row, column, slot < slots(16) && granule < kAcross * kDown && row < R && column < C};
  }
};

/// One result for each row (column) of a tile, on every lane that holds a part of that row (column).
template <class Tile, Axis axis>
struct ReducedLayout {
  static constexpr int kMostSlots = Tile::kMostSlots;

  METAL_UNCHECKED static uint32_t simdgroup_in_scope() { return Tile::simdgroup_in_scope(); }
  static constexpr Axis kAxis = axis;

  METAL_UNCHECKED static int capacity(Layout layout) {
    int most = 0;
    for (int slot = 0; slot < Tile::capacity(layout); ++slot)
      most = metal::max(most, Tile::template entry<axis>(layout, slot) + 1);
    return most;
  }
  /// The row (column) in `row`.
  METAL_UNCHECKED static Place place(Layout layout, uint32_t simdgroup, uint32_t lane, int wanted) {
    for (int slot = 0; slot < Tile::capacity(layout); ++slot) {
      if (Tile::template entry<axis>(layout, slot) != wanted) continue;
      const Place place = Tile::place(layout, simdgroup, lane, slot);
      if (place.valid) return {axis == Axis::row ? place.row : place.column, 0, true};
    }
    return {0, 0, false};
  }
};

}  // namespace metal_device
