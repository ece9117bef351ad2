// The tile vocabulary on CPUs: one source for scalar code, AVX2, AVX-512, AMX and NEON.
// Included by flashtile/primitives.h.
#pragma once

#include "flashtile/primitives/cpu/cooperative_tensor.h"
#include "flashtile/primitives/cpu/execution.h"
#include "flashtile/primitives/cpu/maps.h"
#include "flashtile/primitives/cpu/math.h"
#include "flashtile/primitives/cpu/matmul2d.h"
#include "flashtile/primitives/cpu/simdgroup_matrix.h"
#include "flashtile/primitives/cpu/tile_factory.h"
#include "flashtile/primitives/cpu/tile_stages.h"

#include "flashtile/primitives/common/tile_words.h"  // behind the maps that it calls
