// RMSNorm and a matrix product in one kernel: the normalised rows never reach memory.
#include "flashtile/launch.h"

#include "kernels.h"

namespace mine {
inline namespace FLASHTILE_BACKEND {
FLASHTILE_USE_PRIMITIVES

/// One threadgroup computes 32 x 32 elements of y. A row's 1 / rms is the same for all its elements, so it multiplies the
/// finished sums.
struct NormLinear {
  using Params = NormLinearParams;
  struct Threadgroup {};
  static constexpr int kSimdgroups = 1, kTile = 32, kStep = 32;

  static FT_FUNCTION void run(FT_CONSTANT const Params& p, FT_THREADGROUP Threadgroup&, GridPosition at) {
    using Size = dextents<int, 2>;  // (columns, rows)
    using Scope = execution_simdgroup;
    constexpr matmul2d_descriptor kProduct(kTile, kTile, kStep, false, false, false,
                                           matmul2d_descriptor::mode::multiply_accumulate);
    const int row = static_cast<int>(at.y) * kTile, column = static_cast<int>(at.x) * kTile;

    matmul2d<kProduct, Scope> product;
    auto sums = make_tile<float, kTile, kTile, Scope>();
    auto x = make_tile<half, kTile, kStep, Scope>();
    auto squares = make_tile<float, kTile, kStep, Scope>();
    auto gain = make_column_entries<float, kTile, kStep, Scope>();
    auto right = product.template get_right_input_cooperative_tensor<half, half, float>();
    for (int k = 0; k < p.depth;
         k += kStep) {  // loads are clipped: a last step of less than 32 is filled with zeros
      load(x, tensor(p.x, Size(p.depth, p.rows)).slice(k, row));
      load(gain, tensor(p.gain, dextents<int, 1>(p.depth)).slice(k));
      load(right, tensor(p.w, Size(p.columns, p.depth)).slice(column, k));
      map_elements(squares, x, [](auto sum, auto e) { return fma(e, e, sum); });
      map_columns(x, gain, [](auto e, auto g) { return e * g; });
      auto left = product.template get_left_input_cooperative_tensor<half, half, float>(x);
      product.run(left, right, sums);
    }
    auto total = make_row_entries<float, kTile, kStep, Scope>();
    reduce_rows(squares, total);
    const float share = 1.0f / static_cast<float>(p.depth), epsilon = p.epsilon;
    map_rows(sums, total, [=](auto sum, auto t) { return sum * rsqrt(t * share + epsilon); });
    store(sums, tensor(p.y, Size(p.columns, p.rows)).slice(column, row));
  }
};

void norm_linear(const flashtile::Queue& queue, const NormLinearParams& p) {
  const auto tiles = [](int size) { return (size + NormLinear::kTile - 1) / NormLinear::kTile; };
  flashtile::launch<NormLinear>(queue, {tiles(p.columns), tiles(p.rows), 1}, p);
}

}  // namespace FLASHTILE_BACKEND
}  // namespace mine
