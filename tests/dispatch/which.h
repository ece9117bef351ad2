// Two functions of kernels, compiled once for every instruction set by flashtile_add_kernels.
#pragma once

#include "flashtile/dispatch.h"

namespace flashtile::test {

struct Which {
  const char* backend;
  int lanes;
  float sum;
};
/// Says which copy of a kernel ran, and the sum of its 16 x 16 values.
FLASHTILE_KERNEL(which, Which(const Queue& queue, const float* values));
/// The same by another kernel in another file, whose lambdas and helpers have the same names.
FLASHTILE_KERNEL(which_else, Which(const Queue& queue, const float* values));

}  // namespace flashtile::test
