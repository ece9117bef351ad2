// A fused kernel of one's own, on the tile primitives: Y = gelu(X W + bias), without X W ever reaching memory.
#include <cmath>
#include <cstdio>
#include <random>
#include <vector>

#include "flashtile/launch.h"

using namespace flashtile::primitives;
using flashtile::Grid, flashtile::GridPosition, flashtile::half;

/// One threadgroup computes a 32 x 32 tile of Y:  Y = gelu(X W + bias), X (rows, depth), W
/// (depth, columns), all row-major.
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
    using Size = dextents<int, 2>;
    const int row = static_cast<int>(at.y) * kTile, column = static_cast<int>(at.x) * kTile;
    auto x = tensor(p.x, Size(p.depth, p.rows)).slice(0, row);        // (rows left, depth)
    auto w = tensor(p.w, Size(p.columns, p.depth)).slice(column, 0);  // (depth, columns left)
    auto bias = tensor(p.bias, dextents<int, 1>(p.columns)).slice(column);
    auto y = tensor(p.y, Size(p.columns, p.rows)).slice(column, row);

    matmul2d<matmul2d_descriptor(kTile, kTile, dynamic_length), execution_simdgroup> product;
    auto sums = product.get_destination_cooperative_tensor<decltype(x), decltype(w), float>();   // (32, 32)
    auto added = product.get_destination_cooperative_tensor<decltype(x), decltype(w), float>();  // (32, 32)
    product.run(x, w, sums);
    load_repeated(added, bias);
    map_elements(sums, added,
                 [](auto sum, auto b) {  // gelu(u) = u sigmoid(1.702 u); 1.702 log2(e) = 2.45546696
                   const auto u = sum + b;
                   return u / (1.0f + exp2(-2.45546696f * u));
                 });
    store(sums, y);
  }
};

int main() {
  constexpr int kRows = 100, kColumns = 70, kDepth = 50;  // no multiples of the tile
  std::mt19937 generator(1);
  std::normal_distribution<float> normal;
  std::vector<half> x(kRows * kDepth), w(kDepth * kColumns);
  std::vector<float> bias(kColumns), y(kRows * kColumns);
  for (half& value : x) value = half(normal(generator));
  for (half& value : w) value = half(normal(generator));
  for (float& value : bias) value = normal(generator);

  const auto tiles = [](int size) { return (size + LinearGelu::kTile - 1) / LinearGelu::kTile; };
  flashtile::launch<LinearGelu>(flashtile::Queue::default_for(flashtile::Device::cpu()),
                                Grid{tiles(kColumns), tiles(kRows), 1},
                                {x.data(), w.data(), bias.data(), y.data(), kRows, kColumns, kDepth});

  double worst = 0;
  for (int i = 0; i < kRows; ++i) {
    for (int j = 0; j < kColumns; ++j) {
      double u = bias[static_cast<std::size_t>(j)], size = std::fabs(u);
      for (int l = 0; l < kDepth; ++l) {
        const double term = static_cast<double>(x[static_cast<std::size_t>(i * kDepth + l)]) *
                            w[static_cast<std::size_t>(l * kColumns + j)];
        u += term;
        size += std::fabs(term);
      }
      // A float32 rounding (2^-24) for each product and sum, and gelu's slope is at most
      // 1.13; a few more for gelu itself.
      const double bound = 1.13 * (kDepth + 8) * 0x1p-24 * size;
      worst = std::fmax(
          worst,
          std::fabs(y[static_cast<std::size_t>(i * kColumns + j)] - u / (1 + std::exp(-1.702 * u))) / bound);
    }
  }
  std::printf("gelu(X W + bias): %.0f %% of the error bound, %s\n", 100 * worst, worst <= 1 ? "ok" : "WRONG");
  return worst <= 1 ? 0 : 1;
}
