// A 3x3 convolution with a fused bias and activation, for Metal 4: activations (N, H, W, 16), weights (3, 3, 16, 32) and results (N, H, W, 32)
// in C order, edges padded with zeros. A threadgroup of four simdgroups a tile of 8 x 4 places; a grid of (W / 8, H / 4, N), rounded up.
#include <metal_stdlib>
#include <metal_tensor>
#include <MetalPerformancePrimitives/MetalPerformancePrimitives.h>
using namespace metal;
using namespace mpp::tensor_ops;

constexpr constant int kIn = 16, kOut = 32, kWide = 8, kHigh = 4;
using Image = dextents<int32_t, 4>;

// The window is centred, so that an offset of its tile's corner keeps the image's size; what lies outside reads as 0.
kernel void convolution(device half* activations [[buffer(0)]], device half* weights [[buffer(1)]], device float* bias [[buffer(2)]],
                        device float* result [[buffer(3)]], constant int2& size [[buffer(4)]], uint3 group [[threadgroup_position_in_grid]]) {
  const int width = size.x, height = size.y, x = group.x * kWide, y = group.y * kHigh;
  tensor<device half, Image, tensor_inline> A(activations + group.z * width * height * kIn, Image(kIn, width, height, 1));
  tensor<device half, Image, tensor_inline> W(weights, Image(kOut, kIn, 3, 3));
  tensor<device float, dextents<int32_t, 1>, tensor_inline> B(bias, dextents<int32_t, 1>(kOut));
  tensor<device float, Image, tensor_inline> R(result + group.z * width * height * kOut, Image(kOut, width, height, 1));

  constexpr convolution2d_descriptor adds(int4(kOut, kWide, kHigh, 1), int4(kIn, kWide + 2, kHigh + 2, 1), int2(3, 3), convolution2d_activation_layout::nhwc,
                                          convolution2d_weights_layout::hwio, int2(1, 1), int2(1, 1), 1, false,
                                          convolution2d_descriptor::mode::multiply_accumulate);
  convolution2d<adds, execution_simdgroups<4>> op;
  op.set_offsets(int2(x, y));
  auto sum = op.get_destination_cooperative_tensor<decltype(A), decltype(W), float>();
  sum.load(B);  // the bias of each channel, at every place
  op.run(A, W, sum);
  for (uint16_t i = 0; i < sum.get_capacity(); ++i)
    if (sum.is_valid_element(i)) sum[i] = max(sum[i], 0.0f);
  auto tile = R.slice(0, x, y, 0);
  sum.store(tile);
}
