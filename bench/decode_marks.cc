#include "bench/decode_marks.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "bench/peaks.h"
#include "bench/random_rows.h"
#include "flashtile/attention.h"

namespace flashtile::bench {
namespace {

std::string number(double value, const char* format = "%.1f") {
  char text[32];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

/// One type of keys and values of a decode call, of 32 KV heads.
struct Cache {
  DType dtype;
  Tensor k, v, k_scales, v_scales;

  Cache(DType type, std::int64_t keys) : dtype(type) {
    k = random_rows(type, {1, 32, keys, 128}, 1);
    v = random_rows(type, {1, 32, keys, 128}, 2);
    if (type != DType::i8) return;
    k_scales = random_rows(DType::f16, {1, 32, keys, 1}, 3);
    v_scales = random_rows(DType::f16, {1, 32, keys, 1}, 4);
  }
  bool is_quantised() const { return dtype != DType::f32 && dtype != DType::bf16; }
  /// Of the queries: those of a quantised cache are bfloats.
  DType query_type() const { return is_quantised() ? DType::bf16 : dtype; }
  double bytes() const {
    return static_cast<double>(k.size_bytes() + v.size_bytes() + k_scales.size_bytes() + v_scales.size_bytes());
  }
};

/// Calls of `queries` queries, 32 heads on `heads`, each of them on other heads of the caches.
class DecodeCalls {
 public:
  DecodeCalls(const Cache& cache, std::int64_t heads, std::int64_t queries, const Queue& queue)
      : cache_(cache),
        heads_(heads),
        q_(random_rows(cache.query_type(), {1, 32, queries, 128}, 5)),
        out_(cache.query_type(), {1, 32, queries, 128}),
        queue_(queue) {}

  double operator()() {
    const std::int64_t first = calls_++ * heads_ % 32;
    return seconds_of(
        [&] { attention_into({.out = out_}, q_, of(cache_.k, first), of(cache_.v, first), options(first)); });
  }
  /// The least that a call takes, and what limits it.
  double roofline(double read_bytes, double flops) const {
    return std::max(cache_.bytes() / 32 * static_cast<double>(heads_) / read_bytes, operations() / flops);
  }
  double operations() const { return 4.0 * static_cast<double>(q_.size() * cache_.k.shape()[2]); }
  std::string kernel() const {
    return plan_attention_into({.out = out_}, q_, of(cache_.k, 0), of(cache_.v, 0), options(0)).kernel;
  }

 private:
  TensorView of(const Tensor& tensor, std::int64_t first) const {
    return tensor.view().sliced(1, first, first + heads_);
  }
  AttentionOptions options(std::int64_t first) const {
    AttentionOptions options{.queue = queue_};
    if (cache_.k_scales.size() > 0)
      options.k_scales = of(cache_.k_scales, first), options.v_scales = of(cache_.v_scales, first);
    return options;
  }

  const Cache& cache_;
  std::int64_t heads_;
  Tensor q_, out_;
  const Queue& queue_;
  std::int64_t calls_ = 0;
};

/// What a kernel's arithmetic can do, each kind measured once: few queries are multiplied in vector registers, and quantised
/// keys as floats, whatever multiplies them.
class PeakFlops {
 public:
  explicit PeakFlops(const Queue& queue) : queue_(queue) {}

  double of(const Cache& cache, const std::string& kernel) {
    const DType dtype = cache.is_quantised() ? DType::f32 : cache.dtype;
    const bool by_vectors = cache.is_quantised() || kernel.find("decode") != std::string::npos;
    double& flops = measured_[{dtype, by_vectors}];
    if (flops == 0)
      flops =
          measure_cpu_arithmetic(queue_, dtype, by_vectors ? Arithmetic::of_vectors : Arithmetic::best).flops;
    return flops;
  }

 private:
  const Queue& queue_;
  std::map<std::pair<DType, bool>, double> measured_;
};

}  // namespace

struct DecodeMarks::Caches {
  std::vector<Cache> all;
};

DecodeMarks::DecodeMarks(Marks& marks) : marks_(marks), caches_(std::make_unique<Caches>()) {
  for (const DType dtype : {DType::f32, DType::bf16, DType::i8, DType::q8_0, DType::q4_0})
    caches_->all.emplace_back(dtype, marks.quick() ? 64 : 131072);
}
DecodeMarks::~DecodeMarks() = default;

void DecodeMarks::run(const Queue& queue) {
  const std::vector<Cache>& caches = caches_->all;
  const CpuReadRate rate(queue, std::int64_t{1} << (marks_.quick() ? 20 : 29));
  PeakFlops peak(queue);
  for (const std::int64_t heads : {32, 8}) {
    for (const std::int64_t queries : {1, 4}) {
      std::vector<DecodeCalls> calls;
      for (const Cache& cache : caches) calls.emplace_back(cache, heads, queries, queue);
      std::vector<std::function<double()>> samples{[&] { return rate.sample(); }};
      std::vector<double> flops;
      for (std::size_t i = 0; i < caches.size(); ++i) {
        samples.emplace_back(std::ref(calls[i]));
        flops.push_back(peak.of(caches[i], calls[i].kernel()));
      }
      const std::vector<double> medians = marks_.in_turns(7, samples);
      double of_bf16 = 0;
      for (std::size_t i = 0; i < caches.size(); ++i) {
        const double seconds = medians[i + 1], roofline = calls[i].roofline(medians[0], flops[i]);
        const std::string cell = "decode: " + std::string(name(caches[i].dtype)) + ", 32 heads on " +
                                 std::to_string(heads) + ", Lq=" + std::to_string(queries) + ", " +
                                 threads_of(queue);
        const bool by_flops = calls[i].operations() / flops[i] == roofline;
        marks_.judge(cell,
                     milliseconds(seconds) + " of " + milliseconds(roofline) +
                         (by_flops ? ", " + number(flops[i] * 1e-9) + " GFLOP/s"
                                   : ", " + number(medians[0] * 1e-9) + " GB/s"),
                     roofline / seconds, Bound::at_least, 0.8);
        if (caches[i].dtype == DType::bf16) of_bf16 = seconds;
        if (caches[i].dtype == DType::q8_0 || caches[i].dtype == DType::q4_0)
          marks_.judge("  beside bf16", milliseconds(seconds) + ", bf16 " + milliseconds(of_bf16),
                       of_bf16 / seconds, Bound::at_least, caches[i].dtype == DType::q8_0 ? 1.7 : 2.4);
      }
      std::printf("  kernels: %s; %s\n", calls[1].kernel().c_str(), calls.back().kernel().c_str());
    }
  }
}

}  // namespace flashtile::bench
