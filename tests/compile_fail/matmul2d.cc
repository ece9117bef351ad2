// Products that do not exist.
#include "flashtile/primitives.h"

using namespace flashtile;
using namespace flashtile::primitives;
template <class T>
using Matrix = tensor<T, dextents<int, 2>, tensor_inline>;
template <class T>
Matrix<T> matrix(T* data) {
  return Matrix<T>(data, dextents<int, 2>(16, 16));
}

void use(float* f, std::int8_t* i, std::uint8_t* u, std::int32_t* d, half* h) {
  using Product = matmul2d<matmul2d_descriptor{16, 16, 16}, execution_simdgroup>;
  Product product;
  auto a = matrix(f), b = matrix(f), c = matrix(f);
  product.run(a, b, c);

// CASE types: matmul2d: no product of these element types; see the table in matmul2d_contract.h
#if defined(CASE_types)
  auto left = matrix(u);
  auto right = matrix(d);
  auto out = matrix(d);
  product.run(left, right, out);
#endif
// CASE destination_type: matmul2d: no product of these element types; see the table in matmul2d_contract.h
#if defined(CASE_destination_type)
  auto out = matrix(h);
  product.run(a, b, out);
#endif
// CASE factory_types: matmul2d: no product of these element types; see the table in matmul2d_contract.h
#if defined(CASE_factory_types)
  auto tile = Product::get_left_input_cooperative_tensor<std::int8_t, std::uint8_t, float>();
#endif
// CASE qualified_types: matmul2d: name element types without const or volatile
#if defined(CASE_qualified_types)
  auto tile = Product::get_left_input_cooperative_tensor<const float, float, float>();
#endif
// CASE m: matmul2d: m and n must be multiples of 8, one of them of 16
#if defined(CASE_m)
  matmul2d<matmul2d_descriptor{12, 16}, execution_simdgroup> bad;
#endif
// CASE eight_by_eight: matmul2d: m and n must be multiples of 8, one of them of 16
#if defined(CASE_eight_by_eight)
  matmul2d<matmul2d_descriptor{8, 8}, execution_simdgroup> bad;
#endif
// CASE thread_shape: for execution_thread: 1, 2, 4 or multiples of 8
#if defined(CASE_thread_shape)
  matmul2d<matmul2d_descriptor{3, 8}, execution_thread> bad;
#endif
// CASE static_k: matmul2d: a static k must be a multiple of 8
#if defined(CASE_static_k)
  matmul2d<matmul2d_descriptor{16, 16, 20}, execution_simdgroup> bad;
#endif
// CASE tile_size: matmul2d: a tile of D must not pass 131072 elements
#if defined(CASE_tile_size)
  matmul2d<matmul2d_descriptor{512, 512}, execution_simdgroup> bad;
#endif
// CASE scope: matmul2d: the scope must be execution_thread or execution_simdgroups<N>
#if defined(CASE_scope)
  matmul2d<matmul2d_descriptor{16, 16}, int> bad;
#endif
// CASE no_simdgroup: execution_simdgroups: at least one simdgroup
#if defined(CASE_no_simdgroup)
  matmul2d<matmul2d_descriptor{16, 16}, execution_simdgroups<0>> bad;
#endif
// CASE rank: matmul2d: operands are matrices; give tensors of rank 2
#if defined(CASE_rank)
  tensor<float, dextents<int, 3>, tensor_inline> cube(f, dextents<int, 3>(16, 16, 16));
  product.run(a, cube, c);
#endif
// CASE destination_rank: matmul2d: operands are matrices; give tensors of rank 2
#if defined(CASE_destination_rank)
  tensor<float, dextents<int, 1>, tensor_inline> row(f, dextents<int, 1>(16));
  product.run(a, b, row);
#endif
// CASE index: matmul2d: tensors must be indexed by int
#if defined(CASE_index)
  tensor<float, dextents<std::int64_t, 2>, tensor_inline> wide(f, dextents<std::int64_t, 2>(16, 16));
  product.run(wide, b, c);
#endif
// CASE operand: matmul2d: operands are tensors, cooperative tensors or tiles of left_ or right_tile_stages
#if defined(CASE_operand)
  struct Other {
    using element_type = float;
  } other;
  product.run(a, other, c);
#endif
// CASE dynamic_k_tile: matmul2d: cooperative inputs need a static k
#if defined(CASE_dynamic_k_tile)
  auto tile = matmul2d<matmul2d_descriptor{16, 16},
                       execution_simdgroup>::get_left_input_cooperative_tensor<float, float, float>();
#endif
// CASE destination_shape: matmul2d: the destination tile was made for another shape, scope or role
#if defined(CASE_destination_shape)
  auto tile =
      matmul2d<matmul2d_descriptor{16, 32, 16},
               execution_simdgroup>::get_destination_cooperative_tensor<decltype(a), decltype(b), float>();
  product.run(a, b, tile);
#endif
// CASE left_shape: matmul2d: the left tile was made for another product or role
#if defined(CASE_left_shape)
  auto tile = matmul2d<matmul2d_descriptor{16, 16, 32},
                       execution_simdgroup>::get_left_input_cooperative_tensor<float, float, float>();
  product.run(tile, b, c);
#endif
// CASE role: matmul2d: the right tile was made for another product or role
#if defined(CASE_role)
  auto tile = Product::get_left_input_cooperative_tensor<float, float, float>();
  product.run(a, tile, c);
#endif
// CASE reuse_shape: matmul2d: this tile has not the shape of the left operand; store and load it
#if defined(CASE_reuse_shape)
  auto tile = Product::get_destination_cooperative_tensor<decltype(a), decltype(b), float>();
  auto left = matmul2d<matmul2d_descriptor{16, 16, 32},
                       execution_simdgroup>::get_left_input_cooperative_tensor<float, float, float>(tile);
#endif
// CASE column_scope: matmul2d: column reductions need a scope of one simdgroup
#if defined(CASE_column_scope)
  auto tile = matmul2d<matmul2d_descriptor{16, 16, 16}, execution_simdgroups<2>>::
      get_column_reduction_destination_cooperative_tensor<decltype(a), decltype(b), float>();
#endif
// CASE stage_type: load_tile_async: tensor and tile have different element types
#if defined(CASE_stage_type)
  Product::right_tile_stages<float, 2> stages;
  auto source = matrix(h);
  load_tile_async<execution_simdgroup>(stages, 0, source);
#endif
// CASE stage_shape: matmul2d: the right tile was made for another product
#if defined(CASE_stage_shape)
  matmul2d<matmul2d_descriptor{16, 32, 16}, execution_simdgroup>::right_tile_stages<float, 2> stages;
  auto right = tile(stages, 0);
  product.run(a, right, c);
#endif
}
