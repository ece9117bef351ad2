// The kernels of tests/primitives/words_kernel.h as Metal.
#include "flashtile/primitives/metal/entry.h"
#include "tests/primitives/words_kernel.h"

namespace flashtile::inline v0_2 {
inline namespace FLASHTILE_BACKEND {
FT_KERNEL("linear", ::flashtile::test::LinearWords)
FT_KERNEL("softmax", ::flashtile::test::SoftmaxWords)
FT_KERNEL("matrices", ::flashtile::test::MatrixWords)
FT_KERNEL("inputs", ::flashtile::test::InputWords)
FT_KERNEL("thread", ::flashtile::test::ThreadWords)
FT_KERNEL("results", ::flashtile::test::ResultWords)
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2
