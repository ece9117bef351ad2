// The operations of simd_generic.h on NEON.
#pragma once

#include <arm_neon.h>

#include "flashtile/primitives/cpu/engine/simd_generic.h"

namespace flashtile::inline v0_2::primitives {
inline namespace FLASHTILE_BACKEND {
namespace detail {

struct NeonSimd : GenericSimd<4> {
  static constexpr bool kFused = true;

  static Floats fma(Floats a, Floats b, Floats c) {
    return (Floats)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
  }
#if defined(__aarch64__)
  static Floats sqrt(Floats x) { return (Floats)vsqrtq_f32((float32x4_t)x); }
#endif
};

}  // namespace detail
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::primitives
