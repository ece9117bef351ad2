// The table of the matrix product's kernel texts on one backend. Included once for each, by instances_cpu.cc
// and instances_cuda.cu.
#pragma once

#include "src/ops/gemm/kernel/instances.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {
namespace {

template <class Kernel>
constexpr GemmKernel instance(const char* text, DType a, DType b, bool transpose_a, bool transpose_b) {
  return {text,
          a,
          b,
          transpose_a,
          transpose_b,
          Kernel::kM,
          Kernel::kN,
          Kernel::kK,
          sizeof(typename Kernel::Threadgroup),
          launch_tiles<Kernel>};
}

template <class A, class B, class Sum, bool TransposeA, bool TransposeB>
constexpr GemmKernel tensor_ops() {
  return instance<TensorOpsKernel<A, B, Sum, TransposeA, TransposeB>>("tensor_ops", dtype_of<A>, dtype_of<B>,
                                                                      TransposeA, TransposeB);
}
template <class T, bool TransposeA, bool TransposeB>
constexpr GemmKernel simdgroup() {
  return instance<SimdgroupKernel<T, TransposeA, TransposeB>>("simdgroup", dtype_of<T>, dtype_of<T>, TransposeA,
                                                              TransposeB);
}

constexpr GemmKernel kKernels[] = {
#define FT_TENSOR_OPS(A, B, Sum)                                               \
  tensor_ops<A, B, Sum, false, false>(), tensor_ops<A, B, Sum, false, true>(), \
      tensor_ops<A, B, Sum, true, false>(), tensor_ops<A, B, Sum, true, true>(),
#define FT_SIMDGROUP(T)                                                                   \
  simdgroup<T, false, false>(), simdgroup<T, false, true>(), simdgroup<T, true, false>(), \
      simdgroup<T, true, true>(),
#include "src/ops/gemm/kernel/instances.def"
#undef FT_TENSOR_OPS
#undef FT_SIMDGROUP
};

}  // namespace

std::span<const GemmKernel> gemm_kernels() { return kKernels; }

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
