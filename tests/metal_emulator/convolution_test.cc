// convolution2d against sums in float64.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "flashtile/dtype.h"
#include "tests/metal_emulator/run_kernel.h"

namespace flashtile::metal_emulator {
namespace {

std::vector<half> normal_numbers(std::size_t size, unsigned seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal;
  std::vector<half> values;
  for (std::size_t i = 0; i < size; ++i) values.push_back(half(normal(engine)));
  return values;
}

double value(const std::vector<half>& values, int i) {
  return static_cast<double>(static_cast<float>(values[static_cast<std::size_t>(i)]));
}

struct Window {
  int width, height, stride, dilation, left, top;  ///< left, top: padding
};

struct Image {
  int channels, width, height;
};

/// The sum at one place, and the sum of its terms' sizes.
std::pair<double, double> convolved(const std::vector<half>& a, const Image& image, const std::vector<half>& w,
                                    int out_channels, const Window& window, int n, int y, int x, int o) {
  double sum = 0, size = 0;
  for (int ky = 0; ky < window.height; ++ky) {
    for (int kx = 0; kx < window.width; ++kx) {
      const int sy = y * window.stride + ky * window.dilation - window.top,
                sx = x * window.stride + kx * window.dilation - window.left;
      if (sy < 0 || sy >= image.height || sx < 0 || sx >= image.width) continue;
      for (int c = 0; c < image.channels; ++c) {
        const double term = value(a, ((n * image.height + sy) * image.width + sx) * image.channels + c) *
                            value(w, ((ky * window.width + kx) * image.channels + c) * out_channels + o);
        sum += term;
        size += std::fabs(term);
      }
    }
  }
  return {sum, size};
}

void expect_close(float found, double sum, double size, int terms) {
  ASSERT_NEAR(static_cast<double>(found), sum, (terms + 3) * 0x1p-24 * size + 1e-30);
}

TEST(Convolution, HasStridesDilationsAndWindowsOfAnySize) {
  const Image image{16, 9, 7};
  std::vector<half> a = normal_numbers(2 * 7 * 9 * 16, 1);
  for (const auto& [name, window, simdgroups] : {std::tuple{"plain", Window{3, 3, 1, 1, 0, 0}, 1u},
                                                 {"strided", Window{3, 2, 2, 1, 0, 0}, 4u},
                                                 {"dilated", Window{2, 3, 1, 2, 0, 0}, 2u}}) {
    std::vector<half> w = normal_numbers(static_cast<std::size_t>(window.width * window.height * 16 * 24), 2);
    std::vector<float> r(2 * 4 * 5 * 24);
    module_of("convolution")
        .run({.kernel = name,
              .buffers = {{0, bytes_of(a)}, {1, bytes_of(w)}, {2, bytes_of(r)}},
              .threads = {32 * simdgroups}});
    for (int i = 0; i < static_cast<int>(r.size()); ++i) {
      const auto [sum, size] = convolved(a, image, w, 24, window, i / 480, i / 120 % 4, i / 24 % 5, i % 24);
      expect_close(r[static_cast<std::size_t>(i)], sum, size, window.width * window.height * 16);
    }
  }
}

TEST(MetalExamples, ConvolutionPadsAddsABiasAndClampsUnderEveryLayout) {
  const Image image{16, 13, 6};  // tiles of 8 x 4 are cut off at both edges
  std::vector<half> a = normal_numbers(2 * 6 * 13 * 16, 3), w = normal_numbers(9 * 16 * 32, 4);
  std::vector<float> bias(32);
  for (std::size_t i = 0; i < 32; ++i) bias[i] = static_cast<float>(i) - 16;
  std::vector<std::int32_t> sizes{13, 6};
  for (const Layout layout : {Layout::before_m5, Layout::m5, Layout::os26_0, Layout::os26_2}) {
    std::vector<float> r(2 * 6 * 13 * 32, -1.0f);
    module_of("../../examples/metal/convolution")
        .run({.kernel = "convolution",
              .buffers = {{0, bytes_of(a)},
                          {1, bytes_of(w)},
                          {2, bytes_of(bias)},
                          {3, bytes_of(r)},
                          {4, bytes_of(sizes)}},
              .threads = {128},
              .threadgroups = {2, 2, 2},
              .layout = layout});
    for (int i = 0; i < static_cast<int>(r.size()); ++i) {
      const auto [sum, size] =
          convolved(a, image, w, 32, {3, 3, 1, 1, 1, 1}, i / (32 * 78), i / (32 * 13) % 6, i / 32 % 13, i % 32);
      const double biased = sum + static_cast<double>(bias[static_cast<std::size_t>(i % 32)]);
      expect_close(r[static_cast<std::size_t>(i)], std::fmax(biased, 0.0), size + 16, 9 * 16 + 1);
    }
  }
}

}  // namespace
}  // namespace flashtile::metal_emulator
