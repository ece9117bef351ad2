// Numbers that hardware has produced: the published probe of cooperative loads and stores on an M4 Pro, and the
// bit-exact model of products, sequential in k, that was measured on M1 to M4.
#include "tests/primitives/harness.h"

namespace flashtile::test {
namespace {

template <class T>
using Matrix = tensor<T, dextents<int, 2>, tensor_inline>;
using mode = matmul2d_descriptor::mode;

// ---- the probe ----------------------------------------------------------------------------------------------
//
// A product of M x K and K x N matrices in packed row-major buffers, whose three tensors were declared with
// extents (M, K), (K, N) and (M, N), which swaps rows and columns, and the largest error against A B that
// followed from it.

struct Buffers {
  const float* a;
  const float* b;
  float* c;
};
template <int M, int N, int K>
struct Probe {
  using Params = Buffers;
  struct Threadgroup {};
  static constexpr int kSimdgroups = 1;
  static FT_FUNCTION void run(const Params& p, Threadgroup&, GridPosition) {
    using Product = matmul2d<matmul2d_descriptor{M, N, K}, execution_simdgroup>;
    Product product;
    Matrix<const float> a(p.a, dextents<int, 2>(M, K)), b(p.b, dextents<int, 2>(K, N));
    Matrix<float> c(p.c, dextents<int, 2>(M, N));
    auto left = product.template get_left_input_cooperative_tensor<float, float, float>();
    auto right = product.template get_right_input_cooperative_tensor<float, float, float>();
    left.load(a);
    right.load(b);
    auto d = product.template get_destination_cooperative_tensor<decltype(left), decltype(right), float>();
    product.run(left, right, d);
    d.store(c);
  }
};

/// NumPy's RandomState(seed).randint(-3, 4, count): the low three bits of each draw of
/// MT19937, 7 drawn again, minus 3.
std::vector<float> numpy_randint(std::uint32_t seed, int count) {
  std::mt19937 generator(seed);  // init_genrand(seed)
  std::vector<float> values;
  while (static_cast<int>(values.size()) < count) {
    const auto draw = static_cast<int>(generator() & 7u);
    if (draw <= 6) values.push_back(static_cast<float>(draw - 3));
  }
  return values;
}

/// max |C - A B| of one shape, where C starts with `c` and ends as the probe left it.
template <int M, int N, int K>
float probe_error(std::vector<float>& c) {
  const auto a = numpy_randint(0, M * K), b = numpy_randint(1, K * N);
  c.resize(M * N);
  const Array<float> da(a), db(b), dc(c);
  run<Probe<M, N, K>>({da.data(), db.data(), dc.data()});
  c = dc.read();
  float worst = 0.0f;
  for (std::size_t m = 0; m < M; ++m) {
    for (std::size_t n = 0; n < N; ++n) {
      float expected = 0.0f;
      for (std::size_t k = 0; k < K; ++k) expected += a[m * K + k] * b[k * N + n];
      worst = std::max(worst, std::abs(c[m * N + n] - expected));
    }
  }
  return worst;
}
template <int M, int N, int K>
float probe_error() {
  std::vector<float> c(M * N, 0.0f);
  return probe_error<M, N, K>(c);
}

TEST(Golden, ThePublishedProbeIsReproducedNumberByNumber) {
  EXPECT_EQ((probe_error<16, 32, 16>()), 67.0f);
  EXPECT_EQ((probe_error<32, 16, 16>()), 45.0f);
  EXPECT_EQ((probe_error<16, 16, 32>()), 74.0f);
  EXPECT_EQ((probe_error<32, 32, 16>()), 83.0f);
  EXPECT_EQ((probe_error<16, 32, 32>()), 70.0f);
  EXPECT_EQ((probe_error<32, 16, 32>()), 70.0f);
  EXPECT_EQ((probe_error<32, 32, 32>()), 0.0f);
}

TEST(Golden, TheProbeDropsWhatItsTensorLacks) {
  std::vector<float> c(16 * 32, 0.0f);
  probe_error<16, 32, 32>(c);  // the shape that ran before leaves its bytes where (32, 16, 32) stores nothing
  EXPECT_EQ((probe_error<32, 16, 32>(c)), 74.0f);
}

// ---- the sequential model -----------------------------------------------------------------------------------

float fused(float a, float b, float c) { return kFused ? std::fma(a, b, c) : a * b + c; }

template <class T>
struct Operands {
  const T* a;  // 8 x K
  const T* b;  // K x 8 (or 16 wide for matmul2d)
  const float* c;
  float* d;
};

/// K / 8 chained products of 8 x 8 matrices.
template <class T, int K>
struct ChainOfMatrices {
  using Params = Operands<T>;
  struct Threadgroup {};
  static constexpr int kSimdgroups = 1;
  static FT_FUNCTION void run(const Params& p, Threadgroup&, GridPosition) {
    simdgroup_matrix<float, 8, 8> d;
    simdgroup_load(d, p.c);
    for (int k = 0; k < K; k += 8) {
      simdgroup_matrix<T, 8, 8> a, b;
      simdgroup_load(a, p.a, K, matrix_origin{k, 0});
      simdgroup_load(b, p.b, 8, matrix_origin{0, k});
      simdgroup_multiply_accumulate(d, a, b, d);
    }
    simdgroup_store(d, p.d);
  }
};
/// One product of depth K, static or not, on tensors or on tiles.
template <class T, int K, bool StaticK, bool Tiles>
struct OneProduct {
  using Params = Operands<T>;
  struct Threadgroup {};
  static constexpr int kSimdgroups = 1;
  static FT_FUNCTION void run(const Params& p, Threadgroup&, GridPosition) {
    using Product = matmul2d<matmul2d_descriptor{8, 16, StaticK ? K : dynamic_length, false, false, false,
                                                 mode::multiply_accumulate},
                             execution_simdgroup>;
    Product product;
    Matrix<const T> a(p.a, dextents<int, 2>(K, 8)), b(p.b, dextents<int, 2>(16, K));
    Matrix<const float> c(p.c, dextents<int, 2>(16, 8));
    Matrix<float> out(p.d, dextents<int, 2>(16, 8));
    auto d = product.template get_destination_cooperative_tensor<decltype(a), decltype(b), float>();
    load(d, c);
    if constexpr (Tiles) {
      auto left = product.template get_left_input_cooperative_tensor<T, T, float>();
      auto right = product.template get_right_input_cooperative_tensor<T, T, float>();
      left.load(a);
      right.load(b);
      product.run(left, right, d);
    } else {
      product.run(a, b, d);
    }
    d.store(out);
  }
};

/// The measured model: each element starts at C and takes fused multiply-adds in float, k ascending.
template <class Kernel, class T>
void check_sequential(int k, std::size_t columns, unsigned seed) {
  const auto depth = static_cast<std::size_t>(k);
  const auto a = random_values<T>(8 * depth, seed), b = random_values<T>(depth * columns, seed + 1);
  const auto c = random_values<float>(8 * columns, seed + 2);
  const Array<T> da(a), db(b);
  const Array<float> dc(c), dd(8 * columns, NAN);
  run<Kernel>({da.data(), db.data(), dc.data(), dd.data()});
  const auto found = dd.read();
  for (std::size_t r = 0; r < 8; ++r) {
    for (std::size_t n = 0; n < columns; ++n) {
      float sum = c[r * columns + n];
      for (std::size_t i = 0; i < depth; ++i)
        sum = fused(static_cast<float>(a[r * depth + i]), static_cast<float>(b[i * columns + n]), sum);
      EXPECT_EQ(bits(found[r * columns + n]), bits(sum)) << r << ' ' << n;
    }
  }
}

/// matmul2d::add of depth K.
template <class T, int K>
struct AddProduct {
  using Params = Operands<T>;
  struct Threadgroup {};
  static constexpr int kSimdgroups = 1;
  static FT_FUNCTION void run(const Params& p, Threadgroup&, GridPosition) {
    using Product = matmul2d<matmul2d_descriptor{8, 16, dynamic_length}, execution_simdgroup>;
    Product product;
    Matrix<const T> a(p.a, dextents<int, 2>(K, 8)), b(p.b, dextents<int, 2>(16, K));
    Matrix<const float> c(p.c, dextents<int, 2>(16, 8));
    Matrix<float> out(p.d, dextents<int, 2>(16, 8));
    auto d = product.template get_destination_cooperative_tensor<decltype(a), decltype(b), float>();
    load(d, c);
    product.add(a, b, d);
    d.store(out);
  }
};

/// What add promises on a CPU: chains of 32 from 0, added to D one after another.
template <class T, int K>
void check_chains(unsigned seed) {
  const auto a = random_values<T>(8 * K, seed), b = random_values<T>(K * 16, seed + 1);
  const auto c = random_values<float>(8 * 16, seed + 2);
  const Array<T> da(a), db(b);
  const Array<float> dc(c), dd(8 * 16, NAN);
  run<AddProduct<T, K>>({da.data(), db.data(), dc.data(), dd.data()});
  const auto found = dd.read();
  for (std::size_t r = 0; r < 8; ++r) {
    for (std::size_t n = 0; n < 16; ++n) {
      float sum = c[r * 16 + n];
      for (std::size_t first = 0; first < K; first += 32) {
        float chain = 0.0f;
        for (std::size_t i = first; i < K && i < first + 32; ++i)
          chain = fused(static_cast<float>(a[r * K + i]), static_cast<float>(b[i * 16 + n]), chain);
        sum += chain;
      }
      EXPECT_EQ(bits(found[r * 16 + n]), bits(sum)) << r << ' ' << n;
    }
  }
}

#if !defined(__CUDACC__)  // the matrix units of NVIDIA GPUs sum in another order
TEST(Golden, MatricesOfHalvesSumInOrder) {
  for (unsigned seed = 0; seed < 64; ++seed) check_sequential<ChainOfMatrices<half, 8>, half>(8, 8, seed * 3);
}
TEST(Golden, AddSumsInShortChains) {
  check_chains<float, 16>(1);
  check_chains<float, 80>(2);
  check_chains<half, 300>(3);  // deeper than one pass
}
TEST(Golden, ChainsOfMatricesSumInOrder) {
  for (unsigned seed = 0; seed < 16; ++seed) {
    check_sequential<ChainOfMatrices<half, 64>, half>(64, 8, seed * 3);
    check_sequential<ChainOfMatrices<bfloat, 64>, bfloat>(64, 8, seed * 3);
    check_sequential<ChainOfMatrices<float, 64>, float>(64, 8, seed * 3);
  }
}
// matmul2d takes bfloats in pairs where the target has dot products of them and the switch for tests is off.
#if defined(__AVX512BF16__) && !defined(FLASHTILE_EXACT)
constexpr bool kBfloatsInOrder = false;
#else
constexpr bool kBfloatsInOrder = true;
#endif
TEST(Golden, AProductIsItsChainOfMatrices) {
  for (unsigned seed = 0; seed < 16; ++seed) {
    check_sequential<OneProduct<half, 16, true, true>, half>(16, 16, seed * 3);
    check_sequential<OneProduct<half, 16, true, false>, half>(16, 16, seed * 3);
    check_sequential<OneProduct<half, 400, false, false>, half>(
        400, 16, seed * 3);  // over the panels that operands are packed in
    if (kBfloatsInOrder) {
      check_sequential<OneProduct<bfloat, 400, false, false>, bfloat>(400, 16, seed * 3);
      check_sequential<OneProduct<bfloat, 64, true, true>, bfloat>(64, 16, seed * 3);
    }
    check_sequential<OneProduct<float, 400, true, true>, float>(400, 16, seed * 3);
    check_sequential<OneProduct<float, 33, false, false>, float>(33, 16, seed * 3);
  }
}
#endif

}  // namespace
}  // namespace flashtile::test
