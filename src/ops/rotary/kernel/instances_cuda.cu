#include "src/ops/rotary/kernel/instances.h"
