// O = O + P V for a handful of queries, whose rows of O stay in a thread's scratch: lanes are columns.
#pragma once

#include "src/ops/attention/kernel/flash_cpu/decode_shape.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {
namespace flash_cpu {

template <class T, int Rows>
class DecodeOutput : DecodeShape<T, Rows> {
  using Shape = DecodeShape<T, Rows>;
  using Shape::kPairs, Shape::kValuesPerStep, Shape::kSums, Shape::kFewestSums, Shape::place, Shape::fetch;
  using Step = typename Shape::Step;

 public:
  DecodeOutput(Scratch& scratch, const DecodeSizes<T, Rows>& sizes)
      : sizes_(sizes),
        output_(scratch.take<float>(Rows * sizes.output_stride)),
        total_(scratch.take<float>(Rows * sizes.output_stride)) {}

  /// The sums of the first row since the last fold, and floats from there to those of the next row.
  float* first_row() const { return output_; }
  int stride() const { return sizes_.output_stride; }
  /// Row r of the totals.
  const float* total(int r) const { return total_ + r * sizes_.output_stride; }

  void start() {
    for (int i = 0; i < Rows * sizes_.output_stride; ++i) output_[i] = total_[i] = 0.0f;
  }

  /// O += P V; values of the next block are prefetched meanwhile.
  void multiply(RowRun<const T> rows, const float* weights, int keys) {
    add_columns<kSums>(0, rows, weights, keys);
  }

  /// Multiplies each row with its factor, of which `factors` holds one a row as scores are placed.
  void rescale(const float* factors) {
    for (int r = 0; r < Rows; ++r) {
      for (int d = 0; d < sizes_.value_dim; d += kLanes) {
        const floats factor = factors[place(0, r)];
        for (float* at : {output_ + r * sizes_.output_stride + d, total_ + r * sizes_.output_stride + d})
          (floats::load(at) * factor).store(at);
      }
    }
  }
  /// Adds the sums to the totals, so that neither is one long chain of additions.
  void fold() { add_to(total_, output_, Rows * sizes_.output_stride); }

 private:
  /// Columns from d on, Sums registers of them at a time, and then half as many for what is left.
  template <int Sums>
  void add_columns(int d, RowRun<const T> rows, const float* weights, int keys) {
    for (; d + Sums * kLanes <= sizes_.value_dim; d += Sums * kLanes)
      add_values<Sums, true>(d, rows, weights, keys, Sums * kLanes);
    if (d == sizes_.value_dim) return;
    if constexpr (Sums > kFewestSums)
      add_columns<Sums / 2>(d, rows, weights, keys);
    else
      add_values<Sums, false>(d, rows, weights, keys, sizes_.value_dim - d);
  }

  /// Whole: all of the registers' columns are there. A function of its own: inlined into attend(), the loop of
  /// four rows of half took 1.1 times as long, and 1.2 times where K and V come from memory.
  template <int Sums, bool Whole>
  [[gnu::noinline]] void add_values(int d, RowRun<const T> rows, const float* weights, int keys, int columns) {
    if (Whole) columns = Sums * kLanes;
    const auto [first, stride] = rows;
    const T* row = first + d;
    const std::int64_t ahead = sizes_.ahead * stride;
    float* const out = output_ + d;
    const int out_stride = sizes_.output_stride;
    floats sum[Rows][Sums];
    FT_UNROLL for (int r = 0; r < Rows; ++r) {
      FT_UNROLL for (int j = 0; j < Sums; ++j) sum[r][j] = floats::load(out + r * out_stride + j * kLanes);
    }
    for (int c = 0; c < keys; c += kValuesPerStep) {
      floats right[Sums];
      if constexpr (kPairs) {
        fetch({row, row + stride}, ahead, columns);
        FT_UNROLL for (int j = 0; j < Sums; j += 2) {
          panel::load_across(right[j], right[j + 1], row + j * kLanes, stride, min(2, keys - c),
                             columns - j * kLanes);
        }
      } else {
        fetch({row}, ahead, columns);
        FT_UNROLL for (int j = 0; j < Sums; ++j) right[j] = load_some(row + j * kLanes, columns - j * kLanes);
      }
      const float* const weight = weights + place(c, 0) / kValuesPerStep;
      FT_UNROLL for (int r = 0; r < Rows; ++r) {
        const floats left = weight[place(0, r) / kValuesPerStep];
        FT_UNROLL for (int j = 0; j < Sums; ++j) {
          if constexpr (kPairs)
            sum[r][j] = Step::multiply_add(left, right[j], sum[r][j]);
          else
            sum[r][j] = fma(left, right[j], sum[r][j]);
        }
      }
      row += kValuesPerStep * stride;
    }
    FT_UNROLL for (int r = 0; r < Rows; ++r) {
      FT_UNROLL for (int j = 0; j < Sums; ++j) sum[r][j].store(out + r * out_stride + j * kLanes);
    }
  }

  DecodeSizes<T, Rows> sizes_;
  float *output_, *total_;  ///< (Rows, Dv) of the keys since the last fold, and of those before
};

}  // namespace flash_cpu
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
