// The tile vocabulary on NVIDIA GPUs: a simdgroup is a warp, threadgroup memory is shared memory, tiles live in
// registers in the layout of the matrix units. Included by primitives.h when nvcc compiles.
#pragma once

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
#error "flashtile's primitives need compute capability 8.0 or newer: nvcc -arch=sm_80, sm_90a, ..."
#endif

#include "flashtile/primitives/cuda/cooperative_tensor.h"
#include "flashtile/primitives/cuda/execution.h"
#include "flashtile/primitives/cuda/maps.h"
#include "flashtile/primitives/cuda/math.h"
#include "flashtile/primitives/cuda/matmul2d.h"
#include "flashtile/primitives/cuda/simdgroup_matrix.h"
#include "flashtile/primitives/cuda/stage_ring.h"
#include "flashtile/primitives/cuda/teams.h"
#include "flashtile/primitives/cuda/tensor_map.h"
#include "flashtile/primitives/cuda/tile_factory.h"
#include "flashtile/primitives/cuda/tile_stages.h"

#include "flashtile/primitives/common/tile_words.h"  // behind the maps that it calls
