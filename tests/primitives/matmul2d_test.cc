// matmul2d against a float64 (integers: wrapping) oracle: every row of the type table, transposes, modes,
// scopes, edges, operands in memory, in tiles and in stages.
#include "tests/primitives/harness.h"

#if defined(__linux__) && !defined(__CUDACC__)
#include <sys/mman.h>
#endif

namespace flashtile::test {
namespace {

using mode = matmul2d_descriptor::mode;

/// Where the operands of a check are when they meet.
enum class Where { tensors, tile_destination, tile_left, tile_both, staged_right };

/// One problem D = A B or D += A B: extents of the whole, and row strides of the three matrices as they lie in
/// memory.
struct Problem {
  int m, n, k;
  std::int64_t left_stride, right_stride, stride;
};

template <class L, class R, class D, matmul2d_descriptor Descriptor, class Scope, Where Kind>
struct Multiply {
  using Product = matmul2d<Descriptor, Scope>;
  struct Params {
    const L* left;
    const R* right;
    D* destination;
    Problem problem;
  };
  struct Staged {
    typename Product::template right_tile_stages<R, 1, L> right;
  };
  struct Nothing {};
  using Threadgroup = std::conditional_t<Kind == Where::staged_right, Staged, Nothing>;
  static constexpr int kSimdgroups = Scope::simdgroups > 1 ? Scope::simdgroups : 1;

  static FT_FUNCTION void run(const Params& p, Threadgroup& memory, GridPosition at) {
    using Index = dextents<int, 2>;
    const Problem& s = p.problem;
    constexpr bool tl = Descriptor.transpose_left, tr = Descriptor.transpose_right;
    tensor<const L, Index, tensor_inline> a(p.left, tl ? Index(s.m, s.k) : Index(s.k, s.m),
                                            {std::int64_t{1}, s.left_stride});
    tensor<const R, Index, tensor_inline> b(p.right, tr ? Index(s.k, s.n) : Index(s.n, s.k),
                                            {std::int64_t{1}, s.right_stride});
    tensor<D, Index, tensor_inline> c(p.destination, Index(s.n, s.m), {std::int64_t{1}, s.stride});
    const int row = static_cast<int>(at.y) * Descriptor.m, column = static_cast<int>(at.x) * Descriptor.n;
    auto left = tl ? a.slice(row, 0) : a.slice(0, row);
    auto right = tr ? b.slice(0, column) : b.slice(column, 0);
    auto out = c.slice(column, row);

    Product product;
    if constexpr (Kind == Where::tensors) {
      product.run(left, right, out);
    } else if constexpr (Kind == Where::tile_destination) {
      auto d = product.template get_destination_cooperative_tensor<decltype(left), decltype(right), D>();
      if constexpr (Descriptor.accumulates()) d.load(out);
      product.run(left, right, d);
      d.store(out);
    } else {
      auto lt = product.template get_left_input_cooperative_tensor<L, R, D>();
      lt.load(left);
      if constexpr (Kind == Where::tile_left) {
        auto d = product.template get_destination_cooperative_tensor<decltype(lt), decltype(right), D>();
        if constexpr (Descriptor.accumulates()) d.load(out);
        product.run(lt, right, d);
        d.store(out);
      } else if constexpr (Kind == Where::tile_both) {
        auto rt = product.template get_right_input_cooperative_tensor<L, R, D>();
        rt.load(right);
        auto d = product.template get_destination_cooperative_tensor<decltype(lt), decltype(rt), D>();
        if constexpr (Descriptor.accumulates()) d.load(out);
        product.start(lt, rt, d);
        wait_products<0>();
        d.store(out);
      } else {
        load_tile_async<Scope>(memory.right, 0, right);
        wait_tiles<Scope, 0>();
        auto rt = tile(memory.right, 0);
        auto d = product.template get_destination_cooperative_tensor<decltype(lt), decltype(rt), D>();
        if constexpr (Descriptor.accumulates()) d.load(out);
        product.run(lt, rt, d);
        d.store(out);
      }
    }
  }
};

template <class T>
constexpr int per_byte = std::is_same_v<T, int4b_format> || std::is_same_v<T, uint4b_format> ? 2 : 1;

template <class T>
std::vector<T> operand(std::size_t elements, unsigned seed) {
  if constexpr (per_byte<T> == 2) {
    std::mt19937 random(seed);
    std::vector<T> pairs((elements + 1) / 2);
    for (T& p : pairs) p.pair = static_cast<std::uint8_t>(random());
    return pairs;
  } else {
    return random_values<T>(elements, seed);
  }
}
template <class T>
double element(const std::vector<T>& values, std::int64_t i) {
  if constexpr (per_byte<T> == 2) {
    const int nibble = values[static_cast<std::size_t>(i / 2)].pair >> (i % 2 * 4) & 15;
    return std::is_same_v<T, int4b_format> && nibble > 7 ? nibble - 16 : nibble;
  } else {
    return as_double(values[static_cast<std::size_t>(i)]);
  }
}

/// What lies in D beyond the columns of the problem, and in D before a product that must not read it.
template <class D>
D untouched() {
  if constexpr (std::is_same_v<D, std::int32_t>)
    return 0x7a7a7a7a;
  else
    return static_cast<D>(std::numeric_limits<float>::quiet_NaN());
}

/// Runs one problem and compares each element with the oracle, and what is not the problem's with what was
/// there.
///
/// A float sum of k terms in any order errs by at most k unit roundoffs of sum |a b| + |c|, a 16-bit result by
/// its own roundoff more; integers are exact.
template <class L, class R, class D, matmul2d_descriptor Descriptor, class Scope, Where Kind>
void check(int m, int n, int k, int padding = 2) {
  constexpr bool tl = Descriptor.transpose_left, tr = Descriptor.transpose_right,
                 accumulate = Descriptor.accumulates();
  const auto even = [](int size) { return size + size % 2; };
  Problem s{m, n, k, (tl ? m : k) + padding, even(tr ? k : n) + padding, n + padding};
  const auto left = operand<L>(static_cast<std::size_t>(s.left_stride * (tl ? k : m)), 1);
  const auto right = operand<R>(static_cast<std::size_t>(s.right_stride * (tr ? n : k)), 2);
  auto before = accumulate ? random_values<D>(static_cast<std::size_t>(s.stride * m), 3)
                           : std::vector<D>(static_cast<std::size_t>(s.stride * m), untouched<D>());
  for (int i = 0; i < m; ++i) {
    for (int j = n; j < s.stride; ++j) before[static_cast<std::size_t>(i * s.stride + j)] = untouched<D>();
  }
  const Array<L> a(left);
  const Array<R> b(right);
  const Array<D> d(before);
  run<Multiply<L, R, D, Descriptor, Scope, Kind>>(
      {a.data(), b.data(), d.data(), s},
      {(n + Descriptor.n - 1) / Descriptor.n, (m + Descriptor.m - 1) / Descriptor.m, 1});
  const auto found = d.read();

  int wrong = 0;
  for (int i = 0; i < m; ++i) {
    for (int j = 0; j < s.stride; ++j) {
      const auto at = static_cast<std::size_t>(i * s.stride + j);
      if (j >= n) {
        wrong += std::memcmp(&found[at], &before[at], sizeof(D)) != 0;
        continue;
      }
      double sum = accumulate ? as_double(before[at]) : 0.0, magnitude = std::abs(sum);
      for (int x = 0; x < k; ++x) {
        const double term = element(left, tl ? x * s.left_stride + i : i * s.left_stride + x) *
                            element(right, tr ? j * s.right_stride + x : x * s.right_stride + j);
        sum += term;
        magnitude += std::abs(term);
      }
      if constexpr (std::is_same_v<D, std::int32_t>) {
        wrong +=
            found[at] != static_cast<std::int32_t>(static_cast<std::uint32_t>(static_cast<std::int64_t>(sum)));
      } else {
        const double in_float = (k + 1) * 0x1p-24 * magnitude;
        const double rounding = std::is_same_v<D, float>
                                    ? 0.0
                                    : unit_roundoff<D> * std::max(std::abs(sum) + in_float, smallest_normal<D>);
        wrong += !(std::abs(static_cast<double>(static_cast<float>(found[at])) - sum) <= in_float + rounding);
      }
    }
  }
  EXPECT_EQ(wrong, 0) << "wrong elements of " << m << " x " << n << ", k = " << k;
}

// ---- the type table
// ---------------------------------------------------------------------------------------------------

template <class L, class R, class D>
struct Row {
  using Left = L;
  using Right = R;
  using Destination = D;
};
using i8 = std::int8_t;
using u8 = std::uint8_t;
using i4 = int4b_format;
using u4 = uint4b_format;

template <class R>
class MatmulTypes : public testing::Test {};
using Table = testing::Types<
    Row<half, half, half>, Row<half, half, float>, Row<half, i8, half>, Row<half, i8, float>,
    Row<half, u8, half>, Row<half, u8, float>, Row<i8, half, half>, Row<i8, half, float>, Row<u8, half, half>,
    Row<u8, half, float>, Row<half, float, float>, Row<float, half, float>, Row<float, float, float>,
    Row<float, i8, float>, Row<float, u8, float>, Row<i8, float, float>, Row<u8, float, float>,
    Row<i8, i8, std::int32_t>, Row<u8, u8, std::int32_t>, Row<bfloat, bfloat, bfloat>,
    Row<bfloat, bfloat, float>, Row<bfloat, float, float>, Row<float, bfloat, float>, Row<bfloat, i8, bfloat>,
    Row<bfloat, i8, float>, Row<bfloat, u8, bfloat>, Row<bfloat, u8, float>, Row<i8, bfloat, bfloat>,
    Row<i8, bfloat, float>, Row<u8, bfloat, bfloat>, Row<u8, bfloat, float>, Row<bfloat, half, bfloat>,
    Row<bfloat, half, half>, Row<bfloat, half, float>, Row<half, bfloat, bfloat>, Row<half, bfloat, half>,
    Row<half, bfloat, float>, Row<half, i4, half>, Row<half, i4, float>, Row<half, u4, half>,
    Row<half, u4, float>, Row<bfloat, i4, bfloat>, Row<bfloat, i4, float>, Row<bfloat, u4, bfloat>,
    Row<bfloat, u4, float>, Row<i8, i4, std::int32_t>, Row<u8, u4, std::int32_t>>;
TYPED_TEST_SUITE(MatmulTypes, Table);

TYPED_TEST(MatmulTypes, AgreeWithTheOracleOnTensors) {
  using L = typename TypeParam::Left;
  using R = typename TypeParam::Right;
  using D = typename TypeParam::Destination;
  constexpr matmul2d_descriptor kRagged(16, 32);
  constexpr matmul2d_descriptor kTurned(16, 32, dynamic_length, true, true, false, mode::multiply_accumulate);
  check<L, R, D, kRagged, execution_simdgroup, Where::tensors>(21, 45, 150);
  check<L, R, D, kTurned, execution_simdgroup, Where::tensors>(17, 33, 19);
}

TYPED_TEST(MatmulTypes, AgreeWithTheOracleOnTiles) {
  using L = typename TypeParam::Left;
  using R = typename TypeParam::Right;
  using D = typename TypeParam::Destination;
  constexpr matmul2d_descriptor kWhole(16, 32, 32);
  constexpr matmul2d_descriptor kSum(16, 32, 32, false, true, false, mode::multiply_accumulate);
  check<L, R, D, kWhole, execution_simdgroup, Where::tile_both>(16, 32, 32);
  check<L, R, D, kSum, execution_simdgroup, Where::tile_both>(30, 40, 32);
}

// ---- transposes, modes, scopes, edges
// ---------------------------------------------------------------------------------

template <class L, class R, class D, bool TransposeLeft, bool TransposeRight, mode Mode, class Scope>
void check_edges() {
  constexpr matmul2d_descriptor kDynamic(16, 16, dynamic_length, TransposeLeft, TransposeRight, false, Mode);
  for (const int size : {1, 7, 8, 9, 17, 65}) {
    check<L, R, D, kDynamic, Scope, Where::tensors>(size, 16, 16);
    check<L, R, D, kDynamic, Scope, Where::tensors>(16, size, 9);
    check<L, R, D, kDynamic, Scope, Where::tile_destination>(size, size, size);
    check<L, R, D, kDynamic, Scope, Where::tile_destination>(9, 17, size);
  }
}
template <class L, class R, class D, class Scope>
void check_transposes() {
  check_edges<L, R, D, false, false, mode::multiply, Scope>();
  check_edges<L, R, D, false, true, mode::multiply, Scope>();
  check_edges<L, R, D, true, false, mode::multiply_accumulate, Scope>();
  check_edges<L, R, D, true, true, mode::multiply_accumulate, Scope>();
}

TEST(Matmul, TransposesAndEdgesFloat) { check_transposes<float, float, float, execution_simdgroup>(); }
TEST(Matmul, TransposesAndEdgesHalf) { check_transposes<half, half, half, execution_simdgroup>(); }
TEST(Matmul, TransposesAndEdgesIntegers) { check_transposes<i8, i8, std::int32_t, execution_simdgroup>(); }
TEST(Matmul, TransposesAndEdgesFourSimdgroups) {
  check_transposes<float, float, float, execution_simdgroups<4>>();
}
TEST(Matmul, TransposesAndEdgesThread) { check_transposes<float, float, float, execution_thread>(); }

template <class L, class R, class D, class Scope, Where Kind>
void check_tiles() {
  constexpr matmul2d_descriptor kPlain(64, 48, 40), kRight(64, 48, 40, false, true);
  constexpr matmul2d_descriptor kLeft(64, 48, 40, true, false, false, mode::multiply_accumulate);
  constexpr matmul2d_descriptor kBoth(64, 48, 40, true, true, false, mode::multiply_accumulate);
  check<L, R, D, kPlain, Scope, Kind>(64, 48, 40);
  check<L, R, D, kPlain, Scope, Kind>(71, 50, 40);
  check<L, R, D, kRight, Scope, Kind>(65, 95, 40);
  check<L, R, D, kLeft, Scope, Kind>(1, 49, 40);
  check<L, R, D, kBoth, Scope, Kind>(130, 7, 40);
}

TEST(Matmul, LeftTile) { check_tiles<float, float, float, execution_simdgroup, Where::tile_left>(); }
TEST(Matmul, LeftTileOfFourSimdgroups) {
  check_tiles<half, half, float, execution_simdgroups<4>, Where::tile_left>();
}
TEST(Matmul, BothTiles) { check_tiles<bfloat, bfloat, bfloat, execution_simdgroup, Where::tile_both>(); }
TEST(Matmul, BothTilesOfThreeSimdgroups) {
  check_tiles<float, float, float, execution_simdgroups<3>, Where::tile_both>();
}
TEST(Matmul, StagedRightFloat) { check_tiles<float, float, float, execution_simdgroup, Where::staged_right>(); }
TEST(Matmul, StagedRightHalf) {
  check_tiles<half, half, float, execution_simdgroups<4>, Where::staged_right>();
}
TEST(Matmul, StagedRightIntegers) {
  check_tiles<i8, i8, std::int32_t, execution_simdgroup, Where::staged_right>();
}
TEST(Matmul, StagedRightMixed) {
  check_tiles<float, u8, float, execution_simdgroups<2>, Where::staged_right>();
}

TEST(Matmul, ThreadScopeHasSmallShapes) {
  constexpr matmul2d_descriptor kDot(1, 1), kTwo(2, 4), kRow(1, 8);
  check<float, float, float, kDot, execution_thread, Where::tensors>(1, 1, 100);
  check<float, float, float, kTwo, execution_thread, Where::tensors>(5, 9, 33);
  check<half, half, float, kRow, execution_thread, Where::tile_destination>(3, 20, 64);
}

TEST(Matmul, LargeTiles) {
  constexpr matmul2d_descriptor kLarge(256, 192, dynamic_length, false, false, false,
                                       mode::multiply_accumulate),
      kWide(16, 256, 256);
  check<half, half, float, kLarge, execution_simdgroups<4>, Where::tile_destination>(300, 200, 300);
  check<float, float, float, kWide, execution_simdgroup, Where::tile_left>(20, 300, 256);
}

TEST(Matmul, WithoutAnyKIsZeroOrTheOldD) {
  constexpr matmul2d_descriptor kFresh(16, 16),
      kSum(16, 16, dynamic_length, false, false, false, mode::multiply_accumulate);
  check<float, float, float, kFresh, execution_simdgroup, Where::tensors>(17, 9, 0);
  check<half, half, float, kFresh, execution_simdgroup, Where::tile_destination>(17, 9, 0);
  check<float, float, float, kSum, execution_simdgroup, Where::tensors>(17, 9, 0);
}

TEST(Matmul, IntegersWrap) {
  const int k = 140000;  // 255 * 255 * 140000 passes 2^32 twice
  const Array<u8> left(std::vector<u8>(static_cast<std::size_t>(8 * k), 255)),
      right(std::vector<u8>(static_cast<std::size_t>(16 * k), 255));
  const Array<std::int32_t> d(8 * 16, 0);
  constexpr matmul2d_descriptor kTall(8, 16);
  run<Multiply<u8, u8, std::int32_t, kTall, execution_simdgroup, Where::tensors>>(
      {left.data(), right.data(), d.data(), {8, 16, k, k, 16, 16}});
  const auto expected = static_cast<std::int32_t>(
      static_cast<std::uint32_t>(std::uint64_t{255} * 255 * static_cast<std::uint64_t>(k)));
  EXPECT_EQ(d.read(), std::vector<std::int32_t>(8 * 16, expected));
}

TEST(Matmul, RoundsASixteenBitDestinationOnce) {
  // 2048 + 1 + 1 is 2050 in float and in half; rounded after each step, half would stay at 2048.
  std::vector<half> left(16, half(0.0f)), right(16 * 8, half(0.0f));
  left[0] = half(2048.0f), left[1] = left[2] = half(1.0f);
  for (auto& r : right) r = half(1.0f);
  constexpr matmul2d_descriptor kThread(1, 8);
  const Array<half> a(left), b(right), d(8, half(0.0f));
  run<Multiply<half, half, half, kThread, execution_thread, Where::tensors>>(
      {a.data(), b.data(), d.data(), {1, 8, 16, 16, 8, 8}});
  for (const half x : d.read()) EXPECT_EQ(static_cast<float>(x), 2050.0f);
}

#if defined(__linux__) && !defined(__CUDACC__)
// Rows more than 2^31 elements apart, on memory of which only the pages that are touched exist.
TEST(Matmul, ReadsAndWritesPastTwoGiB) {
  const std::int64_t stride = (std::int64_t{1} << 31) + 3;
  const auto mapped = [&](int rows) {
    void* memory = mmap(nullptr, static_cast<std::size_t>(stride * (rows - 1) + 64) * sizeof(half),
                        PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return memory == MAP_FAILED ? nullptr : static_cast<half*>(memory);
  };
  half *a = mapped(3), *b = mapped(4), *d = mapped(3);
  ASSERT_TRUE(a != nullptr && b != nullptr && d != nullptr);
  for (int i = 0; i < 3; ++i) {
    for (int k = 0; k < 4; ++k) a[i * stride + k] = half(static_cast<float>(i * 4 + k));
  }
  for (int k = 0; k < 4; ++k) {
    for (int j = 0; j < 5; ++j) b[k * stride + j] = half(static_cast<float>(k - j));
  }
  constexpr matmul2d_descriptor kTile(16, 16);
  run<Multiply<half, half, half, kTile, execution_simdgroup, Where::tensors>>(
      {a, b, d, {3, 5, 4, stride, stride, stride}});
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 5; ++j) {
      float expected = 0.0f;
      for (int k = 0; k < 4; ++k) expected += static_cast<float>(i * 4 + k) * static_cast<float>(k - j);
      EXPECT_EQ(static_cast<float>(d[i * stride + j]), expected);
    }
  }
  for (half* memory : {a, d}) munmap(memory, static_cast<std::size_t>(stride * 2 + 64) * sizeof(half));
  munmap(b, static_cast<std::size_t>(stride * 3 + 64) * sizeof(half));
}
#endif

#if !defined(__CUDACC__)
/// What the message of a refused run says; empty when nothing is refused.
template <class Kernel>
std::string refusal(const typename Kernel::Params& params) {
  try {
    run<Kernel>(params);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::invalid_argument);
    return e.what();
  }
  return "";
}

struct BadStride {
  struct Params {
    const float* a;
    float* d;
    std::int64_t stride;
  };
  struct Threadgroup {};
  static constexpr int kSimdgroups = 1;
  static FT_FUNCTION void run(const Params& p, Threadgroup&, GridPosition) {
    using Index = dextents<int, 2>;
    tensor<const float, Index, tensor_inline> a(p.a, Index(16, 16), {p.stride, std::int64_t{16}});
    tensor<float, Index, tensor_inline> d(p.d, Index(16, 16));
    matmul2d<matmul2d_descriptor{16, 16}, execution_simdgroup>().run(a, a, d);
  }
};
TEST(Matmul, RefusesTensorsWhoseColumnsAreApart) {
  const Array<float> a(1024, 1.0f), d(256, 0.0f);
  EXPECT_EQ(refusal<BadStride>({a.data(), d.data(), 2}), "tensor: dimension 0 must have stride 1");
  EXPECT_EQ(refusal<BadStride>({a.data(), d.data(), 1}), "");
}

TEST(Matmul, RefusesFourBitRowsThatStartInsideAByte) {
  const Array<half> a(16 * 16, half(1.0f));
  const Array<int4b_format> b(200, {0x21});
  const Array<float> d(16 * 16, 0.0f);
  constexpr matmul2d_descriptor kTile(16, 16);
  using Kernel = Multiply<half, int4b_format, float, kTile, execution_simdgroup, Where::tensors>;
  EXPECT_EQ(refusal<Kernel>({a.data(), b.data(), d.data(), {16, 16, 16, 16, 17, 16}}),
            "tensor: rows of 4-bit elements must start at whole bytes");
  EXPECT_EQ(refusal<Kernel>({a.data(), b.data(), d.data(), {16, 16, 16, 16, 18, 16}}), "");
}

TEST(Matmul, RefusesAStaticKThatPassesAnOperand) {
  constexpr matmul2d_descriptor kStatic(16, 16, 32);
  const Array<float> a(16 * 32, 1.0f), b(16 * 32, 1.0f), d(16 * 16, 0.0f);
  using Kernel = Multiply<float, float, float, kStatic, execution_simdgroup, Where::tensors>;
  EXPECT_EQ(refusal<Kernel>({a.data(), b.data(), d.data(), {16, 16, 31, 32, 16, 16}}),
            "matmul2d: the static k passes the K extent of an operand; leave k dynamic for a ragged K");
  EXPECT_EQ(refusal<Kernel>({a.data(), b.data(), d.data(), {16, 16, 32, 32, 16, 16}}), "");
}
#endif

}  // namespace
}  // namespace flashtile::test
