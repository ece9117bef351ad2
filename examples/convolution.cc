// A 3x3 convolution with a fused bias and activation, on the tile primitives: Y = max(A * W + bias, 0), where A * W never
// reaches memory. Images keep their size: what lies outside counts as 0.
//
// A C++ compiler makes a program for this CPU of it, nvcc one for a GPU; metal/convolution.metal is the same in Apple's own
// words:
//   g++ -std=c++20 -O3 -march=native convolution.cc $(pkg-config --cflags --libs flashtile)
//   nvcc -std=c++20 -O3 -arch=sm_90a -x cu convolution.cc $(pkg-config --cflags --libs flashtile)
#include <cmath>
#include <cstdio>
#include <random>

#include "flashtile/launch.h"
#include "flashtile/primitives/convolution2d.h"
#include "flashtile/tensor.h"

namespace mine {
inline namespace FLASHTILE_BACKEND {
FLASHTILE_USE_PRIMITIVES

/// One threadgroup computes 32 channels of 8 x 8 places of an image.
struct ConvolutionRelu {
  struct Params {
    const half *images, *weights;  // (N, H, W, C) and (3, 3, C, 32), in C order
    const float* bias;             // (32)
    float* y;                      // (N, H, W, 32)
    int width, height, count;
  };
  struct Threadgroup {};
  static constexpr int kSimdgroups = 1, kIn = 16, kOut = 32, kTile = 8;

  static FT_FUNCTION void run(FT_CONSTANT const Params& p, FT_THREADGROUP Threadgroup&, GridPosition at) {
    using Size = dextents<int, 4>;  // (channels, width, height, images)
    const int x = static_cast<int>(at.x) * kTile, y = static_cast<int>(at.y) * kTile,
              n = static_cast<int>(at.z);
    auto images = tensor(p.images, Size(kIn, p.width, p.height, p.count)).slice(0, 0, 0, n);
    auto weights = tensor(p.weights, Size(kOut, kIn, 3, 3));
    auto bias = tensor(p.bias, dextents<int, 1>(kOut));
    auto result = tensor(p.y, Size(kOut, p.width, p.height, p.count)).slice(0, x, y, n);

    constexpr convolution2d_descriptor adds(int4{kOut, kTile, kTile, 1}, int4{kIn, kTile + 2, kTile + 2, 1},
                                            int2{3, 3}, convolution2d_activation_layout::nhwc,
                                            convolution2d_weights_layout::hwio, int2{1, 1}, int2{1, 1}, 1,
                                            false, convolution2d_descriptor::mode::multiply_accumulate);
    convolution2d<adds, execution_simdgroups<kSimdgroups>> convolution;
    convolution.set_offsets(int2{x, y});  // the middle of the tile's first window
    auto sums = convolution.get_destination_cooperative_tensor<decltype(images), decltype(weights), float>();
    load(sums, bias);  // the bias of each channel, at every place
    convolution.run(images, weights, sums);
    map_elements(sums, [](auto sum) { return max(sum, 0.0f); });
    store(sums, result);
  }
};

}  // namespace FLASHTILE_BACKEND
}  // namespace mine

using flashtile::DType, flashtile::Tensor, flashtile::half;

/// Normally distributed elements in the CPU's memory.
template <class T>
Tensor random_tensor(DType dtype, const flashtile::Dims& shape, std::mt19937& generator) {
  std::normal_distribution<float> normal;
  Tensor result(dtype, shape);
  for (std::int64_t i = 0; i < result.size(); ++i) result.as<T>()[i] = T(normal(generator));
  return result;
}

int main() {
  using mine::ConvolutionRelu;
  constexpr int kIn = ConvolutionRelu::kIn, kOut = ConvolutionRelu::kOut, kTile = ConvolutionRelu::kTile;
  constexpr int kWidth = 29, kHeight = 18, kImages = 2;  // no multiples of the tile
  std::mt19937 generator(1);
  const Tensor images = random_tensor<half>(DType::f16, {kImages, kHeight, kWidth, kIn}, generator);
  const Tensor weights = random_tensor<half>(DType::f16, {3, 3, kIn, kOut}, generator);
  const Tensor bias = random_tensor<float>(DType::f32, {kOut}, generator);

  const flashtile::Device device{flashtile::kLaunchDevice};  // what this file was compiled for
  const Tensor there[] = {copy_to(images, device), copy_to(weights, device), copy_to(bias, device),
                          Tensor(DType::f32, {kImages, kHeight, kWidth, kOut}, device)};
  const auto queue = flashtile::Queue::default_for(device);
  flashtile::launch<ConvolutionRelu>(queue,
                                     {(kWidth + kTile - 1) / kTile, (kHeight + kTile - 1) / kTile, kImages},
                                     {there[0].as<half>(), there[1].as<half>(), there[2].as<float>(),
                                      there[3].as<float>(), kWidth, kHeight, kImages});
  queue.synchronize();
  const Tensor y = copy_to(there[3], flashtile::Device::cpu());

  double worst = 0;
  for (int i = 0; i < kImages * kHeight * kWidth * kOut; ++i) {
    const int o = i % kOut, x = i / kOut % kWidth, row = i / kOut / kWidth;  // a row of an image
    double sum = bias.as<float>()[o], size = std::fabs(sum);
    for (int tap = 0; tap < 9; ++tap) {
      const int from_x = x + tap % 3 - 1, from_y = row % kHeight + tap / 3 - 1;
      if (from_x < 0 || from_x >= kWidth || from_y < 0 || from_y >= kHeight) continue;
      const half* pixel = images.as<half>() + ((row + tap / 3 - 1) * kWidth + from_x) * kIn;
      for (int c = 0; c < kIn; ++c) {
        const double term =
            static_cast<double>(pixel[c]) * static_cast<double>(weights.as<half>()[(tap * kIn + c) * kOut + o]);
        sum += term;
        size += std::fabs(term);
      }
    }
    const double bound = (9 * kIn + 2) * 0x1p-24 * size;  // a float32 rounding for each product and sum
    worst = std::fmax(worst, std::fabs(static_cast<double>(y.as<float>()[i]) - std::fmax(sum, 0.0)) / bound);
  }
  std::printf("max(A * W + bias, 0): %.0f %% of the error bound, %s\n", 100 * worst,
              worst <= 1 ? "ok" : "WRONG");
  return worst <= 1 ? 0 : 1;
}
