// Blocks of K and V that are made ready for tile products, in the workspace of a call.
#pragma once

#include "src/ops/attention/kernel/flash_cpu/split.h"
#include "src/ops/attention/kernel/flash_cpu/weights.h"

#if defined(FT_AMX)

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {
namespace flash_cpu {

/// Layout of a block, in 4-byte steps: each part of K by rows, then each part of V^T by rows. K is that of the
/// block's own keys, V^T that of the keys kApart blocks before: their products alternate, and so memory is read
/// as one stream.
template <class T>
struct TileLayout {
  static constexpr int kApart = 2;
  static constexpr int kTile = 16;

  int head_dim, value_dim;
  std::int64_t count;           ///< of a KV head, as far as shapes say
  std::int64_t most_used;       ///< of any: the longest entry's
  int key_steps, value_rows;    ///< steps of a row of K, rows of V^T with one of ones: whole tiles
  int value_steps = kKeys / 2;  ///< of a row of V^T
  int queries_part;             ///< words of a part of a panel's queries
  int keys_part, values_part;   ///< words of a part of K, of V^T
  int plain;                    ///< offset of the flag that all numbers of a block are plain
  std::size_t size;             ///< words of a block

  explicit TileLayout(const AttentionParams& p)
      : head_dim(p.head_dim),
        value_dim(p.value_dim),
        count((p.kv_length + kKeys - 1) / kKeys),
        most_used((p.longest_kv + kKeys - 1) / kKeys),
        key_steps(rounded_up(steps_of<bfloat>(p.head_dim), kTile)),
        value_rows(rounded_up(p.value_dim + 1, kTile)),
        queries_part(key_steps * panel::kTileLanes),
        keys_part(kKeys * key_steps),
        values_part(value_rows * value_steps),
        plain(kParts<T> * (keys_part + values_part)),
        size(static_cast<std::size_t>(plain + kTile)) {}

  /// Blocks of a KV head, with those that hold the last values alone.
  std::int64_t of_head() const { return count + kApart; }
  std::size_t bytes_of_head() const { return static_cast<std::size_t>(of_head()) * size * sizeof(Word); }
  /// Do rows of K and Q fill whole tiles as they lie in memory, without splitting or padding?
  bool rows_are_whole() const { return kParts<T> == 1 && head_dim == 2 * key_steps; }
};

/// The blocks of one KV head.
template <class T>
class TileBlocks {
 public:
  TileBlocks(const CpuSchedule& schedule, const CpuTask& task, std::int64_t batch, std::int64_t kv_head)
      : layout_(schedule.params),
        first_(reinterpret_cast<Word*>(task.workspace +
                                       Partials::bytes(schedule.params, schedule.tasks.splits.count)) +
               (batch * schedule.params.kv_heads + kv_head - task.first_head) * layout_.of_head() *
                   static_cast<std::int64_t>(layout_.size)) {}

  const TileLayout<T>& layout() const { return layout_; }

  /// The block of key `column`, from its part of K on.
  Word* keys(int column) const { return first_ + column / kKeys * static_cast<std::int64_t>(layout_.size); }
  Word* values(int column) const {
    return keys(column + TileLayout<T>::kApart * kKeys) + kParts<T> * layout_.keys_part;
  }
  /// Not 0 if all numbers of a block are plain.
  std::uint32_t& plain(int column) const { return keys(column)[layout_.plain].bits; }

 private:
  TileLayout<T> layout_;
  Word* first_;
};

}  // namespace flash_cpu
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels

#endif
