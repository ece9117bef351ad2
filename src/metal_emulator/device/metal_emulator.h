// Everything that Metal's headers declare, for kernel text that was translated to C++.
#pragma once

#include "hooks.h"
#include "math.h"
#include "simd.h"
#include "types.h"
#include "vec.h"

#include "bind.h"
