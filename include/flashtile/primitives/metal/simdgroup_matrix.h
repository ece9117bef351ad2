// Blocks of R x C matrices of 8x8 elements, and maps over them. Included by metal/primitives.h.
//
// Which elements a lane holds is not documented; the map below has been the same on every Apple GPU so far, and Apple's own
// kernels in MLX rely on it. This file is all of flashtile that does, and the library asks each GPU whether it holds before
// a kernel of these blocks runs (src/metal_kernels/matrix_map.h).
#pragma once

#include "flashtile/primitives/metal/execution.h"
#include "flashtile/primitives/metal/tensor.h"

namespace flashtile::inline v0_2::primitives {
inline namespace FLASHTILE_BACKEND {

using ::metal::make_filled_simdgroup_matrix;
using ::metal::simdgroup_bfloat8x8;
using ::metal::simdgroup_float8x8;
using ::metal::simdgroup_half8x8;
using ::metal::simdgroup_load;
using ::metal::simdgroup_matrix;
using ::metal::simdgroup_multiply;
using ::metal::simdgroup_multiply_accumulate;
using ::metal::simdgroup_store;

namespace detail {
// Of an 8x8 matrix a lane holds two elements of row matrix_row(), in columns matrix_column() and the next. The lanes of
// one row differ in bits 0 and 3.
inline int matrix_row() { return (lane() / 4 & 4) + lane() / 2 % 4; }
inline int matrix_column() { return (lane() / 4 & 2) * 2 + lane() % 2 * 2; }
}  // namespace detail

/// a b + c.
template <class A, class B, class C>
inline simdgroup_matrix<C, 8, 8> muladd(simdgroup_matrix<A, 8, 8> a, simdgroup_matrix<B, 8, 8> b,
                                        simdgroup_matrix<C, 8, 8> c) {
  simdgroup_matrix<C, 8, 8> d;
  simdgroup_multiply_accumulate(d, a, b, c);
  return d;
}

/// Where a load or store starts in memory: x elements along its contiguous direction and y rows.
struct matrix_origin {
  int64_t x, y;
};

/// Apple's, with an origin of this type. Pointer is one to device or threadgroup memory.
template <class T, class Pointer>
inline void simdgroup_load(thread simdgroup_matrix<T, 8, 8>& d, Pointer source, int64_t elements_per_row,
                           matrix_origin origin, bool transpose) {
  ::metal::simdgroup_load(d, source + origin.y * elements_per_row + origin.x,
                          static_cast<ulong>(elements_per_row), ulong2(0), transpose);
}
template <class T, class Pointer>
inline void simdgroup_store(simdgroup_matrix<T, 8, 8> a, Pointer target, int64_t elements_per_row,
                            matrix_origin origin, bool transpose) {
  ::metal::simdgroup_store(a, target + origin.y * elements_per_row + origin.x,
                           static_cast<ulong>(elements_per_row), ulong2(0), transpose);
}

template <class T, int R, int C>
struct simdgroup_matrix_block {
  using element_type = T;
  simdgroup_matrix<T, 8, 8> part[R][C];

  simdgroup_matrix_block() = default;
  /// `diagonal` where row = column, 0 elsewhere.
  explicit simdgroup_matrix_block(float diagonal) {
    FT_UNROLL for (int r = 0; r < R; ++r) {
      FT_UNROLL for (int c = 0; c < C; ++c) {
        part[r][c] = simdgroup_matrix<T, 8, 8>(static_cast<T>(r == c ? diagonal : 0.0f));
      }
    }
  }

  /// Each of this lane's elements x <- f(x, row, column). An element of a vector cannot be referred to.
  template <class F>
  void update(F f) {
    visit([&](int r, int c, int i, int row, int column) {
      part[r][c].thread_elements()[i] =
          static_cast<T>(f(static_cast<float>(part[r][c].thread_elements()[i]), row, column));
    });
  }
  /// f(r, c, i, row, column) for each: element i of part[r][c].
  template <class F>
  void visit(F f) {
    const int row = detail::matrix_row(), column = detail::matrix_column();
    FT_UNROLL for (int r = 0; r < R; ++r) {
      FT_UNROLL for (int c = 0; c < C; ++c) {
        FT_UNROLL for (int i = 0; i < 2; ++i) f(r, c, i, 8 * r + row, 8 * c + column + i);
      }
    }
  }
};

template <class T, int R, int C>
using simdgroup_right_block = simdgroup_matrix_block<T, R, C>;

/// One float for each of the 8 R rows of a block: each lane has those of its own rows.
template <int R>
struct simdgroup_rows {
  float row[R];
};

/// d(r, c) = source[(o.y + r) * elements_per_row + o.x + c], or, transposed, source[(o.y + c) * elements_per_row + o.x + r],
/// o the origin; nothing is checked. Pointer is one to device or threadgroup memory.
template <class T, int R, int C, class Pointer>
inline void simdgroup_load(thread simdgroup_matrix_block<T, R, C>& d, Pointer source, int64_t elements_per_row,
                           matrix_origin origin, bool transpose) {
  FT_UNROLL for (int r = 0; r < R; ++r) {
    FT_UNROLL for (int c = 0; c < C; ++c) {
      const int64_t x = origin.x + 8 * (transpose ? r : c), y = origin.y + 8 * (transpose ? c : r);
      simdgroup_load(d.part[r][c], source, elements_per_row, matrix_origin{x, y}, transpose);
    }
  }
}

/// d = a b + c: sums are float, rounded to d's type once.
template <class D, class A, class B, class S, int R, int K, int C>
inline void simdgroup_multiply_accumulate(thread simdgroup_matrix_block<D, R, C>& d,
                                          thread const simdgroup_matrix_block<A, R, K>& a,
                                          thread const simdgroup_matrix_block<B, K, C>& b,
                                          thread const simdgroup_matrix_block<S, R, C>& c) {
  FT_UNROLL for (int row = 0; row < R; ++row) {
    FT_UNROLL for (int column = 0; column < C; ++column) {
      if constexpr (K == 1) {
        ::metal::simdgroup_multiply_accumulate(d.part[row][column], a.part[row][0], b.part[0][column],
                                               c.part[row][column]);
      } else {
        simdgroup_matrix<float, 8, 8> sum;
        ::metal::simdgroup_multiply_accumulate(sum, a.part[row][0], b.part[0][column], c.part[row][column]);
        FT_UNROLL for (int k = 1; k < K - 1; ++k) {
          ::metal::simdgroup_multiply_accumulate(sum, a.part[row][k], b.part[k][column], sum);
        }
        ::metal::simdgroup_multiply_accumulate(d.part[row][column], a.part[row][K - 1], b.part[K - 1][column],
                                               sum);
      }
    }
  }
}

/// A block in memory, by the formulas of simdgroup_load.
template <class T, int R, int C, class Pointer>
inline void simdgroup_store(thread const simdgroup_matrix_block<T, R, C>& a, Pointer target,
                            int64_t elements_per_row, matrix_origin origin, bool transpose) {
  FT_UNROLL for (int r = 0; r < R; ++r) {
    FT_UNROLL for (int c = 0; c < C; ++c) {
      const int64_t x = origin.x + 8 * (transpose ? r : c), y = origin.y + 8 * (transpose ? c : r);
      simdgroup_store(a.part[r][c], target, elements_per_row, matrix_origin{x, y}, transpose);
    }
  }
}
/// d = a b.
template <class D, class A, class B, int R, int K, int C>
inline void simdgroup_multiply(thread simdgroup_matrix_block<D, R, C>& d,
                               thread const simdgroup_matrix_block<A, R, K>& a,
                               thread const simdgroup_matrix_block<B, K, C>& b) {
  const simdgroup_matrix_block<float, R, C> zero(0.0f);
  simdgroup_multiply_accumulate(d, a, b, zero);
}

/// Matrix columns first ... first + Columns - 1 of a block, as elements of T.
template <class T, int Columns, class From, int R, int C>
inline simdgroup_matrix_block<T, R, Columns> convert_columns(thread simdgroup_matrix_block<From, R, C>& block,
                                                             int first) {
  simdgroup_matrix_block<T, R, Columns> result;
  FT_UNROLL for (int r = 0; r < R; ++r) {
    FT_UNROLL for (int c = 0; c < Columns; ++c) {
      FT_UNROLL for (int i = 0; i < 2; ++i) {
        result.part[r][c].thread_elements()[i] = static_cast<T>(block.part[r][first + c].thread_elements()[i]);
      }
    }
  }
  return result;
}

/// Fills a block from a tensor, converted; elements outside the tensor become 0.
template <class T, int R, int C, class E, class X>
inline void load(thread simdgroup_matrix_block<T, R, C>& block, thread const tensor<E, X>& source) {
  block.update([&](float, int row, int column) { return detail::clipped(source, column, row); });
}
/// load, for a mask or a bias: a tensor with an extent of 1 is repeated along it.
template <class T, int R, int C, class E, class X>
inline void load_repeated(thread simdgroup_matrix_block<T, R, C>& block, thread const tensor<E, X>& source) {
  block.update([&](float, int row, int column) { return detail::repeated(source, column, row); });
}
/// Writes a block to a tensor, converted; elements outside the tensor are dropped.
template <class T, int R, int C, class E, class X>
inline void store(thread simdgroup_matrix_block<T, R, C>& block, thread const tensor<E, X>& target) {
  block.visit([&](int r, int c, int i, int row, int column) {
    detail::put_clipped(target, column, row, block.part[r][c].thread_elements()[i]);
  });
}

// ---- maps and reductions ------------------------------------------------------------------------------------------------

template <class T, int R, int C, class F>
inline void map_elements(thread simdgroup_matrix_block<T, R, C>& block, F f) {
  block.update([&](float x, int, int) { return f(x); });
}
template <class T, class U, int R, int C, class F>
inline void map_elements(thread simdgroup_matrix_block<T, R, C>& block,
                         thread simdgroup_matrix_block<U, R, C>& other, F f) {
  block.visit([&](int r, int c, int i, int, int) {
    block.part[r][c].thread_elements()[i] =
        static_cast<T>(f(static_cast<float>(block.part[r][c].thread_elements()[i]),
                         static_cast<float>(other.part[r][c].thread_elements()[i])));
  });
}
template <class T, int R, int C, class F>
inline void map_indexed(thread simdgroup_matrix_block<T, R, C>& block, F f) {
  block.update([&](float x, int row, int column) { return f(x, row, column); });
}
template <class T, int R, int C, class F>
inline void map_each(thread simdgroup_matrix_block<T, R, C>& block, F f) {
  map_indexed(block, f);
}
template <class T, int R, int C, class F>
inline void map_rows(thread simdgroup_matrix_block<T, R, C>& block, thread simdgroup_rows<R>& rows, F f) {
  block.visit([&](int r, int c, int i, int, int) {
    block.part[r][c].thread_elements()[i] =
        static_cast<T>(f(static_cast<float>(block.part[r][c].thread_elements()[i]), rows.row[r]));
  });
}
/// Each element x <- f(x, e, g) with its row's entries e and g.
template <class T, int R, int C, class F>
inline void map_rows(thread simdgroup_matrix_block<T, R, C>& block, thread simdgroup_rows<R>& rows,
                     thread simdgroup_rows<R>& more, F f) {
  block.visit([&](int r, int c, int i, int, int) {
    block.part[r][c].thread_elements()[i] =
        static_cast<T>(f(static_cast<float>(block.part[r][c].thread_elements()[i]), rows.row[r], more.row[r]));
  });
}
template <int R, class F>
inline void map_elements(thread simdgroup_rows<R>& rows, F f) {
  FT_UNROLL for (int r = 0; r < R; ++r) rows.row[r] = f(rows.row[r]);
}
template <int R, class F>
inline void map_elements(thread simdgroup_rows<R>& rows, thread simdgroup_rows<R>& other, F f) {
  FT_UNROLL for (int r = 0; r < R; ++r) rows.row[r] = f(rows.row[r], other.row[r]);
}

/// rows <- fold of the identity and each row's elements.
template <int R, int C>
inline void reduce_rows(thread simdgroup_matrix_block<float, R, C>& block, thread simdgroup_rows<R>& rows,
                        reduction_operation operation = reduction_operation::sum, float identity = 0.0f) {
  FT_UNROLL for (int r = 0; r < R; ++r) {
    float fold = operation == reduction_operation::sum ? 0.0f : identity;
    FT_UNROLL for (int c = 0; c < C; ++c) {
      FT_UNROLL for (int i = 0; i < 2; ++i) {
        fold = detail::combine(operation, fold, block.part[r][c].thread_elements()[i]);
      }
    }
    fold = detail::combine(operation, fold, ::metal::simd_shuffle_xor(fold, 1));
    fold = detail::combine(operation, fold, ::metal::simd_shuffle_xor(fold, 8));
    rows.row[r] = operation == reduction_operation::sum ? fold + identity : fold;
  }
}

/// Calls f(value, row) once for each row, each in a single lane.
template <int R, class F>
inline void for_each_element(thread simdgroup_rows<R>& rows, F f) {
  if (detail::matrix_column() != 0) return;
  for (int r = 0; r < R; ++r) f(rows.row[r], 8 * r + detail::matrix_row());
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::primitives
