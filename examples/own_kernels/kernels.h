// Two fused kernels as ordinary code sees them: functions of a queue and plain data. The kernel files define them.
#pragma once

#include "flashtile/dispatch.h"
#include "flashtile/dtype.h"

namespace mine {

/// y = (x / rms(x) * gain) w, where rms(x) is the root of epsilon plus the mean of a row's squares.
/// Shapes: x (rows, depth), gain (depth), w (depth, columns), y (rows, columns), all row-major.
struct NormLinearParams {
  const flashtile::half* x;
  const float* gain;
  const flashtile::half* w;
  float* y;
  int rows, columns, depth;
  float epsilon;
};
FLASHTILE_KERNEL(norm_linear, void(const flashtile::Queue& queue, const NormLinearParams& params));

/// p[i][j] = softmax over j <= i of scale * (a[i] . b[j]), and 0 for j > i.
/// Shapes: a (length, depth), b (length, depth), p (length, length), all row-major.
struct CausalSoftmaxParams {
  const flashtile::half *a, *b;
  float* p;
  int length, depth;
  float scale;
};
FLASHTILE_KERNEL(causal_softmax, void(const flashtile::Queue& queue, const CausalSoftmaxParams& params));

}  // namespace mine
