// A matrix product and the causal softmax of its rows in one kernel: scores never reach memory, only probabilities do.
#include "flashtile/launch.h"

#include "kernels.h"

namespace mine {
inline namespace FLASHTILE_BACKEND {
FLASHTILE_USE_PRIMITIVES

/// One threadgroup computes 32 rows of p in two passes over the columns that they see: the first finds each row's maximum and
/// sum, the second computes the scores again and stores the probabilities.
struct CausalSoftmax {
  using Params = CausalSoftmaxParams;
  struct Threadgroup {};
  static constexpr int kSimdgroups = 1, kTile = 32;

  using Scope = execution_simdgroup;
  using Size = dextents<int, 2>;  // (columns, rows)

  /// s = scale a b', with -infinity where the key lies behind the query.
  template <class Tile>
  static FT_FUNCTION void scores(FT_CONSTANT const Params& p, int row, int column, FT_THREAD Tile& s) {
    matmul2d<matmul2d_descriptor(kTile, kTile, dynamic_length, false, true), Scope> product;
    auto a = tensor(p.a, Size(p.depth, p.length)).slice(0, row);
    auto b = tensor(p.b, Size(p.depth, p.length)).slice(0, column);
    product.run(a, b, s);
    const float scale = p.scale;
    map_indexed(s, [=](auto e, auto r, auto c) {
      return select(-__builtin_huge_valf(), e * scale, c + column <= r + row);
    });
  }

  static FT_FUNCTION void run(FT_CONSTANT const Params& p, FT_THREADGROUP Threadgroup&, GridPosition at) {
    const int row = static_cast<int>(at.x) * kTile;
    auto s = make_tile<float, kTile, kTile, Scope>();
    auto top = make_row_entries<float, kTile, kTile, Scope>();
    auto next = make_row_entries<float, kTile, kTile, Scope>();
    auto sum = make_row_entries<float, kTile, kTile, Scope>();
    auto part = make_row_entries<float, kTile, kTile, Scope>();
    map_elements(top, [](auto) { return -__builtin_huge_valf(); });
    zero(sum);
    for (int column = 0; column < row + kTile; column += kTile) {
      scores(p, row, column, s);
      reduce_rows(s, next, reduction_operation::max, -__builtin_huge_valf());
      map_elements(next, top, [](auto found, auto old) { return max(found, old); });
      map_elements(top, next, [](auto old, auto now) { return exp(old - now); });
      map_elements(sum, top, [](auto total, auto factor) { return total * factor; });
      map_rows(s, next, [](auto e, auto now) { return exp(e - now); });
      reduce_rows(s, part);
      map_elements(sum, part, [](auto total, auto more) { return total + more; });
      map_elements(top, next, [](auto, auto now) { return now; });
    }
    for (int column = 0; column < p.length; column += kTile) {
      if (column < row + kTile) {
        scores(p, row, column, s);
        map_rows(s, top, sum, [](auto e, auto highest, auto total) { return exp(e - highest) / total; });
      } else {
        zero(s);
      }
      store(s, tensor(p.p, Size(p.length, p.length)).slice(column, row));
    }
  }
};

void causal_softmax(const flashtile::Queue& queue, const CausalSoftmaxParams& p) {
  flashtile::launch<CausalSoftmax>(queue, {(p.length + CausalSoftmax::kTile - 1) / CausalSoftmax::kTile, 1, 1},
                                   p);
}

}  // namespace FLASHTILE_BACKEND
}  // namespace mine
