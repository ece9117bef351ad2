// Compiled once for each instruction set of the CPU.
#include "src/ops/append_kv/kernel/instances.h"
