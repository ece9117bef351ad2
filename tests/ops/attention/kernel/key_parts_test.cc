// Keys that are dealt out, by the kernel texts themselves on a CPU: that parts in any number, of one head's rows or of
// a group's, come to what the oracle says. On a GPU the ways do the same, which the parity tests see.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "flashtile/launch.h"
#include "src/ops/attention/kernel/merge_parts.h"
#include "src/ops/attention/kernel/simdgroup.h"
#include "src/ops/attention/kernel/tensor_ops.h"
#include "src/ops/attention/kernel/tiles.h"
#include "src/ops/attention/problem.h"
#include "tests/ops/attention/cases.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {

constexpr int kTestHeadDim = 16;

struct PartsTile : AttentionTile<16, 8, kTestHeadDim, 1, 1> {
  static constexpr bool kParts = true;
};
struct GroupsTile : PartsTile {
  static constexpr bool kGroupsHeads = true;
  template <class T>
  using Rows = HeadGroup<T>;
};

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels

namespace flashtile::test {
namespace {

using namespace kernels;

/// Runs a call in so many parts, some tiles at a time, and compares it with the oracle.
template <class Kernel>
void check(const Case& c, int count, bool grouped) {
  Call call(c, DType::f32);
  const Tensor out(DType::f32, {c.batch, c.query_heads, c.query_length, c.values()}),
      lse(DType::f32, {c.batch, c.query_heads, c.query_length});
  const AttentionOutputs outputs{.out = out.view(), .lse = lse.view()};
  const ops::AttentionCall validated =
      ops::validated(outputs, call.q.view, call.k.view, call.v.view, call.options(), ops::Data::needed);
  AttentionParams params = ops::params_of(validated.problem, validated.arguments);

  const int group = grouped ? static_cast<int>(c.query_heads / c.kv_heads) : 1;
  const std::int64_t rows = c.query_length * group;
  const std::int64_t tiles = (rows + Kernel::kQ - 1) / Kernel::kQ * (c.query_heads / group) * c.batch;
  const auto stored = static_cast<int>(std::min<std::int64_t>(Kernel::kQ, rows));
  constexpr std::int64_t kAtOnce = 5;
  std::vector<float> sums(
      static_cast<std::size_t>(kAtOnce * count * part_floats(stored, static_cast<int>(c.values()))), kNaN);
  using Merge = AttentionMergeParts<float>;
  const std::int64_t merges = (stored + Merge::rows_at_once(count) - 1) / Merge::rows_at_once(count);
  params.parts = {sums.data(), 0, 0, count, Kernel::kQ, stored, group, 0, 0};
  for (std::int64_t first = 0; first < tiles; first += kAtOnce) {
    params.parts.first_tile = first;
    params.parts.tiles = std::min(kAtOnce, tiles - first);
    launch<Kernel>(Queue::cpu(), {count, params.parts.tiles, 1}, params);
    launch<Merge>(Queue::cpu(), {merges, params.parts.tiles, 1}, params);
  }

  for (std::int64_t n = 0; n < out.size(); ++n) {
    const std::int64_t row = n / c.values();
    const auto column = static_cast<std::size_t>(n % c.values());
    EXPECT_TRUE(within(static_cast<double>(out.as<float>()[n]), call.expected(row).out[column],
                       call.bounds(row).out[column]))
        << "row " << row << " column " << column;
  }
  for (std::int64_t row = 0; row < call.rows(); ++row) {
    EXPECT_TRUE(within(static_cast<double>(lse.as<float>()[row]), call.expected(row).lse, call.bounds(row).lse))
        << "lse of row " << row;
  }
}

void check_all(const Case& c) {
  for (const int count : {1, 3, 8, 9, 18}) {
    SCOPED_TRACE(c.name + " in " + std::to_string(count));
    check<AttentionTensorOps<float, PartsTile>>(c, count, false);
    check<AttentionTensorOps<float, GroupsTile>>(c, count, true);
    check<AttentionSimdgroup<float, PartsTile>>(c, count, false);
  }
}

Case few(std::int64_t queries, std::int64_t keys) {
  return {.name = std::to_string(queries) + "x" + std::to_string(keys),
          .query_heads = 6,
          .kv_heads = 2,
          .query_length = queries,
          .kv_length = keys,
          .head_dim = kTestHeadDim};
}

TEST(KeyParts, OfAnyNumberComeToTheWhole) {
  for (const std::int64_t queries : {1, 5, 6}) {
    for (const std::int64_t keys : {1, 8, 9, 23, 24, 25, 80, 81, 150}) check_all(few(queries, keys));
  }
}

TEST(KeyParts, OfEvenSharesFollowEachOther) {
  AttentionParams p{};
  for (const int blocks : {1, 2, 7, 32}) {
    for (const int share : {1, 2, 3, 31, 32, 33, 100}) {
      p.parts.tile_blocks = blocks, p.parts.share_blocks = share;
      std::int64_t next = 0;
      for (std::int64_t tile = 0; tile < 9; ++tile) {
        const TileParts parts = parts_of(p, tile);
        EXPECT_GE(parts.first, next);
        for (int block = 0; block < blocks;
             ++block) {  // the part of each is tile + share, as the kernel numbers it
          const std::int64_t own = tile + (tile * blocks + block) / share - parts.first;
          EXPECT_GE(own, 0);
          EXPECT_LT(own, parts.count);
          if (block == 0) {
            EXPECT_EQ(own, 0);
          }
          if (block == blocks - 1) {
            EXPECT_EQ(own, parts.count - 1);
          }
        }
        next = parts.first + parts.count;
      }
    }
  }
}

TEST(KeyParts, KnowMasksByPosition) {
  for (const std::int64_t queries : {1, 7}) {
    for (const CausalCorner corner : {CausalCorner::top_left, CausalCorner::bottom_right}) {
      for (const std::int64_t keys : {5, 100}) {
        Case c = few(queries, keys);
        c.causal = corner;
        check_all(c);
        c.poison = Poison::nan;
        check_all(c);
      }
    }
    for (const Window window : {Window{0, 0}, Window{9, 3}, Window{-1, 4}, Window{40, -1}}) {
      Case c = few(queries, 90);
      c.window = window;
      c.query_offset = queries == 7 ? -3 : 50;
      check_all(c);
    }
  }
}

TEST(KeyParts, KnowMaskTensorsScalesAndCaps) {
  for (const MaskShape& shape : {MaskShape{0, 0, 0, 0}, MaskShape{1, 0, 1, 0}, MaskShape{0, 1, 0, 1}}) {
    for (const MaskFill fill : {MaskFill::random, MaskFill::rows, MaskFill::padding}) {
      Case c = few(4, 40);
      c.boolean = TestMask{DType::u8, shape, fill};
      if (fill == MaskFill::padding) c.poison = Poison::nan;
      check_all(c);
      c.bias = TestMask{DType::f16, shape, fill};
      c.scale = -0.3f;
      c.layout = Layout::padded;
      check_all(c);
      c.softcap = 2.0f;
      c.causal = CausalCorner::bottom_right;
      check_all(c);
    }
  }
}

TEST(KeyParts, KnowOtherLayoutsAndValueSizes) {
  for (const Layout layout : {Layout::bshd, Layout::padded, Layout::repeated, Layout::reversed}) {
    for (const auto& [dim, values] : {std::pair{5, 13}, {16, 1}}) {
      Case c = few(6, 50);
      c.head_dim = dim;
      c.value_dim = values;
      c.layout = layout;
      check_all(c);
    }
  }
}

TEST(KeyParts, OfFarScoresAreBroughtToOneMaximum) {
  for (const Fill fill : {Fill::ascending, Fill::spread, Fill::ties}) {
    Case c = few(5, 150);
    c.fill = fill;
    c.scale = 1.0f;
    check_all(c);
  }
}

}  // namespace
}  // namespace flashtile::test
