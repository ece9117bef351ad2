// A rotary embedding from end to end: validate, then launch the kernel.
#include "flashtile/rotary.h"

#include "src/core/attempt.h"
#include "src/core/checked.h"
#include "src/core/float_environment.h"
#include "src/ops/common/floats.h"
#include "src/ops/common/queue.h"
#include "src/ops/common/row_strides.h"
#include "src/ops/rotary/angles.h"
#include "src/ops/rotary/kernels.h"

namespace flashtile::inline v0_2 {
namespace ops {
namespace {

using core::Argument;

constexpr char kOp[] = "rotary";

/// Everything but where the result goes.
kernels::RotaryParams validated(const Argument& x, const Argument& positions, const Rotary& embedding) {
  core::check_rows(x, "(B, H, L, D)", core::Data::needed);
  check_has_kernel(x);
  check_sizes(x);
  const Dims& shape = x.view.shape;
  kernels::RotaryParams params{};
  params.type = float_type_of(x);
  params.x = x.view.data;
  params.x_strides = row_strides(x.view);
  params.positions = positions_of(positions, x);
  params.batch = shape[0];
  params.heads = shape[1];
  params.length = shape[2];
  params.columns = core::narrow(shape[3], "rotary: D");
  params.angles = angles_of(kOp, embedding, shape[3]);
  return params;
}

bool is_same(const TensorView& a, const TensorView& b) {
  return a.data == b.data && a.shape == b.shape && a.strides == b.strides && a.dtype == b.dtype;
}

void check_result(const Argument& out, const Argument& x, const Argument& positions) {
  core::check_rows(out, "(B, H, L, D)", core::Data::needed);
  if (out.view.shape != x.view.shape) {
    out.refuse("has shape " + to_string(out.view.shape) + ", x has " + to_string(x.view.shape) +
               "; they must match");
  }
  if (out.view.dtype != x.view.dtype) {
    out.refuse("has dtype " + core::spelled(out.view.dtype) + ", x has " + core::spelled(x.view.dtype) +
               "; they must match");
  }
  core::check_device(out, x.view.device, "x");
  core::check_written(out);
  if (!is_same(out.view, x.view)) core::check_apart(out, x);
  core::check_apart(out, positions);
}

void run(kernels::RotaryParams& params, const TensorView& out, const Queue& queue) {
  if (core::has_no_elements(out)) return;
  params.out = out.data;
  params.out_strides = row_strides(out);
  kernels::launch_rotary(queue, params);
}

}  // namespace
}  // namespace ops

Tensor rotary(const TensorView& x, const TensorView& positions, const Rotary& embedding,
              const RotaryOptions& options) {
  const core::FloatEnvironment environment;
  kernels::RotaryParams params =
      ops::validated({ops::kOp, "x", x}, {ops::kOp, "positions", positions}, embedding);
  const Queue queue = ops::queue_of(ops::kOp, options.queue, x.device, "x");
  Tensor out(x.dtype, x.shape, x.device);
  ops::run(params, out, queue);
  return out;
}

void rotary_into(const TensorView& out, const TensorView& x, const TensorView& positions,
                 const Rotary& embedding, const RotaryOptions& options) {
  const core::FloatEnvironment environment;
  const core::Argument x_argument(ops::kOp, "x", x), positions_argument(ops::kOp, "positions", positions);
  kernels::RotaryParams params = ops::validated(x_argument, positions_argument, embedding);
  ops::check_result({ops::kOp, "out", out}, x_argument, positions_argument);
  ops::run(params, out, ops::queue_of(ops::kOp, options.queue, x.device, "x"));
}

Result<Tensor> try_rotary(const TensorView& x, const TensorView& positions, const Rotary& embedding,
                          const RotaryOptions& options) noexcept {
  return core::attempt([&] { return rotary(x, positions, embedding, options); });
}

Result<> try_rotary_into(const TensorView& out, const TensorView& x, const TensorView& positions,
                         const Rotary& embedding, const RotaryOptions& options) noexcept {
  return core::attempt([&] { rotary_into(out, x, positions, embedding, options); });
}

}  // namespace flashtile::inline v0_2
