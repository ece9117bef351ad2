// Compiled kernels of the generated files, kept by device and name. Called by launch.cc.
#pragma once

#include "src/backends/metal/api.h"
#include "src/backends/metal/launch.h"

namespace flashtile::inline v0_2::metal {

/// The pipeline of a kernel; compiled when it is first asked for, which takes a while: the library of its family comes from
/// FLASHTILE_METALLIB_FOLDER/<family>.metallib where that file is there, else from the source in this library.
/// Errors: device_failure with the compiler's text; unsupported for a kernel that needs more threads than the GPU has.
MTL::ComputePipelineState& pipeline(int device, const Family& family, const char* kernel, int threads);

}  // namespace flashtile::inline v0_2::metal
