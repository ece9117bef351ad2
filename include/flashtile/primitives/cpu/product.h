// The product of tiles in registers, and the copies that bring operands into its layout. Called by matmul2d.h
// and simdgroup_matrix.h; not part of the vocabulary.
//
// The CPU keeps a tile column by column, with the rows of a column adjacent: lanes are rows. A product
//
//   D[n][m ...] += A[k][m ...] * B(k, n)      for each column n, for each k ascending
//
// then takes whole vectors of A and D and single elements of B, read where they lie, by row or by column. The
// sum of each element is one chain of fused multiply-adds from the old D on (or from 0), so its bits do not
// depend on tile shapes.
#pragma once

#include "flashtile/primitives/cpu/simd.h"

namespace flashtile::primitives {
inline namespace FLASHTILE_BACKEND {
namespace detail {

/// A(m, k) = data[k * pitch + m], readable up to a whole vector of rows; rows and depth hold what is not known
/// to be 0.
template <class S>
struct left_view {
  const S* data;
  std::int64_t pitch;
  int rows, depth;
};

/// B(k, n) = data[k * depth_stride + n * column_stride], one of the strides 1.
template <class S>
struct right_view {
  const S* data;
  std::int64_t depth_stride, column_stride;
  int depth, columns;
};

/// The rows and columns of D that one pass keeps in registers: 24 sums of 32 registers, 12 of 16.
#if defined(FT_AVX512) || defined(__ARM_NEON)
inline constexpr int kPassVectors = 4, kPassColumns = 6;
#else
inline constexpr int kPassVectors = 2, kPassColumns = 6;
#endif
/// Depth of one pass: its part of A, 4 vectors wide, stays in half of a 48 KiB first-level cache.
inline constexpr int kPassDepth = 128;

template <class S, int Vectors, int Columns, bool ByRow>
[[gnu::noinline]] inline void product_pass(const S* a, std::int64_t a_pitch, const S* b, std::int64_t b_stride,
                                           int depth, S* d, std::int64_t d_pitch, bool accumulate) {
  using L = lanes<S>;
  L sum[Columns][Vectors];
  if (accumulate) {
    FT_UNROLL for (int n = 0; n < Columns; ++n) {
      FT_UNROLL for (int v = 0; v < Vectors; ++v) sum[n][v] = L::load(d + n * d_pitch + v * kLanes);
    }
  } else {
    FT_UNROLL for (int n = 0; n < Columns; ++n) {
      FT_UNROLL for (int v = 0; v < Vectors; ++v) sum[n][v] = L(S{0});
    }
  }
  for (int k = 0; k < depth; ++k) {
    L left[Vectors];
    FT_UNROLL for (int v = 0; v < Vectors; ++v) left[v] = L::load(a + v * kLanes);
    FT_UNROLL for (int n = 0; n < Columns; ++n) {
      const L right = ByRow ? b[n] : b[n * b_stride];
      FT_UNROLL for (int v = 0; v < Vectors; ++v) sum[n][v] = fma(left[v], right, sum[n][v]);
    }
    a += a_pitch;
    b += ByRow ? b_stride : 1;
  }
  FT_UNROLL for (int n = 0; n < Columns; ++n) {
    FT_UNROLL for (int v = 0; v < Vectors; ++v) sum[n][v].store(d + n * d_pitch + v * kLanes);
  }
}

/// Passes of `Columns` columns while they last, then of fewer.
template <class S, int Vectors, int Columns, bool ByRow>
inline void product_columns(const S* a, std::int64_t a_pitch, const S* b, std::int64_t b_stride, int depth,
                            S* d, std::int64_t d_pitch, int columns, bool accumulate) {
  for (; columns >= Columns; columns -= Columns) {
    product_pass<S, Vectors, Columns, ByRow>(a, a_pitch, b, b_stride, depth, d, d_pitch, accumulate);
    b += ByRow ? Columns : Columns * b_stride;
    d += Columns * d_pitch;
  }
  if constexpr (Columns > 1) {
    constexpr int kFewer = Columns > 6 ? 6 : Columns > 4 ? 4 : Columns / 2;
    if (columns > 0)
      product_columns<S, Vectors, kFewer, ByRow>(a, a_pitch, b, b_stride, depth, d, d_pitch, columns,
                                                 accumulate);
  }
}

template <class S, bool ByRow>
inline void product_rows(const left_view<S>& a, const S* b, std::int64_t b_stride, int depth, S* d,
                         std::int64_t d_pitch, int vectors, int columns, bool accumulate) {
  for (int k = 0; k < depth; k += kPassDepth) {
    const int pass_depth = depth - k < kPassDepth ? depth - k : kPassDepth;
    const S* right = b + (ByRow ? k * b_stride : k);
    const S* left = a.data + k * a.pitch;
    int v = 0;
    for (; v + kPassVectors <= vectors; v += kPassVectors) {
      product_columns<S, kPassVectors, kPassColumns, ByRow>(left + v * kLanes, a.pitch, right, b_stride,
                                                            pass_depth, d + v * kLanes, d_pitch, columns,
                                                            accumulate || k > 0);
    }
    for (; v < vectors; ++v) {
      product_columns<S, 1, 2 * kPassColumns, ByRow>(left + v * kLanes, a.pitch, right, b_stride, pass_depth,
                                                     d + v * kLanes, d_pitch, columns, accumulate || k > 0);
    }
  }
}

/// D = A B or D += A B for a tile of `columns` columns of `rows` rows, whole vectors of them. What lies outside
/// A or B counts as 0 and costs nothing.
template <class S>
inline void product(const left_view<S>& a, const right_view<S>& b, S* d, std::int64_t d_pitch, int rows,
                    int columns, bool accumulate) {
  const int depth = a.depth < b.depth ? a.depth : b.depth;
  const int some_columns = b.columns < columns ? b.columns : columns;
  const int some_rows = a.rows < rows ? a.rows : rows;
  const int vectors = depth > 0 ? (some_rows + kLanes - 1) / kLanes : 0;
  if (b.column_stride == 1) {
    product_rows<S, true>(a, b.data, b.depth_stride, depth, d, d_pitch, vectors, some_columns, accumulate);
  } else {
    product_rows<S, false>(a, b.data, b.column_stride, depth, d, d_pitch, vectors, some_columns, accumulate);
  }
  if (accumulate) return;
  for (int n = 0; n < columns; ++n) {
    for (int m = n < some_columns ? vectors * kLanes : 0; m < rows; m += kLanes)
      lanes<S>(S{0}).store(d + n * d_pitch + m);
  }
}

// ---- copies into and out of the layout
// ---------------------------------------------------------------------------------

/// Elements of memory as lanes: whole vectors, the first few with zeros behind, and 4-bit pairs.
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

/// to[r * pitch + c] = from(r, c) for whole vectors of columns, zeros past `valid` columns; `columns` are
/// written.
template <class S, class E>
[[gnu::noinline]] inline void copy_rows(S* to, std::int64_t pitch, const E* from, std::int64_t stride, int rows,
                                        int columns, int valid) {
  const int filled = valid < columns ? valid : columns, whole = filled > 0 ? filled / kLanes * kLanes : 0;
  for (int r = 0; r < rows; ++r) {
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

/// to(r, c) = from[c * pitch + r] for rows x columns: lanes of rows into a row-major matrix; nothing else is
/// written.
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

/// Every element as it is after a trip through E.
template <class E, class S>
inline void round_all(S* data, std::int64_t count) {
  if constexpr (is_16_bit_float<E>) {
    for (std::int64_t i = 0; i < count; i += kLanes) rounded_to<E>(lanes<S>::load(data + i)).store(data + i);
  }
}

}  // namespace detail
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::primitives
