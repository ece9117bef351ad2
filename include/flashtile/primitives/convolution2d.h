// convolution2d: a two-dimensional convolution by the simdgroups of a threadgroup, with its descriptor. A header of its own, as
// Metal's is, so that kernels without convolutions do not compile it; the words are documented in
// common/convolution2d.h.
#pragma once

#include "flashtile/primitives.h"

#if defined(__METAL_VERSION__)
#include "flashtile/primitives/metal/convolution2d.h"
#elif defined(__CUDACC__)
#include "flashtile/primitives/cuda/convolution2d.h"
#else
#include "flashtile/primitives/cpu/convolution2d.h"
#endif
