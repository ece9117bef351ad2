#include "src/ops/gemm/ways.h"

namespace flashtile::inline v0_2::ops {

std::span<const GemmWay> gemm_way_table() {
  static const GemmWay table[] = {kGemmPanels,    kGemmCblas,    kGemmCublas,
#if FLASHTILE_HAS_METAL
                                  kGemmMps,
#endif
                                  kGemmTensorOps, kGemmSimdgroup};
  return table;
}

}  // namespace flashtile::inline v0_2::ops
