// convolution2d against sums in float64, for the tests of every backend.
#pragma once

#include "tests/primitives/convolution2d_kernel.h"
#include "tests/primitives/harness.h"

namespace flashtile::test {

/// One convolution of a whole problem: arrays in C order, activations (images, height, width, channels), weights (window_height,
/// window_width, channels, out_channels), results (images, out_height, out_width, out_channels).
struct ConvolutionProblem {
  int channels, width, height, images, out_channels, window_width, window_height, stride, dilation;
  int offset_x, offset_y;  ///< where the middle of the first window lies
  int out_width, out_height;

  ConvolutionSizes sizes() const {
    return {channels, width, height, images, out_channels, out_width, out_height, offset_x, offset_y};
  }
  std::size_t activations() const { return elements(images, height, width, channels); }
  std::size_t weights() const { return elements(window_height, window_width, channels, out_channels); }
  std::size_t results() const { return elements(images, out_height, out_width, out_channels); }

 private:
  static std::size_t elements(int a, int b, int c, int d) {
    return static_cast<std::size_t>(std::int64_t{a} * b * c * d);
  }
};

/// A sum, and the sum of its terms' sizes.
struct Sum {
  double value = 0, size = 0;
  void add(double term) { value += term, size += std::fabs(term); }
};

/// Element i of the result.
template <class A, class W>
Sum convolved(const ConvolutionProblem& p, const std::vector<A>& a, const std::vector<W>& w, std::size_t i) {
  const auto first_tap = [&](int taps, int offset) { return offset - ((taps - 1) * p.dilation + 1) / 2; };
  const int o = static_cast<int>(i) % p.out_channels, place = static_cast<int>(i) / p.out_channels,
            x = place % p.out_width, y = place / p.out_width % p.out_height,
            n = place / (p.out_width * p.out_height);
  Sum sum;
  for (int j = 0; j < p.window_height; ++j) {
    for (int k = 0; k < p.window_width; ++k) {
      const int from_x = x * p.stride + k * p.dilation + first_tap(p.window_width, p.offset_x),
                from_y = y * p.stride + j * p.dilation + first_tap(p.window_height, p.offset_y);
      if (from_x < 0 || from_x >= p.width || from_y < 0 || from_y >= p.height) continue;
      const int from = ((n * p.height + from_y) * p.width + from_x) * p.channels,
                tap = (j * p.window_width + k) * p.channels;
      for (int c = 0; c < p.channels; ++c) {
        sum.add(as_double(a[static_cast<std::size_t>(from + c)]) *
                as_double(w[static_cast<std::size_t>((tap + c) * p.out_channels + o)]));
      }
    }
  }
  return sum;
}

/// Runs a problem on a device, and compares every element. launch(activations, weights, bias, result, grid) runs a kernel Convolve
/// with this descriptor.
template <class A, class W, class D, class Launch>
void check_convolution(Device device, const ConvolutionProblem& p, const convolution2d_descriptor& descriptor,
                       bool in_memory, Launch launch) {
  const auto on_device = [&](const auto& values) {
    const auto bytes = static_cast<std::int64_t>(values.size() * sizeof values[0]);
    return copy_to(packed_view(values.data(), DType::i8, {bytes}), device);
  };
  const auto a = random_values<A>(p.activations(), 1);
  const auto w = random_values<W>(p.weights(), 2);
  const auto bias = random_values<float>(static_cast<std::size_t>(p.out_channels), 3);
  const auto before = random_values<D>(p.results(), 4);
  const Tensor inputs[] = {on_device(a), on_device(w), on_device(bias)}, result = on_device(before);
  const int4 tile = descriptor.destination_dimensions;
  const auto tiles = [](int size, int of) { return std::int64_t{(size + of - 1) / of}; };
  launch(static_cast<const A*>(inputs[0].data()), static_cast<const W*>(inputs[1].data()),
         static_cast<const float*>(inputs[2].data()), static_cast<D*>(result.data()),
         Grid{tiles(p.out_width, tile.y), tiles(p.out_height, tile.z),
              tiles(p.images, tile.w) * tiles(p.out_channels, tile.x)});

  const Tensor here = copy_to(result, Device::cpu());
  const D* found = static_cast<const D*>(here.data());
  int wrong = 0;
  for (std::size_t i = 0; i < before.size(); ++i) {
    Sum expected = convolved(p, a, w, i);
    const auto channel = i % static_cast<std::size_t>(p.out_channels);
    if (descriptor.accumulates())
      expected.add(as_double(in_memory ? before[i] : static_cast<D>(bias[channel])));
    // A float32 rounding for each product and sum, and one of the result's type.
    const double bound = (p.window_width * p.window_height * p.channels + 4) * 0x1p-24 * expected.size +
                         unit_roundoff<D> * std::fabs(expected.value);
    if (!(std::fabs(as_double(found[i]) - expected.value) <= bound) && ++wrong <= 3) {
      ADD_FAILURE() << "element " << i << " is " << as_double(found[i]) << ", not " << expected.value << " +- "
                    << bound;
    }
  }
  EXPECT_EQ(wrong, 0) << "wrong elements of " << before.size();
}

}  // namespace flashtile::test
