// Matrices of 8x8 elements in the registers of one simdgroup, and blocks of R x C of them that the matrix unit
// multiplies at once. Included by cuda/primitives.h.
//
// One 8x8 product fills a quarter of the hardware's 16x8x16, so fast kernels use blocks: a left operand of R x
// 2 matrices, a right operand of 2 x C, sums of R x C.
#pragma once

#include <cstdint>
#include <type_traits>

#include "flashtile/primitives/common/simdgroup_matrix.h"
#include "flashtile/primitives/cuda/cooperative_tensor.h"
#include "flashtile/primitives/cuda/engine/operand_fragments.h"
#include "flashtile/primitives/cuda/maps.h"
#include "flashtile/primitives/cuda/tile_stages.h"

namespace flashtile::inline v0_2::primitives {
inline namespace FLASHTILE_BACKEND {

namespace detail {
template <int R, int C>
using block_layout = row_layout<row_spread<8 * R, 1>, 8 * C, 1>;
template <int R, int C>
using right_block_layout = column_layout<8 * R, 8 * C>;

template <class T>
inline constexpr bool is_matrix_element =
    std::is_same_v<T, half> || std::is_same_v<T, bfloat> || std::is_same_v<T, float>;

}  // namespace detail

/// A block of R x C matrices of 8x8 elements: sums, results and left operands.
///
/// Scope     one simdgroup, all lanes
/// Maps      map_elements, map_indexed, map_rows, reduce_rows, load and store as on cooperative tensors
template <class T, int R, int C>
class simdgroup_matrix_block : public cooperative_tensor<T, detail::block_layout<R, C>> {
  static_assert(detail::is_matrix_element<T>, "simdgroup_matrix_block: elements are half, bfloat or float");

 public:
  simdgroup_matrix_block() = default;
  /// As in Metal: `diagonal` on the diagonal, 0 elsewhere.
  FT_FUNCTION explicit simdgroup_matrix_block(float diagonal) {
    map_indexed(*this, [=](auto, int row, int column) { return row == column ? diagonal : 0.0f; });
  }
};

/// A block of R x C matrices of 8x8 elements in the layout of right operands, whose lanes hold other elements.
/// Any block may be a right operand; this type saves the exchange between lanes.
template <class T, int R, int C>
class simdgroup_right_block : public cooperative_tensor<T, detail::right_block_layout<R, C>> {
  static_assert(detail::is_matrix_element<T>, "simdgroup_right_block: elements are half, bfloat or float");
};

/// One float for each of the 8 R rows of a block.
template <int R>
using simdgroup_rows = cooperative_tensor<float, detail::row_entries<detail::row_spread<8 * R, 1>>>;

/// One 8x8 matrix. As in Metal, simdgroup_matrix(d) puts d on the diagonal.
template <class T, int Columns, int Rows>
class simdgroup_matrix : public simdgroup_matrix_block<T, 1, 1> {
  static_assert(Columns == 8 && Rows == 8,
                "simdgroup_matrix: only 8 x 8 exists; simdgroup_matrix_block holds more");

 public:
  simdgroup_matrix() = default;
  FT_FUNCTION explicit simdgroup_matrix(float diagonal) : simdgroup_matrix_block<T, 1, 1>(diagonal) {}
  /// This lane's two elements: row L / 4, columns 2 (L % 4) and the next.
  FT_FUNCTION T (&thread_elements())[2] { return reinterpret_cast<T(&)[2]>(this->slots); }
};

template <class T, int Columns = 8, int Rows = Columns>
FT_FUNCTION simdgroup_matrix<T, Columns, Rows> make_filled_simdgroup_matrix(T value) {
  simdgroup_matrix<T, Columns, Rows> filled;
  map_elements(filled, [=](auto) { return detail::to_float(value); });
  return filled;
}

/// matrix(r, c) <- source[(origin.y + r) * elements_per_row + origin.x + c]; with transpose r and c change
/// places. Reads every element of the matrix; nothing is checked. Works for one matrix and for blocks.
template <class T, class Layout>
FT_FUNCTION void simdgroup_load(cooperative_tensor<T, Layout>& matrix, const T* source,
                                std::int64_t elements_per_row = Layout::kColumnCount, matrix_origin origin = {},
                                bool transpose = false) {
  FT_UNROLL for (int i = 0; i < Layout::kCapacity; ++i) {
    const int row = Layout::row(i), column = Layout::column(i);
    const std::int64_t x = origin.x + (transpose ? row : column), y = origin.y + (transpose ? column : row);
    if (Layout::valid(i)) matrix.set(i, source[y * elements_per_row + x]);
  }
}

/// The same from a stage of row_tile_stages, by ldmatrix where the origin's x is a multiple of 8.
template <class T, int R, int C, class Order, int Rows, int Columns>
FT_FUNCTION void simdgroup_load(simdgroup_right_block<T, R, C>& block,
                                threadgroup_tile<T, Order, Rows, Columns> source, std::int64_t elements_per_row,
                                matrix_origin origin, bool transpose) {
  const auto element_by_element = [&] {
    simdgroup_load(block, reinterpret_cast<const T*>(source.bytes), elements_per_row, origin, transpose);
  };
  if constexpr (sizeof(T) != 2) {
    element_by_element();
  } else {
    static_assert(R % 2 == 0, "simdgroup_load: a right block has an even number of matrices along its depth");
    if (origin.x % 8 != 0) return element_by_element();
    constexpr int kPair = C % 2 == 0 ? 2 : 1;
    const int x = static_cast<int>(origin.x), y = static_cast<int>(origin.y);
    FT_UNROLL for (int k = 0; k < R / 2; ++k) {
      FT_UNROLL for (int j = 0; j < C; j += kPair) {
        detail::right_fragment<T> b[kPair];
        if (transpose)
          detail::right_fragments_of<true>(b, source, 0, x + k * 16, y + j * 8);
        else
          detail::right_fragments_of<false>(b, source, 0, y + k * 16, x + j * 8);
        FT_UNROLL for (int i = 0; i < 2 * kPair; ++i) {
          block.slots.set_pair(detail::right_block_layout<R, C>::slot(k, j + i / 2, i % 2), b[i / 2].p[i % 2]);
        }
      }
    }
  }
}
template <class T, int R, int C, class Order, int Rows, int Columns>
FT_FUNCTION void simdgroup_load(simdgroup_matrix_block<T, R, C>& block,
                                threadgroup_tile<T, Order, Rows, Columns> source, std::int64_t elements_per_row,
                                matrix_origin origin, bool transpose) {
  const auto element_by_element = [&] {
    simdgroup_load(block, reinterpret_cast<const T*>(source.bytes), elements_per_row, origin, transpose);
  };
  if constexpr (sizeof(T) != 2 || R % 2 != 0 || C % 2 != 0) {
    element_by_element();
  } else {
    if (origin.x % 8 != 0) return element_by_element();
    using Layout = detail::block_layout<R, C>;
    const int x = static_cast<int>(origin.x), y = static_cast<int>(origin.y);
    FT_UNROLL for (int b = 0; b < R / 2; ++b) {
      FT_UNROLL for (int k = 0; k < C / 2; ++k) {
        const auto a = transpose ? detail::left_fragment_of<true>(source, 0, x + b * 16, y + k * 16)
                                 : detail::left_fragment_of<false>(source, 0, y + b * 16, x + k * 16);
        FT_UNROLL for (int i = 0; i < 4; ++i) {
          block.slots.set_pair(Layout::slot(b, 2 * k + i / 2, i % 2), a.p[i]);
        }
      }
    }
  }
}

/// target[(origin.y + r) * elements_per_row + origin.x + c] <- matrix(r, c); with transpose
/// r and c change places.
template <class T, class Layout>
FT_FUNCTION void simdgroup_store(const cooperative_tensor<T, Layout>& matrix, T* target,
                                 std::int64_t elements_per_row = Layout::kColumnCount,
                                 matrix_origin origin = {}, bool transpose = false) {
  FT_UNROLL for (int i = 0; i < Layout::kCapacity; ++i) {
    const int row = Layout::row(i), column = Layout::column(i);
    const std::int64_t x = origin.x + (transpose ? row : column), y = origin.y + (transpose ? column : row);
    if (Layout::valid(i)) target[y * elements_per_row + x] = matrix.get(i);
  }
}

namespace detail {
/// The 16x8 right fragment of matrices (k, column) and (k + 1, column) of a block; zeros past its depth.
template <class T, int K, int C>
FT_FUNCTION right_fragment<T> right_fragment_of(const simdgroup_right_block<T, K, C>& b, int k, int column) {
  using Layout = right_block_layout<K, C>;
  return {{b.slots.pair(Layout::slot(k / 2, column, 0)), b.slots.pair(Layout::slot(k / 2, column, 1))}};
}
template <class T, int K, int C>
FT_FUNCTION right_fragment<T> right_fragment_of(const simdgroup_matrix_block<T, K, C>& b, int k, int column) {
  using Layout = block_layout<K, C>;
  const auto matrix = [&](int row) {
    if (row >= K) return make_pair(T(0.0f), T(0.0f));
    return transpose_matrix(
        b.slots.pair(Layout::slot(row / Layout::rows::kHalves, column, row % Layout::rows::kHalves)));
  };
  return {{matrix(k), matrix(k + 1)}};
}

/// d = a b + c, or a b if there is no c. Everything is read before d is written, so that d may be the same
/// object as an operand of its type.
template <class D, class A, class B, int R, int K, int C, class Sums>
FT_FUNCTION void multiply_blocks(simdgroup_matrix_block<D, R, C>& d, const simdgroup_matrix_block<A, R, K>& a,
                                 const B& b, const Sums& c) {
  using Layout = block_layout<R, C>;
  using Left = block_layout<R, K>;
  constexpr int kHalves = Layout::rows::kHalves;
  float sums[Layout::kCapacity];
  FT_UNROLL for (int i = 0; i < Layout::kCapacity; ++i) {
    if constexpr (std::is_same_v<Sums, float>)
      sums[i] = c;
    else
      sums[i] = to_float(c.get(i));
  }
  FT_UNROLL for (int k = 0; k < K; k += 2) {
    FT_UNROLL for (int j = 0; j < C; ++j) {
      const auto right = right_fragment_of(b, k, j);
      FT_UNROLL for (int block = 0; block < Layout::rows::kBlocks; ++block) {
        const auto zero = make_pair(A(0.0f), A(0.0f));
        left_fragment<A> left{{zero, zero, zero, zero}};
        FT_UNROLL for (int half = 0; half < kHalves; ++half) {
          left.p[half] = a.slots.pair(Left::slot(block, k, half));
          if (k + 1 < K) left.p[2 + half] = a.slots.pair(Left::slot(block, k + 1, half));
        }
        const int slot = Layout::slot(block, j, 0);
        float part[4] = {0.0f, 0.0f, 0.0f, 0.0f};
        FT_UNROLL for (int i = 0; i < 2 * kHalves; ++i) part[i] = sums[slot + i];
        multiply_fragments<false>(part, left, right);
        FT_UNROLL for (int i = 0; i < 2 * kHalves; ++i) sums[slot + i] = part[i];
      }
    }
  }
  FT_UNROLL for (int i = 0; i < Layout::kCapacity; i += 2) {
    d.slots.set_pair(i, convert_pair<D>(element_pair<float>{sums[i], sums[i + 1]}));
  }
}
}  // namespace detail

/// d = a b + c for (R x K) (K x C) matrices, summed in float32 and rounded to d's type once. d may be
/// the same object as a, b or c.
template <class D, class A, class B, class S, int R, int K, int L, int C, int Rd, int Cd, int Rc, int Cc>
FT_FUNCTION void simdgroup_multiply_accumulate(simdgroup_matrix_block<D, Rd, Cd>& d,
                                               const simdgroup_matrix_block<A, R, K>& a,
                                               const simdgroup_matrix_block<B, L, C>& b,
                                               const simdgroup_matrix_block<S, Rc, Cc>& c) {
  static_assert(K == L && Rd == R && Cd == C && Rc == R && Cc == C,
                "simdgroup_multiply_accumulate: d and c must be R x C, a R x K and b K x C matrices");
  detail::multiply_blocks(d, a, b, c);
}
template <class D, class A, class B, class S, int R, int K, int L, int C, int Rd, int Cd, int Rc, int Cc>
FT_FUNCTION void simdgroup_multiply_accumulate(simdgroup_matrix_block<D, Rd, Cd>& d,
                                               const simdgroup_matrix_block<A, R, K>& a,
                                               const simdgroup_right_block<B, L, C>& b,
                                               const simdgroup_matrix_block<S, Rc, Cc>& c) {
  static_assert(K == L && Rd == R && Cd == C && Rc == R && Cc == C,
                "simdgroup_multiply_accumulate: d and c must be R x C, a R x K and b K x C matrices");
  detail::multiply_blocks(d, a, b, c);
}
/// d = a b.
template <class D, class A, class B, int R, int K, int L, int C, int Rd, int Cd>
FT_FUNCTION void simdgroup_multiply(simdgroup_matrix_block<D, Rd, Cd>& d,
                                    const simdgroup_matrix_block<A, R, K>& a,
                                    const simdgroup_matrix_block<B, L, C>& b) {
  static_assert(K == L && Rd == R && Cd == C,
                "simdgroup_multiply: d must be R x C, a R x K and b K x C matrices");
  detail::multiply_blocks(d, a, b, 0.0f);
}
template <class D, class A, class B, int R, int K, int L, int C, int Rd, int Cd>
FT_FUNCTION void simdgroup_multiply(simdgroup_matrix_block<D, Rd, Cd>& d,
                                    const simdgroup_matrix_block<A, R, K>& a,
                                    const simdgroup_right_block<B, L, C>& b) {
  static_assert(K == L && Rd == R && Cd == C,
                "simdgroup_multiply: d must be R x C, a R x K and b K x C matrices");
  detail::multiply_blocks(d, a, b, 0.0f);
}

/// C columns of matrices of a block, from matrix column `first` on, as a left operand of T.
template <class T, int C, class U, int R, int AllColumns>
FT_FUNCTION simdgroup_matrix_block<T, R, C> convert_columns(
    const simdgroup_matrix_block<U, R, AllColumns>& block, int first) {
  simdgroup_matrix_block<T, R, C> left;
  using From = detail::block_layout<R, AllColumns>;
  using To = detail::block_layout<R, C>;
  FT_UNROLL for (int b = 0; b < To::rows::kBlocks; ++b) {
    FT_UNROLL for (int j = 0; j < C; ++j) {
      FT_UNROLL for (int h = 0; h < To::rows::kHalves; ++h) {
        left.slots.set_pair(To::slot(b, j, h),
                            detail::convert_pair<T>(block.slots.pair(From::slot(b, first + j, h))));
      }
    }
  }
  return left;
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::primitives
