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

const char* type_name(DType dtype) {
  switch (dtype) {
    case DType::f32: return "float";
    case DType::f16: return "half";
    case DType::bf16: return "bfloat";
    case DType::i8: return "int8_t";
    case DType::u8: return "uint8_t";
    case DType::int4: return "int4b_format";
    case DType::uint4: return "uint4b_format";
    default: return "";
  }
}

}  // namespace flashtile::inline v0_2::metal
