// A's part of a block of rows, as the right operand of panel products.
#pragma once

#include "src/ops/gemm/kernel/panels_parts.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {
namespace gemm_panels {

/// Rows are copied to lie together if several panels read them; for a single panel they are read in place where
/// their type allows it.
template <class T, class Step>
class BlockRows : Parts<T, Step> {
  using Sizes = Parts<T, Step>;
  using Sizes::kPer, Sizes::kSteps, Sizes::kRowSteps, Sizes::kTiles;

 public:
  BlockRows(Scratch& scratch, const GemmPanelsCall& call)
      : p_(call.params),
        transposed_(call.transpose_a),
        once_(call.block_panels == 1),
        most_rows_(rounded_up(call.block_rows, kLanes)),
        // Tiles that follow each other in k lie half of the L1 cache's sets plus an odd number of lines apart,
        // so that they spread over all sets. A power of two would map all rows to a few sets.
        staged_stride_(kTiles ? (rounded_up(most_rows_, 64) + 33) * kLanes : most_rows_ + kLanes),
        staged_(scratch.take<Word>(kTiles ? kRowSteps / kLanes * staged_stride_ : kRowSteps * staged_stride_)),
        staged_lines_(scratch.take<Word>(kTiles && transposed_ ? kLanes * most_rows_ : 0)) {}

  int count() const { return count_; }
  std::int64_t first() const { return first_; }
  void start(std::int64_t first, int count) { first_ = first, count_ = count; }

  /// The columns k ... k + depth - 1.
  RightRows operand(int k, int depth) {
    if constexpr (kTiles)
      return as_tiles(k, depth);
    else
      return transposed_ ? from_columns(k, depth) : from_rows(k, depth);
  }
  /// The lines of the next columns k ...; none past the end of K.
  Lines<T> lines(int k) const {
    const int depth = max(0, min(kSteps * kPer, p_.k - k));
    if (transposed_) return {at(0, k), p_.a_stride, depth, count_};
    return {at(0, k), p_.a_stride, count_, depth};
  }

 private:
  /// Element (row, k) of A, rows counted from the block's first.
  const T* at(std::int64_t row, std::int64_t k) const {
    const T* a = static_cast<const T*>(p_.a);
    return transposed_ ? a + k * p_.a_stride + first_ + row : a + (first_ + row) * p_.a_stride + k;
  }
  std::ptrdiff_t line_bytes() const {
    return static_cast<std::ptrdiff_t>(p_.a_stride * static_cast<std::int64_t>(sizeof(T)));
  }

  RightRows from_columns(int k, int depth) {
    if (once_ && std::is_same_v<T, float>) return {at(0, k), 4, line_bytes()};
    for (int i = 0; i < depth; i += kPer) {
      panel::stage_across(staged_ + i / kPer * staged_stride_, at(0, k + i), p_.a_stride, min(kPer, depth - i),
                          count_);
    }
    return {staged_, 4, 4 * staged_stride_};
  }
  RightRows from_rows(int k, int depth) {
    if (once_ && panel::in_place<T>(depth)) return {at(0, k), line_bytes(), 4};
    for (int i = 0; i < count_; ++i) panel::stage_line(staged_ + i * kSteps, at(i, k), depth);
    return {staged_, 4 * kSteps, 4};
  }

  /// As whole tiles, padded with zeros: 16 steps of all rows, then the next 16 steps, and so on.
  RightRows as_tiles(int k, int depth) {
    const int all_rows = rounded_up(count_, kLanes), steps = steps_of<T>(depth);
    for (int i = count_; i < all_rows; ++i) {
      for (int s = 0; s < steps; s += kLanes)
        floats(0.0f).store(staged_ + s / kLanes * staged_stride_ + i * kLanes);
    }
    for (int s = 0; transposed_ && s < steps; s += kLanes) turn_steps(k, depth, s, min(kLanes, steps - s));
    for (int i = 0; !transposed_ && i < count_; ++i)
      panel::stage_tile_rows(staged_ + i * kLanes, staged_stride_, at(i, k), depth);
    return {staged_, 4 * kLanes, 4 * staged_stride_ / kLanes};
  }
  /// Steps s ... s + count - 1 of the columns k ... k + depth - 1.
  void turn_steps(int k, int depth, int s, int count) {
    const auto line = [this](int i) { return staged_lines_ + i * most_rows_; };
    for (int i = 0; i < count; ++i) {
      const int done = (s + i) * kPer;
      panel::stage_across(line(i), at(0, k + done), p_.a_stride, min(kPer, depth - done), count_);
    }
    panel::pack_rows<kLanes>(staged_ + s / kLanes * staged_stride_, line, count, count_, 1);
  }

  const GemmParams& p_;
  bool transposed_, once_;
  std::int64_t first_ = 0;
  int count_ = 0, most_rows_, staged_stride_;
  Word* staged_;        ///< (most rows, kRowSteps), or the other way around, or as tiles
  Word* staged_lines_;  ///< (kLanes, most rows)
};

}  // namespace gemm_panels
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
