// The cases of convolution2d as Metal source, in the emulator, under every layout of cooperative tensors.
#include "src/backends/metal/launch.h"
#include "tests/primitives/convolution2d_check.h"

namespace flashtile::test {
namespace {

const metal::Family kConvolutions = {"convolution2d",
#include "convolution2d.metal.inc"
                                     , 400};

constexpr int kLayouts = 4;

#define FT_CASE(name, A, W, D, simdgroups, in_memory, tile, ...)                                              \
  TEST(MetalConvolution, name) {                                                                              \
    constexpr auto descriptor = convolution_of tile;                                                          \
    const ConvolutionProblem p{__VA_ARGS__};                                                                  \
    for (int layout = 0; layout < kLayouts; ++layout) {                                                       \
      const Device device{DeviceType::metal_emulated, layout};                                                \
      check_convolution<A, W, D>(device, p, descriptor, in_memory,                                            \
                                 [&](const A* a, const W* w, const float* bias, D* d, Grid grid) {            \
                                   const Convolve<A, W, D, descriptor, simdgroups, in_memory>::Params params{ \
                                       a, w, bias, d, p.sizes()};                                             \
                                   metal::launch(Queue::default_for(device), kConvolutions, #name, grid,      \
                                                 std::as_bytes(std::span(&params, 1)), simdgroups);           \
                                 });                                                                          \
    }                                                                                                         \
  }
#include "tests/primitives/convolution2d_cases.def"

}  // namespace
}  // namespace flashtile::test
