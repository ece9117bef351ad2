#include "bench/flops.h"

#include <gtest/gtest.h>

#include <vector>

namespace flashtile::bench {
namespace {

constexpr AttentionSizes kSizes{2, 4, 2, 5, 7, 8, 16};
constexpr float kExcluded = -std::numeric_limits<float>::infinity();

/// Pairs of a mask, one by one, from the words of mask.h.
double counted(const AttentionSizes& s, const Mask& mask, const std::vector<bool>& attend_ij) {
  double pairs = 0;
  for (std::int64_t i = 0; i < s.query_length; ++i) {
    for (std::int64_t j = 0; j < s.kv_length; ++j) {
      const std::int64_t offset =
          mask.causal == QueryOffset(CausalCorner::bottom_right) ? s.kv_length - s.query_length : 0;
      if (mask.causal && j > i + offset) continue;
      if (!attend_ij.empty() && !attend_ij[static_cast<std::size_t>(i * s.kv_length + j)]) continue;
      pairs += static_cast<double>(s.batch * s.query_heads);
    }
  }
  return pairs;
}

TEST(Flops, EveryPairWithoutAMask) {
  EXPECT_EQ(attended_pairs(kSizes, {}), 2.0 * 4 * 5 * 7);
  const Work work = attention_work(kSizes, {}, DType::bf16);
  EXPECT_EQ(work.flops, 2.0 * 2 * 4 * 5 * 7 * (8 + 16));
  EXPECT_EQ(work.bytes, 2.0 * (2 * 4 * 5 * 8 + 2 * 2 * 7 * 8 + 2 * 2 * 7 * 16 + 2 * 4 * 5 * 16));
}

TEST(Flops, CausalCountsTheTriangleExactly) {
  AttentionSizes square = kSizes;
  square.kv_length = 5;
  for (const CausalCorner corner : {CausalCorner::top_left, CausalCorner::bottom_right}) {
    EXPECT_EQ(attended_pairs(square, {.causal = corner}), 2.0 * 4 * (5 * 6 / 2));
  }
  EXPECT_EQ(attended_pairs(kSizes, {.causal = CausalCorner::top_left}), 2.0 * 4 * (1 + 2 + 3 + 4 + 5));
  EXPECT_EQ(attended_pairs(kSizes, {.causal = CausalCorner::bottom_right}), 2.0 * 4 * (3 + 4 + 5 + 6 + 7));
  AttentionSizes tall = kSizes;
  tall.kv_length = 2;
  EXPECT_EQ(attended_pairs(tall, {.causal = CausalCorner::bottom_right}), 2.0 * 4 * (0 + 0 + 0 + 1 + 2));
}

TEST(Flops, LengthsAndOffsetsOfBatchEntriesAreCounted) {
  const std::int32_t queries[] = {2, 5}, keys[] = {7, 3};
  const std::int64_t offsets[] = {-1, 6};
  const Lengths lengths{.q = packed_view(queries, DType::i32, {2}), .kv = packed_view(keys, DType::i32, {2})};
  EXPECT_EQ(attended_pairs(kSizes, {}, {}, {.lengths = lengths}), 4.0 * (2 * 7 + 5 * 3));
  EXPECT_EQ(attended_pairs(kSizes, {.causal = CausalCorner::bottom_right}, {}, {.lengths = lengths}),
            4.0 * (6 + 7 + 0 + 0 + 1 + 2 + 3));
  EXPECT_EQ(attended_pairs(kSizes, {.causal = packed_view(offsets, DType::i64, {2})}),
            4.0 * (0 + 1 + 2 + 3 + 4 + 5 * 7));
  EXPECT_EQ(attention_work(kSizes, {}, DType::bf16, {}, {.lengths = lengths}).bytes,
            2.0 * (7 * 4 + 10 * 2) * (8 + 16));
}

TEST(Flops, MasksAreCountedElementByElement) {
  std::vector<std::uint8_t> boolean(35);
  std::vector<float> additive(35);
  std::vector<bool> attend(35);
  for (std::size_t n = 0; n < 35; ++n) {
    attend[n] = n * 7 % 3 != 0;
    boolean[n] = attend[n] ? 255 : 0;
    additive[n] = attend[n] ? -1e30f : kExcluded;
  }
  const Tensor half_mask = convert(packed_view(additive.data(), DType::f32, {35}), DType::f16);
  const Tensor bfloat_mask = convert(packed_view(additive.data(), DType::f32, {35}), DType::bf16);
  for (const auto causal : {std::optional<CausalCorner>{}, std::optional{CausalCorner::bottom_right}}) {
    const double expected = counted(kSizes, {.causal = causal}, attend);
    const TensorView attended = packed_view(boolean.data(), DType::u8, {5, 7});
    const TensorView biases = packed_view(additive.data(), DType::f32, {5, 7});
    const TensorView bfloats = packed_view(bfloat_mask.data(), DType::bf16, {5, 7});
    EXPECT_EQ(attended_pairs(kSizes, {.causal = causal, .boolean = attended}), expected);
    EXPECT_EQ(attended_pairs(kSizes, {.causal = causal, .bias = biases}), expected);
    EXPECT_EQ(attended_pairs(kSizes, {.causal = causal, .bias = bfloats}), expected);
    EXPECT_EQ(attended_pairs(kSizes, {.causal = causal, .boolean = attended, .bias = biases}), expected);
  }
  // In float16 -1e30 rounds to -inf, so that all is excluded.
  EXPECT_EQ(attended_pairs(kSizes, {.bias = packed_view(half_mask.data(), DType::f16, {5, 7})}), 0);
}

TEST(Flops, BroadcastMasksStandForAllThatTheyRepeatOver) {
  const std::vector<std::uint8_t> keys{1, 0, 1, 1, 0, 0, 1};
  EXPECT_EQ(attended_pairs(kSizes, {.boolean = packed_view(keys.data(), DType::u8, {7})}), 2.0 * 4 * 5 * 4);
  const std::vector<std::uint8_t> batches{1, 0};
  EXPECT_EQ(attended_pairs(kSizes, {.boolean = packed_view(batches.data(), DType::u8, {2, 1, 1, 1})}),
            4.0 * 5 * 7);
  const Mask mask{.boolean = packed_view(batches.data(), DType::u8, {2, 1, 1, 1})};
  EXPECT_EQ(attention_work(kSizes, mask, DType::f32).bytes, attention_work(kSizes, {}, DType::f32).bytes + 2);
}

TEST(Flops, WindowsAreCountedByPosition) {
  const Window window{.left = 1, .right = 2};
  EXPECT_EQ(attended_pairs(kSizes, {.window = window}), 2.0 * 4 * (3 + 4 + 4 + 4 + 4));
  EXPECT_EQ(attended_pairs(kSizes, {.causal = CausalCorner::bottom_right, .window = window}), 2.0 * 4 * 5 * 2);
  EXPECT_EQ(attended_pairs(kSizes, {.window = window}, std::int64_t{-3}), 2.0 * 4 * (0 + 1 + 2 + 3 + 4));
  EXPECT_EQ(attended_pairs(kSizes, {.window = Window{}}), 2.0 * 4 * 5 * 7);
  const std::vector<std::uint8_t> keys{1, 0, 1, 1, 0, 0, 1};
  const Mask both{.window = window, .boolean = packed_view(keys.data(), DType::u8, {7})};
  EXPECT_EQ(attended_pairs(kSizes, both), 2.0 * 4 * (2 + 3 + 2 + 2 + 2));
}

TEST(Flops, PackedSequencesAreCountedOneByOne) {
  const std::vector<std::int32_t> queries{1, 3, 5}, keys{0, 7, 7};
  const RowStarts starts{.q = packed_view(queries.data(), DType::i32, {3}),
                         .kv = packed_view(keys.data(), DType::i32, {3})};
  EXPECT_EQ(attended_pairs(kSizes, {}, {}, {.starts = starts}), 4.0 * (2 * 7 + 2 * 0));
  EXPECT_EQ(attended_pairs(kSizes, {.causal = CausalCorner::bottom_right}, {}, {.starts = starts}),
            4.0 * (6 + 7));
  EXPECT_EQ(attention_work(kSizes, {}, DType::f32, {}, {.starts = starts}).bytes,
            4.0 * (4 * 4 + 7 * 2) * (8 + 16));
}

TEST(Flops, ResultsMayBeWiderThanInputs) {
  EXPECT_EQ(
      attention_work(kSizes, {}, DType::f16, {}, {}, DType::f32).bytes -
          attention_work(kSizes, {}, DType::f16).bytes,
      2.0 * static_cast<double>(kSizes.batch * kSizes.query_heads * kSizes.query_length * kSizes.value_dim));
}

TEST(Flops, EmptyProblemsNeedNothing) {
  AttentionSizes empty = kSizes;
  empty.kv_length = 0;
  EXPECT_EQ(attention_work(empty, {}, DType::f32).flops, 0);
  EXPECT_EQ(attention_work(empty, {.causal = CausalCorner::top_left}, DType::f32).flops, 0);
}

TEST(Flops, Gemm) {
  const Work work = gemm_work(3, 5, 7, {DType::f16, DType::f16, DType::f32});
  EXPECT_EQ(work.flops, 2.0 * 3 * 5 * 7);
  EXPECT_EQ(work.bytes, 2.0 * (3 * 7 + 7 * 5) + 4.0 * 3 * 5);
  EXPECT_EQ(gemm_work(2, 6, 4, {DType::i8, DType::int4, DType::i32}).bytes, 8.0 + 12.0 + 48.0);
}

}  // namespace
}  // namespace flashtile::bench
