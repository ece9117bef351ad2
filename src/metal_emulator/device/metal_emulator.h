// Everything that Metal's headers declare, for kernel text that was translated to C++.
#pragma once

#include "atomic.h"
#include "bind.h"
#include "convolution2d.h"
#include "hooks.h"
#include "log.h"
#include "matrix.h"
#include "pack.h"
#include "reduce.h"
#include "simdgroup_matrix.h"
