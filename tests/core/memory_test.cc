// Which memory a view touches, and which views share some: against a list of every byte.
#include "src/core/memory.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace flashtile {
namespace {

constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max(),
                       kLeast = std::numeric_limits<std::int64_t>::min();

alignas(64) std::byte memory[4096];

TensorView view_of(std::int64_t first, DType dtype, const Dims& shape, const Dims& strides) {
  return {memory + first, dtype, shape, strides, {}};
}

bool may_overlap(const TensorView& a, const TensorView& b) {
  return core::may_overlap(a, core::reach_of(a).value(), b, core::reach_of(b).value());
}

/// How often a view touches each byte, by walking its elements.
std::map<std::int64_t, int> touched(const TensorView& view) {
  std::map<std::int64_t, int> bytes;
  const std::int64_t count = element_count(view.shape), width = bits(view.dtype) / 8;
  for (std::int64_t n = 0; n < count; ++n) {
    std::int64_t rest = n, offset = static_cast<std::byte*>(view.data) - memory;
    for (int i = view.rank() - 1; i >= 0; --i) {
      offset += rest % view.shape[i] * view.strides[i] * width;
      rest /= view.shape[i];
    }
    for (std::int64_t b = 0; b < width; ++b) ++bytes[offset + b];
  }
  return bytes;
}

TEST(Reach, IsTheFirstAndTheLastByte) {
  const auto reach = [](const TensorView& view) {
    const std::optional<core::Reach> found = core::reach_of(view);
    return found ? std::to_string(found->begin) + " ... " + std::to_string(found->end) : "too far";
  };
  EXPECT_EQ(reach(view_of(0, DType::f32, {3, 4}, {4, 1})), "0 ... 48");
  EXPECT_EQ(reach(view_of(0, DType::f32, {3, 4}, {-4, 1})), "-32 ... 16");
  EXPECT_EQ(reach(view_of(0, DType::bf16, {3, 4}, {0, 0})), "0 ... 2");
  EXPECT_EQ(reach(view_of(0, DType::int4, {2, 5}, {6, 1})), "0 ... 6");
  EXPECT_EQ(reach(view_of(0, DType::f64, {}, {})), "0 ... 8");
  EXPECT_EQ(reach(view_of(0, DType::f32, {3, 0}, {kMost, kLeast})), "0 ... 0") << "no elements";
  EXPECT_EQ(reach(view_of(0, DType::f32, {1, 4}, {kLeast, 1})), "0 ... 16") << "a stride that nobody reads";
  EXPECT_EQ(reach(view_of(0, DType::u8, {2, 1}, {kLeast, 1})), "too far");
  EXPECT_EQ(reach(view_of(0, DType::f32, {3, 3}, {kMost / 40, kMost / 40})), "too far");
  EXPECT_EQ(reach(view_of(0, DType::f32, {std::int64_t{1} << 40, 2}, {std::int64_t{1} << 40, 1})), "too far");
}

TEST(Overlap, ElementsLieApartWhereStridesNest) {
  const auto overlaps = [](const Dims& shape, const Dims& strides) {
    return core::may_overlap_itself(view_of(0, DType::f32, shape, strides));
  };
  EXPECT_FALSE(overlaps({2, 3, 4}, {12, 4, 1}));
  EXPECT_FALSE(overlaps({2, 3, 4}, {4, 8, 1})) << "permuted";
  EXPECT_FALSE(overlaps({2, 3, 4}, {-100, 7, 1})) << "padded, reversed";
  EXPECT_FALSE(overlaps({1, 3, 4}, {0, 4, 1})) << "one of them";
  EXPECT_FALSE(overlaps({5, 0}, {0, 0})) << "none at all";
  EXPECT_TRUE(overlaps({2, 4}, {0, 1}));
  EXPECT_TRUE(overlaps({2, 4}, {3, 1}));
  EXPECT_TRUE(overlaps({2, 4}, {-3, 1}));
  EXPECT_TRUE(overlaps({2, 3, 4}, {8, 4, 1}));
  EXPECT_TRUE(overlaps({2, 2}, {1, -1}));
}

/// Small views of every kind, from a counter.
TensorView numbered(unsigned n) {
  const auto take = [&](unsigned choices) {
    const unsigned taken = n % choices;
    n /= choices;
    return static_cast<std::int64_t>(taken);
  };
  const DType dtype = take(2) == 0 ? DType::f32 : DType::bf16;
  const Dims shape{take(4), 1 + take(3), 1 + take(4)};
  const Dims strides{(take(5) - 2) * 12, (take(4) - 1) * 4, take(2)};
  return view_of(2048 + 4 * take(12), dtype, shape, strides);
}
std::uint64_t scrambled(std::uint64_t n) { return (n + 1) * 0x9e3779b97f4a7c15u >> 20; }

TEST(Overlap, WhatIsSaidToLieApartDoes) {
  int apart = 0, exact = 0;
  for (std::uint64_t n = 0; n < 3000; ++n) {
    const TensorView view = numbered(static_cast<unsigned>(scrambled(n)));
    bool meets = false;
    for (const auto& [byte, times] : touched(view)) meets = meets || times > 1;
    const bool may = core::may_overlap_itself(view);
    EXPECT_GE(may, meets) << to_string(view.shape) << " " << to_string(view.strides);
    apart += !may;
    exact += may == meets;
  }
  EXPECT_GT(apart, 500) << "else nothing was tried";
  EXPECT_GT(exact, 2800) << "layouts that people use are seen through";
}

TEST(Overlap, ViewsThatAreSaidToLieApartDo) {
  int apart = 0, columns = 0;
  for (std::uint64_t n = 0; n < 20000; ++n) {
    const TensorView a = numbered(static_cast<unsigned>(scrambled(2 * n))),
                     b = numbered(static_cast<unsigned>(scrambled(2 * n + 1)));
    const auto of_a = touched(a), of_b = touched(b);
    bool meets = false;
    for (const auto& [byte, times] : of_a) meets = meets || of_b.count(byte) != 0;
    const bool may = may_overlap(a, b);
    ASSERT_GE(may, meets) << to_string(a.shape) << " " << to_string(a.strides) << ", " << to_string(b.shape)
                          << " " << to_string(b.strides) << ", "
                          << static_cast<std::byte*>(b.data) - static_cast<std::byte*>(a.data) << " bytes on";
    ASSERT_EQ(may, may_overlap(b, a));
    apart += !may;
    if (!may && !of_a.empty() && !of_b.empty()) {
      columns += of_a.begin()->first < of_b.rbegin()->first && of_b.begin()->first < of_a.rbegin()->first;
    }
  }
  EXPECT_GT(apart, 2000);
  EXPECT_GT(columns, 100) << "ranges that meet, columns that do not";
}

TEST(Overlap, PartsOfOneProjectionLieApart) {
  // Rows of 3 heads of q, 1 of k, 1 of v, each 8 wide: (B, L, 5 * 8).
  const auto part = [](std::int64_t heads, std::int64_t first) {
    return view_of(first * 4, DType::f32, {2, heads, 6, 8}, {6 * 40, 8, 40, 1});
  };
  const TensorView q = part(3, 0), k = part(1, 24), v = part(1, 32);
  EXPECT_FALSE(may_overlap(q, k));
  EXPECT_FALSE(may_overlap(v, q));
  EXPECT_TRUE(may_overlap(q, part(1, 23)));
  EXPECT_TRUE(may_overlap(q, part(1, 39))) << "its last column is the next row's first";
  TensorView elsewhere = q;
  elsewhere.device = Device::cuda();
  EXPECT_FALSE(may_overlap(q, elsewhere));
  elsewhere = q;
  elsewhere.data = nullptr;
  EXPECT_FALSE(may_overlap(q, elsewhere)) << "a plan's views have no memory";
}

}  // namespace
}  // namespace flashtile
