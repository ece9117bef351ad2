// The panel products, compiled once for each instruction set.
#include <span>

#include "src/ops/gemm/kernel/panels.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {

template <class... Types>
constexpr GemmPanelsKernels gemm_panels_of(DType a, DType b) {
  using Product = gemm_panels::Product<Types...>;
  return {a,
          b,
          Product::kLanesOfPanel,
          Product::kMostRows,
          Product::kMostPanels,
          &Product::scratch_bytes,
          &Product::tasks,
          &Product::run};
}

std::span<const GemmPanelsKernels> gemm_panels_kernels() {
  static constexpr GemmPanelsKernels kKernels[] = {
      gemm_panels_of<float>(DType::f32, DType::f32),
      gemm_panels_of<half>(DType::f16, DType::f16),
      gemm_panels_of<bfloat>(DType::bf16, DType::bf16),
#if defined(__AVX512VNNI__)  // without byte products the shared kernels are as good
      gemm_panels_of<std::int8_t>(DType::i8, DType::i8),
      gemm_panels_of<std::uint8_t>(DType::u8, DType::u8),
      gemm_panels_of<std::uint8_t, primitives::panel::BytesBy<primitives::panel::Uint8Int8QuadStep>>(DType::u8,
                                                                                                     DType::i8),
      gemm_panels_of<std::int8_t, primitives::panel::BytesBy<primitives::panel::Int8Uint8QuadStep>>(DType::i8,
                                                                                                    DType::u8),
#endif
  };
  return kKernels;
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
