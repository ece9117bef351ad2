// Attention's generated Metal kernels as the table of Apple GPUs and of device metal-emulated.
#include <span>
#include <string>

#include "src/metal_kernels/text.h"
#include "src/ops/attention/kernel/exact_rows.h"
#include "src/ops/attention/kernel/instances_list.h"
#include "src/ops/attention/kernel/score_stages.h"
#include "src/ops/attention/kernel/softmax_rows.h"
#include "src/ops/attention/kernel/tiles.h"
#include "src/ops/attention/kernels.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {
namespace {

const metal::Family& family_of(AttentionText text) {
  return text == AttentionText::tensor_ops ? metal::kAttentionTensorOps : metal::kAttentionSimdgroup;
}

/// Launches the kernel "simdgroup_float_64", "exact_rows_float", ... for tiles of kQ queries.
template <AttentionText kText, class T, int kQ, int kHeadDim>
void launch_rows(const Queue& queue, const AttentionParams& params) {
  static const std::string kernel = std::string(name(kText)) + "_" + metal::type_name(dtype_of<T>) +
                                    (kHeadDim == 0 ? "" : "_" + std::to_string(kHeadDim));
  metal::launch(queue, family_of(kText), kernel.c_str(),
                Grid{(params.query_length + kQ - 1) / kQ, params.query_heads, params.batch},
                std::as_bytes(std::span(&params, 1)));
}

// Threadgroup memory is 0 here: the emulator refuses kernels that have too much.
template <AttentionText kText, class T, class Tile>
constexpr AttentionKernel tiled() {
  return {kText, dtype_of<T>, Tile::kD, Tile::kQ, Tile::kK, 0, launch_rows<kText, T, Tile::kQ, Tile::kD>};
}
template <AttentionText kText, class T, class Kernel>
constexpr AttentionKernel rows() {
  return {kText, dtype_of<T>, 0, 0, 0, 0, launch_rows<kText, T, Kernel::kQ, 0>};
}

#define FT_TILED(T, HeadDim)                                        \
  tiled<AttentionText::tensor_ops, T, TensorOpsTile<T, HeadDim>>(), \
      tiled<AttentionText::simdgroup, T, SimdgroupTile<T, HeadDim>>(),

template <class T>
constexpr AttentionKernel kKernels[] = {FLASHTILE_ATTENTION_TILES(FT_TILED, T)  //
                                        rows<AttentionText::exact_rows, T, AttentionExactRows<T>>(),
                                        rows<AttentionText::score_stages, T, AttentionScoreStages<T>>(),
                                        rows<AttentionText::softmax_rows, T, AttentionSoftmaxRows<T>>()};

}  // namespace

std::span<const AttentionKernels> attention_kernels() {
  static constexpr AttentionKernels kAll[] = {kKernels<float>, kKernels<half>, kKernels<bfloat>};
  return kAll;
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
