// Section 6 of the contract: strides, dilations, windows of even size, several images a tile, results in memory.
#include <metal_stdlib>
#include <metal_tensor>
#include <MetalPerformancePrimitives/MetalPerformancePrimitives.h>
using namespace metal;
using namespace mpp::tensor_ops;

using Image = dextents<int32_t, 4>;

template <typename A, typename W, typename R, int kW, int kH, int stride, int dilation, int simdgroups>
[[kernel]] void convolve(device A* a [[buffer(0)]], device W* w [[buffer(1)]], device R* r [[buffer(2)]]) {
  // Two images of 9 x 7 x 16; results of 5 x 4 places with 24 channels, not padded: the window's middle starts at half its size.
  tensor<device A, Image, tensor_inline> activations(a, Image(16, 9, 7, 2));
  tensor<device W, Image, tensor_inline> weights(w, Image(24, 16, kW, kH));
  tensor<device R, Image, tensor_inline> result(r, Image(24, 5, 4, 2));
  constexpr convolution2d_descriptor descriptor(int4(24, 5, 4, 2), int4(16, 9, 7, 2), int2(kW, kH), convolution2d_activation_layout::nhwc,
                                                convolution2d_weights_layout::hwio, int2(stride, stride), int2(dilation, dilation));
  convolution2d<descriptor, execution_simdgroups<simdgroups>> op;
  op.set_offsets(int2(((kW - 1) * dilation + 1) / 2, ((kH - 1) * dilation + 1) / 2));
  op.run(activations, weights, result);
}
template [[host_name("plain")]] [[kernel]] decltype(convolve<half, half, float, 3, 3, 1, 1, 1>) convolve<half, half, float, 3, 3, 1, 1, 1>;
template [[host_name("strided")]] [[kernel]] decltype(convolve<half, half, float, 3, 2, 2, 1, 4>) convolve<half, half, float, 3, 2, 2, 1, 4>;
template [[host_name("dilated")]] [[kernel]] decltype(convolve<half, half, float, 2, 3, 1, 2, 2>) convolve<half, half, float, 2, 3, 1, 2, 2>;
