// The matrix product on simdgroup matrices for Apple GPUs, from Metal 3.2 on. Kernels are called simdgroup_float_nn, ...;
// t where an operand's columns are contiguous.
#include "flashtile/primitives/metal/entry.h"
#include "src/ops/gemm/kernel/instances_list.h"
#include "src/ops/gemm/kernel/simdgroup.h"

namespace flashtile::inline v0_2 {
inline namespace FLASHTILE_BACKEND {

#define FT_INSTANCE(name, T, TransposeA, TransposeB) \
  FT_KERNEL(name, kernels::GemmSimdgroup<T, TransposeA, TransposeB, kernels::GemmSimdgroupTile>)
#define FT_SIMDGROUP(T)                                     \
  FT_INSTANCE("simdgroup_" #T "_nn", T, false, false)       \
  FT_INSTANCE("simdgroup_" #T "_nt", T, false, true)        \
  FT_INSTANCE("simdgroup_" #T "_tn", T, true, false)        \
  FT_INSTANCE("simdgroup_" #T "_tt", T, true, true)
FLASHTILE_GEMM_SIMDGROUP_TYPES(FT_SIMDGROUP)

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2
