// The table of attention's kernel texts on CUDA; the kernels themselves are compiled by
// instances_cuda_<type>.cu.
#include "src/ops/attention/kernel/instances_cuda.h"

namespace flashtile::kernels {
inline namespace FLASHTILE_BACKEND {

#define FT_TILED(T, HeadDim) FT_TILED_LAUNCHES(extern template, T, HeadDim)
#define FT_ROWS(T) FT_ROWS_LAUNCHES(extern template, T)
#include "src/ops/attention/kernel/instances.def"
#undef FT_TILED
#undef FT_ROWS

namespace {

template <class Kernel>
constexpr AttentionKernel tiled(const char* text, DType dtype) {
  return {text,
          dtype,
          Kernel::kD,
          Kernel::kQ,
          Kernel::kK,
          sizeof(typename Kernel::Threadgroup),
          launch_rows<Kernel>};
}

template <class Kernel>
constexpr AttentionKernel rows(const char* text, DType dtype) {
  return {text, dtype, 0, 0, 0, sizeof(typename Kernel::Threadgroup), launch_rows<Kernel>};
}

constexpr AttentionKernel kKernels[] = {
#define FT_TILED(T, HeadDim)                                                          \
  tiled<AttentionTensorOps<T, TensorOpsTile<T, HeadDim>>>("tensor_ops", dtype_of<T>), \
      tiled<AttentionSimdgroup<T, SimdgroupTile<T, HeadDim>>>("simdgroup", dtype_of<T>),
#define FT_ROWS(T)                                        \
  rows<AttentionExactRows<T>>("exact_rows", dtype_of<T>), \
      rows<AttentionSoftmaxRows<T>>("softmax_rows", dtype_of<T>),
#include "src/ops/attention/kernel/instances.def"
#undef FT_TILED
#undef FT_ROWS
};

}  // namespace

std::span<const AttentionKernel> attention_kernels() { return kKernels; }

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::kernels
