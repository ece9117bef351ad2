// Attention's kernel texts, compiled once for each instruction set of the CPU. Calls nothing of std that a
// linker might merge with a copy compiled for another instruction set.
#include "src/ops/attention/kernel/exact_rows.h"
#include "src/ops/attention/kernel/simdgroup.h"
#include "src/ops/attention/kernel/softmax_rows_cpu.h"
#include "src/ops/attention/kernel/tensor_ops.h"
#include "src/ops/attention/kernels.h"

namespace flashtile::kernels {
inline namespace FLASHTILE_BACKEND {
namespace {

template <class Kernel>
void launch_rows(const Queue& queue, const AttentionParams& params) {
  launch<Kernel>(queue,
                 Grid{(params.query_length + Kernel::kQ - 1) / Kernel::kQ, params.query_heads, params.batch},
                 params);
}

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
