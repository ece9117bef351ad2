// Matrix product on blocks of simdgroup matrices: each simdgroup of a threadgroup computes its own rows of a kM
// x kN tile of C, and all of them share the tiles of A and B in threadgroup memory.
//
//   for each kK of K:  part = A (kM, kK) B (kK, kN);  sums = sums + part
//   C = alpha * sums + beta * C
#pragma once

#include "src/ops/gemm/kernel/epilogue.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {

/// TransposeA, TransposeB: the operand's columns are contiguous, not its rows.
template <class T, bool TransposeA, bool TransposeB, class Tile>
struct GemmSimdgroup {
  using Params = GemmParams;
  static constexpr FT_CONSTANT int kSimdgroups = Tile::kSimdgroups;
  static constexpr FT_CONSTANT int kM = Tile::kM, kN = Tile::kN, kK = Tile::kK;
  static constexpr FT_CONSTANT int kRows = kM / kSimdgroups;   // rows of one simdgroup
  static constexpr FT_CONSTANT int R = kRows / 8, C = kN / 8;  // the same in 8x8 matrices
  static constexpr FT_CONSTANT int kStep = 16;                 // depth of one product: two matrices

  using Scope = execution_simdgroups<kSimdgroups>;

  struct Threadgroup {
    row_tile_stages<T, TransposeA ? kK : kM, TransposeA ? kM : kK, 1> a;
    row_tile_stages<T, TransposeB ? kN : kK, TransposeB ? kK : kN, 1> b;
  };

  static FT_FUNCTION void run(FT_CONSTANT const Params& p, FT_THREADGROUP Threadgroup& memory,
                              GridPosition at) {
    const int first_row = static_cast<int>(at.y) * kM, column = static_cast<int>(at.x) * kN;
    const int my_row = simdgroup_index_in_threadgroup() * kRows;  // in the tile
    const auto a_matrix = matrix_of(static_cast<FT_DEVICE const T*>(p.a), p.a_stride, TransposeA ? p.m : p.k,
                                    TransposeA ? p.k : p.m);
    const auto b_matrix = matrix_of(static_cast<FT_DEVICE const T*>(p.b), p.b_stride, TransposeB ? p.k : p.n,
                                    TransposeB ? p.n : p.k);
    simdgroup_matrix_block<float, R, C> sums(0.0f);  // (kRows, kN)

    for (int k = 0; k < p.k; k += kK) {
      auto a_tile = TransposeA ? a_matrix.slice(first_row, k) : a_matrix.slice(k, first_row);
      auto b_tile = TransposeB ? b_matrix.slice(k, column) : b_matrix.slice(column, k);
      load_tile_async<Scope>(memory.a, 0, a_tile);
      load_tile_async<Scope>(memory.b, 0, b_tile);
      wait_tiles<Scope, 0>();
      simdgroup_matrix_block<float, R, C> part(0.0f);  // (kRows, kN)
      FT_UNROLL for (int d = 0; d < kK; d += kStep) {
        simdgroup_matrix_block<T, R, 2> a;  // (kRows, kStep)
        simdgroup_right_block<T, 2, C> b;   // (kStep, kN)
        simdgroup_load(a, row_tile(memory.a, 0), memory.a.kElementsPerRow,
                       TransposeA ? matrix_origin{my_row, d} : matrix_origin{d, my_row}, TransposeA);
        simdgroup_load(b, row_tile(memory.b, 0), memory.b.kElementsPerRow,
                       TransposeB ? matrix_origin{d, 0} : matrix_origin{0, d}, TransposeB);
        simdgroup_multiply_accumulate(part, a, b, part);
      }
      map_elements(sums, part, [](auto sum, auto more) { return sum + more; });
      threadgroup_barrier(mem_flags::mem_threadgroup);  // all simdgroups are done with the tiles
    }
    simdgroup_matrix_block<float, R, C> old;
    store_sums(p, sums, old, first_row + my_row, column, 0.0f);
  }
};

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
