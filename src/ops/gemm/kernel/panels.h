// Matrix product scheduled for CPUs, on panel products: lanes are columns of C, rows of A are broadcast.
//
//   for each block of rows and a few panels of columns of C:
//     for each kSteps of K:
//       R = A's part                                 (rows, steps), in the second-level cache
//       for each panel:
//         L = B's part, packed                       (steps, kWidth), in the first-level cache
//         sums += R L                                (rows, kWidth)
//     C = alpha * sums + beta * C
#pragma once

#include "flashtile/primitives.h"
#include "flashtile/primitives/cpu/panel_operands.h"
#include "src/ops/gemm/kernel/panels_table.h"

namespace flashtile::kernels {
inline namespace FLASHTILE_BACKEND {
namespace gemm_panels {

using namespace flashtile::primitives;
using panel::kWidth;
using panel::larger;
using panel::Operand;
using panel::RightRows;
using panel::rounded_up;
using panel::smaller;
using panel::steps_of;

inline constexpr int kRowsAtOnce = 16;  ///< of A
inline constexpr int kSteps = 128;      ///< of 4 bytes in k: a packed panel of B takes 32 KiB

template <class T>
class Product {
 public:
  static std::size_t scratch_bytes(const GemmPanelsCall& call) { return Product(call, nullptr).used_; }
  static std::int64_t tasks(const GemmPanelsCall& call) {
    return blocks(call.params.m, call.block_rows) * blocks(call.params.n, call.block_panels * kWidth);
  }
  static void run(const GemmPanelsCall& call, std::int64_t task, void* scratch) {
    Product(call, scratch).multiply(task);
  }

 private:
  static constexpr int kPer = Operand<T>::kPerStep;
  static constexpr bool kIntegers = std::is_same_v<T, std::int8_t>;

  static std::int64_t blocks(std::int64_t length, int block) { return (length + block - 1) / block; }

  /// A few columns of C, a lane each, and what has been summed for them.
  struct Panel {
    std::int64_t column;
    int columns, vectors;
    float* sums;         ///< (block rows, kWidth); int32 for integers
    float* column_sums;  ///< (kWidth) int32
  };

  Product(const GemmPanelsCall& call, void* scratch)
      : call_(call), p_(call.params), memory_(static_cast<char*>(scratch)) {
    staged_stride_ = rounded_up(call.block_rows, kLanes);
    for (int i = 0; i < call.block_panels; ++i) {
      panels_[i].sums = take(call.block_rows * kWidth);
      panels_[i].column_sums = take(kWidth);
    }
    packed_ = take(kSteps * kWidth);
    staged_columns_ = take(kLanes * kSteps);
    staged_rows_ = take(staged_stride_ * kSteps);
  }
  float* take(int count) {
    float* here = reinterpret_cast<float*>(memory_ + used_);
    used_ += (static_cast<std::size_t>(count) * sizeof(float) + 63) / 64 * 64;
    return here;
  }

  /// Blocks of rows are the outer loop: tasks that follow each other read the same rows of A.
  void multiply(std::int64_t task) {
    const panel::Session<typename Operand<T>::Step> session;
    const int width = call_.block_panels * kWidth;
    row_ = task / blocks(p_.n, width) * call_.block_rows;
    rows_ = static_cast<int>(smaller<std::int64_t>(call_.block_rows, p_.m - row_));
    int used = 0;
    for (std::int64_t column = task % blocks(p_.n, width) * width; used < call_.block_panels && column < p_.n;
         column += kWidth) {
      start(panels_[used++], column);
    }
    for (int k = 0; k < p_.k; k += kSteps * kPer) {
      const int depth = smaller(kSteps * kPer, p_.k - k);
      const RightRows rows = rows_operand(k, depth);
      for (int i = 0; i < used; ++i) {
        pack_columns(panels_[i], k, depth);
        const bool last = i + 1 == used;
        const int next_k = k + kSteps * kPer;
        const Lines next_a = last ? lines_of_a(next_k) : Lines{};
        const Lines next_b = last ? lines_of_b(panels_[0], next_k) : lines_of_b(panels_[i + 1], k);
        multiply_rows(panels_[i], rows, depth, next_a, next_b);
      }
    }
    for (int i = 0; i < used; ++i) finish(panels_[i]);
  }

  /// Lines of an operand in memory, to be asked for ahead of their use: they lie too far apart for a hardware
  /// prefetcher.
  struct Lines {
    const T* data;
    std::int64_t stride;
    int count, length;

    /// Asks for lines first ... last - 1.
    void fetch(int first, int last) const {
      constexpr int kLine = 64 / static_cast<int>(sizeof(T));
      for (int i = first; i < last; ++i) {
        for (int e = 0; e < length; e += kLine) __builtin_prefetch(data + i * stride + e, 0, 2);
      }
    }
  };
  /// Columns k ... of A's rows of this block, and rows k ... of B's columns of a panel; none past the end.
  Lines lines_of_a(int k) const {
    const int depth = larger(0, smaller(kSteps * kPer, p_.k - k));
    const T* a = static_cast<const T*>(p_.a);
    if (call_.transpose_a) return {a + k * p_.a_stride + row_, p_.a_stride, depth, rows_};
    return {a + row_ * p_.a_stride + k, p_.a_stride, rows_, depth};
  }
  Lines lines_of_b(const Panel& panel, int k) const {
    const int depth = larger(0, smaller(kSteps * kPer, p_.k - k));
    const T* b = static_cast<const T*>(p_.b);
    if (call_.transpose_b) return {b + panel.column * p_.b_stride + k, p_.b_stride, panel.columns, depth};
    return {b + k * p_.b_stride + panel.column, p_.b_stride, depth, panel.columns};
  }

  /// sums += R L; what comes next of A and B is fetched meanwhile, an even share with each few rows.
  void multiply_rows(const Panel& to, RightRows rows, int depth, const Lines& next_a, const Lines& next_b) {
    for (int i = 0; i < rows_; i += kRowsAtOnce) {
      const int end = smaller(i + kRowsAtOnce, rows_);
      for (const Lines* next : {&next_a, &next_b})
        next->fetch(next->count * i / rows_, next->count * end / rows_);
      panel::multiply<typename Operand<T>::Step, panel::Mode::accumulate>(
          to.sums + i * kWidth, rows.from(i, 0), packed_, end - i, steps_of<T>(depth), to.vectors);
    }
  }

  void start(Panel& to, std::int64_t column) {
    to.column = column;
    to.columns = static_cast<int>(smaller<std::int64_t>(kWidth, p_.n - column));
    to.vectors = (to.columns + kLanes - 1) / kLanes;
    for (int i = 0; i < rows_ * kWidth; i += kLanes) floats(0.0f).store(to.sums + i);
    for (int i = 0; i < kWidth; i += kLanes) floats(0.0f).store(to.column_sums + i);
  }

  /// B's rows k ... k + depth - 1 of this panel's columns.
  void pack_columns(const Panel& to, int k, int depth) {
    const T* b = static_cast<const T*>(p_.b);
    if (call_.transpose_b) {
      const auto line = [=, this](int j) { return b + (to.column + j) * p_.b_stride + k; };
      panel::pack_lines<T>(packed_, line, to.columns, to.vectors, depth, staged_columns_);
    } else {
      for (int i = 0; i < depth; i += kPer) {
        panel::stage_across(packed_ + i / kPer * kWidth, b + (k + i) * p_.b_stride + to.column, p_.b_stride,
                            smaller(kPer, depth - i), to.columns);
      }
    }
    if constexpr (kIntegers) {  // what steps of bytes add too much of
      for (int j = 0; j < to.vectors * kLanes; j += kLanes) {
        ints sum = bits_of(floats::load(to.column_sums + j));
        for (int s = 0; s < steps_of<T>(depth); ++s)
          sum = Operand<T>::Step::add_elements(floats::load(packed_ + s * kWidth + j), sum);
        floats_of_bits(sum).store(to.column_sums + j);
      }
    }
  }

  /// A's rows of this block, columns k ... k + depth - 1: copied, so that they lie together, when several
  /// panels need them; where they lie, if they can be read there, when one does.
  RightRows rows_operand(int k, int depth) {
    const T* a = static_cast<const T*>(p_.a);
    const auto line = static_cast<std::ptrdiff_t>(p_.a_stride * static_cast<std::int64_t>(sizeof(T)));
    const bool once = call_.block_panels == 1;
    if (call_.transpose_a) {
      const T* from = a + k * p_.a_stride + row_;
      if (once && std::is_same_v<T, float>) return {from, 4, line};
      for (int i = 0; i < depth; i += kPer) {
        panel::stage_across(staged_rows_ + i / kPer * staged_stride_, from + i * p_.a_stride, p_.a_stride,
                            smaller(kPer, depth - i), rows_);
      }
      return {staged_rows_, 4, 4 * staged_stride_};
    }
    const T* from = a + row_ * p_.a_stride + k;
    if (once && panel::in_place<T>(depth)) return {from, line, 4};
    for (int i = 0; i < rows_; ++i) panel::stage_line(staged_rows_ + i * kSteps, from + i * p_.a_stride, depth);
    return {staged_rows_, 4 * kSteps, 4};
  }

  void finish(const Panel& from) {
    if constexpr (kIntegers) return store_integers(from);
    switch (p_.c_type) {
      case GemmOutput::f16: return store_as<half>(from);
      case GemmOutput::bf16: return store_as<bfloat>(from);
      default: return store_as<float>(from);
    }
  }

  template <class C>
  void store_as(const Panel& from) {
    const floats alpha = p_.alpha, beta = p_.beta;
    for (int i = 0; i < rows_; ++i) {
      C* to = static_cast<C*>(p_.c) + (row_ + i) * p_.c_stride + from.column;
      for (int j = 0; j < from.columns; j += kLanes) {
        floats value = floats::load(from.sums + i * kWidth + j) * alpha;
        if (p_.beta != 0.0f) value = value + panel::load_some(to + j, from.columns - j) * beta;
        panel::store_some(to + j, value, from.columns - j);
      }
    }
  }

  void store_integers(const Panel& from) {
    using primitives::detail::load_lanes;
    using primitives::detail::store_lanes;
    for (int i = 0; i < rows_; ++i) {
      std::int32_t* to = static_cast<std::int32_t*>(p_.c) + (row_ + i) * p_.c_stride + from.column;
      for (int j = 0; j < from.columns; j += kLanes) {
        const ints too_much = bits_of(floats::load(from.column_sums + j)) * ints(Operand<T>::Step::kExcess);
        ints value = bits_of(floats::load(from.sums + i * kWidth + j)) - too_much;
        const int left = from.columns - j;
        if (left >= kLanes) {
          if (p_.beta != 0.0f) value = value + load_lanes<std::int32_t>(to + j);
          store_lanes<std::int32_t>(to + j, value);
        } else {
          if (p_.beta != 0.0f) value = value + load_lanes<std::int32_t>(to + j, left);
          store_lanes<std::int32_t>(to + j, value, left);
        }
      }
    }
  }

  const GemmPanelsCall& call_;
  const GemmParams& p_;
  char* memory_;
  std::size_t used_ = 0;
  std::int64_t row_ = 0;
  int rows_ = 0, staged_stride_;
  Panel panels_[GemmPanelsCall::kMostPanels];
  float* packed_;          ///< (kSteps, kWidth)
  float* staged_columns_;  ///< (kLanes, kSteps)
  float* staged_rows_;     ///< (block rows, kSteps), or the other way around
};

}  // namespace gemm_panels
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::kernels
