// Attention's kernel texts for bfloat on CUDA.
#include "src/ops/attention/kernel/instances_cuda.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {

// The rows of instances.def for other types are nothing here.
#define FT_TILED_float(HeadDim)
#define FT_ROWS_float
#define FT_TILED_half(HeadDim)
#define FT_ROWS_half
#define FT_TILED_bfloat(HeadDim) FT_TILED_LAUNCHES(template, bfloat, HeadDim)
#define FT_ROWS_bfloat FT_ROWS_LAUNCHES(template, bfloat)
#define FT_TILED(T, HeadDim) FT_TILED_##T(HeadDim)
#define FT_ROWS(T) FT_ROWS_##T
#include "src/ops/attention/kernel/instances.def"

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
