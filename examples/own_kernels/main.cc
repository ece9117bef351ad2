// Calls two fused kernels, compiled for every instruction set and where possible for GPUs, and checks them in float64.
//
// FLASHTILE_MAX_ISA=avx2 makes the program take the copies for AVX2; the tests run it with each.
#include "kernels.h"

#include <cmath>
#include <cstdio>
#include <random>
#include <vector>

#include "flashtile/tensor.h"

namespace {

using flashtile::Device, flashtile::DType, flashtile::half, flashtile::Queue, flashtile::Tensor;

std::mt19937 generator(1);

template <class T>
Tensor random_tensor(DType dtype, const flashtile::Dims& shape) {
  std::normal_distribution<float> normal;
  Tensor result(dtype, shape);
  for (std::int64_t i = 0; i < result.size(); ++i) result.as<T>()[i] = T(normal(generator));
  return result;
}
template <class T>
double at(const Tensor& t, std::int64_t i) {
  return static_cast<double>(static_cast<float>(t.as<T>()[i]));
}

bool say(const char* what, Device device, double worst) {
  std::printf("%-32s %-6s %5.1f %% of the error bound, %s\n", what, name(device).c_str(), 100 * worst,
              worst <= 1 ? "ok" : "WRONG");
  return worst <= 1;  // false for NaN, too
}

bool check_norm_linear(const Queue& queue) {
  constexpr std::int64_t kRows = 75, kColumns = 70, kDepth = 100;  // no multiples of the tile
  constexpr float kEpsilon = 1e-5f;
  const Tensor x = random_tensor<half>(DType::f16, {kRows, kDepth}),
               w = random_tensor<half>(DType::f16, {kDepth, kColumns}),
               gain = random_tensor<float>(DType::f32, {kDepth});
  const Device device = queue.device();
  const Tensor dx = copy_to(x, device), dw = copy_to(w, device), dgain = copy_to(gain, device),
               dy(DType::f32, {kRows, kColumns}, device);
  mine::norm_linear(queue, {dx.as<half>(), dgain.as<float>(), dw.as<half>(), dy.as<float>(), kRows, kColumns,
                            kDepth, kEpsilon});
  queue.synchronize();
  const Tensor y = copy_to(dy, Device::cpu());

  double worst = 0;
  for (std::int64_t i = 0; i < kRows; ++i) {
    double squares = 0;
    for (std::int64_t k = 0; k < kDepth; ++k)
      squares += at<half>(x, i * kDepth + k) * at<half>(x, i * kDepth + k);
    const double factor = 1 / std::sqrt(squares / kDepth + static_cast<double>(kEpsilon));
    for (std::int64_t j = 0; j < kColumns; ++j) {
      double sum = 0, size = 0, tiny = 0;
      for (std::int64_t k = 0; k < kDepth; ++k) {
        const double weight = at<half>(w, k * kColumns + j),
                     term = at<half>(x, i * kDepth + k) * at<float>(gain, k) * weight;
        sum += term;
        size += std::fabs(term);
        tiny += 0x1p-25 * std::fabs(weight);
      }
      // x * gain is rounded to float16 (2^-11, or 2^-25 below its normal numbers); each product and sum to float32 (2^-24).
      const double bound = factor * ((0x1p-11 + (2 * kDepth + 16) * 0x1p-24) * size + tiny);
      worst = std::fmax(worst, std::fabs(at<float>(y, i * kColumns + j) - factor * sum) / bound);
    }
  }
  return say("(x / rms(x) * gain) w", device, worst);
}

bool check_causal_softmax(const Queue& queue) {
  constexpr std::int64_t kLength = 77, kDepth = 50;
  const float scale = 1 / std::sqrt(static_cast<float>(kDepth));
  const Tensor a = random_tensor<half>(DType::f16, {kLength, kDepth}),
               b = random_tensor<half>(DType::f16, {kLength, kDepth});
  const Device device = queue.device();
  const Tensor da = copy_to(a, device), db = copy_to(b, device), dp(DType::f32, {kLength, kLength}, device);
  mine::causal_softmax(queue, {da.as<half>(), db.as<half>(), dp.as<float>(), kLength, kDepth, scale});
  queue.synchronize();
  const Tensor p = copy_to(dp, Device::cpu());

  double worst = 0;
  for (std::int64_t i = 0; i < kLength; ++i) {
    std::vector<double> scores;
    double top = -HUGE_VAL, size = 0, sum = 0;
    for (std::int64_t j = 0; j <= i; ++j) {
      double score = 0, terms = 0;
      for (std::int64_t k = 0; k < kDepth; ++k) {
        const double term =
            static_cast<double>(scale) * at<half>(a, i * kDepth + k) * at<half>(b, j * kDepth + k);
        score += term;
        terms += std::fabs(term);
      }
      scores.push_back(score);
      top = std::fmax(top, score);
      size = std::fmax(size, terms);
    }
    for (const double score : scores) sum += std::exp(score - top);
    for (std::int64_t j = 0; j < kLength; ++j) {
      const double found = at<float>(p, i * kLength + j);
      if (j > i) {
        if (found != 0) worst = HUGE_VAL;
        continue;
      }
      // A score is off by (depth + 2) roundings of its terms, in numerator, maximum and sum; each exp by 1.5e-7 and the
      // rounding of its argument; the sum by a rounding for each key.
      const double expected = std::exp(scores[static_cast<std::size_t>(j)] - top) / sum;
      const double bound =
          expected * (3 * (kDepth + 4) * 0x1p-24 * size + 1e-6 + static_cast<double>(i) * 0x1p-24);
      worst = std::fmax(worst, std::fabs(found - expected) / bound);
    }
  }
  return say("causal softmax of scale a b'", device, worst);
}

}  // namespace

int main() {
  bool ok = true;
  const auto check = [&](const Queue& queue) {
    ok = check_norm_linear(queue) && ok;
    ok = check_causal_softmax(queue) && ok;
  };
  check(Queue::default_for(Device::cpu()));
#if defined(FLASHTILE_CUDA_KERNELS)
  for (const auto& backend : flashtile::backends()) {
    if (backend.type == flashtile::DeviceType::cuda && !backend.devices.empty())
      check(Queue::default_for(Device::cuda()));
  }
#endif
  return ok ? 0 : 1;
}
