// The matrix product's kernel texts on one backend: the kernels of each, how one is launched, and its rows of the table.
// Included by instances_cpu.cc, and by instances_cuda_<transposes>.cu.
#pragma once

#include <span>

#include "flashtile/launch.h"
#include "src/ops/gemm/kernel/instances_list.h"
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

template <class Kernel, class A, class B, bool TransposeA, bool TransposeB>
constexpr GemmKernel kernel_row(GemmText text) {
  return {text,
          dtype_of<A>,
          dtype_of<B>,
          TransposeA,
          TransposeB,
          Kernel::kM,
          Kernel::kN,
          Kernel::kK,
          sizeof(typename Kernel::Threadgroup),
          launch_tiles<Kernel>};
}

#define FT_TENSOR_OPS(A, B, Sum)                                                                \
  kernel_row<TensorOpsKernel<A, B, Sum, TransposeA, TransposeB>, A, B, TransposeA, TransposeB>( \
      GemmText::tensor_ops),
#define FT_SIMDGROUP(T) \
  kernel_row<SimdgroupKernel<T, TransposeA, TransposeB>, T, T, TransposeA, TransposeB>(GemmText::simdgroup),

/// The table of one pair of transposes.
template <bool TransposeA, bool TransposeB>
inline constexpr GemmKernel kGemmKernels[] = {FLASHTILE_GEMM_TYPES(FT_TENSOR_OPS)  //
#ifndef __CUDACC__
                                              FLASHTILE_GEMM_CPU_TYPES(FT_TENSOR_OPS)
#endif
                                                  FLASHTILE_GEMM_SIMDGROUP_TYPES(FT_SIMDGROUP)};

#undef FT_TENSOR_OPS
#undef FT_SIMDGROUP

/// The same, for a translation unit that compiles one pair.
template <bool TransposeA, bool TransposeB>
GemmKernels gemm_kernels_of() {
  return kGemmKernels<TransposeA, TransposeB>;
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
