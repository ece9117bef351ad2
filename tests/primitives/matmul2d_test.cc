// matmul2d against the oracle: small and empty shapes, how results wrap and round, and what is refused.
#include "tests/primitives/matmul2d_check.h"

#if defined(__linux__) && !defined(__CUDACC__)
#include <sys/mman.h>
#endif

namespace flashtile::test {
namespace {

TEST(Matmul, ThreadScopeHasSmallShapes) {
  constexpr matmul2d_descriptor kDot(1, 1), kTwo(2, 4), kRow(1, 8);
  check<float, float, float, kDot, execution_thread, Where::tensors>(1, 1, 100);
  check<float, float, float, kTwo, execution_thread, Where::tensors>(5, 9, 33);
  check<half, half, float, kRow, execution_thread, Where::tile_destination>(3, 20, 64);
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
            "matmul2d: the static k passes the K extent of an operand; leave k dynamic for a ragged K, or, "
            "where the other "
            "operand is a cooperative tensor, load this one into an input tile, which clips");
  EXPECT_EQ(refusal<Kernel>({a.data(), b.data(), d.data(), {16, 16, 32, 32, 16, 16}}), "");
}
#endif

}  // namespace
}  // namespace flashtile::test
