#include "src/metal_kernels/text.h"

namespace flashtile::inline v0_2::metal {

const Family kAttentionSimdgroup = {"attention_simdgroup",
#include "attention_simdgroup.metal.inc"
                                    , 320};
const Family kAttentionTensorOps = {"attention_tensor_ops",
#include "attention_tensor_ops.metal.inc"
                                    , 400};
const Family kGemmSimdgroup = {"gemm_simdgroup",
#include "gemm_simdgroup.metal.inc"
                               , 320};
const Family kGemmTensorOps = {"gemm_tensor_ops",
#include "gemm_tensor_ops.metal.inc"
                               , 400};

}  // namespace flashtile::inline v0_2::metal
