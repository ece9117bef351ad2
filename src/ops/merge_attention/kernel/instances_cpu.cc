// Compiled once for each instruction set of the CPU.
#include "src/ops/merge_attention/kernel/instances.h"
