#include "src/ops/append_kv/kernel/instances.h"
