#include "src/ops/attention/ways.h"

namespace flashtile::inline v0_2::ops {

std::span<const AttentionWay> attention_way_table() {
  static const AttentionWay table[] = {kAttentionFlashCpu,  kAttentionFlashSm90, kAttentionCudnn,
#if FLASHTILE_HAS_METAL
                                       kAttentionMpsGraph,
#endif
                                       kAttentionTensorOps, kAttentionOneDnn,    kAttentionSimdgroup,
                                       kAttentionUnfused};
  return table;
}

}  // namespace flashtile::inline v0_2::ops
