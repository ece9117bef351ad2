#include "bench/peaks.h"

#include <algorithm>
#include <barrier>
#include <chrono>
#include <cstring>
#include <limits>
#include <thread>
#include <vector>

#include "bench/peaks_cpu.h"
#include "bench/stopwatch.h"
#include "flashtile/error.h"
#include "flashtile/gemm.h"
#include "flashtile/tensor.h"

namespace flashtile::bench {
namespace {

double seconds_of(const auto& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Times that all threads took together to do work(thread), the shortest first.
std::vector<double> seconds_together(int threads, int samples, const auto& work) {
  std::vector<double> all;
  std::barrier together(threads);
  const auto one = [&](int thread) {
    for (int sample = 0; sample < samples; ++sample) {
      together.arrive_and_wait();
      const double seconds = seconds_of([&] {
        work(thread);
        together.arrive_and_wait();
      });
      if (thread == 0) all.push_back(seconds);
    }
  };
  std::vector<std::jthread> others;
  for (int thread = 1; thread < threads; ++thread) others.emplace_back(one, thread);
  one(0);
  std::sort(all.begin(), all.end());
  return all;
}

/// Operations a second of all threads together. Many short samples: on a busy machine one
/// of them is undisturbed.
double cpu_flops(const RegisterLoop& loop, int threads) {
  constexpr double kSampleSeconds = 2e-3;
  std::int64_t iterations = 1000;
  while (seconds_of([&] { loop.run(iterations); }) < kSampleSeconds) iterations *= 2;
  const double seconds = seconds_together(threads, 60, [&](int) { loop.run(iterations); }).front();
  return loop.flops * static_cast<double>(iterations) * threads / seconds;
}

/// Random bits that are small numbers in every type: what a product's power, and so its clock, depends on.
Tensor random_matrix(DType dtype, std::int64_t size) {
  const Tensor matrix(DType::f32, {size, size});
  std::uint32_t state = 1;
  for (std::int64_t i = 0; i < matrix.size(); ++i) {
    state = state * 1664525u + 1013904223u;
    matrix.as<float>()[i] = static_cast<float>(static_cast<std::int32_t>(state) >> 8) * 0x1p-22f;
  }
  return dtype == DType::f32 ? matrix : convert(matrix, dtype);
}

/// The vendor's matrix product, the median of some samples. Integers and 4-bit types count as int8.
double gpu_flops(const Queue& queue, DType dtype) {
  constexpr std::int64_t kSize = 8192;
  const bool integers = bits(dtype) < 16;
  const DType input = integers ? DType::i8 : dtype;
  const Tensor a = copy_to(random_matrix(input, kSize), queue.device()), b = a;
  const Tensor c(integers ? DType::i32 : dtype, {kSize, kSize}, queue.device());
  const auto multiply = [&] { gemm(c, a, b, {.alpha = 1, .beta = 0, .way = "vendor.cublas", .queue = queue}); };
  const Stopwatch stopwatch = stopwatch_of(queue);
  multiply();
  std::vector<double> seconds;
  for (int sample = 0; sample < 21; ++sample) seconds.push_back(stopwatch(multiply));
  std::nth_element(seconds.begin(), seconds.begin() + 10, seconds.end());
  return 2.0 * kSize * kSize * kSize / seconds[10];
}

std::string architecture_of(Device device) {
  for (const BackendInfo& backend : backends()) {
    for (const DeviceInfo& info : backend.devices) {
      if (info.device == device) return info.architecture;
    }
  }
  return "";
}

}  // namespace

Peaks measure_cpu_arithmetic(const Queue& queue, DType dtype, Arithmetic arithmetic) {
  std::string architecture = without_emulation(architecture_of(queue.device()));
  if (arithmetic == Arithmetic::of_vectors && architecture == "amx") architecture = "avx512_bf16";
  Peaks peaks;
  const auto try_loop = [&](const RegisterLoop& loop) {
    const double flops = cpu_flops(loop, queue.threads());
    if (flops > peaks.flops) peaks = {flops, loop.arithmetic, 0};
  };
  try_loop(best_register_loop(dtype, architecture));
  if (dtype == DType::bf16)
    try_loop(best_register_loop(DType::f32, architecture));  // some multiply floats faster
  peaks.arithmetic += ", " + std::to_string(queue.threads()) + (queue.threads() == 1 ? " thread" : " threads");
  return peaks;
}

CpuReadRate::CpuReadRate(const Queue& queue, std::int64_t bytes)
    : threads_(queue.threads()),
      loops_(read_loops(without_emulation(architecture_of(queue.device())))),
      buffer_(DType::u8, {bytes}) {
  std::memset(buffer_.data(), 1, buffer_.size_bytes());
}

double CpuReadRate::sample() const {
  constexpr std::int64_t kLine = 64;
  const std::int64_t part = buffer_.size() / kLine / threads_;
  double seconds = std::numeric_limits<double>::infinity();
  for (const ReadLoop loop : loops_) {
    const auto read = [&](int thread) { loop(buffer_.as<char>() + thread * part * kLine, part); };
    seconds = std::min(seconds, seconds_together(threads_, 1, read).front());
  }
  return static_cast<double>(part * kLine * threads_) / seconds;
}

Peaks measure_peaks(const Queue& queue, DType dtype) {
  if (queue.device().type != DeviceType::cpu) {
    return {gpu_flops(queue, dtype), std::string("vendor matrix product, ") + name(dtype),
            gpu_copy_bytes(queue)};
  }
  Peaks peaks = measure_cpu_arithmetic(queue, dtype, Arithmetic::best);
  // The median, not the best sample, since shared memory is at times faster than it stays.
  const CpuReadRate rate(queue);
  std::array<double, 5> samples;
  for (double& sample : samples) sample = rate.sample();
  std::sort(samples.begin(), samples.end());
  peaks.read_bytes = samples[samples.size() / 2];
  return peaks;
}

}  // namespace flashtile::bench
