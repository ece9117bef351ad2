// C = A B for Metal 4, with any sizes: C (M, N), A (M, K), B (K, N), row-major. A threadgroup of four simdgroups a tile of 64 x 32.
#include <metal_stdlib>
#include <metal_tensor>
#include <MetalPerformancePrimitives/MetalPerformancePrimitives.h>
using namespace metal;
using namespace mpp::tensor_ops;

using Matrix = dextents<int32_t, 2>;

// The loop goes over K in steps of 64; the last step is shorter, so that k comes from the slices. Rows and columns past the
// edges of C are clipped by the store.
template <typename T>
[[kernel]] void matmul(device T* a [[buffer(0)]], device T* b [[buffer(1)]], device float* c [[buffer(2)]], constant int3& mnk [[buffer(3)]],
                       uint2 group [[threadgroup_position_in_grid]]) {
  constexpr int kStep = 64;
  const int M = mnk.x, N = mnk.y, K = mnk.z, x = group.x * 32, y = group.y * 64;
  constexpr matmul2d_descriptor adds(64, 32, static_cast<int>(dynamic_extent), false, false, false, matmul2d_descriptor::mode::multiply_accumulate);
  matmul2d<adds, execution_simdgroups<4>> op;
  using Tile = tensor<device T, Matrix, tensor_inline>;
  auto sum = op.template get_destination_cooperative_tensor<Tile, Tile, float>();
  for (uint16_t i = 0; i < sum.get_capacity(); ++i)
    if (sum.is_valid_element(i)) sum[i] = 0;
  for (int k = 0; k < K; k += kStep) {
    const int depth = min(kStep, K - k);
    Tile A(a + y * K + k, Matrix(depth, M - y), array<int32_t, 2>{1, K});
    Tile B(b + k * N + x, Matrix(N - x, depth), array<int32_t, 2>{1, N});
    op.run(A, B, sum);
  }
  tensor<device float, Matrix, tensor_inline> C(c, Matrix(N, M));
  auto tile = C.slice(x, y);
  sum.store(tile);
}
template [[host_name("matmul_half")]] [[kernel]] decltype(matmul<half>) matmul<half>;
template [[host_name("matmul_float")]] [[kernel]] decltype(matmul<float>) matmul<float>;
