#include "src/ops/merge_attention/kernel/instances.h"
