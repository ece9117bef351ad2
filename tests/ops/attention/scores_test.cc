// Scores on request, at each of their stages: worked out by hand, against the oracle on every device, and what may not be
// asked for.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

#include "tests/ops/attention/cases.h"
#include "tests/ops/on_metal_emulated.h"

namespace flashtile::test {
namespace {

constexpr ScoreStage kStages[] = {ScoreStage::raw, ScoreStage::capped, ScoreStage::biased,
                                  ScoreStage::probabilities};
constexpr const char* kStageNames[] = {"raw", "capped", "biased", "probabilities"};

/// The scores of two queries and three keys: q = (1, 2), k = (1, 2, 3).
std::vector<float> of_small_call(ScoreStage stage, AttentionOptions options) {
  float q[] = {1, 2}, k[] = {1, 2, 3}, out[2], scores[6];
  std::fill_n(scores, 6, kNaN);
  options.scale = 0.5f;
  const auto rows = [](float* data, std::int64_t count) {
    return packed_view(data, DType::f32, {1, 1, count, 1});
  };
  attention_into({.out = rows(out, 2), .scores = {{packed_view(scores, DType::f32, {1, 1, 2, 3}), stage}}},
                 rows(q, 2), rows(k, 3), rows(k, 3), options);
  return {scores, scores + 6};
}

void expect_near(const std::vector<float>& found, const std::vector<double>& expected) {
  for (std::size_t i = 0; i < expected.size(); ++i)
    EXPECT_LE(reference::distance(static_cast<double>(found[i]), expected[i]), 1e-6) << i;
}

TEST(Scores, MeanWhatTheirStageSays) {
  const double inf = HUGE_VAL;
  float bias[] = {0, 1, -1};
  AttentionOptions options;
  options.softcap = 2.0f;
  options.mask.causal = CausalCorner::top_left;
  options.mask.bias = packed_view(bias, DType::f32, {1, 3});
  expect_near(of_small_call(ScoreStage::raw, options), {0.5, 1, 1.5, 1, 2, 3});
  const auto cap = [](double score) { return 2 * std::tanh(score / 2); };
  expect_near(of_small_call(ScoreStage::capped, options), {cap(0.5), cap(1), cap(1.5), cap(1), cap(2), cap(3)});
  expect_near(of_small_call(ScoreStage::biased, options), {cap(0.5), -inf, -inf, cap(1), cap(2) + 1, -inf});
  const double first = std::exp(cap(1)), second = std::exp(cap(2) + 1);
  expect_near(of_small_call(ScoreStage::probabilities, options),
              {1, 0, 0, first / (first + second), second / (first + second), 0});
}

TEST(Scores, ASinkTakesItsShare) {
  const float sinks[] = {1.5f};
  AttentionOptions options;
  options.sinks = packed_view(const_cast<float*>(sinks), DType::f32, {1});
  const double sum = std::exp(0.5) + std::exp(1.0) + 2 * std::exp(1.5);
  const std::vector<float> found = of_small_call(ScoreStage::probabilities, options);
  expect_near({found[0], found[1], found[2]}, {std::exp(0.5) / sum, std::exp(1.0) / sum, std::exp(1.5) / sum});
}

TEST(Scores, ARowWithoutKeysHasNone) {
  AttentionOptions options;
  options.mask.causal = std::int64_t{-1};
  const std::vector<float> shares = of_small_call(ScoreStage::probabilities, options);
  expect_near(shares, {0, 0, 0, 1, 0, 0});
  const std::vector<float> biased = of_small_call(ScoreStage::biased, options);
  expect_near(biased, {-HUGE_VAL, -HUGE_VAL, -HUGE_VAL, 1, -HUGE_VAL, -HUGE_VAL});
}

// ---- against the oracle ----

std::vector<Case> cases() {
  const TestMask boolean{DType::u8, {0, 1, 0, 0}}, bias{DType::f16, {1, 0, 0, 0}};
  return {
      {.name = "one_pair", .head_dim = 1},
      {.name = "plain", .batch = 2, .query_heads = 2, .kv_heads = 1, .query_length = 9, .kv_length = 65},
      {.name = "tiles_and_one_less",
       .query_heads = 2,
       .kv_heads = 2,
       .query_length = 7,
       .kv_length = 63,
       .head_dim = 40},
      {.name = "whole_tiles", .query_length = 16, .kv_length = 128, .head_dim = 32},
      {.name = "negative_scale", .query_length = 5, .kv_length = 30, .head_dim = 16, .scale = -0.25f},
      {.name = "window_and_cap",
       .query_heads = 2,
       .query_length = 20,
       .kv_length = 130,
       .causal = CausalCorner::bottom_right,
       .window = Window{30, -1},
       .softcap = 3.0f},
      {.name = "masks_and_slopes",
       .batch = 2,
       .query_heads = 4,
       .kv_heads = 2,
       .query_length = 17,
       .kv_length = 70,
       .slopes = Case::Slopes::of_entries,
       .boolean = boolean,
       .bias = bias,
       .layout = Layout::padded},
      {.name = "lengths_and_sinks",
       .batch = 3,
       .query_heads = 2,
       .query_length = 19,
       .kv_length = 150,
       .causal = CausalCorner::bottom_right,
       .query_lengths = {8, 0, 19},
       .kv_lengths = {0, 77, 64},
       .sinks = {0.5f, -1.0f}},
      {.name = "segments_and_blocks",
       .batch = 2,
       .query_heads = 2,
       .query_length = 21,
       .kv_length = 100,
       .segments = Case::Segments::documents,
       .q_block = 8,
       .kv_block = 16},
      {.name = "poison",
       .query_length = 10,
       .kv_length = 90,
       .boolean = TestMask{DType::u8, {1, 1, 1, 0}, MaskFill::padding},
       .poison = Poison::nan},
  };
}

class ScoresOf : public ::testing::TestWithParam<std::tuple<Case, DType, Device>> {};

/// What a stage is of a pair, and what it may be off by in a result of float32.
struct Expected {
  double value, error;
};

class Oracle {
 public:
  explicit Oracle(const Call& call) : call_(call), all_(call.oracle), capped_(all_), raw_(all_) {
    capped_.bias = {};
    capped_.slopes = {};
    raw_ = capped_;
    raw_.softcap = 0;
  }

  /// A row (Lkv) of a stage.
  std::vector<Expected> row(ScoreStage stage, std::int64_t b, std::int64_t h, std::int64_t i) const {
    const double hidden = stage == ScoreStage::biased ? -HUGE_VAL : 0;
    std::vector<Expected> row(static_cast<std::size_t>(all_.kv_length), {hidden, 0});
    if (stage == ScoreStage::probabilities) {
      fill_weights(row, reference::attention_row(all_, b, h, i));
      return row;
    }
    const reference::AttentionCase& a = stage == ScoreStage::raw      ? raw_
                                        : stage == ScoreStage::capped ? capped_
                                                                      : all_;
    for (std::int64_t j = 0; j < all_.kv_length; ++j) {
      const bool there = i < reference::valid_rows(all_.query_lengths, b, all_.query_length) &&
                         j < reference::valid_rows(all_.kv_lengths, b, all_.kv_length);
      const bool wanted = stage == ScoreStage::biased ? reference::attends(all_, b, h, i, j) : there;
      if (wanted) row[static_cast<std::size_t>(j)] = of(reference::score_of(a, b, h, i, j));
    }
    return row;
  }

 private:
  Expected of(const reference::Score& score) const {
    const double roundings = static_cast<double>(all_.head_dim + 4) * score.dot_size + 4 * score.size;
    return {score.value, reference::kFloat32.unit() * roundings +
                             std::fabs(all_.scale) * reference::flushed(all_.head_dim, format_of(call_.dtype))};
  }

  void fill_weights(std::vector<Expected>& row, const reference::AttentionRow& exact) const {
    if (exact.keys.empty()) return;
    const reference::RowErrors errors(all_, exact, format_of(call_.dtype));
    const reference::MovedWeights moved(all_, exact, errors);
    const double sum = reference::weight_sum_error(errors, exact) + 4 * reference::kFloat32.unit();
    for (std::size_t n = 0; n < exact.keys.size(); ++n) {
      const auto& key = exact.keys[n];
      if (key.index == reference::AttendedKey::kSink) continue;
      const double most = (key.weight + moved.more[n]) / moved.least_sum;
      row[static_cast<std::size_t>(key.index)] = {key.weight, (most - key.weight) + sum * most + 0x1p-125};
    }
  }

  const Call& call_;
  reference::AttentionCase all_, capped_, raw_;
};

TEST_P(ScoresOf, AgreeWithTheOracle) {
  const auto& [c, dtype, device] = GetParam();
  const Call call(c, dtype);
  const Oracle oracle(call);
  AttentionOptions options = call.options();
  const auto there = [device = device](const TensorView& view) { return copy_to(view, device); };
  std::vector<Tensor> copies;
  for (std::optional<TensorView>* given :
       {&options.mask.boolean, &options.mask.bias, &options.lengths.q, &options.lengths.kv,
        &options.alibi_slopes, &options.sinks, &options.mask.segments.q, &options.mask.segments.kv}) {
    if (*given) *given = copies.emplace_back(there(**given)).view();
  }
  if (options.mask.blocks)
    options.mask.blocks->view = copies.emplace_back(there(options.mask.blocks->view)).view();
  const Tensor q = there(call.q.view), k = there(call.k.view), v = there(call.v.view);
  const Tensor out(dtype, {c.batch, c.query_heads, c.query_length, c.values()}, device);
  for (const DType of_scores : {DType::f32, dtype}) {
    for (const ScoreStage stage : kStages) {
      SCOPED_TRACE(std::string(kStageNames[static_cast<int>(stage)]) + " in " + name(of_scores));
      Stored here = stored(of_scores, {c.batch, c.query_heads, c.query_length, c.kv_length}, Layout::padded,
                           static_cast<double>(kNaN));
      const Tensor memory = there(here.memory);
      TensorView view = here.view;
      view.device = device;
      view.data = static_cast<std::byte*>(memory.data()) +
                  (static_cast<std::byte*>(here.view.data) - static_cast<std::byte*>(here.memory.data()));
      attention_into({.out = out, .scores = {{view, stage}}}, q, k, v, options);
      Queue::default_for(device).synchronize();
      const Tensor back = copy_to(memory, Device::cpu());
      const reference::Format format = format_of(of_scores);
      std::int64_t written = 0;
      std::vector<Expected> row;
      for_each(here.view, [&](auto offset, auto, auto b, auto h, auto i, auto j) {
        if (::testing::Test::HasFailure()) return;
        if (j == 0) row = oracle.row(stage, b, h, i);
        const Expected& expected = row[static_cast<std::size_t>(j)];
        const double found = get(back, offset + 1);  // the padded layout begins at element 1
        const double size = std::fabs(expected.value) + expected.error;
        const double rounding = expected.error > 0 ? format.unit() * size + format.tiny() : 0;
        EXPECT_TRUE(reference::agrees(found, expected.value, expected.error + rounding))
            << found << " is not " << expected.value << " +- " << expected.error + rounding << " at " << b
            << ", " << h << ", " << i << ", " << j;
        ++written;
      });
      std::int64_t numbers = 0;
      for (std::int64_t n = 0; n < back.size(); ++n) numbers += std::isnan(get(back, n)) ? 0 : 1;
      if (c.poison == Poison::none) {
        EXPECT_EQ(numbers, written) << "elements around the scores have changed";
      }
    }
  }
}

std::string test_name(const ::testing::TestParamInfo<ScoresOf::ParamType>& test) {
  const auto& [c, dtype, device] = test.param;
  return as_test_name(c.name + "_" + name(dtype) + "_" + name(device));
}

INSTANTIATE_TEST_SUITE_P(, ScoresOf,
                         ::testing::Combine(::testing::ValuesIn(cases()),
                                            ::testing::Values(DType::f32, DType::f16, DType::bf16),
                                            ::testing::ValuesIn(devices_under_test())),
                         test_name);

// ---- what may not be asked for ----

TEST(Scores, AreRefusedByName) {
  float memory[64] = {}, out[16] = {}, scores[64] = {};
  const TensorView x = packed_view(memory, DType::f32, {1, 1, 2, 2}),
                   into = packed_view(out, DType::f32, x.shape);
  const auto refusal = [&](const TensorView& view, AttentionOptions options = {},
                           ScoreStage stage = ScoreStage::raw) {
    const Result<> result = try_attention_into({.out = into, .scores = {{view, stage}}}, x, x, x, options);
    return result ? std::string() : result.failure().message;
  };
  const TensorView right = packed_view(scores, DType::f32, {1, 1, 2, 2});
  EXPECT_EQ(refusal(right), "");
  EXPECT_EQ(refusal(packed_view(scores, DType::f32, {1, 1, 2, 3})),
            "attention: scores has shape (1, 1, 2, 3); expected (B, Hq, Lq, Lkv) = (1, 1, 2, 2)");
  EXPECT_EQ(refusal(packed_view(scores, DType::f16, {1, 1, 2, 2})),
            "attention: scores has dtype f16; expected f32");
  EXPECT_EQ(refusal(right, {}, static_cast<ScoreStage>(4)),
            "attention: scores has stage 4; expected raw, capped, biased or probabilities (0 ... 3)");
  TensorView twice = right;
  twice.strides[2] = 0;
  EXPECT_NE(refusal(twice).find("scores"), std::string::npos);
  EXPECT_NE(refusal(packed_view(memory, DType::f32, {1, 1, 2, 2})).find("scores"), std::string::npos);
  EXPECT_NE(refusal(packed_view(out, DType::f32, {1, 1, 2, 2})).find("scores"), std::string::npos);
  const std::string declined = refusal(right, {.way = "tensor_ops"});
  EXPECT_NE(declined.find("it does not know scores on request"), std::string::npos) << declined;
}

TEST(Scores, OfPackedSequencesAreNotThere) {
  float memory[8] = {}, scores[16] = {};
  float out[8];
  const std::int32_t starts[] = {0, 2, 4};
  const TensorView x = packed_view(memory, DType::f32, {4, 1, 2}),
                   numbers = packed_view(const_cast<std::int32_t*>(starts), DType::i32, {3});
  AttentionOptions options;
  options.row_starts = {.q = numbers, .kv = numbers};
  const Result<> result = try_attention_into({.out = packed_view(out, DType::f32, {4, 1, 2}),
                                              .scores = {{packed_view(scores, DType::f32, {2, 1, 2, 2})}}},
                                             x, x, x, options);
  ASSERT_FALSE(result);
  EXPECT_STREQ(result.failure().message.c_str(),
               "attention: scores and row_starts are given; this version has no scores of packed sequences");
}

}  // namespace
}  // namespace flashtile::test
