// Rows of Q, K and V as the bfloats that tiles multiply: parts of each number, padded to whole tiles.
#pragma once

#include "src/ops/attention/kernel/flash_cpu/staged_rows.h"
#include "src/ops/attention/kernel/flash_cpu/tile_blocks.h"

#if defined(FT_AMX)

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {
namespace flash_cpu {

/// Stages rows, and remembers whether all their numbers were plain: 0, or of 2^-100 to 2^40 in size. Parts or
/// products of others could vanish or overflow.
template <class T>
class TileStaging {
 public:
  explicit TileStaging(const TileLayout<T>& layout) : layout_(layout) {}

  bool plain() const { return plain_; }

  /// Stores the parts of a row of K or Q as pairs of bfloats, `part` words apart, padded
  /// with zeros to whole tiles.
  void stage_row(Word* to, int part, const T* from) {
    const int elements = layout_.head_dim;
    if (layout_.rows_are_whole()) {
      for (int i = 0; i < layout_.key_steps; i += kLanes)
        floats::load(reinterpret_cast<const Word*>(from) + i).store(to + i);
      return;
    }
    for (int i = 0; i < 2 * layout_.key_steps; i += kLanes) {
      floats parts[kParts<T>] = {};
      if (i < elements) panel::split_floats(load_plain(from + i, elements - i), parts);
      FT_UNROLL for (int n = 0; n < kParts<T>; ++n) {
        store_some(reinterpret_cast<bfloat*>(to + n * part) + i, parts[n], kLanes);
      }
    }
  }

  /// Stores the parts of V^T for `keys` rows of V. The first part ends with a row of ones, whose
  /// product is the sum of the weights.
  void turn_values(Word* to, RowRun<const T> values, int keys) {
    const int steps = layout_.value_steps;
    for (int c = 0; c < layout_.value_dim; c += kColumns) {
      for (int s = 0; s < steps; s += kLanes) {
        Square squares[kColumns / kLanes * kParts<T>];
        FT_UNROLL for (int i = 0; i < kLanes; ++i) {
          load_pair(squares, i, {values.first + c, values.step}, 2 * (s + i), keys, layout_.value_dim - c);
        }
        FT_UNROLL for (int n = 0; n < kColumns / kLanes * kParts<T>; ++n) {
          const int column = c + n / kParts<T> * kLanes;
          turn_square(squares[n], to + n % kParts<T> * layout_.values_part + column * steps + s, steps,
                      layout_.value_dim - column);
        }
      }
    }
    const ints pair_of_ones = 0x3f803f80;
    for (int part = 0; part < kParts<T>; ++part) {
      Word* rest = to + part * layout_.values_part + layout_.value_dim * steps;
      std::memset(rest, 0,
                  static_cast<std::size_t>((layout_.value_rows - layout_.value_dim) * steps) * sizeof(Word));
      for (int i = 0; part == 0 && i < steps; i += kLanes) floats_of_bits(pair_of_ones).store(rest + i);
    }
  }

 private:
  /// Loads `left` elements, at most kLanes, with zeros behind them.
  floats load_plain(const T* from, int left) {
    const floats x = load_some(from, left);
    if constexpr (std::is_same_v<T, float>) {
      const floats size = floats_of_bits(bits_of(x) & ints(0x7fffffff));
      plain_ &= !any(!(size <= floats(0x1p40f)) | ((size < floats(0x1p-100f)) & (x != floats(0.0f))));
    }
    return x;
  }

  /// Columns of V that are transposed together: two registers of bfloat, since two interleaved rows fill two.
  static constexpr int kColumns = kParts<T> == 1 ? 2 * kLanes : kLanes;
  using Square = floats[kLanes];

  /// Row i of the squares <- keys `key` and `key` + 1 of V as pairs of bfloats: two squares of neighbouring
  /// columns for bfloat, else one square a part.
  [[gnu::always_inline]] void load_pair(Square* squares, int i, RowRun<const T> values, int key, int keys,
                                        int left) {
    const T* row = values[key];
    if constexpr (kParts<T> == 1) {
      squares[0][i] = squares[1][i] = 0.0f;
      if (key < keys) panel::load_across(squares[0][i], squares[1][i], row, values.step, keys - key, left);
    } else {
      floats even[kParts<T>] = {}, odd[kParts<T>] = {};
      if (key < keys) panel::split_floats(load_plain(row, left), even);
      if (key + 1 < keys) panel::split_floats(load_plain(row + values.step, left), odd);
      FT_UNROLL for (int part = 0; part < kParts<T>; ++part) {
        squares[part][i] = cut_pairs(even[part], odd[part]);
      }
    }
  }
  /// Transposes the square and stores its rows, at most `left`, `pitch` words apart.
  [[gnu::always_inline]] static void turn_square(Square& square, Word* to, int pitch, int left) {
    primitives::transpose(square);
    if (left >= kLanes) {
      FT_UNROLL for (int i = 0; i < kLanes; ++i) square[i].store(to + i * pitch);
    } else {
      for (int i = 0; i < left; ++i) square[i].store(to + i * pitch);
    }
  }

  const TileLayout<T>& layout_;
  bool plain_ = true;
};

/// panel.queries <- the parts of the panel's queries, whose rows query(lane) are; `staged` has room for these parts.
/// Returns whether all numbers were plain.
template <class T, class QueryAddress>
bool pack_queries(const TileLayout<T>& layout, const Panel& panel, Word* staged, QueryAddress query) {
  constexpr int kLanesOfPanel = panel::kTileLanes;
  const int steps = layout.key_steps, line = kParts<T> * steps;
  if (layout.rows_are_whole()) {
    panel::pack_rows<kLanesOfPanel>(panel.queries, query, panel.count, steps, kRegisters);
    return true;
  }
  TileStaging<T> staging(layout);
  for (int i = 0; i < panel.count; ++i) staging.stage_row(staged + i * line, steps, query(i));
  for (int part = 0; part < kParts<T>; ++part) {
    const auto row = [&](int lane) { return staged + part * steps + lane * line; };
    panel::pack_rows<kLanesOfPanel>(panel.queries + part * layout.queries_part, row, panel.count, steps,
                                    kRegisters);
  }
  return staging.plain();
}

/// What a task of the stage that prepares needs.
template <class T>
std::size_t prepare_scratch_bytes(const AttentionParams& p) {
  Scratch scratch;
  StagedRows<T>(scratch, {}, p.pages, kKeys, p.head_dim);
  StagedRows<T>(scratch, {}, p.pages, kKeys, p.value_dim);
  return scratch.bytes();
}

/// Makes one block ready: task `index` of the stage that prepares.
template <class T>
void prepare_block(const CpuSchedule& schedule, const CpuTask& task) {
  const AttentionParams& p = schedule.params;
  const std::int64_t count = TileLayout<T>(p).most_used, head = task.index / count, batch = head / p.kv_heads,
                     kv_head = head % p.kv_heads;
  const int column = static_cast<int>(task.index % count) * kKeys;
  const int keys = min(kKeys, entry_of(p, batch).kv_length - column);
  if (keys <= 0) return;  // nobody sees it
  const TileBlocks<T> blocks(schedule, task, batch, kv_head);
  const TileLayout<T>& layout = blocks.layout();
  TileStaging<T> staging(layout);
  Word* const rows = blocks.keys(column);
  if (keys < kKeys) std::memset(rows, 0, static_cast<std::size_t>(kParts<T> * layout.keys_part) * sizeof(Word));
  Scratch scratch(task.scratch);
  const StagedRows<T> key_block(scratch, {}, p.pages, kKeys, p.head_dim),
      value_block(scratch, {}, p.pages, kKeys, p.value_dim);
  const RowRun<const T> k = key_block.keys(p, batch, kv_head, column, keys);
  for (int i = 0; i < keys; ++i) staging.stage_row(rows + i * layout.key_steps, layout.keys_part, k[i]);
  staging.turn_values(blocks.values(column), value_block.values(p, batch, kv_head, column, keys), keys);
  blocks.plain(column) = staging.plain();
}

}  // namespace flash_cpu
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels

#endif
