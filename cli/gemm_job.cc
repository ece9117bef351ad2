// A matrix product as a job: C (M, N) = A (M, K) B (K, N), with float32 results for floating-point inputs and
// int32 for integers.
#include <fmt/format.h>

#include <algorithm>

#include "cli/inputs.h"
#include "cli/job.h"
#include "cli/memory_for.h"
#include "cli/oracle_arrays.h"
#include "flashtile/error.h"
#include "flashtile/gemm.h"
#include "reference/bounds.h"
#include "reference/gemm.h"
#include "src/io/tensor_file.h"

namespace flashtile::cli {
namespace {

class GemmJob final : public Job {
 public:
  GemmJob(const Options& options, const std::vector<std::int64_t>& shape, Values values);

  std::vector<WayInfo> ways() const override { return gemm_ways(); }
  Plan plan(const std::string& way) const override { return plan_gemm(c(), a_.view, b_.view, with_way(way)); }
  std::function<void()> prepare(const std::string& way) override;
  Verdict verify(std::int64_t rows) override;
  void write_results() override {
    if (!options_.out.empty()) io::write_tensor_file(options_.out, std::vector<io::NamedView>{{"c", c_}});
  }
  bench::Work work() const override {
    return bench::gemm_work(shape_[0], shape_[1], shape_[2], {dtype(), b_.view.dtype, out_dtype()});
  }
  DType dtype() const override { return a_.view.dtype; }
  Json describe() const override;
  const std::vector<std::int64_t>& shape() const override { return shape_; }

 private:
  void read_or_make_inputs(const std::vector<std::int64_t>& shape, Values values);
  DType out_dtype() const { return bits(dtype()) < 16 && bits(b_.view.dtype) < 16 ? DType::i32 : DType::f32; }
  TensorView c() const { return packed_view(c_.data(), out_dtype(), {shape_[0], shape_[1]}, options_.device); }
  GemmOptions with_way(const std::string& way) const {
    return {.alpha = 1, .beta = 0, .way = way, .queue = queue()};
  }

  Options options_;
  std::vector<std::int64_t> shape_;  // M, N, K
  Input a_, b_;
  Tensor c_;  // of the way that was prepared last
};

GemmJob::GemmJob(const Options& options, const std::vector<std::int64_t>& shape, Values values)
    : Job(queue_of(options)), options_(options) {
  memory_for("a and b", [&] { read_or_make_inputs(shape, values); });
  for (const Input* input : {&a_, &b_}) {
    if (input->view.rank() != 2) {
      throw Error(ErrorCode::invalid_argument,
                  "gemm: an input has shape " + to_string(input->view.shape) + "; a matrix is expected");
    }
  }
  shape_ = {a_.view.shape[0], b_.view.shape[1], a_.view.shape[1]};
  try {
    plan("");  // mistakes in the inputs come out here
  } catch (const Error& error) {
    if (error.code() != ErrorCode::unsupported) throw;
  }
}

void GemmJob::read_or_make_inputs(const std::vector<std::int64_t>& shape, Values values) {
  Input* const inputs[] = {&a_, &b_};
  if (shape.empty()) {
    const std::vector<Tensor> tensors = read_inputs(options_, {"a", "b"}, {options_.a, options_.b});
    for (std::size_t i = 0; i < 2; ++i) *inputs[i] = on_device(tensors[i], options_.device);
    return;
  }
  const DType a_dtype = options_.dtype.value_or(DType::f32);
  const DType dtypes[] = {a_dtype, options_.b_dtype.value_or(a_dtype)};
  const Dims shapes[] = {{shape[0], shape[2]}, {shape[2], shape[1]}};
  for (std::size_t i = 0; i < 2; ++i) {
    *inputs[i] = values == Values::unused
                     ? without_memory(dtypes[i], shapes[i], options_.device)
                     : on_device(random_tensor(dtypes[i], shapes[i], options_.seed, i), options_.device);
  }
}

std::function<void()> GemmJob::prepare(const std::string& way) {
  plan(way);
  c_ = memory_for("c", [&] { return not_written(out_dtype(), {shape_[0], shape_[1]}, options_.device); });
  return [c = c_, a = a_.device, b = b_.device, options = with_way(way)] { gemm(c, a, b, options); };
}

Verdict GemmJob::verify(std::int64_t rows) {
  const std::int64_t m = shape_[0], n = shape_[1], depth = shape_[2];
  const Tensor host_c = on_host(c_);
  const auto a = oracle_array<2>(a_.host), b = oracle_array<2>(b_.host), c = oracle_array<2>(host_c);
  if (rows == 0) {
    constexpr std::int64_t kProducts = 200'000'000;  // about a second of the oracle
    rows = std::max<std::int64_t>(1, kProducts / std::max<std::int64_t>(1, n * depth));
  }
  return judge_rows(choose_rows(m, rows, options_.seed), m, [&](std::int64_t i, Verdict& verdict) {
    for (std::int64_t j = 0; j < n; ++j) {
      const reference::GemmElement exact = reference::gemm_element(a, b, {}, depth, 1, 0, i, j);
      const auto where = [&] { return fmt::format("c[{},{}]", i, j); };
      const double result = c(i, j);
      if (c_.dtype() == DType::i32) {
        verdict.compare(result, reference::wrapped(exact.value), 0, where);
      } else {
        verdict.compare(result, exact.value,
                        reference::gemm_bound(depth, exact.value, exact.magnitude, reference::kFloat32), where);
      }
    }
  });
}

Json GemmJob::describe() const {
  Json json;
  json["op"] = "gemm";
  json["device"] = name(options_.device);
  json["dtype"] = name(dtype());
  json["b_dtype"] = name(b_.view.dtype);
  json["m"] = shape_[0];
  json["n"] = shape_[1];
  json["k"] = shape_[2];
  return json;
}

}  // namespace

std::unique_ptr<Job> make_gemm_job(const Options& options, const std::vector<std::int64_t>& shape,
                                   Values values) {
  return std::make_unique<GemmJob>(options, shape, values);
}

}  // namespace flashtile::cli
