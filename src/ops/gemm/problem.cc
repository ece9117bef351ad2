#include "src/ops/gemm/problem.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>

#include "flashtile/error.h"
#include "src/core/arguments.h"
#include "src/core/checked.h"

namespace flashtile::inline v0_2::ops {
namespace {

/// Kernels count rows in 32 bits and look one tile ahead.
constexpr std::int64_t kLongest = std::int64_t{1} << 30;

constexpr char kOp[] = "gemm";

[[noreturn]] void refuse(const std::string& message, ErrorCode code = ErrorCode::invalid_argument) {
  throw Error(code, std::string(kOp) + ": " + message);
}

std::string text(std::int64_t value) { return std::to_string(value); }

bool is_float(DType t) { return t == DType::f32 || t == DType::f16 || t == DType::bf16; }
bool is_byte(DType t) { return t == DType::i8 || t == DType::u8; }
bool is_nibble(DType t) { return t == DType::int4 || t == DType::uint4; }
bool is_narrow_float(DType t) { return t == DType::f16 || t == DType::bf16; }

/// The rows of the matmul2d type table, and the products of signed and unsigned bytes.
bool in_table(DType a, DType b, DType c) {
  if (c == DType::i32) {
    if (!is_byte(a)) return false;
    return is_byte(b) || (a == DType::i8 ? b == DType::int4 : b == DType::uint4);
  }
  if (!is_float(c)) return false;
  const bool narrow_a = is_narrow_float(a), narrow_b = is_narrow_float(b);
  if (narrow_a && narrow_b) return c == DType::f32 || c == a || c == b;
  if (narrow_a && (is_byte(b) || is_nibble(b))) return c == DType::f32 || c == a;
  if (is_byte(a) && narrow_b) return c == DType::f32 || c == b;
  const bool any_f32 = a == DType::f32 || b == DType::f32;
  return any_f32 && c == DType::f32 && (is_float(a) || is_byte(a)) && (is_float(b) || is_byte(b));
}

/// A matrix as lines of adjacent elements: its rows, or its columns when it is transposed.
struct Lines {
  void* data;
  std::int64_t stride;
  bool transposed;
};

/// Errors: invalid_argument when neither dimension is contiguous, or when lines of 4-bit
/// pairs start inside a byte.
Lines lines_of(const TensorView& view, const char* what) {
  const bool none = view.shape[0] == 0 || view.shape[1] == 0;
  const auto unit = [&](int i) { return none || view.shape[i] <= 1 || view.strides[i] == 1; };
  if (!unit(0) && !unit(1)) {
    refuse(std::string(what) + " has strides " + to_string(view.strides) + "; expected 1 in one dimension");
  }
  const int along = unit(1) ? 1 : 0, across = 1 - along;  // dimension of a line, and from line to line
  const std::int64_t stride = none || view.shape[across] <= 1 ? view.shape[along] : view.strides[across];
  if (is_nibble(view.dtype) && !none && view.shape[across] > 1 && stride % 2 != 0) {
    refuse(std::string(what) + " has lines of 4-bit elements that are " + text(stride) +
           " elements apart; expected an even distance, whole bytes");
  }
  return {view.data, stride, along == 0};
}

void check(const TensorView& view, const TensorView& c, const char* what, const char* letters, Data data) {
  if (view.rank() != 2) {
    refuse(std::string(what) + " has shape " + to_string(view.shape) + "; expected 2 dimensions " + letters);
  }
  core::check_memory({kOp, what, view}, data);
  if (view.device != c.device) {
    refuse(std::string(what) + " is on " + name(view.device) + ", c is on " + name(c.device) +
           "; they must match");
  }
  for (const std::int64_t size : view.shape) {
    if (size > kLongest) {
      refuse(std::string(what) + " has shape " + to_string(view.shape) +
                 "; this version takes sizes of 0 ... 2^30",
             ErrorCode::unsupported);
    }
  }
}

kernels::GemmOutput output_of(DType dtype) {
  switch (dtype) {
    case DType::f16: return kernels::GemmOutput::f16;
    case DType::bf16: return kernels::GemmOutput::bf16;
    case DType::i32: return kernels::GemmOutput::i32;
    default: return kernels::GemmOutput::f32;
  }
}

}  // namespace

GemmProblem validated(const TensorView& c, const TensorView& a, const TensorView& b, const GemmOptions& options,
                      Data data) {
  check(c, c, "c", "(M, N)", data);
  check(a, c, "a", "(M, K)", data);
  check(b, c, "b", "(K, N)", data);
  if (a.shape[1] != b.shape[0]) {
    refuse("a has " + text(a.shape[1]) + " columns, b has " + text(b.shape[0]) + " rows; they must match");
  }
  if (c.shape[0] != a.shape[0] || c.shape[1] != b.shape[1]) {
    refuse("c has shape " + to_string(c.shape) + "; expected (M, N) = " +
           to_string(Dims{a.shape[0], b.shape[1]}) + ", the rows of a and the columns of b");
  }
  if (!in_table(a.dtype, b.dtype, c.dtype)) {
    refuse(
        "there is no product of " + core::spelled(a.dtype) + " (a) and " + core::spelled(b.dtype) +
        " (b) into " + core::spelled(c.dtype) +
        " (c); there are i8 or u8 with i8 or u8, i8 (a) with int4 and u8 (a) with uint4, into i32; floats with "
        "floats or bytes, and f16 or bf16 (a) with 4-bit b, into f32 or the 16-bit type");
  }
  if (!std::isfinite(options.alpha))
    refuse("alpha is " + std::to_string(options.alpha) + "; expected a finite number");
  if (!std::isfinite(options.beta))
    refuse("beta is " + std::to_string(options.beta) + "; expected a finite number");
  if (c.dtype == DType::i32 && (options.alpha != 1.0f || (options.beta != 0.0f && options.beta != 1.0f))) {
    refuse("an integer product has alpha " + std::to_string(options.alpha) + " and beta " +
           std::to_string(options.beta) + "; expected alpha 1 and beta 0 or 1");
  }
  Lines c_lines = lines_of(c, "c"), a_lines = lines_of(a, "a"), b_lines = lines_of(b, "b");
  const core::Argument written{kOp, "c", c};
  core::check_written(written);
  core::check_apart(written, {kOp, "a", a});
  core::check_apart(written, {kOp, "b", b});

  GemmProblem problem;
  problem.device = c.device;
  problem.a_dtype = a.dtype;
  problem.b_dtype = b.dtype;
  problem.c_dtype = c.dtype;
  std::int64_t m = c.shape[0], n = c.shape[1];
  if (c_lines.transposed) {  // C^T = B^T A^T
    std::swap(m, n);
    std::swap(a_lines, b_lines);
    std::swap(problem.a_dtype, problem.b_dtype);
    a_lines.transposed = !a_lines.transposed;
    b_lines.transposed = !b_lines.transposed;
  }
  problem.transpose_a = a_lines.transposed;
  problem.transpose_b = b_lines.transposed;
  problem.params = {
      .a = a_lines.data,
      .b = b_lines.data,
      .c = c_lines.data,
      .a_stride = a_lines.stride,
      .b_stride = b_lines.stride,
      .c_stride = c_lines.stride,
      .m = core::narrow(m, "gemm: M"),
      .n = core::narrow(n, "gemm: N"),
      .k = options.alpha == 0.0f ? 0 : core::narrow(a.shape[1], "gemm: K"),  // as BLAS: A and B are not read
      .c_type = output_of(c.dtype),
      .alpha = options.alpha,
      .beta = options.beta};
  return problem;
}

}  // namespace flashtile::inline v0_2::ops
