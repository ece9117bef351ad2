// The way `simdgroup`: our kernel, one launch.
#include "src/ops/gemm/shared_kernel.h"
#include "src/ops/gemm/ways.h"

namespace flashtile::inline v0_2::ops {

constexpr GemmText kText = GemmText::simdgroup;

const GemmWay kGemmSimdgroup = {
    .name = name(kText),
    .about = "blocks of 8x8 simdgroup matrices; f32, f16, bf16",
    .declines = declines_without_kernel<kText>,
    .workspace_bytes = no_workspace<GemmProblem>,
    .kernel = describe_kernel<kText>,
    .run = launch_kernel<kText>,
};

}  // namespace flashtile::inline v0_2::ops
