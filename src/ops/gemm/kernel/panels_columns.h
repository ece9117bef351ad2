// B's part of a panel of columns, packed as the left operand of panel products.
#pragma once

#include "src/ops/gemm/kernel/panels_parts.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {
namespace gemm_panels {

/// A few columns of C, a lane each, and their running sums.
struct Panel {
  std::int64_t column;
  int columns, vectors;
  float* sums;         ///< (block rows, kLanesOfPanel); int32 for integers
  float* column_sums;  ///< (kLanesOfPanel) int32
};

template <class T, class Step>
class PackedColumns : Parts<T, Step> {
  using Sizes = Parts<T, Step>;
  using Sizes::kPer, Sizes::kSteps, Sizes::kLanesOfPanel, Sizes::kTiles, Sizes::kHasExcess;

 public:
  PackedColumns(Scratch& scratch, const GemmPanelsCall& call)
      : p_(call.params),
        transposed_(call.transpose_b),
        packed_(scratch.take<Word>(kSteps * kLanesOfPanel)),
        staged_lines_(scratch.take<Word>(kLanes * kSteps)) {}

  const Word* packed() const { return packed_; }

  /// packed() <- B's rows k ... k + depth - 1 of the panel's columns; column sums for the excess, see
  /// kHasExcess.
  void pack(const Panel& to, int k, int depth) {
    if (kTiles && (to.columns < kLanesOfPanel || depth < kSteps * kPer)) {  // tiles are read whole
      for (int i = 0; i < kSteps * kLanesOfPanel; i += kLanes) floats(0.0f).store(packed_ + i);
    }
    if (transposed_) {
      const auto line = [&, this](int j) { return at(k, to.column + j); };
      panel::pack_lines<T, kLanesOfPanel>(packed_, line, to.columns, to.vectors, depth, staged_lines_);
    } else {
      for (int i = 0; i < depth; i += kPer) {
        panel::stage_across(packed_ + i / kPer * kLanesOfPanel, at(k + i, to.column), p_.b_stride,
                            min(kPer, depth - i), to.columns);
      }
    }
    if constexpr (kHasExcess) add_columns(to, depth);
  }
  /// The lines of the next rows k ... of a panel's columns; none past the end of K.
  Lines<T> lines(const Panel& panel, int k) const {
    const int depth = max(0, min(kSteps * kPer, p_.k - k));
    if (transposed_) return {at(k, panel.column), p_.b_stride, panel.columns, depth};
    return {at(k, panel.column), p_.b_stride, depth, panel.columns};
  }

 private:
  /// Element (k, column) of B.
  const T* at(std::int64_t k, std::int64_t column) const {
    const T* b = static_cast<const T*>(p_.b);
    return transposed_ ? b + column * p_.b_stride + k : b + k * p_.b_stride + column;
  }
  void add_columns(const Panel& to, int depth) {
    for (int j = 0; j < to.vectors * kLanes; j += kLanes) {
      ints sum = bits_of(floats::load(to.column_sums + j));
      for (int s = 0; s < steps_of<T>(depth); ++s)
        sum = Step::add_elements(floats::load(packed_ + s * kLanesOfPanel + j), sum);
      floats_of_bits(sum).store(to.column_sums + j);
    }
  }

  const GemmParams& p_;
  bool transposed_;
  Word* packed_;        ///< (kSteps, kLanesOfPanel)
  Word* staged_lines_;  ///< (kLanes, kSteps)
};

}  // namespace gemm_panels
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
