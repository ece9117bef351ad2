// Attention's generated Metal kernels as the table of Apple GPUs and of device metal-emulated.
#include "src/metal_kernels/text.h"
#include "src/ops/attention/kernel/exact_rows.h"
#include "src/ops/attention/kernel/score_stages.h"
#include "src/ops/attention/kernel/softmax_rows.h"
#include "src/ops/attention/kernel/tiles.h"
#include "src/ops/attention/kernels.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {
namespace {

/// Launches kernel `name` for tiles of kQ queries.
template <int kQ>
void launch_rows(const Queue& queue, const metal::Family& family, const char* name,
                 const AttentionParams& params) {
  metal::launch(queue, family, name,
                Grid{(params.query_length + kQ - 1) / kQ, params.query_heads, params.batch},
                std::as_bytes(std::span(&params, 1)));
}

template <class Tile>
constexpr AttentionKernel tiled(const char* text, DType dtype,
                                void (*launch)(const Queue&, const AttentionParams&)) {
  return {text, dtype, Tile::kD, Tile::kQ, Tile::kK, 0, launch};
}

// Threadgroup memory is 0 here: the emulator refuses kernels that have too much.
constexpr AttentionKernel kKernels[] = {
// NOLINTBEGIN(bugprone-macro-parentheses): names of types and objects take none
#define FT_LAUNCH(Rows, family, name) \
  [](const Queue& queue, const AttentionParams& p) { launch_rows<Rows>(queue, metal::family, name, p); }
#define FT_TEXT(text, Tile, family, T, HeadDim) \
  tiled<Tile<T, HeadDim>>(text, dtype_of<T>,    \
                          FT_LAUNCH((Tile<T, HeadDim>::kQ), family, text "_" #T "_" #HeadDim)),
#define FT_TILED(T, HeadDim)                                            \
  FT_TEXT("tensor_ops", TensorOpsTile, kAttentionTensorOps, T, HeadDim) \
  FT_TEXT("simdgroup", SimdgroupTile, kAttentionSimdgroup, T, HeadDim)
#define FT_ROW(text, Kernel, T) \
  AttentionKernel{text, dtype_of<T>, 0, 0, 0, 0, FT_LAUNCH(Kernel<T>::kQ, kAttentionSimdgroup, text "_" #T)},
#define FT_ROWS(T)                                \
  FT_ROW("exact_rows", AttentionExactRows, T)     \
  FT_ROW("score_stages", AttentionScoreStages, T) \
  FT_ROW("softmax_rows", AttentionSoftmaxRows, T)
#include "src/ops/attention/kernel/instances.def"
    // NOLINTEND(bugprone-macro-parentheses)
};

}  // namespace

std::span<const AttentionKernel> attention_kernels() { return kKernels; }
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
