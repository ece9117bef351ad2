// Fused attention by tensor operations, for Metal 4: O = softmax(scale · Q Kᵀ) V in heads of 64, for 64 queries and 64 keys.
// Tensors are (batch, heads, 64, 64) halves; a grid of (heads, batch) threadgroups of one simdgroup each.
#include <metal_stdlib>
#include <metal_tensor>
#include <MetalPerformancePrimitives/MetalPerformancePrimitives.h>
using namespace metal;
using namespace mpp::tensor_ops;

constexpr constant int N = 64, D = 64;
using Matrix = dextents<int32_t, 2>;
using DeviceTensor = tensor<device half, Matrix, tensor_inline>;
using ThreadgroupTensor = tensor<threadgroup half, Matrix, tensor_inline>;

// S = Q Kᵀ stays in registers; each row's maximum and sum come from reductions that a map_iterator leads back to the elements of
// the row. No layout is assumed: P goes through threadgroup memory by the places that the slots say they hold.
kernel void attention_tensor_ops(device half* q [[buffer(0)]], device half* k [[buffer(1)]], device half* v [[buffer(2)]], device half* o [[buffer(3)]],
                                 constant float& scale [[buffer(4)]], uint2 head [[threadgroup_position_in_grid]], uint2 heads [[threadgroups_per_grid]]) {
  threadgroup half tile[N * N];
  const uint offset = (head.y * heads.x + head.x) * N * D;
  DeviceTensor Q(q + offset, Matrix(D, N)), K(k + offset, Matrix(D, N)), V(v + offset, Matrix(D, N)), O(o + offset, Matrix(D, N));
  ThreadgroupTensor P(tile, Matrix(N, N));

  constexpr matmul2d_descriptor scores(N, N, D, false, true);
  matmul2d<scores, execution_simdgroup> multiply_scores;
  auto S = multiply_scores.get_destination_cooperative_tensor<DeviceTensor, DeviceTensor, float>();
  multiply_scores.run(Q, K, S);

  auto largest = multiply_scores.get_row_reduction_destination_cooperative_tensor<DeviceTensor, DeviceTensor, float>();
  auto sum = multiply_scores.get_row_reduction_destination_cooperative_tensor<DeviceTensor, DeviceTensor, float>();
  reduce_rows(S, largest, reduction_operation::max, reduction_operation_identity<float>::max_identity);
  for (auto s = S.begin(); s != S.end(); ++s)
    if (s.is_valid_element()) *s = exp((*s - *largest.map_iterator(s)) * scale);
  reduce_rows(S, sum);
  for (auto s = S.begin(); s != S.end(); ++s) {
    if (!s.is_valid_element()) continue;
    const auto at = s.get_multidimensional_index();
    tile[at[1] * N + at[0]] = half(*s / *sum.map_iterator(s));
  }
  simdgroup_barrier(mem_flags::mem_threadgroup);

  constexpr matmul2d_descriptor values(N, D, N);
  matmul2d<values, execution_simdgroup> multiply_values;
  auto R = multiply_values.get_destination_cooperative_tensor<ThreadgroupTensor, DeviceTensor, half>();
  multiply_values.run(P, V, R);
  R.store(O);
}
