#include "src/ops/attention/quantised.h"

#include <optional>
#include <string>

#include "src/ops/attention/checks.h"

namespace flashtile::inline v0_2::ops {
namespace {

using core::spelled;

bool is_f8(DType dtype) { return dtype == DType::f8_e4m3 || dtype == DType::f8_e5m2; }
bool is_integer(DType dtype) { return dtype == DType::i8 || dtype == DType::int4; }
bool has_own_scales(DType dtype) { return dtype == DType::q8_0 || dtype == DType::q4_0; }

/// The scales of `rows`, k or v, as (B, Hkv, Lkv, scales of a row), stride 0 where they repeat.
TensorLayout broadcast(const TensorView& scales, const TensorLayout& rows, const AttentionProblem& problem,
                       const char* what, const std::string& of, bool paged, Data data) {
  if (scales.dtype != DType::f32 && scales.dtype != DType::f16)
    refuse(std::string(what) + " has dtype " + spelled(scales.dtype) + "; expected f32 or f16");
  expect_device_of_q(scales, problem.device, what);
  const std::int64_t columns = rows.shape[3];
  // What its dimensions are, in those of (B, Hkv, Lkv, columns); packed rows are (Tk, Hkv, columns), and pools
  // (pages, page size, Hkv, columns), whose pages are entries here.
  const Dims of_rows = problem.kv_starts ? Dims{2, 1, 3} : paged ? Dims{0, 2, 1, 3} : Dims{0, 1, 2, 3};
  const int rank = scales.rank();
  bool fits = rank == 0 || rank == 1 || rank == of_rows.rank();
  TensorLayout result{scales.dtype, rows.shape, {0, 0, 0, 0}};
  result.shape[3] = 1;
  for (int i = 0; fits && i < rank; ++i) {
    const int dimension = rank == 1 ? 1 : static_cast<int>(of_rows[i]);
    const std::int64_t size = scales.shape[i];
    const bool divides = dimension == 3 && size > 0 && columns % size == 0;
    fits = size == 1 || size == rows.shape[dimension] || divides;
    if (!fits) break;
    if (dimension == 3) result.shape[3] = size;
    if (size > 1) result.strides[dimension] = scales.strides.rank() == rank ? scales.strides[i] : 0;
  }
  if (!fits) {
    refuse(std::string(what) + " has shape " + to_string(scales.shape) + "; expected (), (Hkv) = (" +
           text(problem.kv_heads) + ",), or the dimensions of " + of +
           ", each 1 or as long, and the last one a number that divides its " + text(columns) + " elements");
  }
  check_memory(scales, what, data);
  return result;
}

std::optional<TensorLayout> scales_of(const std::optional<TensorView>& scales, const TensorLayout& rows,
                                      const AttentionProblem& problem, const char* what, const std::string& of,
                                      bool paged, Data data) {
  if (!scales) {
    if (is_integer(rows.dtype))
      refuse(of + " has dtype " + spelled(rows.dtype) + " and no " + what + "; give them: f32 or f16");
    return std::nullopt;
  }
  if (!is_integer(rows.dtype) && !is_f8(rows.dtype)) {
    refuse(std::string(what) + " is given, but " + of + " has dtype " + spelled(rows.dtype) + ", which " +
           (has_own_scales(rows.dtype) ? "holds its scales itself" : "takes none") + "; leave it out");
  }
  return broadcast(*scales, rows, problem, what, of, paged, data);
}

/// int4 rows begin at whole bytes.
void check_pairs(const TensorLayout& rows, const std::string& what) {
  const bool any = rows.shape[0] > 0 && rows.shape[1] > 0 && rows.shape[2] > 0;
  if (rows.dtype != DType::int4 || !any) return;
  for (int i = 0; i < 3; ++i) {
    if (rows.shape[i] > 1 && rows.strides[i] % 2 != 0) {
      refuse(what + " has dtype int4 and strides " + to_string(rows.strides) +
             "; expected even ones, as rows begin at whole bytes");
    }
  }
}

}  // namespace

void check_stored(const TensorView& view, const TensorView& q, const char* what) {
  const DType dtype = view.dtype;
  if (!core::is_float(dtype) && !is_f8(dtype) && !is_integer(dtype) && !has_own_scales(dtype)) {
    refuse(std::string(what) + " has dtype " + spelled(dtype) +
           "; expected f32, f16, bf16, i8, int4, f8_e4m3, f8_e5m2, q8_0 or q4_0");
  }
  expect_device_of_q(view, q.device, what);
}

DType product_type(const TensorView& q, const TensorView& k, const TensorView& v) {
  return k.dtype == q.dtype && v.dtype == q.dtype ? q.dtype : DType::f32;
}

void set_scales(AttentionCall& call, const AttentionOptions& options, Data data) {
  AttentionProblem& problem = call.problem;
  const bool paged = options.block_table.has_value();
  check_pairs(problem.k, "k");
  check_pairs(problem.v, "v");
  problem.k_scales = scales_of(options.k_scales, problem.k, problem, "k_scales", "k", paged, data);
  problem.v_scales = scales_of(options.v_scales, problem.v, problem, "v_scales", "v", paged, data);
  if (problem.k_scales) call.arguments.k_scales = options.k_scales->data;
  if (problem.v_scales) call.arguments.v_scales = options.v_scales->data;
  if (problem.k.dtype != problem.q.dtype || problem.v.dtype != problem.q.dtype)
    problem.needed.add(Feature::quantised);
}

}  // namespace flashtile::inline v0_2::ops
