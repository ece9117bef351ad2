// Attention by every way of this machine, side by side, each compared with plain loops in float64: on the CPU, and on an emulated
// Apple GPU where the program links one, as it does in a build with tests and the emulator.
#include "flashtile/attention.h"

#include <chrono>
#include <cmath>
#include <cstdio>
#include <random>
#include <vector>

#include "flashtile/error.h"

using namespace flashtile;

/// A (1, heads, length, dim) tensor of normal(0, 1) numbers.
Tensor random_tensor(std::int64_t heads, std::int64_t length, std::int64_t dim, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  const Tensor tensor(DType::f16, {1, heads, length, dim});
  for (std::int64_t i = 0; i < tensor.size(); ++i) tensor.as<half>()[i] = half(normal(generator));
  return tensor;
}

/// Largest |out - exact| / bound over one row of one head. The bound: float16 has 11 bits, so a weight and the
/// output are each off by 2^-12 relatively at worst, and one more such step is left for all float32 arithmetic.
double error_of_row(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& out, std::int64_t row) {
  const std::int64_t length = k.shape()[2], dim = k.shape()[3], head = row / q.shape()[2];
  std::vector<double> weights(static_cast<std::size_t>(length));
  double sum = 0, worst = 0;
  for (std::int64_t j = 0; j < length; ++j) {
    double score = 0;
    for (std::int64_t d = 0; d < dim; ++d) {
      score += static_cast<double>(q.as<half>()[row * dim + d]) * k.as<half>()[(head * length + j) * dim + d];
    }
    sum += weights[static_cast<std::size_t>(j)] = std::exp(score / std::sqrt(static_cast<double>(dim)));
  }
  for (std::int64_t d = 0; d < dim; ++d) {
    double exact = 0, magnitude = 0;
    for (std::int64_t j = 0; j < length; ++j) {
      const double term =
          weights[static_cast<std::size_t>(j)] / sum * v.as<half>()[(head * length + j) * dim + d];
      exact += term;
      magnitude += std::fabs(term);
    }
    worst = std::max(worst, std::fabs(out.as<half>()[row * dim + d] - exact) / (3 * 0x1p-12 * magnitude));
  }
  return worst;
}

/// True when every way that can compute this problem on a device is right.
bool every_way(Device device, std::int64_t heads, std::int64_t length, std::int64_t dim) {
  const Tensor q = random_tensor(heads, length, dim, 1), k = random_tensor(heads, length, dim, 2),
               v = random_tensor(heads, length, dim, 3);
  const Tensor there_q = copy_to(q, device), there_k = copy_to(k, device), there_v = copy_to(v, device);
  std::printf("%s: %lld heads, length %lld, head dim %lld, float16\n", name(device).c_str(),
              static_cast<long long>(heads), static_cast<long long>(length), static_cast<long long>(dim));
  bool right = true;
  for (const WayInfo& way : attention_ways()) {
    try {
      attention(there_q, there_k, there_v, {.way = way.name});  // warm-up
      const auto start = std::chrono::steady_clock::now();
      const Tensor there = attention(there_q, there_k, there_v, {.way = way.name});
      Queue::default_for(device).synchronize();
      const std::chrono::duration<double, std::milli> time = std::chrono::steady_clock::now() - start;
      const Tensor out = copy_to(there, Device::cpu());
      double worst = 0;
      const std::int64_t rows = heads * length, step = rows > 512 ? 61 : 1;
      for (std::int64_t row = 0; row < rows; row += step)
        worst = std::fmax(worst, error_of_row(q, k, v, out, row));
      std::printf("  %-14s %8.3f ms   %3.0f %% of the error bound   %s\n", way.name.c_str(), time.count(),
                  100 * worst, worst <= 1 ? "ok" : "WRONG");
      right = right && worst <= 1;
    } catch (const Error& error) {
      if (error.code() != ErrorCode::unsupported) throw;
      std::printf("  %-14s declined: %s\n", way.name.c_str(), error.what());
    }
  }
  return right;
}

int main() {
  bool right = every_way(Device::cpu(), 1, 64, 64) && every_way(Device::cpu(), 8, 1024, 64);
  for (const BackendInfo& kind : backends()) {
    if (kind.type == DeviceType::metal_emulated && !kind.devices.empty())
      right = every_way(kind.devices.front().device, 8, 64, 64) && right;
  }
  return right ? 0 : 1;
}
