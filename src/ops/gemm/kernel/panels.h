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

#include "src/ops/gemm/kernel/panels_columns.h"
#include "src/ops/gemm/kernel/panels_rows.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {
namespace gemm_panels {

/// A and B hold elements of T, which S multiplies; where one of them holds signed bytes and the other does not,
/// T is either type.
template <class T, class S = typename Operand<T>::Step>
class Product : Parts<T, S> {
  using Step = S;
  using Sizes = Parts<T, Step>;
  using Sizes::kPer, Sizes::kSteps, Sizes::kRowSteps, Sizes::kRowsAtOnce, Sizes::kTiles, Sizes::kIntegers,
      Sizes::kHasExcess;

 public:
  using Sizes::kLanesOfPanel, Sizes::kMostRows, Sizes::kMostPanels;

  static std::size_t scratch_bytes(const GemmPanelsCall& call) { return Memory(Scratch(), call).bytes; }
  static std::int64_t tasks(const GemmPanelsCall& call) {
    return blocks(call.params.m, call.block_rows) * blocks(call.params.n, call.block_panels * kLanesOfPanel);
  }
  static void run(const GemmPanelsCall& call, std::int64_t task, std::byte* memory) {
    Product(call, memory).multiply(task);
  }

 private:
  static std::int64_t blocks(std::int64_t length, int block) { return (length + block - 1) / block; }

  /// The panels of a block, and the memory of their sums.
  struct Sums {
    Panel panels[kMostPanels];

    Sums(Scratch& scratch, const GemmPanelsCall& call) {
      const int size = rounded_up(call.block_rows, kLanes) * kLanesOfPanel;
      // Then each panel is finished before the next one starts, and one set of sums serves all.
      const bool at_once = call.params.k <= kRowSteps * kPer;
      for (int i = 0; i < call.block_panels; ++i) {
        panels[i].sums = at_once && i > 0 ? panels[0].sums : scratch.take<float>(size);
        panels[i].column_sums = scratch.take<float>(kLanesOfPanel);
      }
    }
  };
  struct Memory {
    Sums sums;
    PackedColumns<T, Step> columns;
    BlockRows<T, Step> rows;
    std::size_t bytes;  ///< of it all

    Memory(Scratch scratch, const GemmPanelsCall& call)
        : sums(scratch, call), columns(scratch, call), rows(scratch, call), bytes(scratch.bytes()) {}
  };

  Product(const GemmPanelsCall& call, std::byte* memory)
      : call_(call), p_(call.params), memory_(Scratch(memory), call) {}

  /// Blocks of rows are the outer loop, so that consecutive tasks read the same rows of A.
  void multiply(std::int64_t task) {
    const panel::Session<Step> session;
    const int width = call_.block_panels * kLanesOfPanel;
    const std::int64_t row = task / blocks(p_.n, width) * call_.block_rows;
    memory_.rows.start(row, static_cast<int>(min<std::int64_t>(call_.block_rows, p_.m - row)));
    start_panels(task % blocks(p_.n, width) * width);
    for (int k = 0; k < max(p_.k, 1); k += kRowSteps * kPer) {
      const int depth = min(kRowSteps * kPer, p_.k - k);
      const RightRows rows = memory_.rows.operand(k, depth);
      for (int i = 0; i < used_; ++i) {
        if (k == 0) clear(panel(i));
        multiply_panel(i, rows, k, depth);
        if (k + depth == p_.k) finish(panel(i));
      }
    }
  }
  void start_panels(std::int64_t first_column) {
    used_ = static_cast<int>(min<std::int64_t>(blocks(p_.n - first_column, kLanesOfPanel), call_.block_panels));
    for (int i = 0; i < used_; ++i) {
      Panel& to = memory_.sums.panels[i];
      to.column = first_column + i * kLanesOfPanel;
      to.columns = static_cast<int>(min<std::int64_t>(kLanesOfPanel, p_.n - to.column));
      to.vectors = (to.columns + kLanes - 1) / kLanes;
    }
  }
  const Panel& panel(int i) const { return memory_.sums.panels[i]; }

  /// sums += R L for columns k ... k + depth - 1 of A.
  void multiply_panel(int i, RightRows rows, int k, int depth) {
    for (int done = 0; done < depth; done += kSteps * kPer) {
      const int part = min(kSteps * kPer, depth - done), next = k + done + part;
      memory_.columns.pack(panel(i), k + done, part);
      const bool last_part = done + part == depth, last = last_part && i + 1 == used_;
      const Lines<T> next_a = last ? memory_.rows.lines(next) : Lines<T>{};
      const Lines<T> next_b = last        ? memory_.columns.lines(panel(0), next)
                              : last_part ? memory_.columns.lines(panel(i + 1), k)
                                          : memory_.columns.lines(panel(i), next);
      multiply_rows(panel(i), rows.from(0, done / kPer), part, next_a, next_b);
    }
  }

  /// sums += R L, kRowsAtOnce rows at a time. Each of these steps prefetches an even share of the
  /// next lines of A and B.
  void multiply_rows(const Panel& to, RightRows rows, int depth, const Lines<T>& next_a,
                     const Lines<T>& next_b) {
    const int steps = steps_of<T>(depth);
    for (int i = 0; i < memory_.rows.count(); i += kRowsAtOnce) {
      const int end = min(i + kRowsAtOnce, memory_.rows.count());
      for (const Lines<T>* next : {&next_a, &next_b})
        next->fetch(next->count * i / memory_.rows.count(), next->count * end / memory_.rows.count());
      float* sums = to.sums + i * kLanesOfPanel;
      if constexpr (kTiles) {
        panel::multiply_tiles<Step, panel::Mode::accumulate, kLanesOfPanel>(
            sums, rows.from(i, 0), memory_.columns.packed(), rounded_up(end - i, kLanes),
            rounded_up(steps, kLanes));
      } else {
        panel::multiply<Step, panel::Mode::accumulate>(sums, rows.from(i, 0), memory_.columns.packed(), end - i,
                                                       steps, to.vectors);
      }
    }
  }

  void clear(const Panel& to) {
    for (int i = 0; i < rounded_up(memory_.rows.count(), kLanes) * kLanesOfPanel; i += kLanes)
      floats(0.0f).store(to.sums + i);
    for (int i = 0; i < kLanesOfPanel; i += kLanes) floats(0.0f).store(to.column_sums + i);
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
    for (int i = 0; i < memory_.rows.count(); ++i) {
      C* to = static_cast<C*>(p_.c) + (memory_.rows.first() + i) * p_.c_stride + from.column;
      for (int j = 0; j < from.columns; j += kLanes) {
        floats value = floats::load(from.sums + i * kLanesOfPanel + j) * alpha;
        if (p_.beta != 0.0f) value = value + panel::load_some(to + j, from.columns - j) * beta;
        panel::store_some(to + j, value, from.columns - j);
      }
    }
  }

  void store_integers(const Panel& from) {
    using primitives::load_lanes;
    using primitives::store_lanes;
    for (int i = 0; i < memory_.rows.count(); ++i) {
      std::int32_t* to =
          static_cast<std::int32_t*>(p_.c) + (memory_.rows.first() + i) * p_.c_stride + from.column;
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
  Memory memory_;
  int used_ = 0;  ///< panels
};

}  // namespace gemm_panels
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
