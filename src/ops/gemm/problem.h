// A validated matrix product: what is computed, without saying how.
#pragma once

#include "flashtile/gemm.h"
#include "src/core/data.h"
#include "src/ops/gemm/kernel/params.h"

namespace flashtile::inline v0_2::ops {

using core::Data;

struct GemmProblem {
  Device device;
  int threads = 1;  ///< of the queue that it will run on
  DType a_dtype = DType::f32, b_dtype = DType::f32, c_dtype = DType::f32;
  /// C's rows are contiguous; where the call's were not, all three matrices are transposed and
  /// A and B change places.
  kernels::GemmParams params{};
  bool transpose_a = false;  ///< A's columns are contiguous, not its rows
  bool transpose_b = false;

  std::int64_t m() const { return params.m; }
  std::int64_t n() const { return params.n; }
  std::int64_t k() const { return params.k; }
  /// Nothing to compute: C has no elements.
  bool empty() const { return m() == 0 || n() == 0; }
  /// Lines lie one behind the other, as every BLAS wants them.
  bool lines_ascend() const {
    return params.a_stride >= (transpose_a ? params.m : params.k) &&
           params.b_stride >= (transpose_b ? params.k : params.n) && params.c_stride >= params.n;
  }
  /// The type that both operands have; float32, in which they meet, where they differ.
  DType multiplied() const { return a_dtype == b_dtype ? a_dtype : DType::f32; }
};

struct GemmBuffers {};  ///< everything is in the problem's params

/// Checks the arguments of a call. Errors: invalid_argument, naming the argument and what was found.
GemmProblem validated(const TensorView& c, const TensorView& a, const TensorView& b, const GemmOptions& options,
                      Data data);

}  // namespace flashtile::inline v0_2::ops
