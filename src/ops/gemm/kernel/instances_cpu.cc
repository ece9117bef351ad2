// The matrix product's kernel texts, compiled once for each instruction set of the CPU. Calls nothing of std
// that a linker might merge with a copy compiled for another instruction set.
#include "src/ops/gemm/kernel/simdgroup.h"
#include "src/ops/gemm/kernel/tensor_ops.h"
#include "src/ops/gemm/kernels.h"

namespace flashtile::kernels {
inline namespace FLASHTILE_BACKEND {
namespace {

template <class Kernel>
void launch_tiles(const Queue& queue, const GemmParams& p) {
  const auto tiles = [](std::int64_t size, std::int64_t tile) { return (size + tile - 1) / tile; };
  launch<Kernel>(queue, Grid{tiles(p.n, Kernel::kN), tiles(p.m, Kernel::kM), 1}, p);
}

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
  return instance<GemmTensorOps<A, B, Sum, TransposeA, TransposeB, GemmTensorOpsTile<A, B>>>(
      "tensor_ops", dtype_of<A>, dtype_of<B>, TransposeA, TransposeB);
}
template <class T, bool TransposeA, bool TransposeB>
constexpr GemmKernel simdgroup() {
  return instance<GemmSimdgroup<T, TransposeA, TransposeB, GemmSimdgroupTile>>(
      "simdgroup", dtype_of<T>, dtype_of<T>, TransposeA, TransposeB);
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
}  // namespace flashtile::kernels
