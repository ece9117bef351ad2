// The matrix product on matmul2d for Apple GPUs, from Metal 4.0 on. Kernels are called tensor_ops_half_float_nn, ...: the
// types of A and B, and t where an operand's columns are contiguous.
#include "flashtile/primitives/metal/entry.h"
#include "src/ops/gemm/kernel/instances_list.h"
#include "src/ops/gemm/kernel/tensor_ops.h"

namespace flashtile::inline v0_2 {
inline namespace FLASHTILE_BACKEND {
using namespace primitives;

#define FT_INSTANCE(name, A, B, Sum, TransposeA, TransposeB)                       \
  FT_KERNEL(name, kernels::GemmTensorOps<A, B, Sum, TransposeA, TransposeB, \
                                         kernels::GemmTensorOpsTile<A, B>>)
#define FT_TENSOR_OPS(A, B, Sum)                                         \
  FT_INSTANCE("tensor_ops_" #A "_" #B "_nn", A, B, Sum, false, false) \
  FT_INSTANCE("tensor_ops_" #A "_" #B "_nt", A, B, Sum, false, true)  \
  FT_INSTANCE("tensor_ops_" #A "_" #B "_tn", A, B, Sum, true, false)  \
  FT_INSTANCE("tensor_ops_" #A "_" #B "_tt", A, B, Sum, true, true)
FLASHTILE_GEMM_TYPES(FT_TENSOR_OPS)

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2
