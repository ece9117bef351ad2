// What this machine can do at best, measured: the yardstick for a share of peak. Called by the command line.
#pragma once

#include <string>

#include "flashtile/device.h"
#include "flashtile/dtype.h"

namespace flashtile::bench {

struct Peaks {
  double flops = 0;        ///< operations a second of the matrix arithmetic for a type, float32 or int32 sums
  std::string arithmetic;  ///< what did them: "AVX-512 FMA, float32, 2 threads"
  double read_bytes = 0;   ///< bytes a second read from main memory
};

/// Measures for about half a second: multiply-adds in registers, and a read of memory too large for the caches.
/// On the CPU with as many threads as the queue has and no instruction that FLASHTILE_MAX_ISA rules out; on a
/// GPU with the vendor's matrix product and a copy. Errors: as the calls that it makes on a GPU.
Peaks measure_peaks(const Queue& queue, DType dtype);

}  // namespace flashtile::bench
