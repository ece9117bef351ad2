// The way `tensor_ops`: our kernel, one launch.
#include "src/ops/gemm/shared_kernel.h"
#include "src/ops/gemm/ways.h"

namespace flashtile::inline v0_2::ops {

constexpr GemmText kText = GemmText::tensor_ops;

const GemmWay kGemmTensorOps = {
    .name = name(kText),
    .about = "tiles by matmul2d; every type of its table",
    .declines = declines_without_kernel<kText>,
    .workspace_bytes = no_workspace<GemmProblem>,
    .kernel = describe_kernel<kText>,
    .run = launch_kernel<kText>,
};

}  // namespace flashtile::inline v0_2::ops
