// simdgroup_matrix and blocks of them: fill, diagonal, loads and stores by their address formulas, products of
// mixed types, the lane map of Apple GPUs, and our tensor loads and row operations.
#include <algorithm>

#include "tests/primitives/harness.h"

namespace flashtile::test {
namespace {

template <class T>
using Matrix = tensor<T, dextents<int, 2>, tensor_inline>;

/// Launches F::run on one simdgroup.
template <class F, class P>
struct Body {
  using Params = P;
  struct Threadgroup {};
  static constexpr int kSimdgroups = 1;
  static FT_FUNCTION void run(const P& p, Threadgroup&, GridPosition) { F::run(p); }
};

template <class T>
struct Pointers {
  const T* in;
  T* out;
};

// ---- making -------------------------------------------------------------------------------------------------

template <class T>
struct Make {
  static FT_FUNCTION void run(const Pointers<T>& p) {
    simdgroup_store(make_filled_simdgroup_matrix<T, 8>(static_cast<T>(2.5f)), p.out);
    simdgroup_store(simdgroup_matrix<T, 8, 8>(1.5f), p.out + 64);
    simdgroup_store(simdgroup_matrix_block<T, 2, 3>(0.5f), p.out + 128);
  }
};
template <class T>
void check_making() {
  const Array<T> out(128 + 16 * 24, static_cast<T>(-1.0f));
  run<Body<Make<T>, Pointers<T>>>({nullptr, out.data()});
  const auto found = out.read();
  for (std::size_t i = 0; i < 64; ++i) {
    EXPECT_EQ(as_double(found[i]), 2.5);
    EXPECT_EQ(as_double(found[64 + i]), i / 8 == i % 8 ? 1.5 : 0.0);
  }
  for (std::size_t i = 0; i < 16 * 24; ++i) EXPECT_EQ(as_double(found[128 + i]), i / 24 == i % 24 ? 0.5 : 0.0);
}
TEST(SimdgroupMatrix, IsFilledOrDiagonal) {
  check_making<float>();
  check_making<half>();
  check_making<bfloat>();
}

// ---- loads and stores ---------------------------------------------------------------------------------------

/// Loads a block from (x, y) of rows of 40 elements and stores it at (3, 5) of rows of 36.
template <class T, int R, int C, bool FromTransposed, bool ToTransposed>
struct Move {
  static FT_FUNCTION void run(const Pointers<T>& p) {
    simdgroup_matrix_block<T, R, C> m;
    simdgroup_load(m, p.in, 40, matrix_origin{4, 2}, FromTransposed);
    simdgroup_store(m, p.out, 36, matrix_origin{3, 5}, ToTransposed);
  }
};
template <class T, int R, int C, bool FromTransposed, bool ToTransposed>
void check_move() {
  const auto values = random_values<T>(40 * 40, 3);
  const Array<T> in(values), out(36 * 40, static_cast<T>(-9.0f));
  run<Body<Move<T, R, C, FromTransposed, ToTransposed>, Pointers<T>>>({in.data(), out.data()});
  const auto found = out.read();
  std::vector<T> expected(36 * 40, static_cast<T>(-9.0f));
  for (std::size_t r = 0; r < R * 8; ++r) {
    for (std::size_t c = 0; c < C * 8; ++c) {
      const T value = FromTransposed ? values[(2 + c) * 40 + 4 + r] : values[(2 + r) * 40 + 4 + c];
      expected[ToTransposed ? (5 + c) * 36 + 3 + r : (5 + r) * 36 + 3 + c] = value;
    }
  }
  int wrong = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) wrong += as_double(found[i]) != as_double(expected[i]);
  EXPECT_EQ(wrong, 0) << R << " x " << C << " matrices, transposed " << FromTransposed << ' ' << ToTransposed;
}
template <class T>
void check_moves() {
  check_move<T, 1, 1, false, false>();
  check_move<T, 1, 1, true, false>();
  check_move<T, 1, 1, false, true>();
  check_move<T, 1, 1, true, true>();
  check_move<T, 2, 3, false, false>();
  check_move<T, 2, 3, true, false>();
  check_move<T, 3, 2, false, true>();
  check_move<T, 3, 1, true, true>();
}
TEST(SimdgroupMatrix, LoadsAndStoresByItsAddressFormulas) {
  check_moves<float>();
  check_moves<half>();
  check_moves<bfloat>();
}

/// Through threadgroup memory and back, with a barrier between.
struct Staging {
  using Params = Pointers<float>;
  struct Threadgroup {
    float tile[8][12];
  };
  static constexpr int kSimdgroups = 1;
  static FT_FUNCTION void run(const Params& p, Threadgroup& memory, GridPosition) {
    simdgroup_matrix<float, 8, 8> m;
    simdgroup_load(m, p.in);
    simdgroup_store(m, &memory.tile[0][0], 12);
    simdgroup_barrier(mem_flags::mem_threadgroup);
    simdgroup_matrix<float, 8, 8> turned;
    simdgroup_load(turned, &memory.tile[0][0], 12, matrix_origin{}, true);
    simdgroup_store(turned, p.out);
  }
};
TEST(SimdgroupMatrix, PassesThroughThreadgroupMemory) {
  const auto values = random_values<float>(64, 5);
  const Array<float> in(values), out(64, -1.0f);
  run<Staging>({in.data(), out.data()});
  const auto found = out.read();
  for (std::size_t i = 0; i < 64; ++i) EXPECT_EQ(found[i], values[i % 8 * 8 + i / 8]);
}

// ---- products -----------------------------------------------------------------------------------------------

template <class D, class A, class B, class C>
struct MultiplyPointers {
  const A* a;
  const B* b;
  const C* c;
  D* product;  // a b
  D* sum;      // a b + c
};
template <class D, class A, class B, class C, int R, int K, int N>
struct MultiplyBlocks {
  static FT_FUNCTION void run(const MultiplyPointers<D, A, B, C>& p) {
    simdgroup_matrix_block<A, R, K> a;
    simdgroup_matrix_block<B, K, N> b;
    simdgroup_matrix_block<C, R, N> c;
    simdgroup_matrix_block<D, R, N> d;
    simdgroup_load(a, p.a);
    simdgroup_load(b, p.b);
    simdgroup_load(c, p.c);
    simdgroup_multiply(d, a, b);
    simdgroup_store(d, p.product);
    simdgroup_multiply_accumulate(d, a, b, c);
    simdgroup_store(d, p.sum);
  }
};
template <class D, class A, class B, class C, int R, int K, int N>
void check_product() {
  const auto a = random_values<A>(R * K * 64, 7);
  const auto b = random_values<B>(K * N * 64, 8);
  const auto c = random_values<C>(R * N * 64, 9);
  const Array<A> da(a);
  const Array<B> db(b);
  const Array<C> dc(c);
  const Array<D> product(R * N * 64, static_cast<D>(-1.0f)), sum(R * N * 64, static_cast<D>(-1.0f));
  run<Body<MultiplyBlocks<D, A, B, C, R, K, N>, MultiplyPointers<D, A, B, C>>>(
      {da.data(), db.data(), dc.data(), product.data(), sum.data()});
  const auto found = product.read(), found_sum = sum.read();
  int wrong = 0;
  for (std::size_t r = 0; r < R * 8; ++r) {
    for (std::size_t n = 0; n < N * 8; ++n) {
      const std::size_t at = r * N * 8 + n;
      double ab = 0.0, magnitude = std::abs(as_double(c[at]));
      for (std::size_t k = 0; k < K * 8; ++k) {
        const double term = as_double(a[r * K * 8 + k]) * as_double(b[k * N * 8 + n]);
        ab += term;
        magnitude += std::abs(term);
      }
      const double in_float = (K * 8 + 1) * 0x1p-24 * magnitude;
      const double rounding = std::is_same_v<D, float> ? 0.0 : unit_roundoff<D> * (magnitude + in_float);
      wrong += !(std::abs(as_double(found[at]) - ab) <= in_float + rounding);
      wrong += !(std::abs(as_double(found_sum[at]) - (ab + as_double(c[at]))) <= in_float + rounding);
    }
  }
  EXPECT_EQ(wrong, 0);
}
TEST(SimdgroupMatrix, MultipliesMixedTypes) {
  check_product<float, float, float, float, 1, 1, 1>();
  check_product<half, half, half, half, 1, 1, 1>();
  check_product<bfloat, bfloat, bfloat, bfloat, 1, 1, 1>();
  check_product<float, half, half, float, 1, 1, 1>();
  check_product<float, bfloat, bfloat, float, 1, 1, 1>();
  check_product<float, float, half, float, 1, 1, 1>();
  check_product<half, float, bfloat, half, 1, 1, 1>();
  check_product<bfloat, half, float, half, 1, 1, 1>();
}
TEST(SimdgroupMatrix, MultipliesBlocks) {
  check_product<float, float, float, float, 2, 1, 3>();
  check_product<float, half, half, float, 8, 2, 4>();
  check_product<float, bfloat, bfloat, float, 3, 3, 1>();
  check_product<half, half, half, half, 1, 4, 2>();
}

/// c += sum of a_i b_i over a depth of 32, left and right operands by simdgroup_load with and without
/// transposition, and every way in which a destination may be an operand too.
struct Chains {
  static FT_FUNCTION void run(const Pointers<float>& p) {
    simdgroup_matrix<float, 8, 8> c(0.0f), a, b;
    for (int k = 0; k < 4; ++k) {
      simdgroup_load(a, p.in, 32, matrix_origin{k * 8, 0});
      simdgroup_load(b, p.in + 256, 8, matrix_origin{0, k * 8});
      simdgroup_multiply_accumulate(c, a, b, c);
    }
    simdgroup_store(c, p.out);
    simdgroup_store(a * b, p.out + 64);
    simdgroup_store(muladd(a, b, c), p.out + 128);
    simdgroup_matrix<float, 8, 8> d = a;
    simdgroup_multiply(d, d, b);
    simdgroup_store(d, p.out + 192);
    d = b;
    simdgroup_multiply_accumulate(d, a, d, c);
    simdgroup_store(d, p.out + 256);
    d = b;
    simdgroup_multiply_accumulate(d, d, d, d);
    simdgroup_store(d, p.out + 320);
  }
};
TEST(SimdgroupMatrix, ChainsAndAliases) {
  const auto values = random_values<float>(512, 11, small_value<float>);
  const Array<float> in(values), out(384, -1.0f);
  run<Body<Chains, Pointers<float>>>({in.data(), out.data()});
  const auto found = out.read();
  for (std::size_t r = 0; r < 8; ++r) {
    for (std::size_t n = 0; n < 8; ++n) {
      const auto a = [&](std::size_t k) { return values[r * 32 + k]; };
      const auto b = [&](std::size_t k) { return values[256 + k * 8 + n]; };
      float chain = 0.0f, last = 0.0f, square = 0.0f;
      for (std::size_t k = 0; k < 32; ++k) chain += a(k) * b(k);
      for (std::size_t k = 24; k < 32; ++k) last += a(k) * b(k);
      for (std::size_t k = 0; k < 8; ++k)
        square += values[256 + (24 + r) * 8 + k] * values[256 + (24 + k) * 8 + n];
      const std::size_t at = r * 8 + n;
      EXPECT_EQ(found[at], chain);
      EXPECT_EQ(found[64 + at], last);
      EXPECT_EQ(found[128 + at], chain + last);
      EXPECT_EQ(found[192 + at], last);
      EXPECT_EQ(found[256 + at], chain + last);
      EXPECT_EQ(found[320 + at], square + values[256 + (24 + r) * 8 + n]);
    }
  }
}

// ---- the lane map -------------------------------------------------------------------------------------------

#if !defined(__CUDACC__)
TEST(SimdgroupMatrix, TheLaneMapIsThePublishedTable) {
  const int lane_of[8][4] = {{0, 1, 8, 9},     {2, 3, 10, 11},   {4, 5, 12, 13},   {6, 7, 14, 15},
                             {16, 17, 24, 25}, {18, 19, 26, 27}, {20, 21, 28, 29}, {22, 23, 30, 31}};
  for (int r = 0; r < 8; ++r) {
    for (int c = 0; c < 8; ++c) {
      const matrix_element e = thread_element(lane_of[r][c / 2], c % 2);
      EXPECT_EQ(e.row, r);
      EXPECT_EQ(e.column, c);
      const int inverse = 16 * (r >> 2) + 8 * (c >> 2) + 4 * ((r >> 1) & 1) + 2 * (r & 1) + ((c >> 1) & 1);
      EXPECT_EQ(inverse, lane_of[r][c / 2]);
    }
  }
}
#endif

// ---- ours ---------------------------------------------------------------------------------------------------

struct Clip {
  const half* in;
  float* out;
  int in_rows, in_columns, out_rows, out_columns;
};
struct LoadClipped {
  static FT_FUNCTION void run(const Clip& p) {
    simdgroup_matrix_block<float, 2, 3> m;
    Matrix<const half> in(p.in, dextents<int, 2>(p.in_columns, p.in_rows));
    load(m, in);
    Matrix<float> out(p.out, dextents<int, 2>(p.out_columns, p.out_rows), {1, 30});
    store(m, out);
  }
};
TEST(SimdgroupMatrix, TensorLoadsAndStoresClipAndConvert) {
  for (const int rows : {1, 7, 8, 9, 16, 20}) {
    for (const int columns : {1, 8, 15, 17, 24, 30}) {
      const auto values = random_values<half>(static_cast<std::size_t>(rows * columns), 13);
      const Array<half> in(values);
      const Array<float> out(30 * 30, -5.0f);
      run<Body<LoadClipped, Clip>>({in.data(), out.data(), rows, columns, columns, rows});
      const auto found = out.read();
      int wrong = 0;
      for (int r = 0; r < 30; ++r) {
        for (int c = 0; c < 30; ++c) {
          const bool stored = r < 16 && c < 24 && r < columns && c < rows;
          const float expected = !stored ? -5.0f
                                 : r < rows && c < columns
                                     ? static_cast<float>(values[static_cast<std::size_t>(r * columns + c)])
                                     : 0.0f;
          wrong += found[static_cast<std::size_t>(r * 30 + c)] != expected;
        }
      }
      EXPECT_EQ(wrong, 0) << rows << " x " << columns;
    }
  }
}

struct Skip {
  const float* a;  // 8 x 5
  const float* b;  // 16 x 8
  float* out;      // 8 x 8, then 8 x 16
};
/// A block that a load has clipped is summed into, and is then a left operand of its whole depth.
struct ClipThenSum {
  static FT_FUNCTION void run(const Skip& p) {
    simdgroup_matrix_block<float, 1, 2> a, one(1.0f);
    simdgroup_matrix_block<float, 2, 1> b;
    simdgroup_matrix_block<float, 1, 1> d;
    simdgroup_matrix_block<float, 2, 2> ones(1.0f);
    Matrix<const float> in(p.a, dextents<int, 2>(5, 8));
    load(a, in);
    simdgroup_load(b, p.b);
    simdgroup_multiply(d, a, b);
    simdgroup_store(d, p.out);
    simdgroup_multiply_accumulate(a, one, ones, a);
    simdgroup_multiply(d, a, b);
    simdgroup_store(d, p.out + 64);
  }
};
TEST(SimdgroupMatrix, AClippedBlockIsZeroOutsideUntilItIsWritten) {
  const auto a = random_values<float>(8 * 5, 19, small_value<float>);
  const auto b = random_values<float>(16 * 8, 23, small_value<float>);
  const Array<float> da(a), db(b), out(128, -1.0f);
  run<Body<ClipThenSum, Skip>>({da.data(), db.data(), out.data()});
  const auto found = out.read();
  for (std::size_t r = 0; r < 8; ++r) {
    for (std::size_t n = 0; n < 8; ++n) {
      float expected = 0.0f;
      for (std::size_t k = 0; k < 5; ++k) expected += a[r * 5 + k] * b[k * 8 + n];
      EXPECT_EQ(found[r * 8 + n], expected);
      EXPECT_EQ(found[64 + r * 8 + n], expected + b[r * 8 + n]);  // one = (I 0), times I of 16 x 16
    }
  }
}

/// A mask's single row, and its single column, spread over a block.
struct Spread {
  static FT_FUNCTION void run(const Pointers<float>& p) {
    simdgroup_matrix_block<float, 2, 3> m;
    Matrix<const float> row(p.in, dextents<int, 2>(20, 1)), column(p.in, dextents<int, 2>(1, 12));
    load_repeated(m, row);
    simdgroup_store(m, p.out);
    load_repeated(m, column);
    simdgroup_store(m, p.out + 16 * 24);
  }
};
TEST(SimdgroupMatrix, RepeatedLoadsSpreadExtentsOfOne) {
  const auto values = random_values<float>(20, 29);
  const Array<float> in(values), out(2 * 16 * 24, -1.0f);
  run<Body<Spread, Pointers<float>>>({in.data(), out.data()});
  const auto found = out.read();
  for (std::size_t i = 0; i < 16 * 24; ++i) {
    EXPECT_EQ(found[i], i % 24 < 20 ? values[i % 24] : 0.0f);
    EXPECT_EQ(found[16 * 24 + i], i / 24 < 12 ? values[i / 24] : 0.0f);
  }
}

/// Row softmax of a block by the row operations; then part of it as halves.
struct RowWords {
  static FT_FUNCTION void run(const Pointers<float>& p) {
    simdgroup_matrix_block<float, 2, 4> m;
    simdgroup_load(m, p.in);
    simdgroup_rows<2> top, sum;
    reduce_rows(m, top, reduction_operation::max, reduction_operation_identity<float>::max_identity);
    map_rows(m, top, [](auto x, auto t) { return exp2(x - t); });
    reduce_rows(m, sum);
    map_elements(top, sum, [](auto t, auto s) { return t + log2(s); });
    for_each_element(top, [&](float value, int row) { p.out[row] = value; });
    map_indexed(m, [](auto x, auto r, auto c) { return select(x, -1.0f, c == r); });
    simdgroup_store(m, p.out + 16);
    auto part = convert_columns<half, 2>(m, 1);
    Matrix<float> out(p.out + 16 + 512, dextents<int, 2>(16, 16));
    store(part, out);
  }
};
TEST(SimdgroupMatrix, BlocksHaveRowOperations) {
  const auto values = random_values<float>(512, 17);
  const Array<float> in(values), out(16 + 512 + 256, -7.0f);
  run<Body<RowWords, Pointers<float>>>({in.data(), out.data()});
  const auto found = out.read();
  for (std::size_t r = 0; r < 16; ++r) {
    double sum = 0.0;
    for (std::size_t c = 0; c < 32; ++c) sum += std::exp2(static_cast<double>(values[r * 32 + c]));
    EXPECT_NEAR(found[r], std::log2(sum), 2e-6);
    const float top = *std::max_element(values.begin() + static_cast<std::ptrdiff_t>(r * 32),
                                        values.begin() + static_cast<std::ptrdiff_t>(r * 32 + 32));
    for (std::size_t c = 0; c < 32; ++c) {
      const double expected = r == c ? -1.0 : std::exp2(static_cast<double>(values[r * 32 + c] - top));
      EXPECT_NEAR(found[16 + r * 32 + c], expected, 2e-7 * std::abs(expected));
    }
    for (std::size_t c = 8; c < 24; ++c) {
      EXPECT_EQ(found[16 + 512 + r * 16 + c - 8], static_cast<float>(half(found[16 + r * 32 + c])));
    }
  }
}

}  // namespace
}  // namespace flashtile::test
