// Loads the fragments that the matrix unit multiplies: from tensors in memory, tiles in threadgroup memory and
// cooperative tensors. Included by matmul2d.h and simdgroup_matrix.h.
#pragma once

#include <cstdint>
#include <type_traits>

#include "flashtile/primitives/cuda/cooperative_tensor.h"
#include "flashtile/primitives/cuda/engine/fragment.h"
#include "flashtile/primitives/cuda/tile_stages.h"

namespace flashtile::inline v0_2::primitives {
inline namespace FLASHTILE_BACKEND {
namespace detail {

template <class T>
inline constexpr bool is_tile = false;
template <class T, class Order, int Rows, int Columns>
inline constexpr bool is_tile<threadgroup_tile<T, Order, Rows, Columns>> = true;
template <class T>
inline constexpr bool is_swizzled_tile = false;
template <class T, int Rows, int Columns, int TileRows, int TileColumns>
inline constexpr bool
    is_swizzled_tile<threadgroup_tile<T, swizzled_panels<T, Rows, Columns>, TileRows, TileColumns>> = true;

template <class T>
using value_type_of = register_type_t<typename T::element_type>;

/// Tile element (row, column) of a tensor in memory, transposed on request; zero outside.
template <bool Transposed, class Tensor>
FT_FUNCTION value_type_of<Tensor> clipped(const Tensor& t, int row, int column) {
  const int x = Transposed ? row : column, y = Transposed ? column : row;
  if (x >= static_cast<int>(t.get_extent(0)) || y >= static_cast<int>(t.get_extent(1)))
    return value_type_of<Tensor>{};
  return read_element(t.data(), x + static_cast<std::int64_t>(y) * t.get_stride(1));
}

FT_FUNCTION void load_matrices(std::uint32_t (&word)[4], std::uint32_t address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(word[0]), "=r"(word[1]), "=r"(word[2]), "=r"(word[3])
               : "r"(address)
               : "memory");
}
FT_FUNCTION void load_matrices_transposed(std::uint32_t (&word)[4], std::uint32_t address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(word[0]), "=r"(word[1]), "=r"(word[2]), "=r"(word[3])
               : "r"(address)
               : "memory");
}

/// The 16x16 left fragment at (row, k) of a left operand: zeros from k = Depth on, where Depth is known (not
/// 0). first_slot is the fragment's place in a cooperative operand.
template <bool Transposed, int Depth = 0, class Left>
FT_FUNCTION left_fragment<value_type_of<Left>> left_fragment_of(const Left& left, int first_slot, int row,
                                                                int k) {
  using T = value_type_of<Left>;
  left_fragment<T> a;
  const int lane = thread_index_in_simdgroup();
  if constexpr (is_cooperative<Left>) {
    using Layout = typename Left::layout;
    if constexpr (Layout::rows::kHalves == 2) {
      FT_UNROLL for (int i = 0; i < 4; ++i) a.p[i] = left.slots.pair(first_slot + 2 * i);
    } else {
      a.p[0] = left.slots.pair(first_slot), a.p[2] = left.slots.pair(first_slot + 2);
      a.p[1] = a.p[3] = make_pair(T{}, T{});
    }
  } else if constexpr (is_tile<Left> && sizeof(T) == 2) {
    std::uint32_t word[4];
    const int within = lane % 8, upper = lane / 8 % 2 * 8, right = lane / 16 * 8;
    if constexpr (Transposed)
      load_matrices_transposed(word, left.address(k + right + within, row + upper));
    else
      load_matrices(word, left.address(row + upper + within, k + right));
    FT_UNROLL for (int i = 0; i < 4; ++i) a.p[i].word = word[i];
  } else {
    FT_UNROLL for (int i = 0; i < 4; ++i) {
      const int r = row + i % 2 * 8 + lane / 4, c = k + i / 2 * 8 + lane % 4 * 2;
      if constexpr (is_tile<Left>) {
        a.p[i] = Transposed ? make_pair(left.get(c, r), left.get(c + 1, r))
                            : make_pair(left.get(r, c), left.get(r, c + 1));
      } else {
        const T x = Depth == 0 || c < Depth ? clipped<Transposed>(left, r, c) : T{};
        const T y = Depth == 0 || c + 1 < Depth ? clipped<Transposed>(left, r, c + 1) : T{};
        a.p[i] = make_pair(x, y);
      }
    }
  }
  return a;
}

/// The 16x8 right fragments at (k, column) and, where two are asked for, at (k, column + 8).
template <bool Transposed, int Depth = 0, int Count, class Right>
FT_FUNCTION void right_fragments_of(right_fragment<value_type_of<Right>> (&b)[Count], const Right& right,
                                    int first_slot, int k, int column) {
  using T = value_type_of<Right>;
  const int lane = thread_index_in_simdgroup();
  if constexpr (is_cooperative<Right>) {
    FT_UNROLL for (int j = 0; j < Count; ++j) {
      FT_UNROLL for (int i = 0; i < 2; ++i) b[j].p[i] = right.slots.pair(first_slot + 4 * j + 2 * i);
    }
  } else if constexpr (is_tile<Right> && sizeof(T) == 2) {
    std::uint32_t word[4];
    const int within = lane % 8, lower = lane / 8 % 2 * 8, next = Count == 2 ? lane / 16 * 8 : 0;
    if constexpr (Transposed)
      load_matrices(word, right.address(column + next + within, k + lower));
    else
      load_matrices_transposed(word, right.address(k + lower + within, column + next));
    FT_UNROLL for (int i = 0; i < 2 * Count; ++i) b[i / 2].p[i % 2].word = word[i];
  } else {
    FT_UNROLL for (int i = 0; i < 2 * Count; ++i) {
      const int r = k + i % 2 * 8 + lane % 4 * 2, c = column + i / 2 * 8 + lane / 4;
      if constexpr (is_tile<Right>) {
        b[i / 2].p[i % 2] = Transposed ? make_pair(right.get(c, r), right.get(c, r + 1))
                                       : make_pair(right.get(r, c), right.get(r + 1, c));
      } else {
        const T x = Depth == 0 || r < Depth ? clipped<Transposed>(right, r, c) : T{};
        const T y = Depth == 0 || r + 1 < Depth ? clipped<Transposed>(right, r + 1, c) : T{};
        b[i / 2].p[i % 2] = make_pair(x, y);
      }
    }
  }
}

}  // namespace detail
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::primitives
