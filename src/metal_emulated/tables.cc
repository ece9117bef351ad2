// Gives device metal-emulated its tables of kernels.
#include "src/ops/attention/kernels.h"
#include "src/ops/common/kernel_table.h"
#include "src/ops/gemm/kernels.h"

namespace flashtile::inline v0_2::kernels {

FLASHTILE_DECLARE_TABLE(metal_tiles, , AttentionKernels, attention_kernels)
FLASHTILE_DECLARE_TABLE(metal_tiles, , GemmKernels, gemm_kernels)

namespace {
[[maybe_unused]] const bool kIsUsed = [] {
  metal_emulated_kernels<AttentionKernels>() = metal_tiles::attention_kernels();
  metal_emulated_kernels<GemmKernels>() = metal_tiles::gemm_kernels();
  return true;
}();
}  // namespace

}  // namespace flashtile::inline v0_2::kernels
