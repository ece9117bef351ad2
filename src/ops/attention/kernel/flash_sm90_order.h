// The order in which threadgroups of flash.sm90 take tiles of queries.
//
// Tiles are numbered section by section. A section is a number of heads whose keys and values stay in the L2
// cache together; within it the tiles with most keys come first, and the same tile of all its heads together.
// With one head a section, the tiles of a head simply follow each other.
#pragma once

#include <stdint.h>

#include "flashtile/dtype.h"

namespace flashtile::inline v0_2::kernels {

/// Division of numbers below 2^31 by a multiplication (Granlund & Montgomery 1994).
struct Divisor {
  uint32_t divisor, multiplier, shift;

  FLASHTILE_HOST_DEVICE constexpr explicit Divisor(uint32_t d = 1) : divisor(d), multiplier(1), shift(0) {
    while ((uint64_t{1} << shift) < d) ++shift;
    multiplier = static_cast<uint32_t>(((uint64_t{1} << 32) * ((uint64_t{1} << shift) - d)) / d + 1);
  }
  FLASHTILE_HOST_DEVICE constexpr uint32_t quotient(uint32_t n) const {
    return (static_cast<uint32_t>(uint64_t{n} * multiplier >> 32) + n) >> shift;
  }
  FLASHTILE_HOST_DEVICE constexpr uint32_t remainder(uint32_t n) const { return n - quotient(n) * divisor; }
};

/// kQ queries of one head, from `row` on.
struct QueryTile {
  int32_t row, head, kv_head, batch;
};

struct QueryTileOrder {
  uint32_t tiles;         ///< in all; below 2^31
  uint32_t threadgroups;  ///< that share them
  uint32_t* next;   ///< counts the tiles taken beyond the first of each threadgroup, from 0; nullptr: every
                    ///< threadgroups-th tile is one threadgroup's
  Divisor section;  ///< tiles of one
  Divisor section_heads, last_section_heads;
  Divisor query_heads, group;  ///< Hq, Hq / Hkv
  uint32_t last_section, query_tiles;

  FLASHTILE_HOST_DEVICE constexpr QueryTileOrder(int64_t batch, int32_t heads, int32_t kv_heads,
                                                 int32_t tiles_of_head, int64_t heads_at_once)
      : tiles(static_cast<uint32_t>(batch * heads * tiles_of_head)),
        threadgroups(0),
        next(nullptr),
        section(static_cast<uint32_t>(heads_at_once * tiles_of_head)),
        section_heads(static_cast<uint32_t>(heads_at_once)),
        last_section_heads(
            static_cast<uint32_t>(batch * heads - (batch * heads - 1) / heads_at_once * heads_at_once)),
        query_heads(static_cast<uint32_t>(heads)),
        group(static_cast<uint32_t>(heads / kv_heads)),
        last_section(static_cast<uint32_t>((batch * heads - 1) / heads_at_once)),
        query_tiles(static_cast<uint32_t>(tiles_of_head)) {}

  FLASHTILE_HOST_DEVICE constexpr bool has(uint32_t number) const { return number < tiles; }
  FLASHTILE_HOST_DEVICE constexpr QueryTile at(uint32_t number, int tile_rows) const {
    const uint32_t s = section.quotient(number), within = number - s * section.divisor;
    const Divisor& heads = s == last_section ? last_section_heads : section_heads;
    const uint32_t tile = heads.quotient(within);
    const uint32_t all_heads = s * section_heads.divisor + (within - tile * heads.divisor);
    const uint32_t batch = query_heads.quotient(all_heads), head = all_heads - batch * query_heads.divisor;
    return {static_cast<int32_t>(query_tiles - 1 - tile) * tile_rows, static_cast<int32_t>(head),
            static_cast<int32_t>(group.quotient(head)), static_cast<int32_t>(batch)};
  }
};

}  // namespace flashtile::inline v0_2::kernels
