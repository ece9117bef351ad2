// Loops that do nothing but multiply-adds in registers, one for each kind of CPU
// arithmetic. Called by peaks.cc.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "flashtile/dtype.h"

namespace flashtile::bench {

struct RegisterLoop {
  void (*run)(std::int64_t iterations);
  double flops;            ///< operations of one iteration
  std::string arithmetic;  ///< "AVX-512 FMA, float32"
};

/// The instruction set that the processor itself has: a build for tests may report AMX and emulate it.
std::string without_emulation(const std::string& architecture);

/// The arithmetic made for products of `dtype` with float32 or int32 sums on this CPU, up to the instruction set
/// that DeviceInfo::architecture names.
RegisterLoop best_register_loop(DType dtype, const std::string& architecture);

/// Reads 64-byte lines from first to last, with the widest loads of `architecture`: narrower ones keep fewer
/// lines on their way. One loop leaves it to the processor to fetch ahead, and one asks for it: which is faster
/// differs between processors.
using ReadLoop = void (*)(const void* data, std::int64_t lines);
std::array<ReadLoop, 2> read_loops(const std::string& architecture);

}  // namespace flashtile::bench
