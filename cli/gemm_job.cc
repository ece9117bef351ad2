// A matrix product as a job: C (M, N) = alpha A (M, K) B (K, N) + beta C, with float32 results for floating-point inputs and
// int32 for integers.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "cli/inputs.h"
#include "cli/job.h"
#include "cli/memory_for.h"
#include "cli/oracle_arrays.h"
#include "cli/reader.h"
#include "flashtile/error.h"
#include "flashtile/gemm.h"
#include "reference/bounds.h"
#include "reference/gemm.h"
#include "src/io/tensor_file.h"

namespace flashtile::cli {
namespace {

/// The shape with rows of whole bytes: two 4-bit elements share one.
Dims with_whole_bytes(DType dtype, const Dims& shape) {
  return bits(dtype) == 4 ? Dims{shape[0], shape[1] + shape[1] % 2} : shape;
}

/// A matrix of bytes as one of 4-bit elements whose rows begin at whole bytes.
Tensor packed_in_pairs(const Tensor& bytes, DType dtype) {
  const std::int64_t rows = bytes.shape()[0], columns = bytes.shape()[1];
  const Tensor padded(bytes.dtype(), with_whole_bytes(dtype, bytes.shape()));
  if (padded.size_bytes() > 0) std::memset(padded.data(), 0, padded.size_bytes());
  for (std::int64_t i = 0; i < rows && columns > 0; ++i) {
    std::memcpy(padded.as<std::byte>() + i * padded.shape()[1], bytes.as<std::byte>() + i * columns,
                static_cast<std::size_t>(columns));
  }
  return convert(padded, dtype);
}

class GemmJob final : public Job {
 public:
  GemmJob(const Options& options, const std::vector<std::int64_t>& shape, Values values);

  std::vector<WayInfo> ways() const override { return gemm_ways(); }
  Plan plan(const std::string& way) const override { return plan_gemm(c(), a_.view, b_.view, with_way(way)); }
  std::function<void()> prepare(const std::string& way) override;
  Verdict verify(std::int64_t rows, const std::function<void(std::int64_t)>& row_done) override;
  void write_results() override {
    if (!options_.out.empty()) io::write_tensor_file(options_.out, std::vector<io::NamedView>{{"c", c_}});
  }
  bench::Work work() const override;
  DType dtype() const override { return a_.view.dtype; }
  Json describe() const override;
  const std::vector<std::int64_t>& shape() const override { return shape_; }

 private:
  void read_inputs();
  void make_inputs(const std::vector<std::int64_t>& shape, Values values);
  void check_inputs() const;
  DType out_dtype() const {
    if (old_c_) return old_c_->view.dtype;
    return bits(dtype()) < 16 && bits(b_.view.dtype) < 16 ? DType::i32 : DType::f32;
  }
  TensorView c() const { return packed_view(c_.data(), out_dtype(), {shape_[0], shape_[1]}, options_.device); }
  GemmOptions with_way(const std::string& way) const {
    return {.alpha = options_.alpha, .beta = options_.beta, .way = way, .queue = queue()};
  }

  Options options_;
  std::vector<std::int64_t> shape_;  // M, N, K
  Input a_, b_;
  std::optional<Input> old_c_;  // where beta is not 0
  Tensor c_;                    // of the way that was prepared last
};

GemmJob::GemmJob(const Options& options, const std::vector<std::int64_t>& shape, Values values)
    : Job(queue_of(options)), options_(options) {
  memory_for("a and b", [&] { shape.empty() ? read_inputs() : make_inputs(shape, values); });
  shape_ = {a_.view.shape[0], b_.view.shape[1], a_.view.shape[1]};
  check_inputs();
}

void GemmJob::read_inputs() {
  Reader reader(options_, notes_);
  const auto matrix = [&](const char* name, const std::string& path, std::optional<DType> dtype) {
    Tensor read = reader.input(name, path, dtype);
    if (read.shape().rank() != 2) {
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("gemm: {} has shape {}; a matrix is expected", name, to_string(read.shape())));
    }
    return read;
  };
  const std::optional<DType> b_dtype = options_.b_dtype ? options_.b_dtype : options_.dtype;
  a_ = on_device(matrix("a", options_.a, options_.dtype), options_.device);
  if (b_dtype && bits(*b_dtype) == 4) {
    const Tensor bytes = matrix("b", options_.b, *b_dtype == DType::int4 ? DType::i8 : DType::u8);
    b_ = on_device(packed_in_pairs(bytes, *b_dtype), options_.device);
    b_.view = b_.view.sliced(1, 0, bytes.shape()[1]);
  } else {
    b_ = on_device(matrix("b", options_.b, b_dtype), options_.device);
  }
  if (options_.beta != 0) old_c_ = on_device(matrix("c", options_.c, {}), options_.device);
  reader.note_unused();
}

void GemmJob::make_inputs(const std::vector<std::int64_t>& shape, Values values) {
  const auto random = [&](DType dtype, const Dims& own, std::uint64_t stream) {
    const Dims whole = with_whole_bytes(dtype, own);
    Input input = values == Values::unused
                      ? without_memory(dtype, whole, options_.device)
                      : on_device(random_tensor(dtype, whole, options_.seed, stream), options_.device);
    if (whole != own) input.view = input.view.sliced(1, 0, own[1]);
    return input;
  };
  const DType a_dtype = options_.dtype.value_or(DType::f32);
  a_ = random(a_dtype, {shape[0], shape[2]}, 0);
  b_ = random(options_.b_dtype.value_or(a_dtype), {shape[2], shape[1]}, 1);
  if (options_.beta != 0) old_c_ = random(out_dtype(), {shape[0], shape[1]}, 2);
}

/// Mistakes in the inputs come out here.
void GemmJob::check_inputs() const {
  const Dims expected{shape_[0], shape_[1]};
  if (old_c_ && old_c_->view.shape != expected) {
    throw Error(ErrorCode::invalid_argument, fmt::format("gemm: c has shape {}; (M, N) = {} is expected",
                                                         to_string(old_c_->view.shape), to_string(expected)));
  }
  try {
    plan("");
  } catch (const Error& error) {
    if (error.code() != ErrorCode::unsupported) throw;
  }
}

std::function<void()> GemmJob::prepare(const std::string& way) {
  plan(way);
  const auto start = [&] {
    return old_c_ ? copy_to(old_c_->view, options_.device)
                  : not_written(out_dtype(), {shape_[0], shape_[1]}, options_.device);
  };
  c_ = memory_for("c", start);
  if (!old_c_) return [c = c_, a = a_, b = b_, options = with_way(way)] { gemm(c, a.view, b.view, options); };
  // Each call adds to what the one before has left: only the first one's result is judged and written.
  const Tensor timed = memory_for("another c", start);
  return [c = c_, timed, a = a_, b = b_, options = with_way(way), first = true]() mutable {
    gemm(first ? c : timed, a.view, b.view, options);
    first = false;
  };
}

Verdict GemmJob::verify(std::int64_t rows, const std::function<void(std::int64_t)>& row_done) {
  const std::int64_t m = shape_[0], n = shape_[1], depth = shape_[2];
  const Tensor host_c = on_host(c_);
  auto a = oracle_array<2>(a_.host_view()), b = oracle_array<2>(b_.host_view());
  const auto c = oracle_array<2>(host_c);
  a.subnormals_are_zero = b.subnormals_are_zero =
      subnormals_are_zero(a_.view.dtype, b_.view.dtype, options_.device);
  const auto old = old_c_ ? oracle_array<2>(old_c_->host_view()) : reference::Array2{};
  const reference::Format format = format_of(out_dtype());
  const auto alpha = static_cast<double>(options_.alpha), beta = static_cast<double>(options_.beta);
  const double lost =
      a.subnormals_are_zero ? std::fabs(alpha) * reference::flushed(depth, reference::kBfloat16) : 0;
  if (rows == 0) {
    constexpr std::int64_t kProducts = 200'000'000;  // about a second of the oracle
    rows = std::max<std::int64_t>(1, kProducts / std::max<std::int64_t>(1, n * depth));
  }
  const std::vector<std::int64_t> chosen = choose_rows(m, rows, options_.seed);
  return judge_rows(chosen, m, [&](std::int64_t i, Verdict& verdict) {
    for (std::int64_t j = 0; j < n; ++j) {
      const reference::GemmElement exact = reference::gemm_element(a, b, old, depth, alpha, beta, i, j);
      const auto where = [&] { return fmt::format("c[{},{}]", i, j); };
      if (c_.dtype() == DType::i32) {
        verdict.compare(c(i, j), reference::wrapped(exact.value), 0, where);
      } else {
        verdict.compare(c(i, j), exact.value,
                        reference::gemm_bound(depth, exact.value, exact.magnitude, format, lost), where);
      }
    }
    row_done(static_cast<std::int64_t>(chosen.size()));
  });
}

bench::Work GemmJob::work() const {
  bench::Work work = bench::gemm_work(shape_[0], shape_[1], shape_[2], {dtype(), b_.view.dtype, out_dtype()});
  if (old_c_)
    work.bytes += static_cast<double>(shape_[0]) * static_cast<double>(shape_[1]) * bits(out_dtype()) / 8;
  return work;
}

Json GemmJob::describe() const {
  Json json;
  json["op"] = "gemm";
  json["device"] = name(options_.device);
  json["dtype"] = name(dtype());
  json["b_dtype"] = name(b_.view.dtype);
  json["c_dtype"] = name(out_dtype());
  json["m"] = shape_[0];
  json["n"] = shape_[1];
  json["k"] = shape_[2];
  json["alpha"] = options_.alpha == 1 ? Json(nullptr) : Json(options_.alpha);
  json["beta"] = options_.beta == 0 ? Json(nullptr) : Json(options_.beta);
  return json;
}

}  // namespace

std::unique_ptr<Job> make_gemm_job(const Options& options, const std::vector<std::int64_t>& shape,
                                   Values values) {
  return std::make_unique<GemmJob>(options, shape, values);
}

}  // namespace flashtile::cli
