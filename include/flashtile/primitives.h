// The tile vocabulary for kernel authors: Metal's words with Metal's meaning, on every backend.
//
// This header picks the backend: Metal when Apple's compiler does, CUDA when nvcc does, the CPU otherwise. Everything lives in
// flashtile::primitives, inside an inline namespace per backend and instruction set, so that copies compiled for
// different machines never meet. Kernels live in such a namespace, too: launch.h says how.
//
// Kernel text speaks for a whole simdgroup, or for a threadgroup of N simdgroups, and never names a lane. On a
// CPU a simdgroup is one thread with its vector registers. Shared text keeps to what the Metal Shading Language
// accepts: C++17, nothing from std, no exceptions, double, virtual or recursion, and every pointer or reference
// says its address space.
//
// The words, each documented where it is declared (primitives/cpu/ is the plainest reading); docs/kernels.md is the
// guide. What they are built of lies in a backend's folder engine/, for kernels that are scheduled for one machine:
//
// clang-format off
//   types        half, bfloat, float, int8_t, uint8_t, int32_t, int4b_format, uint4b_format    dtype.h
//   tensors      extents, dextents, dynamic_extent, tensor<T, Extents, tensor_inline>, slice,
//                get, set, array                                                               common/tensor.h, extents.h
//   execution    execution_thread, execution_simdgroup, execution_simdgroups<N>                common/descriptor.h
//                simdgroup_index_in_threadgroup(), threadgroup_barrier(), simdgroup_barrier(),
//                for_each_index(scope, count, f), simd_for_each_index(count, f),
//                simd_rows_not_finite<Rows>; simd_range_of: the int_range of integers          execution.h
//   matrices     simdgroup_matrix<T, 8, 8> (simdgroup_half8x8, simdgroup_bfloat8x8, simdgroup_float8x8),
//                simdgroup_matrix_block<T, R, C>, simdgroup_right_block<T, R, C>, simdgroup_rows<R>, simdgroup_load,
//                simdgroup_store, simdgroup_multiply(_accumulate), a * b, muladd,
//                make_filled_simdgroup_matrix, convert_columns                                 simdgroup_matrix.h
//   products     matmul2d_descriptor, matmul2d<descriptor, scope>::run; ours: add, start and
//                wait_products; dynamic_length; in a header of its own: convolution2d          matmul2d.h, convolution2d.h
//   tiles        cooperative_tensor: factories on matmul2d, slots, load, store, reduce_rows,
//                reduce_columns, reduction_operation, map_iterator, is_iterator_compatible;
//                ours: make_result_tile; result_tile, row_entries, left_tile: types of tiles   cooperative_tensor.h
//   ours         make_tile, make_row_entries, make_column_entries: tiles without a product     tile_factory.h
//                map_elements, map_indexed, map_each, map_rows, map_columns on cooperative tensors and
//                matrix blocks; for_each_element of row entries                                maps.h
//                zero, scale_rows, sub_rows: maps by name                                      common/tile_words.h
//                load_repeated: a mask's rows or columns of 1 spread over a tile               cooperative_tensor.h
//                left_tile_stages, right_tile_stages, row_tile_stages, load_tile_async,
//                wait_tiles, tile, row_tile: tiles loaded into threadgroup memory;
//                load_rows_async: of rows anywhere; fill_tile if kFillsTiles; half_of_bits     tile_stages.h
//   for Hopper   execution_team, named_barrier, team_turns, give_registers, take_registers      cuda/teams.h
//                arrival_barrier, stage_ring: hand-over of tiles between teams                 cuda/stage_ring.h
//                tensor_map, load_tile_async, tile_store: tiles by the copy engine             cuda/tensor_map.h
//   arithmetic   exp, exp2, log, log2, sqrt, rsqrt, tanh, sin, cos, abs, fma, max, min, select
//                on float and on a backend's vectors                                           math.h
// clang-format on
#pragma once

#include "flashtile/detail/kernel_words.h"

#if defined(__METAL_VERSION__)
#define FLASHTILE_BACKEND msl
#include "flashtile/primitives/metal/primitives.h"
#else
#include "flashtile/dtype.h"

#if defined(__CUDACC__)
#define FLASHTILE_BACKEND cuda
#elif !defined(FLASHTILE_BACKEND)
// A translation unit is named after the instruction set that it is compiled for. The
// library's own build defines the name.
#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
#if defined(__AMX_TILE__) && defined(__AMX_BF16__) && defined(__AMX_INT8__)
#define FLASHTILE_BACKEND cpu_amx
#elif defined(__AVX512BF16__) && defined(__AVX512VNNI__)
#define FLASHTILE_BACKEND cpu_avx512_bf16
#else
#define FLASHTILE_BACKEND cpu_avx512
#endif
#elif defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
#define FLASHTILE_BACKEND cpu_avx2
#elif defined(__ARM_NEON)
#define FLASHTILE_BACKEND cpu_neon
#else
#define FLASHTILE_BACKEND cpu_scalar
#endif
#endif

// A kernel's own check: an Error from launch on a CPU, a trap on a GPU.
#if defined(__CUDA_ARCH__)
#define FT_REFUSE_IF(condition, why) ((condition) ? __trap() : void())
#elif defined(__CUDACC__)
#define FT_REFUSE_IF(condition, why) void()
#else
#include "flashtile/detail/threadgroup_on_cpu.h"
#define FT_REFUSE_IF(condition, why) ((condition) ? ::flashtile::detail::refuse_on_cpu(why) : void())
#endif

#include "flashtile/primitives/common/descriptor.h"
#include "flashtile/primitives/common/tensor.h"

#if defined(__CUDACC__)
#include "flashtile/primitives/cuda/primitives.h"
#else
#include "flashtile/primitives/cpu/primitives.h"
#endif
#endif
