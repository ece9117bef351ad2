// The panel products, compiled once for each instruction set.
#include "src/ops/gemm/kernel/panels.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {

template <class... Types>
constexpr GemmPanelsKernels gemm_panels_of() {
  using Product = gemm_panels::Product<Types...>;
  return {Product::kLanesOfPanel,  Product::kMostRows, Product::kMostPanels,
          &Product::scratch_bytes, &Product::tasks,    &Product::run};
}

extern const GemmPanelsKernels kGemmPanelsF32, kGemmPanelsF16, kGemmPanelsBf16, kGemmPanelsI8, kGemmPanelsU8,
    kGemmPanelsU8I8, kGemmPanelsI8U8;
const GemmPanelsKernels kGemmPanelsF32 = gemm_panels_of<float>();
const GemmPanelsKernels kGemmPanelsF16 = gemm_panels_of<half>();
const GemmPanelsKernels kGemmPanelsBf16 = gemm_panels_of<bfloat>();
#if defined(__AVX512VNNI__)
const GemmPanelsKernels kGemmPanelsI8 = gemm_panels_of<std::int8_t>();
const GemmPanelsKernels kGemmPanelsU8 = gemm_panels_of<std::uint8_t>();
const GemmPanelsKernels kGemmPanelsU8I8 =
    gemm_panels_of<std::uint8_t, primitives::panel::BytesBy<primitives::panel::Uint8Int8QuadStep>>();
const GemmPanelsKernels kGemmPanelsI8U8 =
    gemm_panels_of<std::int8_t, primitives::panel::BytesBy<primitives::panel::Int8Uint8QuadStep>>();
#else
// Without byte products the shared kernels are as good.
const GemmPanelsKernels kGemmPanelsI8 = {}, kGemmPanelsU8 = {}, kGemmPanelsU8I8 = {}, kGemmPanelsI8U8 = {};
#endif

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
