// The kernel of which.cc and which_else.cc.
#pragma once

#if !defined(FLASHTILE_KERNEL_FILE)  // where this header is checked alone
#define FLASHTILE_KERNEL_FILE
#endif

#include "flashtile/launch.h"

#include "tests/dispatch/which.h"

#define FLASHTILE_SAY_(name) #name
#define FLASHTILE_SAY(name) FLASHTILE_SAY_(name)

namespace flashtile::test {
inline namespace FLASHTILE_BACKEND {
FLASHTILE_USE_PRIMITIVES

/// Not inlined: a linker that takes the copy of another instruction set is found out.
template <int Number>
[[gnu::noinline]] inline const char* own_name() {
  return FLASHTILE_SAY(FLASHTILE_BACKEND);
}

template <int Number>
struct Say {
  struct Params {
    const float* values;
    Which* which;
  };
  struct Threadgroup {};
  static constexpr int kSimdgroups = 1;
  [[gnu::noinline]] static void run(const Params& p, Threadgroup&, GridPosition) {
    auto tile = make_tile<float, 16, 16, execution_simdgroup>();
    auto sums = make_row_entries<float, 16, 16, execution_simdgroup>();
    load(tile, tensor(p.values, dextents<int, 2>(16, 16)));
    map_elements(tile, [](auto e) { return e * static_cast<float>(Number); });
    reduce_rows(tile, sums);
    *p.which = {own_name<Number>(), kLanes, 0.0f};
    for_each_element(sums, [&](float sum, int) { p.which->sum += sum; });
  }
};

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::test
