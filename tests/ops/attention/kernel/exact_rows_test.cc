// Which rows of an output exact_rows computes again: the others keep what a test has put there.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "flashtile/attention.h"
#include "src/ops/attention/kernels.h"
#include "src/ops/attention/problem.h"

namespace flashtile {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN(),
                kInfinity = std::numeric_limits<float>::infinity();
constexpr float kMark = 77.0f;  ///< no mean of the values below
constexpr int kQueries = 150, kKeys = 70, kDim = 5;

/// One head whose scores are all 0 and whose values are all 1, and an output that holds kMark.
struct Head {
  Tensor q{DType::f32, {1, 1, kQueries, kDim}}, k{DType::f32, {1, 1, kKeys, kDim}},
      v{DType::f32, {1, 1, kKeys, kDim}}, out{DType::f32, {1, 1, kQueries, kDim}};
  AttentionOptions options;

  Head() {
    for (const Tensor* t : {&q, &k}) std::fill_n(t->as<float>(), t->size(), 0.0f);
    std::fill_n(v.as<float>(), v.size(), 1.0f);
    std::fill_n(out.as<float>(), out.size(), kMark);
  }
  float& value(int key, int d) const { return v.as<float>()[key * kDim + d]; }
  float& result(int row, int d) const { return out.as<float>()[row * kDim + d]; }
  void run(kernels::RowNotes notes = {}) const {
    const auto [problem, arguments] = ops::validated({.out = out}, q, k, v, options, ops::Data::needed);
    kernels::AttentionParams params = ops::params_of(problem, arguments);
    params.notes = notes;
    ops::find_kernel(ops::AttentionText::exact_rows, problem)->launch(Queue::cpu({.threads = 1}), params);
  }
  bool computed(int row) const {
    for (int d = 0; d < kDim; ++d) {
      if (result(row, d) == kMark) return false;
    }
    return true;
  }
};

TEST(ExactRows, LeavesRowsThatAttendToNaN) {
  Head head;
  head.value(69, 2) = kNaN;
  head.value(3, 4) = kNaN;
  for (int row = 0; row < kQueries; ++row) head.result(row, 2) = head.result(row, 4) = kNaN;
  head.run();
  for (int row = 0; row < kQueries; ++row) {
    EXPECT_FALSE(head.computed(row)) << row;
    EXPECT_TRUE(std::isnan(head.result(row, 2))) << row;
  }
}

TEST(ExactRows, LeavesRowsThatAttendToTheSameInfinity) {
  Head head;
  head.value(40, 1) = -kInfinity;
  head.result(5, 1) = -kInfinity;
  head.result(6, 1) = kInfinity;  // as after an overflow
  head.result(7, 1) = kNaN;       // as from an infinity times a weight of 0
  head.run();
  EXPECT_FALSE(head.computed(5));
  for (const int row : {6, 7}) {
    EXPECT_TRUE(head.computed(row));
    EXPECT_EQ(head.result(row, 1), -kInfinity);
    EXPECT_NEAR(head.result(row, 0), 1.0f, 1e-5f);
  }
}

TEST(ExactRows, ComputesRowsOfFiniteValues) {
  Head head;
  head.result(0, 3) = kInfinity;
  head.result(18, 0) = kNaN;
  head.run();
  for (int row = 0; row < kQueries; ++row) EXPECT_EQ(head.computed(row), row == 0 || row == 18) << row;
  EXPECT_NEAR(head.result(0, 3), 1.0f, 1e-5f);
  EXPECT_NEAR(head.result(18, 0), 1.0f, 1e-5f);
}

TEST(ExactRows, ComputesRowsWithAColumnThatNoValueExplains) {
  Head head;
  head.value(8, 2) = kNaN;
  head.result(4, 2) = head.result(4, 3) = kNaN;
  head.run();
  EXPECT_TRUE(head.computed(4));
  EXPECT_TRUE(std::isnan(head.result(4, 2)));
  EXPECT_NEAR(head.result(4, 3), 1.0f, 1e-5f);
}

TEST(ExactRows, LooksAtTilesThatAreNoted) {
  constexpr int kSimdgroups = 4;
  for (const int tile_rows : {16, 64, 128}) {
    const int count = (kQueries + tile_rows - 1) / tile_rows * kSimdgroups;
    for (int noted = 0; noted < count; ++noted) {
      Head head;
      for (int row = 0; row < kQueries; ++row) head.result(row, 0) = kInfinity;
      std::vector<std::uint8_t> notes(static_cast<std::size_t>(count));
      notes[static_cast<std::size_t>(noted)] = 1;
      head.run({notes.data(), tile_rows, kSimdgroups});
      for (int row = 0; row < kQueries; ++row)
        EXPECT_EQ(head.computed(row), row / tile_rows == noted / kSimdgroups) << row << " " << tile_rows;
    }
  }
}

TEST(ExactRows, ComputesRowsWhoseNaNIsHidden) {
  Head head;
  const Tensor attend(DType::u8, {kQueries, kKeys});
  std::fill_n(attend.as<std::uint8_t>(), attend.size(), std::uint8_t{1});
  attend.as<std::uint8_t>()[12 * kKeys + 60] = 0;
  head.options.mask.boolean = attend.view();
  head.options.mask.causal = std::int64_t{50};  // queries 0 ... 9 do not see key 60
  head.value(60, 0) = kNaN;
  for (int row = 0; row < kQueries; ++row) head.result(row, 0) = kNaN;
  head.run();
  for (int row = 0; row < kQueries; ++row) {
    EXPECT_EQ(head.computed(row), row < 10 || row == 12) << row;
    EXPECT_EQ(std::isnan(head.result(row, 0)), row >= 10 && row != 12) << row;
  }
}

}  // namespace
}  // namespace flashtile
