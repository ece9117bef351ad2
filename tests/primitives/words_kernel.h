// Kernels of words that no kernel of the library uses, for their tests on every backend. Shared text: Metal compiles it too.
#pragma once

#include "flashtile/detail/grid.h"
#include "flashtile/primitives.h"

namespace flashtile::test {
inline namespace FLASHTILE_BACKEND {
using namespace flashtile::primitives;

constexpr FT_CONSTANT int kWordRows = 16, kWordColumns = 32;

/// What the kernels below read and write: a (16 x depth), b (depth x 32) and matrices of 16 x 32, row by row.
struct WordParams {
  FT_DEVICE const half* a;
  FT_DEVICE const half* b;
  FT_DEVICE const float* bias;  // (32)
  FT_DEVICE float* out;         // (16, 32)
  FT_DEVICE float* rows;        // (16)
  FT_DEVICE float* columns;     // (32)
  int depth, valid_rows, valid_columns;
};

/// out = max(a b + bias, 0): a product of tensors, entries of columns without a product.
struct LinearWords {
  using Params = WordParams;
  struct Threadgroup {};
  static constexpr FT_CONSTANT int kSimdgroups = 1;
  static FT_FUNCTION void run(FT_CONSTANT const Params& p, FT_THREADGROUP Threadgroup&, GridPosition) {
    using Size = dextents<int, 2>;
    auto a = tensor(p.a, Size(p.depth, p.valid_rows));
    auto b = tensor(p.b, Size(kWordColumns, p.depth));
    auto bias = tensor(p.bias, dextents<int, 1>(p.valid_columns));
    auto out = tensor(p.out, Size(kWordColumns, p.valid_rows));
    matmul2d<matmul2d_descriptor(kWordRows, kWordColumns, -1), execution_simdgroup> product;
    auto sums = product.template get_destination_cooperative_tensor<decltype(a), decltype(b), float>();
    product.run(a, b, sums);
    auto added = make_column_entries<float, kWordRows, kWordColumns, execution_simdgroup>();
    load(added, bias);
    map_columns(sums, added, [](auto sum, auto b_) { return max(sum + b_, 0.0f); });
    store(sums, out);
  }
};

/// out = softmax of the rows of out, rows = their maxima, columns = the sums of out's columns: tiles and entries without a product.
struct SoftmaxWords {
  using Params = WordParams;
  struct Threadgroup {};
  static constexpr FT_CONSTANT int kSimdgroups = 1;
  static FT_FUNCTION void run(FT_CONSTANT const Params& p, FT_THREADGROUP Threadgroup&, GridPosition) {
    using Scope = execution_simdgroup;
    auto out = tensor(p.out, dextents<int, 2>(kWordColumns, kWordRows));
    auto tile = make_tile<float, kWordRows, kWordColumns, Scope>();
    auto top = make_row_entries<float, kWordRows, kWordColumns, Scope>();
    auto total = make_row_entries<float, kWordRows, kWordColumns, Scope>();
    auto sums = make_column_entries<float, kWordRows, kWordColumns, Scope>();
    load(tile, out);
    reduce_columns(tile, sums);
    reduce_rows(tile, top, reduction_operation::max, -1e30f);
    auto weights = make_tile<float, kWordRows, kWordColumns, Scope>();
    map_elements(weights, tile, [](auto, auto x) { return x; });
    sub_rows(weights, top);
    map_elements(weights, [](auto x) { return exp(x); });
    reduce_rows(weights, total);
    map_rows(tile, top, total, [](auto x, auto t, auto sum) { return exp(x - t) / sum; });
    store(tile, out);
    auto columns = tensor(p.columns, dextents<int, 1>(p.valid_columns));
    store(sums, columns);
    for_each_element(top, [&](float value, int row) { p.rows[row] = value; });
  }
};

/// out = a b in 8x8 matrices of the first 16 of depth, stored transposed and then as it is; rows and columns by get and set.
struct MatrixWords {
  using Params = WordParams;
  struct Threadgroup {};
  static constexpr FT_CONSTANT int kSimdgroups = 1;
  static FT_FUNCTION void run(FT_CONSTANT const Params& p, FT_THREADGROUP Threadgroup&, GridPosition) {
    simdgroup_matrix_block<half, 2, 2> a;
    simdgroup_matrix_block<half, 2, 4> b;
    simdgroup_matrix_block<float, 2, 4> d;
    simdgroup_load(a, p.a, p.depth, matrix_origin{0, 0}, false);
    simdgroup_load(b, p.b, kWordColumns, matrix_origin{0, 0}, false);
    simdgroup_multiply(d, a, b);
    simdgroup_store(d, p.out, kWordColumns, matrix_origin{0, 0}, false);
    auto t = tensor(p.bias, dextents<int, 2>(4, 1));
    auto rows = tensor(p.rows, dextents<int, 1>(3));
    simd_for_each_index(1, [&](int) {
      for (int i = 0; i < 5; ++i) rows.set(t.get(i, 7) + 1.0f, i);  // an extent of 1 is repeated; 4 is outside
    });
  }
};

/// out = 2 a b, in steps of 16 of depth, the last of which is clipped: tiles that are loaded become operands.
struct InputWords {
  using Params = WordParams;
  using Scope = execution_simdgroup;
  static constexpr FT_CONSTANT int kStep = 16, kSimdgroups = 1;
  using Product = matmul2d<matmul2d_descriptor(kWordRows, kWordColumns, kStep, false, false, false,
                                               matmul2d_descriptor::mode::multiply_accumulate),
                           Scope>;
  struct Threadgroup {
    typename Product::template left_input_room<half> room;
  };
  static FT_FUNCTION void run(FT_CONSTANT const Params& p, FT_THREADGROUP Threadgroup& memory, GridPosition) {
    using Size = dextents<int, 2>;
    const Product product;
    auto x = make_tile<half, kWordRows, kStep, Scope>();
    auto right = product.template get_right_input_cooperative_tensor<half, half, float>();
    using Left =
        decltype(product.template get_left_input_cooperative_tensor<half, half, float>(x, memory.room));
    auto sums = product.template get_destination_cooperative_tensor<Left, decltype(right), float>();
    zero(sums);
    for (int k = 0; k < p.depth; k += kStep) {
      auto a = tensor(p.a, Size(p.depth, p.valid_rows)).slice(k, 0);
      auto b = tensor(p.b, Size(kWordColumns, p.depth)).slice(0, k);
      load(x, a);
      load(right, b);
      map_elements(x, [](auto e) { return e + e; });
      auto left = product.template get_left_input_cooperative_tensor<half, half, float>(x, memory.room);
      product.run(left, right, sums);
    }
    auto out = tensor(p.out, Size(kWordColumns, kWordRows));
    store(sums, out);
  }
};

/// out = w b, where b is continued by zeros to 32 rows, and w is a b of the first 16 of depth, in half: minus the largest of its
/// row, times that. A result becomes an operand, and its types are named before there is one.
struct ResultWords {
  using Params = WordParams;
  using Scope = execution_simdgroup;
  static constexpr FT_CONSTANT int kStep = 16, kSimdgroups = 1;
  using Scores = matmul2d<matmul2d_descriptor(kWordRows, kWordColumns, kStep), Scope>;
  using Sums = matmul2d<matmul2d_descriptor(kWordRows, kWordColumns, kWordColumns, false, false, false,
                                            matmul2d_descriptor::mode::multiply_accumulate),
                        Scope>;
  using ScoreTile = typename Scores::template result_tile<float, half>;
  using Weights = typename Sums::template left_tile<half>;
  using SumTile = typename Sums::template result_tile<float, Weights, half>;
  struct Threadgroup {
    typename Scores::template left_tile_stages<half, 1> a;
    typename Scores::template right_tile_stages<half, 1> b;
    typename Sums::template right_tile_stages<half, 1> all_of_b;
    [[no_unique_address]] typename Sums::template left_input_room<half> room;
  };
  static FT_FUNCTION void run(FT_CONSTANT const Params& p, FT_THREADGROUP Threadgroup& memory, GridPosition) {
    auto a = tensor(p.a, dextents<int, 2>(p.depth, kWordRows));
    auto b = tensor(p.b, dextents<int, 2>(kWordColumns, p.depth));
    load_tile_async<Scope>(memory.a, 0, a);
    load_tile_async<Scope>(memory.b, 0, b);
    load_tile_async<Scope>(memory.all_of_b, 0, b);
    wait_tiles<Scope, 0>();
    auto s = Scores::template make_result_tile<float, half>();
    auto o = Sums::template make_result_tile<float, Weights, half>();
    typename Scores::template row_entries<float, half> top;
    weigh(memory, s, top);
    accumulate(memory, s, o);
    auto out = tensor(p.out, dextents<int, 2>(kWordColumns, kWordRows));
    store(o, out);
  }

 private:
  template <class Rows>
  static FT_FUNCTION void weigh(FT_THREADGROUP Threadgroup& memory, FT_THREAD ScoreTile& s,
                                FT_THREAD Rows& top) {
    auto left = tile(memory.a, 0);
    auto right = tile(memory.b, 0);
    Scores().run(left, right, s);
    reduce_rows(s, top, reduction_operation::max, -1e30f);
    sub_rows(s, top);
    scale_rows(s, top);
  }
  static FT_FUNCTION void accumulate(FT_THREADGROUP Threadgroup& memory, FT_THREAD ScoreTile& s,
                                     FT_THREAD SumTile& o) {
    Weights weights = Sums::template get_left_input_cooperative_tensor<half, half, float>(s, memory.room);
    auto right = tile(memory.all_of_b, 0);
    zero(o);
    Sums().run(weights, right, o);
  }
};

/// Three products side by side in out: 4 x 8 elements by one thread through a tile and straight to memory, from tensors of static
/// extents, and 8 x 8 plus 1 as a matrix; rows = sums of the first.
struct ThreadWords {
  using Params = WordParams;
  struct Threadgroup {};
  static constexpr FT_CONSTANT int kSimdgroups = 1, kRows = 4, kColumns = 8, kDepth = 16;
  static FT_FUNCTION void run(FT_CONSTANT const Params& p, FT_THREADGROUP Threadgroup&, GridPosition) {
    using Scope = execution_thread;
    auto a = tensor(p.a, extents<int, dynamic_extent, kWordRows>(p.depth)).template slice<kDepth, kRows>(0, 0);
    auto b = tensor(p.b, dextents<int, 2>(kWordColumns, p.depth)).template slice<kColumns, kDepth>(0, 0);
    auto out = tensor(p.out, dextents<int, 2>(kWordColumns, kWordRows));
    const matmul2d<matmul2d_descriptor(kRows, kColumns, dynamic_length), Scope> product;
    auto tile = product.template get_destination_cooperative_tensor<decltype(a), decltype(b), float>();
    product.run(a, b, tile);
    store(tile, out);
    auto sums = make_row_entries<float, kRows, kColumns, Scope>();
    reduce_rows(tile, sums);
    for_each_element(sums, [&](float value, int row) { p.rows[row] = value; });
    auto beside = out.slice(kColumns, 0);
    product.run(a, b, beside);

    simdgroup_half8x8 left, right;
    simdgroup_load(left, p.a, p.depth, matrix_origin{0, 0}, false);
    simdgroup_load(right, p.b, kWordColumns, matrix_origin{0, 0}, false);
    const simdgroup_float8x8 ones = make_filled_simdgroup_matrix<float, 8, 8>(1.0f);
    simdgroup_store(muladd(left, right, ones), p.out + 2 * kColumns, kWordColumns, matrix_origin{0, 0}, false);
  }
};

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::test
