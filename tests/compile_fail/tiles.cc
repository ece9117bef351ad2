// Tensors, cooperative tensors and matrices used for what they are not.
#include "flashtile/primitives.h"

using namespace flashtile;
using namespace flashtile::primitives;
template <class T>
using Matrix = tensor<T, dextents<int, 2>, tensor_inline>;
template <class T>
Matrix<T> matrix(T* data) {
  return Matrix<T>(data, dextents<int, 2>(16, 16));
}

void use(float* f, half* h, int4b_format* i4) {
  using Product = matmul2d<matmul2d_descriptor{16, 16, 16}, execution_simdgroup>;
  using Shared = matmul2d<matmul2d_descriptor{16, 16, 16}, execution_simdgroups<2>>;
  auto a = matrix(f);
  auto d = Product::get_destination_cooperative_tensor<Matrix<float>, Matrix<float>, float>();
  auto rows = Product::get_row_reduction_destination_cooperative_tensor<Matrix<float>, Matrix<float>, float>();
  auto columns =
      Product::get_column_reduction_destination_cooperative_tensor<Matrix<float>, Matrix<float>, float>();
  auto shared = Shared::get_destination_cooperative_tensor<Matrix<float>, Matrix<float>, float>();
  simdgroup_matrix<float, 8, 8> m(1.0f);
  simdgroup_matrix_block<float, 2, 2> block(1.0f);
  d.load(a);
  reduce_rows(d, rows);
  reduce_columns(d, columns);
  simdgroup_load(m, f);

// CASE extents_rank: extents: rank must be 1 to 8
#if defined(CASE_extents_rank)
  dextents<int, 9> nine;
#endif
// CASE extents_count: extents: give one size a dimension, or one a dynamic dimension
#if defined(CASE_extents_count)
  dextents<int, 3> three(1, 2);
#endif
// CASE index_count: tensor: give one index a dimension
#if defined(CASE_index_count)
  a(1, 2, 3) = 0.0f;
#endif
// CASE slice_count: slice: give one origin a dimension
#if defined(CASE_slice_count)
  a.slice(1);
#endif
// CASE slice_extents: slice: give one static extent a dimension, or none
#if defined(CASE_slice_extents)
  a.slice<8>(1, 1);
#endif
// CASE nibble_address: tensor: 4-bit elements have no address; use get
#if defined(CASE_nibble_address)
  matrix(i4)(0, 0);
#endif
// CASE member_load_type: load: the member takes a tensor of the tile's element type; the free function load converts
#if defined(CASE_member_load_type)
  auto other = matrix(h);
  d.load(other);
#endif
// CASE member_store_type: store: the member takes a tensor of the tile's element type; the free function store converts
#if defined(CASE_member_store_type)
  auto other = matrix(h);
  d.store(other);
#endif
// CASE load_rank: tile loads and stores take tensors of rank 1 or 2
#if defined(CASE_load_rank)
  tensor<float, dextents<int, 3>, tensor_inline> cube(f, dextents<int, 3>(16, 16, 16));
  d.load(cube);
#endif
// CASE store_rank: store: tile and tensor differ in rank
#if defined(CASE_store_rank)
  rows.store(a);
#endif
// CASE reduce_shape: reduce_rows: the destination has not one entry for each row
#if defined(CASE_reduce_shape)
  reduce_rows(d, d);
#endif
// CASE reduce_scope: reduce_columns: the scope must be one simdgroup
#if defined(CASE_reduce_scope)
  reduce_columns(shared, columns);
#endif
// CASE map_rows_shape: map_rows: the second tile has not one entry for each row of the first
#if defined(CASE_map_rows_shape)
  map_rows(d, d, [](auto x, auto) { return x; });
#endif
// CASE map_shapes: map_elements: the two tiles differ in shape
#if defined(CASE_map_shapes)
  map_elements(d, rows, [](auto x, auto) { return x; });
#endif
// CASE map_tensor: map_elements: give a cooperative tensor, a simdgroup_matrix_block or simdgroup_rows
#if defined(CASE_map_tensor)
  map_elements(a, [](auto x) { return x; });
#endif
// CASE map_iterator: map_iterator: call it on a reduction tile
#if defined(CASE_map_iterator)
  d.map_iterator(d.begin());
#endif
// CASE matrix_size: simdgroup_matrix: only 8 x 8 exists; simdgroup_matrix_block holds more
#if defined(CASE_matrix_size)
  simdgroup_matrix<float, 16, 8> large;
#endif
// CASE matrix_type: simdgroup_matrix: elements are half, bfloat or float
#if defined(CASE_matrix_type)
  simdgroup_matrix<int, 8, 8> integers;
#endif
// CASE matrix_load_type: simdgroup_load: memory and matrix have different element types; load converts
#if defined(CASE_matrix_load_type)
  simdgroup_load(m, h);
#endif
// CASE matrix_store_type: simdgroup_store: memory and matrix have different element types; store converts
#if defined(CASE_matrix_store_type)
  simdgroup_store(m, h);
#endif
// CASE matrix_shapes: simdgroup_multiply_accumulate: d and c must be R x C, a R x K and b K x C matrices
#if defined(CASE_matrix_shapes)
  simdgroup_multiply_accumulate(block, block, m, block);
#endif
// CASE own_tile: make_tile: M and N must be multiples of 8, one of them of 16
#if defined(CASE_own_tile)
  auto tile = make_tile<float, 8, 8, execution_simdgroup>();
#endif
// CASE own_columns: map_columns: the second tile has not one entry for each column of the first
#if defined(CASE_own_columns)
  auto other = make_column_entries<float, 16, 32, execution_simdgroup>();
  map_columns(d, other, [](auto x, auto) { return x; });
#endif
// CASE own_rows: map_rows: the second tile has not one entry for each row of the first
#if defined(CASE_own_rows)
  auto other = make_row_entries<float, 64, 16, execution_simdgroup>();
  map_rows(d, rows, other, [](auto x, auto, auto) { return x; });
#endif
// CASE convert_columns: convert_columns: the block has fewer columns
#if defined(CASE_convert_columns)
  convert_columns<half, 3>(block, 0);
#endif
}
