// The vocabulary on Apple GPUs, as text of the Metal Shading Language. Included by primitives.h when Apple's compiler
// reads it; a build writes kernels and these headers into one file (tools/metal_source.py).
//
// Metal tells a function which simdgroup it runs in by a kernel's parameters alone, and the words of the vocabulary have none.
// So a threadgroup has one simdgroup, unless the file defines FLASHTILE_SEVERAL_SIMDGROUPS: then
// simdgroup_index_in_threadgroup is missing, and words for which it would matter refuse larger scopes.
#pragma once

#include "flashtile/primitives/metal/simdgroup_matrix.h"
#include "flashtile/primitives/metal/tile_stages.h"
#if __METAL_VERSION__ >= 400
#include "flashtile/primitives/metal/tile_factory.h"
#endif

#include "flashtile/primitives/common/tile_words.h"  // behind the maps that it calls
