// The emulator's side of the interface that compiled kernels call.
#pragma once

#include "src/metal_emulator/device/abi.h"

namespace flashtile::metal_emulator {

/// Serves whichever group runs on the calling operating system thread. `constants` says what function constants are.
class FunctionConstants;
::metal_device::Runtime& runtime();

/// The constants that a module reads while its set_constants runs on this operating system thread.
void use_constants(FunctionConstants* constants);

}  // namespace flashtile::metal_emulator
