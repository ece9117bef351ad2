// The matrix product's generated Metal kernels as the table of Apple GPUs and of device metal-emulated.
#include <span>
#include <string>

#include "src/metal_kernels/text.h"
#include "src/ops/gemm/kernel/instances_list.h"
#include "src/ops/gemm/kernel/tiles.h"
#include "src/ops/gemm/kernels.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {
namespace {

const metal::Family& family_of(GemmText text) {
  return text == GemmText::tensor_ops ? metal::kGemmTensorOps : metal::kGemmSimdgroup;
}

/// Launches the kernel "simdgroup_float_nt", "tensor_ops_half_int8_t_nn", ...
template <GemmText kText, class Tile, class A, class B, bool TransposeA, bool TransposeB>
void launch_tiles(const Queue& queue, const GemmParams& params) {
  static const std::string types = kText == GemmText::simdgroup ? metal::type_name(dtype_of<A>)
                                                                : std::string(metal::type_name(dtype_of<A>)) +
                                                                      "_" + metal::type_name(dtype_of<B>);
  static const std::string kernel =
      std::string(name(kText)) + "_" + types + "_" + (TransposeA ? "t" : "n") + (TransposeB ? "t" : "n");
  metal::launch(queue, family_of(kText), kernel.c_str(),
                Grid{(params.n + Tile::kN - 1) / Tile::kN, (params.m + Tile::kM - 1) / Tile::kM, 1},
                std::as_bytes(std::span(&params, 1)));
}

// Threadgroup memory is 0 here: the emulator refuses kernels that have too much.
template <GemmText kText, class Tile, class A, class B, bool TransposeA, bool TransposeB>
constexpr GemmKernel kernel_row() {
  return {
      kText,    dtype_of<A>, dtype_of<B>, TransposeA, TransposeB,
      Tile::kM, Tile::kN,    Tile::kK,    0,          launch_tiles<kText, Tile, A, B, TransposeA, TransposeB>};
}

#define FT_TENSOR_OPS(A, B, Sum) \
  kernel_row<GemmText::tensor_ops, GemmTensorOpsTile<A, B>, A, B, TransposeA, TransposeB>(),
#define FT_SIMDGROUP(T) kernel_row<GemmText::simdgroup, GemmSimdgroupTile, T, T, TransposeA, TransposeB>(),

template <bool TransposeA, bool TransposeB>
constexpr GemmKernel kKernels[] = {FLASHTILE_GEMM_TYPES(FT_TENSOR_OPS)
                                       FLASHTILE_GEMM_SIMDGROUP_TYPES(FT_SIMDGROUP)};

}  // namespace

std::span<const GemmKernels> gemm_kernels() {
  static constexpr GemmKernels kAll[] = {kKernels<false, false>, kKernels<false, true>, kKernels<true, false>,
                                         kKernels<true, true>};
  return kAll;
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
