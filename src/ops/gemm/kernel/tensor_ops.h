// Matrix product on matmul2d: one threadgroup computes kM x kN of C.
//
//   for each kK of K:  sums += A (kM, kK) B (kK, kN)
//   C = alpha * sums + beta * C
//
// With one stage each of these products is summed on its own and then added, instead of one chain of additions
// through all of K, so that rounding errors do not grow with K: at K = 64 two float chains of 32 stay below
// 3e-7 of the largest element, one of 64 does not. With several stages, where registers hold only one tile of
// sums, they are one chain, and the tiles of the next steps are loaded while the last ones are multiplied.
#pragma once

#include "src/ops/gemm/kernel/epilogue.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {

/// TransposeA, TransposeB: the operand's columns are contiguous, not its rows. Sum is float or int32_t.
template <class A, class B, class Sum, bool TransposeA, bool TransposeB, class Tile>
struct GemmTensorOps {
  using Params = GemmParams;
  static constexpr FT_CONSTANT int kSimdgroups = Tile::kSimdgroups;
  static constexpr FT_CONSTANT int kM = Tile::kM, kN = Tile::kN, kK = Tile::kK;

  using Scope = execution_simdgroups<kSimdgroups>;
  using Product = matmul2d<matmul2d_descriptor(kM, kN, kK, TransposeA, TransposeB), Scope>;
  using Chain = matmul2d<matmul2d_descriptor(kM, kN, kK, TransposeA, TransposeB, false,
                                             matmul2d_descriptor::mode::multiply_accumulate),
                         Scope>;

  static constexpr FT_CONSTANT int kStages = Tile::kStages;

  struct Threadgroup {
    typename Product::template left_tile_stages<A, kStages, B> a;   // Stages x (kM, kK)
    typename Product::template right_tile_stages<B, kStages, A> b;  // Stages x (kK, kN)
  };

  static FT_FUNCTION void run(FT_CONSTANT const Params& p, FT_THREADGROUP Threadgroup& memory,
                              GridPosition at) {
    const int row = static_cast<int>(at.y) * kM, column = static_cast<int>(at.x) * kN;
    Product product;
    using Left = decltype(tile(memory.a, 0));
    using Right = decltype(tile(memory.b, 0));
    auto sums = product.template get_destination_cooperative_tensor<Left, Right, Sum>();  // (kM, kN)
    auto old = product.template get_destination_cooperative_tensor<Left, Right, Sum>();   // (kM, kN), of C
    map_elements(sums, [](auto) { return Sum(0); });

    if constexpr (kStages == 1) {
      for (int k = 0; k < p.k; k += kK) {
        load_tiles(p, memory, 0, row, column, k);
        wait_tiles<Scope, 0>();
        auto a = tile(memory.a, 0);
        auto b = tile(memory.b, 0);
        product.add(a, b, sums);
        threadgroup_barrier(mem_flags::mem_threadgroup);  // all simdgroups are done with the tiles
      }
    } else {
      Chain chain;
      constexpr int kAhead = kStages - 2;  // tiles on their way while one is multiplied
      FT_UNROLL for (int t = 0; t < kAhead; ++t) load_tiles(p, memory, t, row, column, t * kK);
      int stage = 0, next = kAhead;
      for (int k = 0; k < p.k; k += kK) {
        wait_tiles<Scope, 2 * (kAhead - 1)>();  // all are done with the product before the last one
        auto a = tile(memory.a, stage);
        auto b = tile(memory.b, stage);
        chain.start(a, b, sums);
        load_tiles(p, memory, next, row, column, k + kAhead * kK);
        wait_products<1>();
        stage = stage + 1 == kStages ? 0 : stage + 1;
        next = next + 1 == kStages ? 0 : next + 1;
      }
      wait_products<0>(sums);
    }
    store_sums(p, sums, old, row, column, Sum(0));
  }

 private:
  /// Starts loading the tiles of A and B at depth k; past the last they are empty.
  static FT_FUNCTION void load_tiles(FT_CONSTANT const Params& p, FT_THREADGROUP Threadgroup& memory, int stage,
                                     int row, int column, int k) {
    const auto a = matrix_of(static_cast<FT_DEVICE const A*>(p.a), p.a_stride, TransposeA ? p.m : p.k,
                             TransposeA ? p.k : p.m);
    const auto b = matrix_of(static_cast<FT_DEVICE const B*>(p.b), p.b_stride, TransposeB ? p.k : p.n,
                             TransposeB ? p.n : p.k);
    auto a_tile = TransposeA ? a.slice(row, k) : a.slice(k, row);
    auto b_tile = TransposeB ? b.slice(k, column) : b.slice(column, k);
    load_tile_async<Scope>(memory.a, stage, a_tile);
    load_tile_async<Scope>(memory.b, stage, b_tile);
  }
};

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
