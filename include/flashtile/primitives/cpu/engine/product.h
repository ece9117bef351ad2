// The product of tiles in registers, and the copies that bring operands into its layout. Called by operands.h,
// matmul2d.h and simdgroup_matrix.h; not for kernel text.
//
// The CPU keeps a tile column by column, with the rows of a column adjacent: lanes are rows. A product
//
//   D[n][m ...] += A[s][m ...] * B(s, n)      for each column n, for each step s of k ascending
//
// is a panel product (panel.h): it takes whole vectors of A and D and single steps of B, read in place. A step
// is one k, and each element is one chain of fused multiply-adds from the old D (or from 0), so that its bits
// do not depend on tile shapes; for matmul2d::add it is short chains from 0 that are added up. A step is two or
// four k only where both operands are bfloats, or bytes of one kind, and the target has dot products of them.
#pragma once

#include "flashtile/primitives/cpu/engine/panel_operands.h"

namespace flashtile::inline v0_2::primitives {
inline namespace FLASHTILE_BACKEND {
namespace detail {

/// Has the target dot products of T? FLASHTILE_EXACT does not use those of bfloats, which add products in pairs
/// and treat numbers below 2^-126 as 0.
#if defined(FLASHTILE_EXACT)
template <class T>
inline constexpr bool kHasDots = panel::Operand<T>::kPerStep == 4;
#else
template <class T>
inline constexpr bool kHasDots = panel::Operand<T>::kPerStep > 1;
#endif

/// How elements L and R are multiplied.
template <class L, class R>
struct product_of {
  static constexpr bool kFloats =
      std::is_same_v<L, float> || std::is_same_v<R, float> || is_16_bit_float<L> || is_16_bit_float<R>;
  using Sum = std::conditional_t<kFloats, float, std::int32_t>;
  static constexpr bool kDots = std::is_same_v<L, R> && kHasDots<L>;
  static constexpr int kPerStep = kDots ? panel::Operand<L>::kPerStep : 1;
  using Step = std::conditional_t<kDots, typename panel::Operand<L>::Step,
                                  std::conditional_t<kFloats, panel::FloatStep, panel::IntStep>>;

  static constexpr int steps(int depth) { return (depth + kPerStep - 1) / kPerStep; }
};

}  // namespace detail

/// Elements of k that a product of these types takes at once.
template <class L, class R>
inline constexpr int kElementsPerStep = detail::product_of<L, R>::kPerStep;

namespace detail {

/// A, packed in panels: step s of row m is the 4 bytes at panel m / kWidth, row s, element m % kWidth, readable
/// up to a whole vector of rows. Pitches are in words: from one row of a panel to the next, and from one panel
/// to the next. rows, depth (in k): extent of the part that may be nonzero; the last step is padded with zeros.
struct left_view {
  const void* data;
  std::int64_t pitch, panel_pitch;
  int rows, depth;

  left_view from(int step) const {
    return {static_cast<const Word*>(data) + step * pitch, pitch, panel_pitch, rows, depth};
  }
  const Word* at(int step, int vector) const {
    return static_cast<const Word*>(data) + vector / panel::kVectors * panel_pitch + step * pitch +
           vector % panel::kVectors * kLanes;
  }
};

/// B, where each column is a row of `at`; depth and the last step as above.
struct right_view {
  panel::RightRows at;
  int depth, columns;
};

/// Steps of one pass: its part of A, kVectors wide, takes two thirds of a 48 KiB L1 cache.
inline constexpr int kPassSteps = 128;

/// The step of a product in parts: floats are summed in short chains, other types in chains of a pass.
template <class Step>
using step_in_parts = std::conditional_t<std::is_same_v<Step, panel::FloatStep>, panel::ChainedFloatStep, Step>;

/// D = A B or D += A B for a tile of `columns` columns of `rows` rows, a whole number of vectors. Parts outside
/// A or B count as 0 and cost nothing. InParts adds sums that start from 0 in each part.
template <class P, bool InParts = false>
inline void product(const left_view& a, const right_view& b, typename P::Sum* d, std::int64_t d_pitch, int rows,
                    int columns, bool accumulate) {
  using panel::Mode;
  using Step = typename P::Step;
  const int depth = min(a.depth, b.depth), steps = P::steps(depth);
  const int some_columns = min(b.columns, columns);
  const int vectors = depth > 0 ? (min(a.rows, rows) + kLanes - 1) / kLanes : 0;
  const panel::Pitches pitches{d_pitch, a.pitch};
  for (int s = 0; s < steps; s += kPassSteps) {
    const int pass = min(kPassSteps, steps - s);
    for (int v = 0; v < vectors; v += panel::kVectors) {
      const Word* left = a.at(s, v);
      float* sums = reinterpret_cast<float*>(d) + v * kLanes;
      const int some = min(panel::kVectors, vectors - v);
      if constexpr (InParts)
        panel::multiply<step_in_parts<Step>, Mode::add>(sums, b.at.from(0, s), left, some_columns, pass, some,
                                                        pitches);
      else if (accumulate || s > 0)
        panel::multiply<Step, Mode::accumulate>(sums, b.at.from(0, s), left, some_columns, pass, some, pitches);
      else
        panel::multiply<Step, Mode::overwrite>(sums, b.at.from(0, s), left, some_columns, pass, some, pitches);
    }
  }
  if constexpr (requires { Step::kExcess; }) {
    for (int v = 0; v < vectors; ++v) {
      ints sum = 0;
      for (int s = 0; s < steps; ++s) sum = Step::add_elements(floats::load(a.at(s, v)), sum);
      const ints excess = sum * ints(Step::kExcess);
      for (int n = 0; n < some_columns; ++n) {
        auto* at = d + n * d_pitch + v * kLanes;
        (ints::load(at) - excess).store(at);
      }
    }
  }
  if (accumulate) return;
  for (int n = 0; n < columns; ++n) {
    for (int m = n < some_columns ? vectors * kLanes : 0; m < rows; m += kLanes)
      lanes<typename P::Sum>(typename P::Sum{0}).store(d + n * d_pitch + m);
  }
}

// ---- copies into and out of the layout ----------------------------------------------------------------------

/// Reads elements of memory as lanes: whole vectors, a few elements padded with zeros, or 4-bit pairs.
template <class S, class E>
inline lanes<S> lanes_at(const E* data, std::int64_t at, int count) {
  if constexpr (packing<E>::elements == 2) {
    alignas(64) std::int8_t values[kLanes] = {};
    for (int i = 0; i < count && i < kLanes; ++i) values[i] = static_cast<std::int8_t>(nibble(data, at + i));
    return load_lanes<S>(static_cast<const std::int8_t*>(values));
  } else {
    return count >= kLanes ? load_lanes<S>(data + at) : load_lanes<S>(data + at, count);
  }
}

/// to[r * pitch + c] = from(r, c) for whole vectors of columns, zeros past `valid` columns;
/// `columns` are written.
template <class S, class E>
[[gnu::noinline]] inline void copy_rows(S* to, std::int64_t pitch, const E* from, std::int64_t stride, int rows,
                                        int columns, int valid) {
  constexpr int kAhead = 8, kLine = 64 / static_cast<int>(sizeof(E));
  const int filled = valid < columns ? valid : columns, whole = filled > 0 ? filled / kLanes * kLanes : 0;
  for (int r = 0; r < rows; ++r) {
    if constexpr (packing<E>::elements == 1) {
      for (int c = 0; c < filled && r + kAhead < rows; c += kLine)
        __builtin_prefetch(from + (r + kAhead) * stride + c);
    }
    S* row = to + r * pitch;
    int c = 0;
    for (; c < whole; c += kLanes) lanes_at<S>(from, r * stride + c, kLanes).store(row + c);
    if (c < filled) {
      lanes_at<S>(from, r * stride + c, filled - c).store(row + c);
      c += kLanes;
    }
    for (; c < columns; c += kLanes) lanes<S>(S{0}).store(row + c);
  }
}

/// to[c * pitch + r] = from(r, c): a row-major matrix into lanes of rows. All `columns` columns of `rows` rows,
/// whole vectors of them, are written, with zeros outside the valid part.
template <class S, class E>
[[gnu::noinline]] inline void copy_columns(S* to, std::int64_t pitch, const E* from, std::int64_t stride,
                                           int rows, int columns, int valid_rows, int valid_columns) {
  for (int r = 0; r < rows; r += kLanes) {
    for (int c = 0; c < columns; c += kLanes) {
      const int width = valid_columns - c, height = valid_rows - r;
      lanes<S> block[kLanes];
      if (width >= kLanes && height >= kLanes) {
        FT_UNROLL for (int i = 0; i < kLanes; ++i) block[i] = lanes_at<S>(from, (r + i) * stride + c, kLanes);
      } else {
        for (int i = 0; i < kLanes; ++i) {
          block[i] = width > 0 && i < height ? lanes_at<S>(from, (r + i) * stride + c, width) : lanes<S>(S{0});
        }
      }
      transpose(block);
      if (columns - c >= kLanes) {
        FT_UNROLL for (int i = 0; i < kLanes; ++i) block[i].store(to + (c + i) * pitch + r);
      } else {
        for (int i = 0; c + i < columns; ++i) block[i].store(to + (c + i) * pitch + r);
      }
    }
  }
}

/// to(r, c) = from[r * pitch + c] for rows x columns; nothing else is written.
template <class S, class E>
[[gnu::noinline]] inline void write_rows(E* to, std::int64_t stride, const S* from, std::int64_t pitch,
                                         int rows, int columns) {
  for (int r = 0; r < rows; ++r) {
    for (int c = 0; c < columns; c += kLanes) {
      const lanes<S> x = lanes<S>::load(from + r * pitch + c);
      if (columns - c >= kLanes)
        store_lanes<S>(to + r * stride + c, x);
      else
        store_lanes<S>(to + r * stride + c, x, columns - c);
    }
  }
}

/// to(r, c) = from[c * pitch + r] for rows x columns: lanes of rows into a row-major matrix;
/// nothing else is written.
template <class S, class E>
[[gnu::noinline]] inline void write_columns(E* to, std::int64_t stride, const S* from, std::int64_t pitch,
                                            int rows, int columns) {
  for (int r = 0; r < rows; r += kLanes) {
    for (int c = 0; c < columns; c += kLanes) {
      lanes<S> block[kLanes];
      for (int i = 0; i < kLanes; ++i)
        block[i] = c + i < columns ? lanes<S>::load(from + (c + i) * pitch + r) : lanes<S>(S{0});
      transpose(block);
      for (int i = 0; i < kLanes && r + i < rows; ++i) {
        if (columns - c >= kLanes)
          store_lanes<S>(to + (r + i) * stride + c, block[i]);
        else
          store_lanes<S>(to + (r + i) * stride + c, block[i], columns - c);
      }
    }
  }
}

/// Rounds every element to E.
template <class E, class S>
inline void round_all(S* data, std::int64_t count) {
  if constexpr (is_16_bit_float<E>) {
    for (std::int64_t i = 0; i < count; i += kLanes) rounded_to<E>(lanes<S>::load(data + i)).store(data + i);
  }
}

}  // namespace detail
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::primitives
