// Times 3x3 convolutions with a fused bias and activation by convolution2d: those of ResNet-50, 16 images. Prints a JSON line for
// each. A program an instruction set, and one for NVIDIA GPUs; called by bench/convolution.py, which times the same by
// PyTorch (oneDNN and cuDNN).
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "bench/stopwatch.h"
#include "flashtile/launch.h"
#include "flashtile/primitives/convolution2d.h"
#include "flashtile/tensor.h"

namespace flashtile::bench {
inline namespace FLASHTILE_BACKEND {
FLASHTILE_USE_PRIMITIVES

#if defined(__CUDACC__)
inline constexpr int kSimdgroupsHere = 4, kWide = 16, kHigh = 8;
#else
inline constexpr int kSimdgroupsHere = 1, kWide = 16, kHigh = 8;
#endif

/// Y = max(A * W + bias, 0) for Channels input and output channels, a tile of kWide x kHigh places and kOut channels at a time.
template <class T, int Channels>
struct Convolution {
  struct Params {
    const T *images, *weights;
    const float* bias;
    T* y;
    int size, count;
  };
  struct Threadgroup {};
  static constexpr int kSimdgroups = kSimdgroupsHere, kOut = 64;

  static FT_FUNCTION void run(FT_CONSTANT const Params& p, FT_THREADGROUP Threadgroup&, GridPosition at) {
    using Size = dextents<int, 4>;
    constexpr int kTiles = Channels / kOut;
    const int x = static_cast<int>(at.x) * kWide, y = static_cast<int>(at.y) * kHigh,
              o = static_cast<int>(at.z) % kTiles * kOut, n = static_cast<int>(at.z) / kTiles;
    const Size size(Channels, p.size, p.size, p.count);
    auto images = tensor(p.images, size).slice(0, 0, 0, n);
    auto weights = tensor(p.weights, Size(Channels, Channels, 3, 3)).slice(o, 0, 0, 0);
    auto bias = tensor(p.bias, dextents<int, 1>(Channels)).slice(o);
    auto result = tensor(p.y, size).slice(o, x, y, n);
    constexpr convolution2d_descriptor adds(
        int4{kOut, kWide, kHigh, 1}, int4{Channels, kWide + 2, kHigh + 2, 1}, int2{3, 3},
        convolution2d_activation_layout::nhwc, convolution2d_weights_layout::hwio, int2{1, 1}, int2{1, 1}, 1,
        false, convolution2d_descriptor::mode::multiply_accumulate);
    convolution2d<adds, execution_simdgroups<kSimdgroups>> convolution;
    convolution.set_offsets(int2{x, y});
    auto sums =
        convolution.template get_destination_cooperative_tensor<decltype(images), decltype(weights), float>();
    load(sums, bias);
    convolution.run(images, weights, sums);
    map_elements(sums, [](auto sum) { return max(sum, 0.0f); });
    store(sums, result);
  }
};

/// Seconds of a call on images of `size` x `size`: the least of many.
template <class T, int Channels>
void measure(const Queue& queue, DType dtype, int size, double seconds) {
  constexpr int kImages = 16;
  const auto filled = [&](const Dims& shape, DType type) {
    Tensor values(DType::f32, shape);
    for (std::int64_t i = 0; i < values.size(); ++i)
      values.as<float>()[i] = static_cast<float>(i * 7 % 31 - 15) / 16.0f;
    return copy_to(convert(values, type), queue.device());
  };
  const Tensor images = filled({kImages, size, size, Channels}, dtype),
               weights = filled({3, 3, Channels, Channels}, dtype), bias = filled({Channels}, DType::f32),
               y(dtype, {kImages, size, size, Channels}, queue.device());
  using Kernel = Convolution<T, Channels>;
  const auto call = [&] {
    launch<Kernel>(queue,
                   {(size + kWide - 1) / kWide, (size + kHigh - 1) / kHigh, kImages * Channels / Kernel::kOut},
                   {images.as<T>(), weights.as<T>(), bias.as<float>(), y.as<T>(), size, kImages});
  };
  const Stopwatch stopwatch = stopwatch_of(queue);
  constexpr int kTogether = 10;  // a single call would be timed with its launch
  double best = stopwatch(call), spent = 0.0;
  while (spent < seconds) {
    const double all = stopwatch([&] {
      for (int i = 0; i < kTogether; ++i) call();
    });
    spent += all;
    best = std::min(best, all / kTogether);
  }
  const double flops = 2.0 * 9 * Channels * Channels * kImages * size * size;
  std::printf(
      "{\"way\": \"convolution2d\", \"dtype\": \"%s\", \"images\": %d, \"size\": %d, \"channels\": %d, \"ms\": "
      "%.4f, \"tflops\": %.3f}\n",
      name(dtype), kImages, size, Channels, 1e3 * best, flops / best * 1e-12);
  std::fflush(stdout);
}

template <class T>
void measure_all(const Queue& queue, DType dtype, double seconds) {
  measure<T, 64>(queue, dtype, 56, seconds);
  measure<T, 128>(queue, dtype, 28, seconds);
  measure<T, 256>(queue, dtype, 14, seconds);
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::bench

/// convolution [SECONDS [THREADS]]: for each measurement; of a CPU.
int main(int count, char** arguments) {
  using namespace flashtile;
  const double seconds = count > 1 ? std::atof(arguments[1]) : 0.3;
#if defined(__CUDACC__)
  const Queue queue = Queue::default_for(Device::cuda());
#else
  const Queue queue = Queue::cpu({.threads = count > 2 ? std::atoi(arguments[2]) : 1});
  bench::measure_all<float>(queue, DType::f32, seconds);
#endif
  bench::measure_all<bfloat>(queue, DType::bf16, seconds);
  bench::measure_all<half>(queue, DType::f16, seconds);
  return 0;
}
