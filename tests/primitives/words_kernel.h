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
    map_rows(weights, top, [](auto x, auto t) { return exp(x - t); });
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

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::test
