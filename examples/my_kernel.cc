// A fused kernel of one's own, on the tile primitives: Y = gelu(X W + bias), without X W ever reaching memory.
//
// A C++ compiler makes a program for this CPU of it, nvcc one for a GPU:
//   g++ -std=c++20 -O3 -march=native my_kernel.cc $(pkg-config --cflags --libs flashtile)
//   nvcc -std=c++20 -O3 -arch=sm_90a -x cu my_kernel.cc $(pkg-config --cflags --libs flashtile)
// own_kernels/ is compiled for every instruction set instead.
#include <cmath>
#include <cstdio>
#include <random>

#include "flashtile/launch.h"
#include "flashtile/tensor.h"

namespace mine {
inline namespace FLASHTILE_BACKEND {
FLASHTILE_USE_PRIMITIVES

/// One threadgroup computes a 32 x 32 tile of Y = gelu(X W + bias); X (rows, depth), W (depth, columns), all row-major.
struct LinearGelu {
  struct Params {
    const half *x, *w;
    const float* bias;
    float* y;
    int rows, columns, depth;
  };
  struct Threadgroup {};
  static constexpr int kSimdgroups = 1, kTile = 32;

  static FT_FUNCTION void run(FT_CONSTANT const Params& p, FT_THREADGROUP Threadgroup&, GridPosition at) {
    using Size = dextents<int, 2>;  // (columns, rows)
    const int row = static_cast<int>(at.y) * kTile, column = static_cast<int>(at.x) * kTile;
    auto x = tensor(p.x, Size(p.depth, p.rows)).slice(0, row);
    auto w = tensor(p.w, Size(p.columns, p.depth)).slice(column, 0);
    auto bias = tensor(p.bias, dextents<int, 1>(p.columns)).slice(column);
    auto y = tensor(p.y, Size(p.columns, p.rows)).slice(column, row);

    matmul2d<matmul2d_descriptor(kTile, kTile, dynamic_length), execution_simdgroup> product;
    auto sums = product.get_destination_cooperative_tensor<decltype(x), decltype(w), float>();  // (32, 32)
    auto added = make_column_entries<float, kTile, kTile, execution_simdgroup>();               // (32)
    product.run(x, w, sums);
    load(added, bias);
    map_columns(sums, added, [](auto sum, auto b) {
      const auto u = sum + b;
      return u / (1.0f + exp(-1.702f * u));  // gelu(u) = u sigmoid(1.702 u)
    });
    store(sums, y);
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
  constexpr int kRows = 100, kColumns = 70, kDepth = 50;  // no multiples of the tile
  std::mt19937 generator(1);
  const Tensor x = random_tensor<half>(DType::f16, {kRows, kDepth}, generator);
  const Tensor w = random_tensor<half>(DType::f16, {kDepth, kColumns}, generator);
  const Tensor bias = random_tensor<float>(DType::f32, {kColumns}, generator);

  const flashtile::Device device{flashtile::kLaunchDevice};  // what this file was compiled for
  const Tensor there[] = {copy_to(x, device), copy_to(w, device), copy_to(bias, device),
                          Tensor(DType::f32, {kRows, kColumns}, device)};
  const auto tiles = [](int size) { return (size + mine::LinearGelu::kTile - 1) / mine::LinearGelu::kTile; };
  const auto queue = flashtile::Queue::default_for(device);
  flashtile::launch<mine::LinearGelu>(queue, {tiles(kColumns), tiles(kRows), 1},
                                      {there[0].as<half>(), there[1].as<half>(), there[2].as<float>(),
                                       there[3].as<float>(), kRows, kColumns, kDepth});
  queue.synchronize();
  const Tensor y = copy_to(there[3], flashtile::Device::cpu());

  double worst = 0;
  for (int i = 0; i < kRows; ++i) {
    for (int j = 0; j < kColumns; ++j) {
      double u = bias.as<float>()[j], size = std::fabs(u);
      for (int l = 0; l < kDepth; ++l) {
        const double term = static_cast<double>(x.as<half>()[i * kDepth + l]) *
                            static_cast<double>(w.as<half>()[l * kColumns + j]);
        u += term;
        size += std::fabs(term);
      }
      // A float32 rounding (2^-24) for each product and sum, and gelu's slope is at most 1.13; a few more for gelu itself.
      const double bound = 1.13 * (kDepth + 8) * 0x1p-24 * size;
      const double found = static_cast<double>(y.as<float>()[i * kColumns + j]);
      worst = std::fmax(worst, std::fabs(found - u / (1 + std::exp(-1.702 * u))) / bound);
    }
  }
  std::printf("gelu(X W + bias): %.0f %% of the error bound, %s\n", 100 * worst, worst <= 1 ? "ok" : "WRONG");
  return worst <= 1 ? 0 : 1;
}
