// A convolution as a kernel, tile by tile, for the tests of convolution2d on every backend. Shared text: Metal compiles it too.
#pragma once

#include "flashtile/detail/grid.h"
#include "flashtile/primitives/convolution2d.h"

namespace flashtile::test {
inline namespace FLASHTILE_BACKEND {
using namespace flashtile::primitives;

/// Sizes of a whole problem, and where the middle of the first window lies.
struct ConvolutionSizes {
  int channels, width, height, images, out_channels, out_width, out_height, offset_x, offset_y;
};

/// D = A * W + bias in memory, by a tile of one threadgroup; if InMemory, D = A * W or D += A * W without a tile of the kernel's.
/// Grid: tiles along x, along y, and tiles of images times tiles of channels.
template <class A, class W, class D, convolution2d_descriptor Descriptor, int Simdgroups, bool InMemory>
struct Convolve {
  struct Params {
    FT_DEVICE const A* activations;  // (N, H, W, C) in C order
    FT_DEVICE const W* weights;      // (height, width, C, O)
    FT_DEVICE const float* bias;     // (O)
    FT_DEVICE D* result;             // (N, H, W, O)
    ConvolutionSizes sizes;
  };
  struct Threadgroup {};
  static constexpr FT_CONSTANT int kSimdgroups = Simdgroups;

  static FT_FUNCTION void run(FT_CONSTANT const Params& p, FT_THREADGROUP Threadgroup&, GridPosition at) {
    using Size = dextents<int, 4>;
    using Scope = execution_simdgroups<Simdgroups>;
    constexpr auto tile = Descriptor.destination_dimensions;
    const int channel_tiles = (p.sizes.out_channels + tile.x - 1) / tile.x;
    const int z = static_cast<int>(at.z), o = z % channel_tiles * tile.x, n = z / channel_tiles * tile.w,
              x = static_cast<int>(at.x) * tile.y, y = static_cast<int>(at.y) * tile.z;
    auto a = tensor(p.activations, Size(p.sizes.channels, p.sizes.width, p.sizes.height, p.sizes.images))
                 .slice(0, 0, 0, n);
    auto w = tensor(p.weights, Size(p.sizes.out_channels, p.sizes.channels, Descriptor.kernel_dimensions.x,
                                    Descriptor.kernel_dimensions.y))
                 .slice(o, 0, 0, 0);
    auto bias = tensor(p.bias, dextents<int, 1>(p.sizes.out_channels)).slice(o);
    auto d = tensor(p.result, Size(p.sizes.out_channels, p.sizes.out_width, p.sizes.out_height, p.sizes.images))
                 .slice(o, x, y, n);

    convolution2d<Descriptor, Scope> convolution;
    convolution.set_offsets(
        int2{x * Descriptor.strides.x + p.sizes.offset_x, y * Descriptor.strides.y + p.sizes.offset_y});
    if constexpr (InMemory) {
      convolution.run(a, w, d);
    } else {
      auto sums = convolution.template get_destination_cooperative_tensor<decltype(a), decltype(w), D>();
      load(sums, bias);
      convolution.run(a, w, sums);
      store(sums, d);
    }
  }
};

constexpr FT_CONSTANT auto kFresh = convolution2d_descriptor::mode::multiply,
                           kAdds = convolution2d_descriptor::mode::multiply_accumulate;

/// The descriptor of a tile of (o, w, h, n) for windows of kw x kh.
constexpr convolution2d_descriptor convolution_of(int channels, int o, int w, int h, int n, int kw, int kh,
                                                  int stride, int dilation,
                                                  convolution2d_descriptor::mode how) {
  return convolution2d_descriptor(int4{o, w, h, n}, int4{channels, w, h, n}, int2{kw, kh},
                                  convolution2d_activation_layout::nhwc, convolution2d_weights_layout::hwio,
                                  int2{stride, stride}, int2{dilation, dilation}, 1, false, how);
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::test
