// Matrix product scheduled for CPUs, on panel products: lanes are columns of C, rows of A are broadcast.
//
//   for each block of rows and a few panels of columns of C:
//     for each kRowSteps of K:
//       R = A's part                                 (rows, row steps), in the L2 cache
//       for each panel:
//         for each kSteps of these:
//           L = B's part, packed                     (steps, kLanesOfPanel), in the L1 cache
//           sums += R's part L                       (rows, kLanesOfPanel)
//     C = alpha * sums + beta * C
#pragma once

#include "flashtile/primitives.h"
#include "flashtile/primitives/cpu/panel_operands.h"
#include "src/ops/gemm/kernel/panels_table.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {
namespace gemm_panels {

using namespace flashtile::primitives;
using panel::kWidth;
using panel::Operand;
using panel::RightRows;
using panel::rounded_up;
using panel::steps_of;

/// Sizes of the parts that are kept in caches. A step is 4 bytes of a line in k.
struct VectorParts {
  static constexpr int kLanesOfPanel = kWidth, kRowsAtOnce = 64;
  static constexpr int kSteps = 128;  ///< a packed panel of B takes 32 KiB
  static constexpr int kRowSteps = kSteps;
  static constexpr int kMostRows = 1024, kMostPanels = 16;
};
#if defined(FT_AMX)
/// Tile products are faster than loading and storing their sums, and the sums of one panel at a time fit in the
/// L2 cache. So A's part is deep: sums are loaded seldom. L and 32 rows of R take 16 KiB each of the L1 cache,
/// which leaves room for sums and for what is prefetched.
struct TileParts {
  static constexpr int kLanesOfPanel = panel::kTileLanes, kRowsAtOnce = 32;
  static constexpr int kSteps = 128;
  static constexpr int kRowSteps = 4 * kSteps;
  static constexpr int kMostRows = 512, kMostPanels = 32;
};
#endif

/// A and B hold elements of T, which S multiplies; where one of them holds signed bytes and the other does not, T is
/// either type.
template <class T, class S = typename Operand<T>::Step>
class Product {
  using Step = S;
  static constexpr bool kTiles = panel::kUsesTiles<Step>;
#if defined(FT_AMX)
  using Parts = std::conditional_t<kTiles, TileParts, VectorParts>;
#else
  using Parts = VectorParts;
#endif

 public:
  static constexpr int kLanesOfPanel = Parts::kLanesOfPanel, kMostRows = Parts::kMostRows,
                       kMostPanels = Parts::kMostPanels;

  static std::size_t scratch_bytes(const GemmPanelsCall& call) { return Product(call, nullptr).taken_; }
  static std::int64_t tasks(const GemmPanelsCall& call) {
    return blocks(call.params.m, call.block_rows) * blocks(call.params.n, call.block_panels * kLanesOfPanel);
  }
  static void run(const GemmPanelsCall& call, std::int64_t task, void* scratch) {
    Product(call, scratch).multiply(task);
  }

 private:
  static constexpr int kPer = Operand<T>::kPerStep;
  static constexpr int kSteps = Parts::kSteps, kRowSteps = Parts::kRowSteps, kRowsAtOnce = Parts::kRowsAtOnce;
  static constexpr bool kIntegers = sizeof(T) == 1;
  static constexpr bool kHasExcess = !kTiles && requires { Step::kExcess; };  ///< see Int8QuadStep

  static std::int64_t blocks(std::int64_t length, int block) { return (length + block - 1) / block; }

  /// A few columns of C, a lane each, and their running sums.
  struct Panel {
    std::int64_t column;
    int columns, vectors;
    float* sums;         ///< (block rows, kLanesOfPanel); int32 for integers
    float* column_sums;  ///< (kLanesOfPanel) int32
  };

  Product(const GemmPanelsCall& call, void* scratch)
      : call_(call), p_(call.params), memory_(static_cast<char*>(scratch)) {
    block_rows_ = rounded_up(call.block_rows, kLanes);
    // Then each panel is finished before the next one starts, and one set of sums serves all.
    const bool at_once = p_.k <= kRowSteps * kPer;
    for (int i = 0; i < call.block_panels; ++i) {
      panels_[i].sums = at_once && i > 0 ? panels_[0].sums : take(block_rows_ * kLanesOfPanel);
      panels_[i].column_sums = take(kLanesOfPanel);
    }
    packed_ = take(kSteps * kLanesOfPanel);
    if constexpr (kTiles) {
      // Tiles that follow each other in k lie half of the L1 cache's sets plus an odd number of lines apart, so
      // that they spread over all sets.
      staged_stride_ = (rounded_up(block_rows_, 64) + 33) * kLanes;
      staged_rows_ = take(kRowSteps / kLanes * staged_stride_);
      staged_lines_ = take(kLanes * max(block_rows_, kSteps));
    } else {
      staged_stride_ = block_rows_ + kLanes;  // a power of two would map all rows to a few sets of a cache
      staged_rows_ = take(kRowSteps * staged_stride_);
      staged_lines_ = take(kLanes * kSteps);
    }
  }
  float* take(int count) {
    float* here = reinterpret_cast<float*>(memory_ + taken_);
    taken_ += (static_cast<std::size_t>(count) * sizeof(float) + 63) / 64 * 64;
    return here;
  }

  /// Blocks of rows are the outer loop, so that consecutive tasks read the same rows of A.
  void multiply(std::int64_t task) {
    const panel::Session<Step> session;
    const int width = call_.block_panels * kLanesOfPanel;
    row_ = task / blocks(p_.n, width) * call_.block_rows;
    rows_ = static_cast<int>(min<std::int64_t>(call_.block_rows, p_.m - row_));
    const std::int64_t first_column = task % blocks(p_.n, width) * width;
    used_ = static_cast<int>(min<std::int64_t>(blocks(p_.n - first_column, kLanesOfPanel), call_.block_panels));
    for (int i = 0; i < used_; ++i) {
      panels_[i].column = first_column + i * kLanesOfPanel;
      panels_[i].columns = static_cast<int>(min<std::int64_t>(kLanesOfPanel, p_.n - panels_[i].column));
      panels_[i].vectors = (panels_[i].columns + kLanes - 1) / kLanes;
    }
    for (int k = 0; k < max(p_.k, 1); k += kRowSteps * kPer) {
      const int depth = min(kRowSteps * kPer, p_.k - k);
      const RightRows rows = rows_operand(k, depth);
      for (int i = 0; i < used_; ++i) {
        if (k == 0) clear(panels_[i]);
        multiply_panel(i, rows, k, depth);
        if (k + depth == p_.k) finish(panels_[i]);
      }
    }
  }

  /// sums += R L for columns k ... k + depth - 1 of A.
  void multiply_panel(int i, RightRows rows, int k, int depth) {
    for (int done = 0; done < depth; done += kSteps * kPer) {
      const int part = min(kSteps * kPer, depth - done), next = k + done + part;
      pack_columns(panels_[i], k + done, part);
      const bool last_part = done + part == depth, last = last_part && i + 1 == used_;
      const Lines next_a = last ? lines_of_a(next) : Lines{};
      const Lines next_b = last        ? lines_of_b(panels_[0], next)
                           : last_part ? lines_of_b(panels_[i + 1], k)
                                       : lines_of_b(panels_[i], next);
      multiply_rows(panels_[i], rows.from(0, done / kPer), part, next_a, next_b);
    }
  }

  /// Lines of an operand in memory that are prefetched by instructions, since they lie too far apart
  /// for the hardware prefetcher.
  struct Lines {
    const T* data;
    std::int64_t stride;
    int count, length;

    /// Prefetches lines first ... last - 1.
    void fetch(int first, int last) const {
      constexpr int kLine = 64 / static_cast<int>(sizeof(T));
      for (int i = first; i < last; ++i) {
        for (int e = 0; e < length; e += kLine) __builtin_prefetch(data + i * stride + e, 0, 2);
      }
    }
  };
  /// The next columns k ... of A's rows of this block, and the next rows k ... of B's columns of a
  /// panel; none past the end of K.
  Lines lines_of_a(int k) const {
    const int depth = max(0, min(kSteps * kPer, p_.k - k));
    const T* a = static_cast<const T*>(p_.a);
    if (call_.transpose_a) return {a + k * p_.a_stride + row_, p_.a_stride, depth, rows_};
    return {a + row_ * p_.a_stride + k, p_.a_stride, rows_, depth};
  }
  Lines lines_of_b(const Panel& panel, int k) const {
    const int depth = max(0, min(kSteps * kPer, p_.k - k));
    const T* b = static_cast<const T*>(p_.b);
    if (call_.transpose_b) return {b + panel.column * p_.b_stride + k, p_.b_stride, panel.columns, depth};
    return {b + k * p_.b_stride + panel.column, p_.b_stride, depth, panel.columns};
  }

  /// sums += R L, kRowsAtOnce rows at a time. Each of these steps prefetches an even share of the
  /// next lines of A and B.
  void multiply_rows(const Panel& to, RightRows rows, int depth, const Lines& next_a, const Lines& next_b) {
    const int steps = steps_of<T>(depth);
    for (int i = 0; i < rows_; i += kRowsAtOnce) {
      const int end = min(i + kRowsAtOnce, rows_);
      for (const Lines* next : {&next_a, &next_b})
        next->fetch(next->count * i / rows_, next->count * end / rows_);
      float* sums = to.sums + i * kLanesOfPanel;
      if constexpr (kTiles) {
        panel::multiply_tiles<Step, panel::Mode::accumulate, kLanesOfPanel>(
            sums, rows.from(i, 0), packed_, rounded_up(end - i, kLanes), rounded_up(steps, kLanes));
      } else {
        panel::multiply<Step, panel::Mode::accumulate>(sums, rows.from(i, 0), packed_, end - i, steps,
                                                       to.vectors);
      }
    }
  }

  void clear(const Panel& panel) {
    for (int i = 0; i < rounded_up(rows_, kLanes) * kLanesOfPanel; i += kLanes)
      floats(0.0f).store(panel.sums + i);
    for (int i = 0; i < kLanesOfPanel; i += kLanes) floats(0.0f).store(panel.column_sums + i);
  }

  /// packed_ <- B's rows k ... k + depth - 1 of this panel's columns; column sums for the
  /// excess, see kHasExcess.
  void pack_columns(const Panel& to, int k, int depth) {
    const T* b = static_cast<const T*>(p_.b);
    if (kTiles && (to.columns < kLanesOfPanel || depth < kSteps * kPer)) {  // tiles are read whole
      for (int i = 0; i < kSteps * kLanesOfPanel; i += kLanes) floats(0.0f).store(packed_ + i);
    }
    if (call_.transpose_b) {
      const auto line = [=, this](int j) { return b + (to.column + j) * p_.b_stride + k; };
      panel::pack_lines<T, kLanesOfPanel>(packed_, line, to.columns, to.vectors, depth, staged_lines_);
    } else {
      for (int i = 0; i < depth; i += kPer) {
        panel::stage_across(packed_ + i / kPer * kLanesOfPanel, b + (k + i) * p_.b_stride + to.column,
                            p_.b_stride, min(kPer, depth - i), to.columns);
      }
    }
    if constexpr (kHasExcess) {
      for (int j = 0; j < to.vectors * kLanes; j += kLanes) {
        ints sum = bits_of(floats::load(to.column_sums + j));
        for (int s = 0; s < steps_of<T>(depth); ++s)
          sum = Step::add_elements(floats::load(packed_ + s * kLanesOfPanel + j), sum);
        floats_of_bits(sum).store(to.column_sums + j);
      }
    }
  }

  /// A's rows of this block, columns k ... k + depth - 1. They are copied to lie together if several panels
  /// read them; for a single panel they are read in place where their type allows it.
  RightRows rows_operand(int k, int depth) {
    if constexpr (kTiles) return rows_of_tiles(k, depth);
    const T* a = static_cast<const T*>(p_.a);
    const auto line = static_cast<std::ptrdiff_t>(p_.a_stride * static_cast<std::int64_t>(sizeof(T)));
    const bool once = call_.block_panels == 1;
    if (call_.transpose_a) {
      const T* from = a + k * p_.a_stride + row_;
      if (once && std::is_same_v<T, float>) return {from, 4, line};
      for (int i = 0; i < depth; i += kPer) {
        panel::stage_across(staged_rows_ + i / kPer * staged_stride_, from + i * p_.a_stride, p_.a_stride,
                            min(kPer, depth - i), rows_);
      }
      return {staged_rows_, 4, 4 * staged_stride_};
    }
    const T* from = a + row_ * p_.a_stride + k;
    if (once && panel::in_place<T>(depth)) return {from, line, 4};
    for (int i = 0; i < rows_; ++i) panel::stage_line(staged_rows_ + i * kSteps, from + i * p_.a_stride, depth);
    return {staged_rows_, 4 * kSteps, 4};
  }

  /// The same as whole tiles, padded with zeros: 16 steps of all rows, then the next 16 steps, and so on.
  RightRows rows_of_tiles(int k, int depth) {
    const T* a = static_cast<const T*>(p_.a);
    const int all_rows = rounded_up(rows_, kLanes), steps = steps_of<T>(depth);
    for (int i = rows_; i < all_rows; ++i) {
      for (int s = 0; s < steps; s += kLanes)
        floats(0.0f).store(staged_rows_ + s / kLanes * staged_stride_ + i * kLanes);
    }
    if (call_.transpose_a) {
      for (int s = 0; s < steps; s += kLanes) {
        const int count = min(kLanes, steps - s);
        const auto line = [=, this](int i) { return staged_lines_ + i * block_rows_; };
        for (int i = 0; i < count; ++i) {
          const int done = (s + i) * kPer;
          panel::stage_across(line(i), a + (k + done) * p_.a_stride + row_, p_.a_stride,
                              min(kPer, depth - done), rows_);
        }
        panel::pack_rows<kLanes>(staged_rows_ + s / kLanes * staged_stride_, line, count, rows_, 1);
      }
    } else {
      for (int i = 0; i < rows_; ++i) {
        panel::stage_tile_rows(staged_rows_ + i * kLanes, staged_stride_, a + (row_ + i) * p_.a_stride + k,
                               depth);
      }
    }
    return {staged_rows_, 4 * kLanes, 4 * staged_stride_ / kLanes};
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
        floats value = floats::load(from.sums + i * kLanesOfPanel + j) * alpha;
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
        ints value = bits_of(floats::load(from.sums + i * kLanesOfPanel + j));
        if constexpr (kHasExcess)
          value = value - bits_of(floats::load(from.column_sums + j)) * ints(Step::kExcess);
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
  std::size_t taken_ = 0;
  std::int64_t row_ = 0;
  int rows_ = 0, block_rows_, staged_stride_, used_ = 0;
  Panel panels_[kMostPanels];
  float* packed_;        ///< (kSteps, kLanesOfPanel)
  float* staged_lines_;  ///< (kLanes, kSteps), or, for tiles, (kLanes, block rows)
  float* staged_rows_;   ///< (block rows, kRowSteps), or the other way around, or as tiles
};

}  // namespace gemm_panels
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
