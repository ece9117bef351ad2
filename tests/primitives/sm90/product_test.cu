// Products of teams side by side on the warpgroup instructions, of every width that these have, and folds of
// rows in two halves.
#include "tests/primitives/sm90/harness.h"

namespace flashtile::test {
namespace {

/// Two teams multiply their own 64 rows of A with the same B: from tiles, and once more from registers, by
/// start and wait_products.
template <class T, int kN, int kK, bool kTransposed>
struct TwoTeams {
  using Product = matmul2d<matmul2d_descriptor{64, kN, kK, false, kTransposed}, execution_team<4>>;
  using Again = matmul2d<matmul2d_descriptor{64, kN, kK, false, kTransposed, false,
                                             matmul2d_descriptor::mode::multiply_accumulate},
                         execution_team<4>>;
  using Matrix = tensor<T, dextents<int, 2>, tensor_inline>;
  using Result = tensor<float, dextents<int, 2>, tensor_inline>;
  struct Params {
    const T* a;  // (128, kK)
    const T* b;  // (kK, kN), or (kN, kK) when transposed
    float* c;    // (128, kN): 2 A B
  };
  struct Threadgroup {
    typename Product::template left_tile_stages<T, 2> a;
    typename Product::template right_tile_stages<T, 1> b;
  };
  static constexpr int kSimdgroups = 8;
  static FT_FUNCTION void run(const Params& p, Threadgroup& memory, GridPosition) {
    using All = execution_simdgroups<8>;
    const auto rows = [](const T* data, int columns, int count) {
      return tensor<const T, dextents<int, 2>, tensor_inline>(data, dextents<int, 2>(columns, count));
    };
    for (int team = 0; team < 2; ++team)
      load_tile_async<All>(memory.a, team, rows(p.a + team * 64 * kK, kK, 64));
    load_tile_async<All>(memory.b, 0, kTransposed ? rows(p.b, kK, kN) : rows(p.b, kN, kK));
    wait_tiles<All, 0>();
    const int team = team_index_in_threadgroup<4>();
    auto a = tile(memory.a, team);
    auto b = tile(memory.b, 0);
    auto c = Product::template get_destination_cooperative_tensor<decltype(a), decltype(b), float>();
    Product product;
    Again again;
    product.start(a, b, c);
    wait_products<0>(c);
    auto left = Product::template get_left_input_cooperative_tensor<T, T, float>();
    left.load(Matrix(const_cast<T*>(p.a) + team * 64 * kK, dextents<int, 2>(kK, 64)));
    again.start(left, b, c);
    wait_products<0>(c);
    c.store(Result(p.c + team * 64 * kN, dextents<int, 2>(kN, 64)));
  }
};
template <class T, int kN, int kK, bool kTransposed>
void expect_product() {
  const auto a = random_values<T>(128 * kK, 1, small_value<T>),
             b = random_values<T>(kN * kK, 2, small_value<T>);
  const Array<T> a_memory(a), b_memory(b);
  const Array<float> c_memory(128 * kN, 77.0f);
  run<TwoTeams<T, kN, kK, kTransposed>>({a_memory.data(), b_memory.data(), c_memory.data()});
  const auto c = c_memory.read();
  for (int m = 0; m < 128; ++m) {
    for (int n = 0; n < kN; ++n) {
      float sum = 0;
      for (int k = 0; k < kK; ++k)
        sum += static_cast<float>(a[m * kK + k]) * static_cast<float>(b[kTransposed ? n * kK + k : k * kN + n]);
      ASSERT_EQ(c[m * kN + n], 2 * sum) << kN << " wide, row " << m << ", column " << n;
    }
  }
}
TEST(WarpgroupProduct, OfTeamsSideBySide) {
  SKIP_WITHOUT_HOPPER();
  expect_product<bfloat, 64, 64, false>();
  expect_product<bfloat, 80, 96, false>();
  expect_product<bfloat, 96, 80, true>();
  expect_product<bfloat, 112, 192, true>();
  expect_product<half, 160, 64, false>();
  expect_product<half, 176, 128, true>();
  expect_product<half, 192, 112, false>();
  expect_product<half, 128, 176, true>();
  expect_product<bfloat, 256, 80, false>();
  expect_product<half, 208, 64, true>();  // 192 and 16
}

struct FoldsRows {
  using Product = matmul2d<matmul2d_descriptor{64, 80, 64}, execution_simdgroups<4>>;
  using Matrix = tensor<float, dextents<int, 2>, tensor_inline>;
  struct Params {
    float* values;  // (64, 80)
    float* sums;    // (64): in two halves; then by reduce_rows
    float* tops;
  };
  struct Threadgroup {};
  static constexpr int kSimdgroups = 4;
  static FT_FUNCTION void run(const Params& p, Threadgroup&, GridPosition) {
    auto values = Product::get_destination_cooperative_tensor<Matrix, Matrix, float>();
    auto entries = Product::get_row_reduction_destination_cooperative_tensor<Matrix, Matrix, float>();
    values.load(Matrix(p.values, dextents<int, 2>(80, 64)));
    const auto write = [&](float* out) {
      entries.store(tensor<float, dextents<int, 1>, tensor_inline>(out, dextents<int, 1>(64)));
    };
    fold_rows(values, entries, reduction_operation::sum, 0.0f);
    share_rows(entries, reduction_operation::sum);
    write(p.sums);
    reduce_rows(values, entries);
    write(p.sums + 64);
    fold_rows(values, entries, reduction_operation::max, -__builtin_huge_valf());
    share_rows(entries, reduction_operation::max);
    write(p.tops);
    reduce_rows(values, entries, reduction_operation::max, -__builtin_huge_valf());
    write(p.tops + 64);
  }
};
TEST(FoldRows, ThenShareRowsIsReduceRows) {
  SKIP_WITHOUT_HOPPER();
  const auto values = random_values<float>(64 * 80, 3, small_value<float>);
  const Array<float> memory(values), sums(128, 99.0f), tops(128, 99.0f);
  run<FoldsRows>({memory.data(), sums.data(), tops.data()});
  for (int r = 0; r < 64; ++r) {
    float sum = 0, top = -100;
    for (int c = 0; c < 80; ++c) {
      sum += values[r * 80 + c];
      top = std::fmax(top, values[r * 80 + c]);
    }
    EXPECT_EQ(sums.read()[r], sum);
    EXPECT_EQ(sums.read()[64 + r], sum);
    EXPECT_EQ(tops.read()[r], top);
    EXPECT_EQ(tops.read()[64 + r], top);
  }
}

/// Whether any thread of a simdgroup finds an element above its row's entry.
struct Exceeds {
  using Product = matmul2d<matmul2d_descriptor{64, 64, 64}, execution_simdgroups<4>>;
  using Matrix = tensor<float, dextents<int, 2>, tensor_inline>;
  struct Params {
    float* values;   // (64, 64)
    float* entries;  // (64)
    int* found;      // of each simdgroup, 16 rows
  };
  struct Threadgroup {};
  static constexpr int kSimdgroups = 4;
  static FT_FUNCTION void run(const Params& p, Threadgroup&, GridPosition) {
    auto values = Product::get_destination_cooperative_tensor<Matrix, Matrix, float>();
    auto entries = Product::get_row_reduction_destination_cooperative_tensor<Matrix, Matrix, float>();
    values.load(Matrix(p.values, dextents<int, 2>(64, 64)));
    entries.load(tensor<float, dextents<int, 1>, tensor_inline>(p.entries, dextents<int, 1>(64)));
    const bool any = simd_any(any_exceeds(values, entries));
    if (simd_is_first()) p.found[simdgroup_index_in_threadgroup()] = any ? 1 : 0;
  }
};
std::vector<int> exceeding(float value, float entry, int row, int column) {
  std::vector<float> values(64 * 64, -1e30f), entries(64, 3.0f);
  values[static_cast<std::size_t>(row * 64 + column)] = value;
  entries[static_cast<std::size_t>(row)] = entry;
  const Array<float> values_memory(values), entries_memory(entries);
  const Array<int> found(4, -1);
  run<Exceeds>({values_memory.data(), entries_memory.data(), found.data()});
  return found.read();
}
TEST(AnyExceeds, ComparesEachElementWithItsRow) {
  SKIP_WITHOUT_HOPPER();
  const float inf = __builtin_huge_valf();
  for (const int row : {0, 7, 8, 31, 50, 63}) {
    for (const int column : {0, 1, 9, 38, 63}) {
      std::vector<int> here(4, 0);
      here[static_cast<std::size_t>(row / 16)] = 1;
      EXPECT_EQ(exceeding(3.5f, 3.0f, row, column), here) << row << ", " << column;
      EXPECT_EQ(exceeding(3.0f, 3.0f, row, column), std::vector<int>(4, 0)) << row << ", " << column;
    }
  }
  EXPECT_EQ(exceeding(-inf, 0.0f, 5, 5), std::vector<int>(4, 0));
  EXPECT_EQ(exceeding(-0.5f, 0.0f, 5, 5), std::vector<int>(4, 0));
  EXPECT_EQ(exceeding(inf, 1e38f, 5, 5)[0], 1);
  EXPECT_EQ(exceeding(inf, inf, 5, 5)[0], 0);
  EXPECT_EQ(exceeding(__builtin_nanf(""), inf, 5, 5)[0], 1);
  for (const float anything : {-inf, -3.0f, 0.0f, 1e-45f, inf})
    EXPECT_EQ(exceeding(anything, -0.0f, 5, 5)[0], 1);
}

/// Replaces what lies before column first + r and after column last + r of each row r.
struct Replaces {
  using Product = matmul2d<matmul2d_descriptor{64, 80, 64}, execution_simdgroups<4>>;
  using Matrix = tensor<float, dextents<int, 2>, tensor_inline>;
  struct Params {
    float* values;  // (64, 80)
    int first, last;
  };
  struct Threadgroup {};
  static constexpr int kSimdgroups = 4;
  static FT_FUNCTION void run(const Params& p, Threadgroup&, GridPosition) {
    auto values = Product::get_destination_cooperative_tensor<Matrix, Matrix, float>();
    auto memory = Matrix(p.values, dextents<int, 2>(80, 64));
    values.load(memory);
    replace_before(values, -1.0f, [&](int r) { return p.first + r; });
    replace_after(values, -2.0f, [&](int r) { return p.last + r; });
    values.store(memory);
  }
};
TEST(Replace, LeavesColumnsFirstToLast) {
  SKIP_WITHOUT_HOPPER();
  struct Bounds {
    int first, last;
  };
  for (const Bounds b :
       {Bounds{0, 79}, {-63, 16}, {-62, 15}, {1, 5}, {-40, -3}, {16, 79}, {17, 17}, {-200, 200}, {100, -100}}) {
    const auto values = random_values<float>(64 * 80, 5, small_value<float>);
    const Array<float> memory(values);
    run<Replaces>({memory.data(), b.first, b.last});
    const std::vector<float> found = memory.read();
    for (int r = 0; r < 64; ++r) {
      for (int c = 0; c < 80; ++c) {
        const std::size_t at = static_cast<std::size_t>(r * 80 + c);
        const float expected = c > b.last + r ? -2.0f : c < b.first + r ? -1.0f : values[at];
        ASSERT_EQ(found[at], expected) << r << ", " << c << ": " << b.first << " ... " << b.last;
      }
    }
  }
}

}  // namespace
}  // namespace flashtile::test
