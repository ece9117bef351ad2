// Every product of sizes that go wrong, 0, 1, 2 and around a tile, by every way and at every entry point. The
// elements are -1, 0 and 1, so that each result is exact.
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "flashtile/gemm.h"

namespace flashtile::test {
namespace {

constexpr std::int64_t kTile = 64;
constexpr std::int64_t kSizes[] = {0, 1, 2, kTile - 1, kTile, kTile + 1};

/// -1, 0 or 1 for each pair of numbers.
int element(std::int64_t i, std::int64_t j) { return static_cast<int>((i * i + 3 * j + i * j) % 3) - 1; }

/// A matrix of such elements, its rows or its columns contiguous.
TensorView matrix(Tensor& memory, DType dtype, std::int64_t rows, std::int64_t columns, bool transposed) {
  const Tensor floats(DType::f32, transposed ? Dims{columns, rows} : Dims{rows, columns});
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < columns; ++j)
      floats.as<float>()[transposed ? j * rows + i : i * columns + j] = static_cast<float>(element(i, j));
  }
  memory = convert(floats, dtype);
  return transposed ? memory.view().permuted({1, 0}) : memory.view();
}

/// The product's elements when C was 2 everywhere and beta is 0.5.
std::vector<float> expected(std::int64_t m, std::int64_t n, std::int64_t k) {
  std::vector<float> c;
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t j = 0; j < n; ++j) {
      int sum = 1;
      for (std::int64_t l = 0; l < k; ++l) sum += element(i, l) * element(l, j);
      c.push_back(static_cast<float>(sum));
    }
  }
  return c;
}

std::vector<float> elements(const Tensor& c) { return {c.as<float>(), c.as<float>() + c.size()}; }

Tensor twos(std::int64_t m, std::int64_t n) {
  Tensor c(DType::f32, {m, n});
  for (std::int64_t i = 0; i < c.size(); ++i) c.as<float>()[i] = 2.0f;
  return c;
}

TEST(GemmShapes, AreRightInEveryCombination) {
  std::vector<std::string> ways{""};  // the one that is chosen
  for (const WayInfo& way : gemm_ways()) {
    if (way.built) ways.push_back(way.name);
  }
  int turn = 0, computed = 0;
  for (const std::int64_t m : kSizes) {
    for (const std::int64_t n : kSizes) {
      for (const std::int64_t k : kSizes) {
        const std::vector<float> right = expected(m, n, k);
        for (const std::string& way : ways) {
          const DType dtype = turn % 3 == 0 ? DType::f32 : turn % 3 == 1 ? DType::bf16 : DType::f16;
          SCOPED_TRACE(std::to_string(m) + " x " + std::to_string(n) + " x " + std::to_string(k) + ", " +
                       name(dtype) + ", way \"" + way + "\"");
          Tensor a_memory, b_memory;
          const TensorView a = matrix(a_memory, dtype, m, k, turn / 3 % 2 == 1),
                           b = matrix(b_memory, dtype, k, n, turn / 6 % 2 == 1);
          ++turn;
          const Tensor c = twos(m, n), again = twos(m, n);
          const GemmOptions options{.beta = 0.5f, .way = way};
          const Result<Plan> plan = try_plan_gemm(c, a, b, options);
          const Result<> done = try_gemm(c, a, b, options);
          ASSERT_EQ(static_cast<bool>(plan), static_cast<bool>(done));
          if (!done) {  // declines; whoever may is in the parity test's list
            EXPECT_EQ(done.failure().code, ErrorCode::unsupported) << done.failure().message;
            continue;
          }
          EXPECT_FALSE(plan_gemm(c, a, b, options).kernel.empty());
          gemm(again, a, b, options);
          ASSERT_EQ(elements(c), right);
          ASSERT_EQ(elements(again), right);
          ++computed;
        }
      }
    }
  }
  EXPECT_GT(computed, turn / 2);
}

}  // namespace
}  // namespace flashtile::test
