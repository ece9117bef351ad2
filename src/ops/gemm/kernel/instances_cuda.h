// How the matrix product's kernel texts become rows of the table on CUDA. Included by instances_cuda*.cu: one
// file for each pair of transposes compiles the kernels, instances_cuda.cu holds the table.
#pragma once

#include "src/ops/gemm/kernel/simdgroup.h"
#include "src/ops/gemm/kernel/tensor_ops.h"
#include "src/ops/gemm/kernels.h"

namespace flashtile::kernels {
inline namespace FLASHTILE_BACKEND {

template <class Kernel>
void launch_tiles(const Queue& queue, const GemmParams& p) {
  const auto tiles = [](std::int64_t size, std::int64_t tile) { return (size + tile - 1) / tile; };
  launch<Kernel>(queue, Grid{tiles(p.n, Kernel::kN), tiles(p.m, Kernel::kM), 1}, p);
}

template <class A, class B, class Sum, bool TransposeA, bool TransposeB>
using TensorOpsKernel = GemmTensorOps<A, B, Sum, TransposeA, TransposeB, GemmTensorOpsTile<A, B>>;
template <class T, bool TransposeA, bool TransposeB>
using SimdgroupKernel = GemmSimdgroup<T, TransposeA, TransposeB, GemmSimdgroupTile>;

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::kernels

// Explicit instantiation of the launches of one pair of transposes; Word is `template` or `extern template`.
#define FT_TENSOR_OPS_LAUNCH(Word, A, B, Sum, TransposeA, TransposeB) \
  Word void launch_tiles<TensorOpsKernel<A, B, Sum, TransposeA, TransposeB>>(const Queue&, const GemmParams&);
#define FT_SIMDGROUP_LAUNCH(Word, T, TransposeA, TransposeB) \
  Word void launch_tiles<SimdgroupKernel<T, TransposeA, TransposeB>>(const Queue&, const GemmParams&);
