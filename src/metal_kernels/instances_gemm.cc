// The matrix product's generated Metal kernels as the table of Apple GPUs and of device metal-emulated.
#include "src/metal_kernels/text.h"
#include "src/ops/gemm/kernel/tiles.h"
#include "src/ops/gemm/kernels.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {
namespace {

template <class Tile>
void launch_tiles(const Queue& queue, const metal::Family& family, const char* name, const GemmParams& params) {
  metal::launch(queue, family, name,
                Grid{(params.n + Tile::kN - 1) / Tile::kN, (params.m + Tile::kM - 1) / Tile::kM, 1},
                std::as_bytes(std::span(&params, 1)));
}

template <class Tile, class A, class B>
constexpr GemmKernel kernel(const char* text, const char* transposes,
                            void (*launch)(const Queue&, const GemmParams&)) {
  return {text,     dtype_of<A>, dtype_of<B>, transposes[0] == 't', transposes[1] == 't', Tile::kM, Tile::kN,
          Tile::kK, 0,           launch};
}

template <class, class>
using SimdgroupTile = GemmSimdgroupTile;

// Threadgroup memory is 0 here: the emulator refuses kernels that have too much.
constexpr GemmKernel kKernels[] = {
// NOLINTBEGIN(bugprone-macro-parentheses): names of types and objects take none
#define FT_INSTANCE(text, Tile, family, A, B, types, transposes)                           \
  kernel<Tile<A, B>, A, B>(text, transposes, [](const Queue& queue, const GemmParams& p) { \
    launch_tiles<Tile<A, B>>(queue, metal::family, text "_" types "_" transposes, p);      \
  }),
#define FT_TRANSPOSES(...)       \
  FT_INSTANCE(__VA_ARGS__, "nn") \
  FT_INSTANCE(__VA_ARGS__, "nt") FT_INSTANCE(__VA_ARGS__, "tn") FT_INSTANCE(__VA_ARGS__, "tt")
#define FT_TENSOR_OPS(A, B, Sum) FT_TRANSPOSES("tensor_ops", GemmTensorOpsTile, kGemmTensorOps, A, B, #A "_" #B)
#define FT_SIMDGROUP(T) FT_TRANSPOSES("simdgroup", SimdgroupTile, kGemmSimdgroup, T, T, #T)
#include "src/ops/gemm/kernel/instances.def"
    // NOLINTEND(bugprone-macro-parentheses)
};

}  // namespace

std::span<const GemmKernel> gemm_kernels() { return kKernels; }
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
