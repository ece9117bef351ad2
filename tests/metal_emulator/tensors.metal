// Sections 3 to 5 of the contract: tensors, matmul2d, cooperative tensors.
#include <metal_stdlib>
#include <metal_tensor>
#include <MetalPerformancePrimitives/MetalPerformancePrimitives.h>
using namespace metal;
using namespace mpp::tensor_ops;

using Matrix = dextents<int32_t, 2>;

// -- tensors -----------------------------------------------------------------------------------------------------------

kernel void tensor_members(device float* b [[buffer(0)]], device long* out [[buffer(1)]]) {
  int i = 0;
  tensor<device float, dextents<int, 3>, tensor_inline> packed(b, dextents<int, 3>(5, 4, 3));
  out[i++] = packed.get_rank();
  for (int r = 0; r < 3; ++r) { out[i++] = packed.get_extent(r); out[i++] = packed.get_stride(r); }
  out[i++] = packed.has_static_extent(0);
  tensor strided(b, extents<int, 4, dynamic_extent>(3), array<int, 2>{1, 7});  // deduced
  out[i++] = strided.get_static_extent(0);
  out[i++] = strided.has_static_extent(0);
  out[i++] = strided.has_all_static_extent();
  out[i++] = strided.get_extent(0);
  out[i++] = strided.get_extent(1);
  out[i++] = strided.get_stride(1);
  out[i++] = extents<int, 4, dynamic_extent>::rank_dynamic();
  out[i++] = is_tensor_inline_v<decltype(strided)>;
  out[i++] = packed[1, 2, 1];
  out[i++] = strided[array<int, 2>{3, 2}];
  packed[0, 0, 2] = -1;
  out[i++] = b[40];
  // slices: the origin is in dimension order; what is left, or what is asked for
  auto rest = packed.slice(1, 2, 0);
  out[i++] = rest.get_extent(0);
  out[i++] = rest.get_extent(1);
  out[i++] = rest.get_stride(1);
  out[i++] = rest[0, 0, 1];
  auto fixed = packed.slice<2, dynamic_extent, 1>(2, 1, 2);
  out[i++] = fixed.get_static_extent(0);
  out[i++] = fixed.get_extent(1);
  out[i++] = fixed.has_static_extent(1);
  out[i++] = fixed[1, 2, 0];
  // get and set know the edges
  out[i++] = packed.get(5, 0, 0);
  tensor<device float, dextents<int, 2>, tensor_inline> row(b, dextents<int, 2>(5, 1));
  out[i++] = row.get(3, 9);
  packed.set(77, 5, 0, 0);
  packed.set(88, 4, 0, 0);
  out[i++] = b[4];
  out[i++] = b[5];
}

// -- matmul2d: types, transposes, scopes, edges ----------------------------------------------------------------------------

template <typename T> struct stored { using type = T; };
template <> struct stored<int4b_format> { using type = uint8_t; };
template <> struct stored<uint4b_format> { using type = uint8_t; };
template <> struct stored<int2b_format> { using type = uint8_t; };
template <> struct stored<uint2b_format> { using type = uint8_t; };
template <> struct stored<metal_fp4_e2m1_format> { using type = uint8_t; };
template <> struct stored<metal_fp8_e4m3_format> { using type = uint8_t; };
template <> struct stored<metal_fp8_e5m2_format> { using type = uint8_t; };

// c = a b, of ragged sizes: tiles of 16 x 16 with a dynamic k.
template <typename L, typename R, typename D>
[[kernel]] void product(device typename stored<L>::type* a [[buffer(0)]], device typename stored<R>::type* b [[buffer(1)]], device D* c [[buffer(2)]],
                        constant int4& mnk [[buffer(3)]], uint2 group [[threadgroup_position_in_grid]]) {
  tensor<device L, Matrix, tensor_inline> A(a, Matrix(mnk.z, mnk.x));
  tensor<device R, Matrix, tensor_inline> B(b, Matrix(mnk.y, mnk.z));
  tensor<device D, Matrix, tensor_inline> C(c, Matrix(mnk.y, mnk.x));
  constexpr auto descriptor = matmul2d_descriptor(16, 16, static_cast<int>(dynamic_extent));
  matmul2d<descriptor, execution_simdgroup> op;
  const int x = group.x * 16, y = group.y * 16;
  auto ta = A.slice(0, y);
  auto tb = B.slice(x, 0);
  auto tc = C.slice(x, y);
  op.run(ta, tb, tc);
}
#define PRODUCT(L, R, D) template [[host_name("product_" #L "_" #R "_" #D)]] [[kernel]] decltype(product<L, R, D>) product<L, R, D>;
PRODUCT(half, half, half) PRODUCT(half, half, float)
PRODUCT(half, int8_t, half) PRODUCT(half, int8_t, float) PRODUCT(half, uint8_t, half) PRODUCT(half, uint8_t, float)
PRODUCT(int8_t, half, half) PRODUCT(int8_t, half, float) PRODUCT(uint8_t, half, half) PRODUCT(uint8_t, half, float)
PRODUCT(half, float, float) PRODUCT(float, half, float) PRODUCT(float, float, float)
PRODUCT(float, int8_t, float) PRODUCT(float, uint8_t, float) PRODUCT(int8_t, float, float) PRODUCT(uint8_t, float, float)
PRODUCT(int8_t, int8_t, int32_t) PRODUCT(uint8_t, uint8_t, int32_t)
PRODUCT(bfloat, bfloat, bfloat) PRODUCT(bfloat, bfloat, float) PRODUCT(bfloat, float, float) PRODUCT(float, bfloat, float)
PRODUCT(bfloat, int8_t, bfloat) PRODUCT(bfloat, int8_t, float) PRODUCT(bfloat, uint8_t, bfloat) PRODUCT(bfloat, uint8_t, float)
PRODUCT(int8_t, bfloat, bfloat) PRODUCT(int8_t, bfloat, float) PRODUCT(uint8_t, bfloat, bfloat) PRODUCT(uint8_t, bfloat, float)
PRODUCT(bfloat, half, bfloat) PRODUCT(bfloat, half, half) PRODUCT(bfloat, half, float)
PRODUCT(half, bfloat, bfloat) PRODUCT(half, bfloat, half) PRODUCT(half, bfloat, float)
PRODUCT(half, int4b_format, half) PRODUCT(half, int4b_format, float) PRODUCT(half, uint4b_format, half) PRODUCT(half, uint4b_format, float)
PRODUCT(bfloat, int4b_format, bfloat) PRODUCT(bfloat, int4b_format, float) PRODUCT(bfloat, uint4b_format, bfloat)
PRODUCT(bfloat, uint4b_format, float) PRODUCT(int8_t, int4b_format, int32_t) PRODUCT(uint8_t, uint4b_format, int32_t)
PRODUCT(half, int2b_format, half) PRODUCT(half, int2b_format, float) PRODUCT(half, uint2b_format, half) PRODUCT(half, uint2b_format, float)
PRODUCT(bfloat, int2b_format, bfloat) PRODUCT(bfloat, int2b_format, float) PRODUCT(bfloat, uint2b_format, bfloat)
PRODUCT(bfloat, uint2b_format, float) PRODUCT(int8_t, int2b_format, int32_t) PRODUCT(uint8_t, uint2b_format, int32_t)
PRODUCT(half, metal_fp4_e2m1_format, half) PRODUCT(half, metal_fp4_e2m1_format, float) PRODUCT(half, metal_fp8_e4m3_format, half)
PRODUCT(half, metal_fp8_e4m3_format, float) PRODUCT(half, metal_fp8_e5m2_format, half) PRODUCT(half, metal_fp8_e5m2_format, float)
PRODUCT(metal_fp4_e2m1_format, metal_fp4_e2m1_format, half) PRODUCT(metal_fp4_e2m1_format, metal_fp4_e2m1_format, float)
PRODUCT(metal_fp8_e4m3_format, metal_fp8_e4m3_format, half) PRODUCT(metal_fp8_e4m3_format, metal_fp8_e4m3_format, float)
PRODUCT(metal_fp8_e5m2_format, metal_fp8_e5m2_format, half) PRODUCT(metal_fp8_e5m2_format, metal_fp8_e5m2_format, float)

// Every code of the small floats, and elements that share bytes.
kernel void codes(device uint8_t* bytes [[buffer(0)]], device float* out [[buffer(1)]]) {
  using Row = dextents<int, 1>;
  tensor<device metal_fp8_e4m3_format, Row, tensor_inline> a(bytes, Row(256));
  tensor<device metal_fp8_e5m2_format, Row, tensor_inline> b(bytes, Row(256));
  tensor<device metal_fp4_e2m1_format, Row, tensor_inline> c(bytes, Row(512));
  tensor<device int2b_format, Row, tensor_inline> d(bytes, Row(1024));
  for (int i = 0; i < 256; ++i) {
    out[i] = a.get(i);
    out[256 + i] = b.get(i);
    out[512 + i] = c.get(i);
    out[768 + i] = d.slice(4).get(i - 4);
  }
}

// Tensors that the host binds.
kernel void handles(tensor<device half, Matrix> a [[buffer(0)]], tensor<device const int4b_format, Matrix, tensor_handle> b [[buffer(1)]],
                    tensor<device float, extents<int, 24, dynamic_extent>> c [[buffer(2)]], device int* out [[buffer(3)]], uint2 group [[threadgroup_position_in_grid]]) {
  static_assert(is_tensor_handle_v<decltype(a)> && !is_tensor_inline_v<decltype(a)> && !has_tensor_offset_v<decltype(a)>, "");
  constexpr auto descriptor = matmul2d_descriptor(16, 16, dynamic_length_v<int>);
  matmul2d<descriptor, execution_simdgroup> op;
  auto ta = a.slice(0, group.y * 16);
  auto tb = b.slice(group.x * 16, 0);
  auto tc = c.slice(group.x * 16, group.y * 16);
  static_assert(is_tensor_handle_v<decltype(ta)> && has_tensor_offset_v<decltype(ta)>, "");
  op.run(ta, tb, tc);
  tensor copy = a;
  out[0] = copy.get_extent(0) + 100 * a.get_extent(1) + 10000 * a.get_stride(1);
}

// All transposes, modes and scopes; a, b and c in threadgroup or device memory, c cooperative.
template <bool left_turned, bool right_turned, int simdgroups>
[[kernel]] void turned(device half* a [[buffer(0)]], device half* b [[buffer(1)]], device float* c [[buffer(2)]], constant int4& mnk [[buffer(3)]]) {
  const int m = mnk.x, n = mnk.y, k = mnk.z;
  tensor<device half, Matrix, tensor_inline> A(a, left_turned ? Matrix(m, k) : Matrix(k, m)), B(b, right_turned ? Matrix(k, n) : Matrix(n, k));
  tensor<device float, Matrix, tensor_inline> C(c, Matrix(n, m));
  constexpr matmul2d_descriptor adds(32, 48, static_cast<int>(dynamic_extent), left_turned, right_turned, false, matmul2d_descriptor::mode::multiply_accumulate);
  matmul2d<adds, execution_simdgroups<simdgroups>> op;
  auto t = op.template get_destination_cooperative_tensor<decltype(A), decltype(B), float>();
  for (uint16_t i = 0; i < t.get_capacity(); ++i)
    if (t.is_valid_element(i)) t[i] = 0.5f;
  op.run(A, B, t);
  op.run(A, B, t);
  for (uint16_t i = 0; i < t.get_capacity(); ++i) {
    if (!t.is_valid_element(i)) continue;
    const auto p = t.get_multidimensional_index(i);
    t[i] += 1000 * p[0] + 100000 * p[1];
  }
  t.store(C);
}
#define TURNED(L, R, S) template [[host_name("turned_" #L #R "_" #S)]] [[kernel]] decltype(turned<L, R, S>) turned<L, R, S>;
TURNED(0, 0, 1) TURNED(0, 1, 1) TURNED(1, 0, 1) TURNED(1, 1, 1) TURNED(0, 0, 4) TURNED(1, 1, 4) TURNED(0, 0, 3)

kernel void one_thread(device float* a [[buffer(0)]], device float* b [[buffer(1)]], device float* c [[buffer(2)]], uint t [[thread_position_in_grid]]) {
  constexpr matmul2d_descriptor descriptor(4, 8, 16);
  matmul2d<descriptor, execution_thread> op;
  tensor<device float, Matrix, tensor_inline> A(a + t * 64, Matrix(16, 4)), B(b, Matrix(8, 16)), C(c + t * 32, Matrix(8, 4));
  op.run(A, B, C);
}

// a b with the threadgroup's memory between, the result accumulated there in slices of k.
kernel void accumulate_in_threadgroup(device half* a [[buffer(0)]], device half* b [[buffer(1)]], device float* c [[buffer(2)]],
                                      uint t [[thread_index_in_threadgroup]]) {
  threadgroup float sums[32 * 32];
  for (uint i = t; i < 1024; i += 128) sums[i] = 0;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  tensor<device half, Matrix, tensor_inline> A(a, Matrix(96, 32)), B(b, Matrix(32, 96));
  tensor<threadgroup float, extents<int, 32, 32>, tensor_inline> C(sums, extents<int, 32, 32>());
  constexpr matmul2d_descriptor adds(32, 32, 32, false, false, true, matmul2d_descriptor::mode::multiply_accumulate);
  matmul2d<adds, execution_simdgroups<4>> op;
  for (int k = 0; k < 96; k += 32) {
    auto ta = A.slice<32, 32>(k, 0);
    auto tb = B.slice<32, 32>(0, k);
    op.run(ta, tb, C);
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  for (uint i = t; i < 1024; i += 128) c[i] = sums[i];
}

// -- the probe that was run on an M4 Pro, with its three extents written the wrong way round -----------------------------------

template <int M, int N, int K>
[[kernel]] void probe(device float* a [[buffer(0)]], device float* b [[buffer(1)]], device float* c [[buffer(2)]]) {
  tensor<device float, Matrix, tensor_inline> A(a, Matrix(M, K)), B(b, Matrix(K, N)), C(c, Matrix(M, N));
  constexpr matmul2d_descriptor descriptor(M, N, K);
  matmul2d<descriptor, execution_simdgroup> op;
  auto ta = op.template get_left_input_cooperative_tensor<float, float, float>();
  auto tb = op.template get_right_input_cooperative_tensor<float, float, float>();
  auto tc = op.template get_destination_cooperative_tensor<decltype(ta), decltype(tb), float>();
  ta.load(A);
  tb.load(B);
  op.run(ta, tb, tc);
  tc.store(C);
}
#define PROBE(M, N, K) template [[host_name("probe_" #M "_" #N "_" #K)]] [[kernel]] decltype(probe<M, N, K>) probe<M, N, K>;
PROBE(16, 32, 16) PROBE(32, 16, 16) PROBE(16, 16, 32) PROBE(32, 32, 16) PROBE(16, 32, 32) PROBE(32, 16, 32) PROBE(32, 32, 32)

// -- cooperative tensors -----------------------------------------------------------------------------------------------------

// For each slot of each lane of a 32 x 32 destination and its inputs: 10000 valid + 100 row + column.
kernel void places(device int* out [[buffer(0)]], uint lane [[thread_index_in_simdgroup]]) {
  constexpr matmul2d_descriptor descriptor(32, 32, 32);
  matmul2d<descriptor, execution_simdgroup> op;
  using T = tensor<device half, Matrix, tensor_inline>;
  auto d = op.get_destination_cooperative_tensor<T, T, float>();
  auto l = op.get_left_input_cooperative_tensor<half, half, float>();
  for (int i = 0; i < 64; ++i) {
    out[64 * lane + i] = 0;
    out[2048 + 64 * lane + i] = 0;
    if (i < d.get_capacity() && d.is_valid_element(i)) {
      auto p = d.get_multidimensional_index(i);
      out[64 * lane + i] = 10000 + 100 * p[1] + p[0];
    }
    if (i < l.get_capacity() && l.get_mask(i)) {
      auto p = l.get_multidimensional_index(i);
      out[2048 + 64 * lane + i] = 10000 + 100 * p[1] + p[0];
    }
  }
}
kernel void capacities(device int* out [[buffer(0)]]) {
  using T = tensor<device half, Matrix, tensor_inline>;
  constexpr matmul2d_descriptor flat(8, 48, 16), wide(16, 32, 16);
  matmul2d<flat, execution_simdgroup> a;
  matmul2d<wide, execution_simdgroup> b;
  auto d = a.get_destination_cooperative_tensor<T, T, float>();
  auto l = b.get_left_input_cooperative_tensor<half, half, float>();
  int valid = 0;
  for (auto it = d.begin(); it != d.end(); ++it) valid += it.is_valid_element();
  out[0] = d.get_capacity();
  out[1] = simd_sum(valid);
  out[2] = l.get_capacity();
  out[3] = int(d.get_rank());
}

// Reductions of a 32 x 48 tile with element (row, column) = a[48 row + column].
kernel void reductions(device float* a [[buffer(0)]], device float* rows [[buffer(1)]], device float* columns [[buffer(2)]],
                       device float* spread [[buffer(3)]]) {
  constexpr matmul2d_descriptor descriptor(32, 48, 16);
  matmul2d<descriptor, execution_simdgroup> op;
  using T = tensor<device float, Matrix, tensor_inline>;
  T A(a, Matrix(48, 32));
  auto s = op.get_destination_cooperative_tensor<T, T, float>();
  s.load(A);
  auto r = op.get_row_reduction_destination_cooperative_tensor<T, T, float>();
  auto c = op.get_column_reduction_destination_cooperative_tensor<T, T, float>();
  tensor<device float, dextents<int, 1>, tensor_inline> R(rows, dextents<int, 1>(32)), R2(rows + 32, dextents<int, 1>(32)), R3(rows + 64, dextents<int, 1>(32));
  tensor<device float, dextents<int, 1>, tensor_inline> C(columns, dextents<int, 1>(48));
  reduce_rows(s, r);
  r.store(R);
  reduce_rows(s, r, reduction_operation::min, reduction_operation_identity<float>::min_identity);
  r.store(R2);
  reduce_columns(s, c, reduction_operation::max, reduction_operation_identity<float>::max_identity);
  c.store(C);
  reduce_rows(s, r, reduction_operation::max, reduction_operation_identity<float>::max_identity);
  r.store(R3);
  if (is_iterator_compatible(s, r) && is_iterator_compatible(s, c)) {
    for (auto it = s.begin(); it != s.end(); ++it) {
      if (!it.is_valid_element()) continue;
      *it = *r.map_iterator(it) * 1000 + *c.map_iterator(it);
    }
  }
  T S(spread, Matrix(48, 32));
  s.store(S);
}

// A result becomes the next product's left operand in registers where the layout allows it, through memory otherwise.
kernel void chained(device half* a [[buffer(0)]], device half* b [[buffer(1)]], device float* c [[buffer(2)]], device int* way [[buffer(3)]]) {
  constexpr matmul2d_descriptor descriptor(32, 32, 32);
  matmul2d<descriptor, execution_simdgroup> op;
  threadgroup half tile[32 * 32];
  using T = tensor<device half, Matrix, tensor_inline>;
  T A(a, Matrix(32, 32)), B(b, Matrix(32, 32));
  tensor<device float, Matrix, tensor_inline> C(c, Matrix(32, 32));
  auto p = op.get_destination_cooperative_tensor<T, T, half>();
  op.run(A, B, p);
  auto right = op.get_right_input_cooperative_tensor<half, half, float>();
  right.load(B);
  auto d = op.get_destination_cooperative_tensor<T, decltype(right), float>();
  way[0] = op.is_compatible_as_left_input<half, half, float>(p);
  if (op.is_compatible_as_left_input<half, half, float>(p)) {
    auto left = op.get_left_input_cooperative_tensor<half, half, float>(p);
    op.run(left, right, d);
  } else {
    tensor<threadgroup half, Matrix, tensor_inline> P(tile, Matrix(32, 32));
    p.store(P);
    simdgroup_barrier(mem_flags::mem_threadgroup);
    op.run(P, right, d);
  }
  d.store(C);
}
kernel void load_repeats(device float* a [[buffer(0)]], device float* c [[buffer(1)]]) {
  constexpr matmul2d_descriptor descriptor(16, 16, 16);
  matmul2d<descriptor, execution_simdgroup> op;
  using T = tensor<device float, Matrix, tensor_inline>;
  auto t = op.get_destination_cooperative_tensor<T, T, float>();
  tensor<device float, dextents<int, 1>, tensor_inline> bias(a, dextents<int, 1>(16));
  T column(a, Matrix(1, 12)), C(c, Matrix(16, 16)), C2(c + 256, Matrix(16, 16));
  t.load(bias);
  t.store(C);
  t.load(column);
  t.store(C2);
}
