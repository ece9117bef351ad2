// The cases of tests/primitives/convolution2d_test.cc as Metal kernels, by their names.
#define FLASHTILE_SEVERAL_SIMDGROUPS
#include "flashtile/primitives/metal/entry.h"
#include "tests/primitives/convolution2d_kernel.h"

namespace flashtile::inline v0_2 {
inline namespace FLASHTILE_BACKEND {
using namespace ::flashtile::test;

#define FT_CASE(name, A, W, D, simdgroups, in_memory, tile, ...) \
  FT_KERNEL(#name, Convolve<A, W, D, convolution_of tile, simdgroups, in_memory>)
#include "tests/primitives/convolution2d_cases.def"

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2
