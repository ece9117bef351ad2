// convolution2d against sums in float64: windows, strides, dilations, offsets, ragged tiles, element types, scopes.
#include "tests/primitives/convolution2d_check.h"

namespace flashtile::test {
namespace {

#define FT_CASE(name, A, W, D, simdgroups, in_memory, tile, ...)                                 \
  TEST(Convolution, name) {                                                                      \
    constexpr auto descriptor = convolution_of tile;                                             \
    const ConvolutionProblem p{__VA_ARGS__};                                                     \
    check_convolution<A, W, D>(test_device(), p, descriptor, in_memory,                          \
                               [&](const A* a, const W* w, const float* bias, D* d, Grid grid) { \
                                 run<Convolve<A, W, D, descriptor, simdgroups, in_memory>>(      \
                                     {a, w, bias, d, p.sizes()}, grid);                          \
                               });                                                               \
  }
#include "tests/primitives/convolution2d_cases.def"

}  // namespace
}  // namespace flashtile::test
