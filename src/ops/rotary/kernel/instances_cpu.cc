// Compiled once for each instruction set of the CPU.
#include "src/ops/rotary/kernel/instances.h"
