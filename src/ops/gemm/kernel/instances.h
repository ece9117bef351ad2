// What one line of instances.def stands for on every backend: the kernels of each text and how one is launched.
// Included by instances_table.h and instances_cuda.h.
#pragma once

#include "flashtile/launch.h"
#include "src/ops/gemm/kernel/simdgroup.h"
#include "src/ops/gemm/kernel/tensor_ops.h"
#include "src/ops/gemm/kernels.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {

template <class A, class B, class Sum, bool TransposeA, bool TransposeB>
using TensorOpsKernel = GemmTensorOps<A, B, Sum, TransposeA, TransposeB, GemmTensorOpsTile<A, B>>;
template <class T, bool TransposeA, bool TransposeB>
using SimdgroupKernel = GemmSimdgroup<T, TransposeA, TransposeB, GemmSimdgroupTile>;

template <class Kernel>
void launch_tiles(const Queue& queue, const GemmParams& p) {
  const auto tiles = [](std::int64_t size, std::int64_t tile) { return (size + tile - 1) / tile; };
  launch<Kernel>(queue, Grid{tiles(p.n, Kernel::kN), tiles(p.m, Kernel::kM), 1}, p);
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
