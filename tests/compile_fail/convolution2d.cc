// Convolutions that do not exist.
#include "flashtile/primitives/convolution2d.h"

using namespace flashtile;
using namespace flashtile::primitives;

constexpr convolution2d_descriptor convolution(int o, int w, int h, int channels = 16, int groups = 1) {
  return convolution2d_descriptor(int4{o, w, h, 1}, int4{channels, w, h, 1}, int2{3, 3},
                                  convolution2d_activation_layout::nhwc, convolution2d_weights_layout::hwio,
                                  int2{1, 1}, int2{1, 1}, groups);
}

void use(float* f, half* h) {
  using Size = dextents<int, 4>;
  tensor a(f, Size(16, 8, 8, 1)), w(f, Size(16, 16, 3, 3)), d(f, Size(16, 8, 8, 1));
  convolution2d<convolution(16, 8, 8), execution_simdgroup>().run(a, w, d);

// CASE shape: convolution2d: the tile's O and its W H N must be multiples of 8, one of them of 16
#if defined(CASE_shape)
  convolution2d<convolution(16, 7, 3), execution_simdgroup> bad;
#endif
// CASE groups: convolution2d: there is one group only
#if defined(CASE_groups)
  convolution2d<convolution(16, 8, 8, 16, 2), execution_simdgroup> bad;
#endif
// CASE channels: convolution2d: channels, window, strides and dilations must be positive
#if defined(CASE_channels)
  convolution2d<convolution(16, 8, 8, 0), execution_simdgroup> bad;
#endif
// CASE scope: convolution2d: the scope must be execution_simdgroups<N>
#if defined(CASE_scope)
  convolution2d<convolution(16, 8, 8), execution_thread> bad;
#endif
// CASE rank: convolution2d: give tensors of rank 4
#if defined(CASE_rank)
  tensor flat(f, dextents<int, 2>(16, 64));
  convolution2d<convolution(16, 8, 8), execution_simdgroup>().run(flat, w, d);
#endif
// CASE types: matmul2d: no product of these element types
#if defined(CASE_types)
  tensor halves(h, Size(16, 8, 8, 1));
  auto tile =
      convolution2d<convolution(16, 8, 8),
                    execution_simdgroup>::get_destination_cooperative_tensor<decltype(a), decltype(w), half>();
#endif
// CASE too_large: convolution2d: the tile is too large; take fewer places or channels
#if defined(CASE_too_large)
  convolution2d<convolution(64, 64, 16, 64), execution_simdgroup>().run(a, w, d);
#endif
}
