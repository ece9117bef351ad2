// The sizes of the parts of A and B that panels.h keeps in caches.
#pragma once

#include "flashtile/primitives.h"
#include "flashtile/primitives/cpu/engine/panel_operands.h"
#include "src/ops/common/kernel/cpu/scratch.h"
#include "src/ops/gemm/kernel/panels_table.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {
namespace gemm_panels {

using namespace flashtile::primitives;
using panel::kWidth;
using panel::Operand;
using panel::RightRows;
using panel::rounded_up;
using panel::steps_of;

/// A step is 4 bytes of a line in k.
struct VectorParts {
  static constexpr int kLanesOfPanel = kWidth, kRowsAtOnce = 64;
  static constexpr int kSteps = 128;  ///< a packed panel of B takes 32 KiB
  static constexpr int kRowSteps = kSteps;
  static constexpr int kMostRows = 1024, kMostPanels = 16;
};
#if defined(FT_AMX)
/// Tile products are faster than loading and storing their sums, and the sums of one panel at a time fit in the
/// L2 cache. So A's part is deep: sums are loaded seldom. L and 32 rows of R take 16 KiB each of the L1 cache,
/// which leaves room for sums and for what is prefetched.
struct TileParts {
  static constexpr int kLanesOfPanel = panel::kTileLanes, kRowsAtOnce = 32;
  static constexpr int kSteps = 128;
  static constexpr int kRowSteps = 4 * kSteps;
  static constexpr int kMostRows = 512, kMostPanels = 32;
};
#endif

/// Of a product of elements of T that Step multiplies.
template <class T, class Step>
struct Parts
#if defined(FT_AMX)
    : std::conditional_t<panel::kUsesTiles<Step>, TileParts, VectorParts>
#else
    : VectorParts
#endif
{
  static constexpr int kPer = Operand<T>::kPerStep;
  static constexpr bool kTiles = panel::kUsesTiles<Step>;
  static constexpr bool kIntegers = sizeof(T) == 1;
  static constexpr bool kHasExcess = !kTiles && requires { Step::kExcess; };  ///< see Int8QuadStep
};

/// Lines of an operand in memory that are prefetched by instructions, since they lie too far apart
/// for the hardware prefetcher.
template <class T>
struct Lines {
  const T* data;
  std::int64_t stride;
  int count, length;

  /// Prefetches lines first ... last - 1.
  void fetch(int first, int last) const {
    constexpr int kLine = 64 / static_cast<int>(sizeof(T));
    for (int i = first; i < last; ++i) {
      for (int e = 0; e < length; e += kLine) __builtin_prefetch(data + i * stride + e, 0, 2);
    }
  }
};

}  // namespace gemm_panels
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
