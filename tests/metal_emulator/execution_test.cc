// The execution model: indices, simdgroup and quadgroup functions, divergence, barriers, threadgroup memory, atomics.
#include <gmock/gmock.h>

#include <functional>
#include <numeric>

#include "tests/metal_emulator/run_kernel.h"

namespace flashtile::metal_emulator {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Module& module() { return module_of("execution"); }

template <class T>
std::vector<T> result_of(const std::string& kernel, std::uint32_t threads, std::vector<T> buffer) {
  module().run({.kernel = kernel, .buffers = {{0, bytes_of(buffer)}}, .threads = {threads}});
  return buffer;
}

TEST(Execution, GivesEveryIndexOfAGridWithPartialThreadgroups) {
  // A grid of 10 x 6 x 3 threads in threadgroups of 8 x 4 x 2: those at the edges are smaller.
  std::vector<std::uint32_t> out(10 * 6 * 3 * 37);
  module().run({.kernel = "indices",
                .buffers = {{0, bytes_of(out)}},
                .threads = {8, 4, 2},
                .grid_threads = Dim{10, 6, 3}});
  const auto of = [&](std::size_t x, std::size_t y, std::size_t z) {
    const auto first = out.begin() + static_cast<std::ptrdiff_t>(37 * (x + 10 * (y + 6 * z)));
    return std::vector<std::uint32_t>(first, first + 36);
  };
  EXPECT_THAT(of(3, 2, 1), ElementsAre(3, 2, 1, /*group*/ 0, 0, 0, /*groups*/ 2, 2, 2, /*in group*/ 3, 2, 1,
                                       /*size*/ 8, 4, 2, /*full*/ 8, 4, 2, /*grid*/ 10, 6, 3, 10, 6, 3,
                                       /*origin*/ 0, 0, 0, /*index*/ 51, 19, 32, 1, 2, 2, 3, 12, 16));
  EXPECT_THAT(of(9, 5, 2), ElementsAre(9, 5, 2, 1, 1, 1, 2, 2, 2, 1, 1, 0, /*partial*/ 2, 2, 1, 8, 4, 2, 10, 6,
                                       3, 10, 6, 3, 0, 0, 0, 3, 3, 32, 0, 1, 2, 3, 0, 1));
}

TEST(Execution, GivesIndicesAsVectorsOfTwo) {
  std::vector<std::uint32_t> out(2 * 6 * 4);
  module().run(
      {.kernel = "two_numbers", .buffers = {{0, bytes_of(out)}}, .threads = {3, 2}, .threadgroups = {2, 2}});
  for (std::uint32_t i = 0; i < 24; ++i) {
    ASSERT_EQ(out[2 * i], i % 6);
    ASSERT_EQ(out[2 * i + 1], i / 6);
  }
}

/// What each row of simd_functions must be, computed from all lanes' values at once.
struct Row {
  const char* name;
  std::function<int(int lane)> value;
};

int v(int lane) { return 3 * lane + 1; }
int folded(int first, int count, const std::function<int(int, int)>& fold,
           const std::function<int(int)>& value) {
  int result = value(first);
  for (int i = 1; i < count; ++i) result = fold(result, value(first + i));
  return result;
}
int add(int a, int b) { return a + b; }
int times(int a, int b) { return a * b; }
int quad(int lane) { return lane / 4 * 4; }
int product_before(int lane, bool inclusive) { return 1 << std::min(lane + (inclusive ? 1 : 0), 3); }

const std::vector<Row>& rows() {
  static const std::vector<Row> table{
      {"simd_shuffle", [](int l) { return v(31 - l); }},
      {"simd_shuffle_xor", [](int l) { return v(l ^ 5); }},
      {"simd_shuffle_up", [](int l) { return l < 3 ? v(l) : v(l - 3); }},
      {"simd_shuffle_down", [](int l) { return l > 28 ? v(l) : v(l + 3); }},
      {"simd_shuffle_rotate_up", [](int l) { return v((l + 29) % 32); }},
      {"simd_shuffle_rotate_down", [](int l) { return v((l + 3) % 32); }},
      {"simd_shuffle_and_fill_up", [](int l) { return l >= 3 ? v(l - 3) : 1000 + 29 + l; }},
      {"simd_shuffle_and_fill_down", [](int l) { return l < 29 ? v(l + 3) : 1000 + l + 3 - 32; }},
      {"simd_shuffle_and_fill_up of 8",
       [](int l) { return l % 8 >= 3 ? v(l - 3) : 1000 + l / 8 * 8 + 5 + l % 8; }},
      {"simd_shuffle_and_fill_down of 8",
       [](int l) { return l % 8 < 5 ? v(l + 3) : 1000 + l / 8 * 8 + l % 8 + 3 - 8; }},
      {"simd_broadcast", [](int) { return v(7); }},
      {"simd_broadcast_first", [](int) { return v(0); }},
      {"simd_sum", [](int) { return folded(0, 32, add, v); }},
      {"simd_product", [](int) { return 1 << 7; }},
      {"simd_min", [](int) { return 100 - v(31); }},
      {"simd_max", [](int) { return v(31); }},
      {"simd_and", [](int) { return folded(0, 32, std::bit_and<int>(), [](int l) { return v(l) | 64; }); }},
      {"simd_or", [](int) { return folded(0, 32, std::bit_or<int>(), v); }},
      {"simd_xor", [](int) { return folded(0, 32, std::bit_xor<int>(), v); }},
      {"simd_prefix_inclusive_sum", [](int l) { return folded(0, l + 1, add, v); }},
      {"simd_prefix_exclusive_sum", [](int l) { return folded(0, l + 1, add, v) - v(l); }},
      {"simd_prefix_inclusive_product", [](int l) { return product_before(l, true); }},
      {"simd_prefix_exclusive_product", [](int l) { return product_before(l, false); }},
      {"simd_is_first", [](int l) { return l == 0 ? 1 : 0; }},
      {"simd_all", [](int) { return 1; }},
      {"simd_any", [](int) { return 1; }},
      {"simd_ballot", [](int) { return 0x1ff; }},
      {"simd_active_threads_mask", [](int) { return -1; }},
      {"quad_shuffle", [](int l) { return v(quad(l) + 3 - l % 4); }},
      {"quad_shuffle_xor", [](int l) { return v(l ^ 1); }},
      {"quad_shuffle_up", [](int l) { return l % 4 == 0 ? v(l) : v(l - 1); }},
      {"quad_shuffle_down", [](int l) { return l % 4 == 3 ? v(l) : v(l + 1); }},
      {"quad_shuffle_rotate_up", [](int l) { return v(quad(l) + (l + 3) % 4); }},
      {"quad_shuffle_rotate_down", [](int l) { return v(quad(l) + (l + 1) % 4); }},
      {"quad_shuffle_and_fill_up", [](int l) { return l % 4 == 0 ? 1000 + l + 3 : v(l - 1); }},
      {"quad_shuffle_and_fill_down", [](int l) { return l % 4 == 3 ? 1000 + l - 3 : v(l + 1); }},
      {"quad_broadcast", [](int l) { return v(quad(l) + 2); }},
      {"quad_broadcast_first", [](int l) { return v(quad(l)); }},
      {"quad_sum", [](int l) { return folded(quad(l), 4, add, v); }},
      {"quad_product", [](int) { return 24; }},
      {"quad_min", [](int l) { return v(quad(l)); }},
      {"quad_max", [](int l) { return v(quad(l) + 3); }},
      {"quad_and", [](int l) { return folded(quad(l), 4, std::bit_and<int>(), v); }},
      {"quad_or", [](int l) { return folded(quad(l), 4, std::bit_or<int>(), v); }},
      {"quad_xor", [](int l) { return folded(quad(l), 4, std::bit_xor<int>(), v); }},
      {"quad_prefix_inclusive_sum", [](int l) { return folded(quad(l), l % 4 + 1, add, v); }},
      {"quad_prefix_exclusive_sum", [](int l) { return folded(quad(l), l % 4 + 1, add, v) - v(l); }},
      {"quad_prefix_inclusive_product",
       [](int l) { return folded(0, l % 4 + 1, times, [](int i) { return i + 1; }); }},
      {"quad_prefix_exclusive_product",
       [](int l) { return folded(0, l % 4 + 1, times, [](int i) { return i + 1; }) / (l % 4 + 1); }},
      {"quad_is_first", [](int l) { return l % 4 == 0 ? 1 : 0; }},
      {"quad_all", [](int l) { return l / 4 == 2 ? 0 : 1; }},
      {"quad_any", [](int l) { return l / 4 == 2 ? 1 : 0; }},
      {"quad_ballot", [](int) { return 0xa; }},
      {"quad_active_threads_mask", [](int) { return 0xf; }},
  };
  return table;
}

TEST(Execution, ComputesEverySimdgroupAndQuadgroupFunction) {
  const std::vector<int> out = result_of<int>("simd_functions", 32, std::vector<int>(32 * rows().size()));
  for (std::size_t row = 0; row < rows().size(); ++row)
    for (int lane = 0; lane < 32; ++lane)
      ASSERT_EQ(out[32 * row + static_cast<std::size_t>(lane)], rows()[row].value(lane))
          << rows()[row].name << ", lane " << lane;
}

TEST(Execution, VotesInBitsOfLanes) {
  const std::vector<std::uint64_t> out =
      result_of<std::uint64_t>("ballots", 32, std::vector<std::uint64_t>(192));
  const std::uint64_t expected[] = {0, 1, 0xff, 0xffff, 0x7fffffff, 0xffffffff};
  for (std::size_t i = 0; i < out.size(); ++i) ASSERT_EQ(out[i], expected[i / 32]);
}

TEST(Execution, TakesVectorsInSimdgroupFunctions) {
  std::vector<float> out(64);
  std::vector<std::uint16_t> halves(128);
  module().run(
      {.kernel = "simd_of_vectors", .buffers = {{0, bytes_of(out)}, {1, bytes_of(halves)}}, .threads = {32}});
  for (std::size_t lane = 0; lane < 32; ++lane) {
    ASSERT_EQ(out[2 * lane], 496.0f + static_cast<float>(lane ^ 1));
    ASSERT_EQ(out[2 * lane + 1], 32.0f + static_cast<float>(lane ^ 1));
    ASSERT_EQ(halves[4 * lane], 0x4fc0);      // 31
    ASSERT_EQ(halves[4 * lane + 1], 0x8000);  // -0
  }
}

TEST(Divergence, MeetsAgainAfterABranch) {
  EXPECT_THAT(result_of<float>("helper_after_branch", 32, std::vector<float>(32)),
              testing::Each(132.0f));  // 10 * 11 + 22
}

TEST(Divergence, MeetsInEachRoundOfALoop) {
  const std::vector<float> out = result_of<float>("collective_in_a_loop", 32, std::vector<float>(32));
  for (std::size_t t = 0; t < 32; ++t) ASSERT_EQ(out[t], t == 5 ? 396.0f : 96.0f);
}

TEST(Divergence, KeepsLanesApartThatContinued) {
  const std::vector<float> out = result_of<float>("with_continue", 32, std::vector<float>(32));
  for (unsigned t = 0; t < 32;
       ++t) {  // in three of four rounds, with the 16 or 8 lanes of the same parity that are there
    float expected = 0;
    for (unsigned i = 0; i < 4; ++i) {
      if (t % 4 == i) continue;
      const float together = i % 2 == t % 2 ? 8.0f : 16.0f;
      expected += t % 2 == 1 ? together : 1000 * together;
    }
    ASSERT_EQ(out[t], expected) << t;
  }
}

TEST(Divergence, LetsLoopsEndAtDifferentRounds) {
  const std::vector<float> out = result_of<float>("loops_of_unequal_length", 32, std::vector<float>(32));
  for (unsigned t = 0; t < 32; ++t) {
    const float rounds[] = {0, 21, 31};  // 21 lanes in the first round (t % 3 > 0), 10 in the second
    ASSERT_EQ(out[t], rounds[t % 3] + (t < 8 ? 8000.0f : 0.0f) + 3200000.0f) << t;
  }
}

TEST(Divergence, FollowsDoLoopsSwitchesAndReturns) {
  const std::vector<float> out = result_of<float>("do_and_switch", 32, std::vector<float>(32, -1.0f));
  for (unsigned t = 0; t < 32; ++t) {  // lanes with t % 3 = 2 leave; 11 have 0, 11 have 1
    const float expected[] = {11 + 1100, 1100 + 110000, -1};
    ASSERT_EQ(out[t], expected[t % 3]) << t;
  }
}

TEST(Divergence, GoesOnWithoutThreadsThatReturned) {
  const std::vector<float> out = result_of<float>("exits_of_threads", 64, std::vector<float>(64, -1.0f));
  for (unsigned t = 0; t < 64; ++t) {
    const unsigned lane = t % 32, lanes = t < 32 ? 32 : 28;
    float x = lane < 16 ? 16.0f : 2.0f * static_cast<float>(lanes - 16);
    for (unsigned i = 0; i < lane % 4; ++i) x += static_cast<float>(lanes - 1);
    ASSERT_EQ(out[t], t >= 60 ? -1.0f : 100 * x + static_cast<float>(lanes)) << t;
  }
}

TEST(Divergence, WorksOnQuadsThatAreThere) {
  const std::vector<int> out = result_of<int>("quads_apart", 32, std::vector<int>(32));
  for (int lane = 0; lane < 32; ++lane)
    ASSERT_EQ(out[static_cast<std::size_t>(lane)], lane / 4 % 2 == 0 ? 4 * quad(lane) + 6 : -1);
}

TEST(Barriers, OrderSlicesOfSimdgroups) {
  std::vector<float> b(128);
  for (std::size_t i = 0; i < 128; ++i) b[i] = static_cast<float>(i % 32 % 3);
  const std::vector<float> out = result_of("own_slices", 128, b);
  for (int r = 0; r < 3; ++r) {
    std::vector<float> next(128);
    for (std::size_t i = 0; i < 128; ++i)
      next[i] = b[i / 32 * 32 + (i % 32 ^ 1)] + b[i / 32 * 32 + 31 - i % 32];
    b = next;
  }
  EXPECT_EQ(out, b);
}

TEST(Barriers, AllowDoubleBuffers) {
  const std::vector<float> out = result_of<float>("double_buffer", 64, std::vector<float>(64));
  for (std::size_t t = 0; t < 64; ++t) ASSERT_EQ(out[t], 12 + 4.0f * static_cast<float>(63 - t));
}

TEST(Barriers, HoldThreadgroupsOf1024Threads) {
  const std::vector<float> out = result_of<float>("large_group", 1024, std::vector<float>(1024, 2.0f));
  EXPECT_THAT(out, testing::Each(2048.0f));
}

TEST(ThreadgroupMemory, IsGivenByTheHostForParameters) {
  std::vector<float> b(64);
  std::iota(b.begin(), b.end(), 0.0f);
  module().run({.kernel = "dynamic_memory",
                .buffers = {{0, bytes_of(b)}},
                .threadgroup_bytes = {{0, 256}, {1, 128}},
                .threads = {64}});
  for (std::size_t t = 0; t < 64; ++t)
    ASSERT_EQ(b[t], static_cast<float>(63 - t) + 2.0f * static_cast<float>(t ^ 1));
}

TEST(ThreadgroupMemory, CanBeLimitedAsShaderValidationDoes) {
  std::vector<float> b(64);
  Launch launch{.kernel = "dynamic_memory",
                .buffers = {{0, bytes_of(b)}},
                .threadgroup_bytes = {{0, 16384}, {1, 128}},
                .threads = {64}};
  EXPECT_EQ(violated(module(), launch), "none");
  launch.threadgroup_memory_limit = 16384;
  EXPECT_EQ(violated(module(), launch), "threadgroup.too_large");
}

TEST(Atomics, CountInThreadgroupAndDeviceMemory) {
  std::vector<int> b(64);
  std::vector<std::uint32_t> total{0, 0, 0, 0xffffffffu, 100, 0, 0};
  std::vector<float> sum{1.0f};
  module().run({.kernel = "counters",
                .buffers = {{0, bytes_of(b)}, {1, bytes_of(total)}, {2, bytes_of(sum)}},
                .threads = {64}});
  EXPECT_THAT(b, testing::Each(320063));
  EXPECT_THAT(total, ElementsAre(2016, 0xffffffffu, 0, 0xffffff00u, 36, 1, 0));
  EXPECT_EQ(sum[0], 33.0f);
}

TEST(Launch, RefusesMoreThreadsThanTheKernelAllows) {
  std::vector<float> b(128);
  for (const std::string kernel : {"at_most_64", "at_most_2_simdgroups"}) {
    module().run({.kernel = kernel, .buffers = {{0, bytes_of(b)}}, .threads = {64}});
    try {
      module().run({.kernel = kernel, .buffers = {{0, bytes_of(b)}}, .threads = {65}});
      FAIL();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
      EXPECT_THAT(error.what(), HasSubstr(kernel + ": 65 threads a threadgroup; it takes 1 to 64"));
    }
  }
}

TEST(Launch, UsesSeveralWorkers) {
  std::vector<std::uint32_t> out(2 * 64 * 64);
  module().run({.kernel = "two_numbers",
                .buffers = {{0, bytes_of(out)}},
                .threads = {8, 8},
                .threadgroups = {8, 8},
                .workers = 4});
  for (std::uint32_t i = 0; i < 64 * 64; ++i) ASSERT_EQ(out[2 * i] + 64 * out[2 * i + 1], i);
}

}  // namespace
}  // namespace flashtile::metal_emulator
