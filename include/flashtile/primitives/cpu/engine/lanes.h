// Steps across the lanes of registers. Included by kernels that are scheduled for CPUs.
#pragma once

#include <utility>

#include "flashtile/primitives.h"

namespace flashtile::inline v0_2::primitives {
inline namespace FLASHTILE_BACKEND {

/// Lane l of v[0] <- the sum of v[l % Count] over the aligned run of Count lanes that holds l.
template <int Count, int Step = 1>
inline void sum_lanes(floats (&v)[Count]) {
  if constexpr (Step < Count) {
    FT_UNROLL for (int i = 0; i < Count; i += 2 * Step) {
      exchange<Step>(v[i].v, v[i + Step].v, std::make_integer_sequence<int, kLanes>());
      v[i] = v[i] + v[i + Step];
    }
    sum_lanes<Count, 2 * Step>(v);
  }
}

/// In each lane, f folded over the aligned run of Count lanes that holds it.
template <int Count, int Step = 1, class F>
inline floats over_lanes(floats v, F f) {
  if constexpr (Step < Count) {
    floats other = v;
    exchange<Step>(v.v, other.v, std::make_integer_sequence<int, kLanes>());
    return over_lanes<Count, 2 * Step>(f(v, other), f);
  }
  return v;
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::primitives
