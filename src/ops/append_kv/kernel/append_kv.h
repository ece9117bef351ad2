// Stores new keys and values at their positions in a cache. Rows whose place is not in the cache are left out: what an index
// holds never leads out of memory.
#pragma once

#include "src/ops/append_kv/kernel/params.h"
#include "src/ops/attention/kernel/rows.h"
#include "src/ops/rotary/kernel/turn.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {

struct AppendKvRows {
  using Params = AppendKvParams;
  static constexpr FT_CONSTANT int kSimdgroups = 1;
  static constexpr FT_CONSTANT int kHeads = 16;  // of one threadgroup
  using Threadgroup = RotaryTurn;

  /// The grid is (new rows, blocks of heads, batch).
  static FT_FUNCTION void run(FT_CONSTANT const Params& p, FT_THREADGROUP Threadgroup& turn, GridPosition at) {
    const int64_t position = position_of(p.positions, at.z, at.x);
    if (position < 0 || position >= p.table_length * p.block_rows) return;
    const int64_t block = block_of(p, at.z, position / p.block_rows), row = position % p.block_rows;
    if (block < 0 || block >= p.blocks) return;
    set_turn(turn, p.angles, position);
    for (int64_t head = at.y * kHeads; head < p.heads && head < (at.y + 1) * kHeads; ++head) {
      const auto store = [&](FT_CONSTANT const NewRows& rows, FT_CONSTANT const CacheRows& cache, bool is_key) {
        with_elements(rows.data, rows.type, [&](auto from_elements) {
          const auto from = rows_from(from_elements, rows.strides, at.z, head, at.x).first;
          with_elements(cache.data, cache.type, [&](auto to_elements) {
            const auto to = to_elements + (block * cache.block + head * cache.head + row * cache.row);
            if (is_key)
              turn_row(turn, p.angles, from, to, rows.columns);
            else
              copy_row(from, to, rows.columns);
          });
        });
      };
      store(p.k, p.cache_k, true);
      store(p.v, p.cache_v, false);
    }
  }

 private:
  static FT_FUNCTION int64_t block_of(FT_CONSTANT const Params& p, int64_t batch, int64_t number) {
    return p.table == nullptr ? batch : p.table[batch * p.table_batch_stride + number * p.table_stride];
  }
};

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
