// The grid of threadgroups that a kernel runs over: its size, and a place in it.
#pragma once

#include <stdint.h>

namespace flashtile::inline v0_2 {

/// How many threadgroups run along each axis.
struct Grid {
  int64_t x = 1, y = 1, z = 1;
};

/// Which threadgroup of the grid this is.
struct GridPosition {
  int64_t x, y, z;
};

}  // namespace flashtile::inline v0_2
