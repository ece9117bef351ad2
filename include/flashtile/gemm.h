// General matrix multiply: the two products of unfused attention, and the plainest use of the tile primitives.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "flashtile/detail/config.h"
#include "flashtile/device.h"
#include "flashtile/plan.h"
#include "flashtile/result.h"
#include "flashtile/tensor.h"

namespace flashtile::inline v0_2 {
FLASHTILE_EXPORTS_BEGIN

struct GemmOptions {
  float alpha = 1.0f;
  float beta = 0.0f;  ///< 0: the old content of C is never read, NaN included
  std::string way{};  ///< as AttentionOptions::way
  std::optional<Queue> queue{};
};

/// C = alpha * A B + beta * C.
///
/// Shapes    A (M, K), B (K, N), C (M, N), each with unit stride in one dimension: a transposed operand is a
///           permuted view. M, N and K may be 0; K = 0 gives beta * C.
/// Aliasing  C shares no memory with A or B, and its elements lie apart. Columns of one buffer are memory of
///           their own.
/// Types     The rows of the matmul2d type table (primitives/cpu/matmul2d.h); on CPUs also i8 with u8, either way,
///           into i32.
/// Numerics  Sums are float32 or int32, rounded once at the end. Integer products wrap modulo 2^32 and need
///           alpha = 1 and beta in {0, 1}. On CPUs, whatever their instruction set, operands and sums below
///           2^-126 count as 0 where A and B are both bf16, as Intel's and AMD's bfloat units take them; GPUs
///           keep them, and products of any other types do.
/// Errors    invalid_argument names the argument; unsupported lists each way and its reason.
/// Threads   Safe from any thread, also on one queue. Nobody may write A or B, or touch C, before the work is done.
void gemm(const TensorView& c, const TensorView& a, const TensorView& b, const GemmOptions& options = {});

/// What gemm() would do for these arguments; data pointers may be null. Same errors. Safe from any thread.
Plan plan_gemm(const TensorView& c, const TensorView& a, const TensorView& b, const GemmOptions& options = {});

/// The same for a program without exceptions.
Result<> try_gemm(const TensorView& c, const TensorView& a, const TensorView& b,
                  const GemmOptions& options = {}) noexcept;
Result<Plan> try_plan_gemm(const TensorView& c, const TensorView& a, const TensorView& b,
                           const GemmOptions& options = {}) noexcept;

/// Every way to compute a matrix product that this version knows, best first. Safe from any thread.
std::vector<WayInfo> gemm_ways();

FLASHTILE_EXPORTS_END
}  // namespace flashtile::inline v0_2
