// A product whose results are touched before it is done: ptxas then lets every product wait, and the build refuses that.
#include "flashtile/launch.h"

using namespace flashtile;
using namespace flashtile::primitives;

using Product = matmul2d<matmul2d_descriptor{64, 64, 64}, execution_simdgroups<4>>;
using Matrix = tensor<float, dextents<int, 2>, tensor_inline>;

struct Kernel {
  struct Params {
    float* out;
  };
  struct Threadgroup {
    Product::left_tile_stages<half, 1> a;
    Product::right_tile_stages<half, 1> b;
  };
  static constexpr int kSimdgroups = 4;
  static FT_FUNCTION void run(const Params& p, Threadgroup& memory, GridPosition) {
    auto o = Product::get_destination_cooperative_tensor<Matrix, Matrix, float>();
    auto a = tile(memory.a, 0);
    auto b = tile(memory.b, 0);
    for (int i = 0; i < 4; ++i) {
      Product().start(a, b, o);
// CASE touched: refused: products wait for each other
#if defined(CASE_touched)
      map_elements(o, [](float x) { return x + 1.0f; });
#endif
      wait_products<0>(o);
    }
    o.store(Matrix(p.out, dextents<int, 2>(64, 64)));
  }
};

void use(const Queue& queue, const Kernel::Params& params) { launch<Kernel>(queue, {}, params); }
