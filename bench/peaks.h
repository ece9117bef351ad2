// What this machine can do at best, measured: the yardstick for a share of peak. Called by the command line.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "bench/peaks_cpu.h"
#include "flashtile/device.h"
#include "flashtile/dtype.h"
#include "flashtile/tensor.h"

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

/// What multiplies on a CPU: vector registers, as a few queries do, or whatever is fastest.
enum class Arithmetic { of_vectors, best };

/// The same for a CPU queue without the read.
Peaks measure_cpu_arithmetic(const Queue& queue, DType dtype, Arithmetic arithmetic);

/// Bytes a second that the threads of a CPU queue read from main memory, each its own part of a buffer much larger than the
/// caches. A sample is one pass over it, for runs in which it takes turns with what it judges.
class CpuReadRate {
 public:
  explicit CpuReadRate(const Queue& queue, std::int64_t bytes = std::int64_t{1} << 29);
  double sample() const;

 private:
  int threads_;
  std::array<ReadLoop, 2> loops_;
  Tensor buffer_;
};

}  // namespace flashtile::bench
