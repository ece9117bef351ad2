// Attention's kernel texts, compiled once for each instruction set of the CPU. Calls nothing of std that a
// linker might merge with a copy compiled for another instruction set.
#include "src/ops/attention/kernel/instances_table.h"
