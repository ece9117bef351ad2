// Memory that the library keeps on a device.
#pragma once

#include "flashtile/device.h"

namespace flashtile::inline v0_2 {
FLASHTILE_EXPORTS_BEGIN

/// Gives back to the device what the library keeps of it for the workspaces of later calls. Workspaces of work that has not
/// ended stay, and so does memory of tensors; later calls take memory anew. Nothing is kept on CPUs.
///
/// On NVIDIA GPUs this memory is a pool of the library's own: the device's default pool is neither used nor changed.
/// Threads    safe from any thread
/// Errors     unsupported when the device is not there; device_failure
void release_memory(Device device);

FLASHTILE_EXPORTS_END
}  // namespace flashtile::inline v0_2
