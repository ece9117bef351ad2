// The table of attention's kernel texts on CUDA; the kernels themselves are compiled by
// instances_cuda_<type>.cu.
#include "src/ops/attention/kernel/instances_cuda.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {

#define FT_TILED(T, HeadDim) FT_TILED_LAUNCHES(extern template, T, HeadDim)
#define FT_ROWS(T) FT_ROWS_LAUNCHES(extern template, T)
#include "src/ops/attention/kernel/instances.def"
#undef FT_TILED
#undef FT_ROWS

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels

#include "src/ops/attention/kernel/instances_table.h"
