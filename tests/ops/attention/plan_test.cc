// Plans and choosing: what is chosen, why not the others, how much memory, and that a call keeps to it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "flashtile/attention.h"
#include "flashtile/error.h"
#include "src/ops/common/ways.h"

namespace flashtile {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const TensorView kSmall = packed_view(nullptr, DType::f32, {1, 2, 100, 64});

TEST(AttentionPlan, SaysWhatRunsAndWhyNothingElse) {
  const Plan plan = plan_attention(kSmall, kSmall, kSmall);
  EXPECT_EQ(plan.op, "attention");
  EXPECT_EQ(plan.device, Device::cpu());
  EXPECT_FALSE(plan.kernel.empty());
  const std::vector<WayInfo> ways = attention_ways();
  const auto chosen =
      std::find_if(ways.begin(), ways.end(), [&](const WayInfo& way) { return way.name == plan.way; });
  ASSERT_NE(chosen, ways.end());
  ASSERT_EQ(plan.refused.size(),
            static_cast<std::size_t>(chosen - ways.begin()));  // those before it, each with a reason
  for (std::size_t i = 0; i < plan.refused.size(); ++i) {
    EXPECT_EQ(plan.refused[i].way, ways[i].name);
    EXPECT_FALSE(plan.refused[i].reason.empty());
  }
}

TEST(AttentionPlan, AForcedWayIsTakenAndTheOthersListed) {
  for (const WayInfo& way : attention_ways()) {
    if (!way.built) continue;
    try {
      const Plan plan = plan_attention(kSmall, kSmall, kSmall, {.way = way.name});
      EXPECT_EQ(plan.way, way.name);
      EXPECT_EQ(plan.refused.size(), attention_ways().size() - 1);
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::unsupported);
      ASSERT_EQ(e.refused().size(), 1u);
      EXPECT_EQ(e.refused()[0].way, way.name);
      EXPECT_EQ(e.what(), "attention: way " + way.name + " cannot run this call: " + e.refused()[0].reason);
    }
  }
}

TEST(AttentionPlan, AWayThatIsNotBuiltSaysSo) {
  for (const WayInfo& way : attention_ways()) {
    EXPECT_FALSE(way.about.empty()) << way.name;
    if (way.built) continue;
    try {
      plan_attention(kSmall, kSmall, kSmall, {.way = way.name});
      FAIL() << way.name;
    } catch (const Error& e) {
      EXPECT_THAT(e.what(), HasSubstr("this build of flashtile has no"));
    }
  }
}

TEST(AttentionPlan, UnfusedStoresScoresAndSaysHowMany) {
  const Plan plan = plan_attention(kSmall, kSmall, kSmall, {.way = "unfused"});
  EXPECT_TRUE(plan.stores_scores);
  EXPECT_GE(plan.workspace_bytes, std::size_t{100 * 100 * 4});
  const TensorView longer = packed_view(nullptr, DType::f32, {1, 2, 1000, 64});
  EXPECT_GE(plan_attention(longer, longer, longer, {.way = "unfused"}).workspace_bytes,
            std::size_t{1000 * 1000 * 4});
  for (const char* way : {"tensor_ops", "simdgroup"}) {
    EXPECT_FALSE(plan_attention(longer, longer, longer, {.way = way}).stores_scores);
    EXPECT_EQ(plan_attention(longer, longer, longer, {.way = way}).workspace_bytes, 0u);
  }
}

TEST(AttentionPlan, TilesFollowTheHeadSize) {
  const auto kernel = [](std::int64_t d) {
    const TensorView q = packed_view(nullptr, DType::bf16, {1, 1, 10, d});
    return plan_attention(q, q, q, {.way = "tensor_ops"}).kernel;
  };
  EXPECT_THAT(kernel(1), HasSubstr("x64"));
  EXPECT_EQ(kernel(1), kernel(64));
  EXPECT_NE(kernel(64), kernel(65));
  EXPECT_EQ(kernel(65), kernel(128));
  EXPECT_THAT(kernel(129), HasSubstr("x256"));
  EXPECT_THAT(kernel(129), HasSubstr("bf16"));
}

TEST(AttentionPlan, AWantedLseCanChangeTheWay) {
  Tensor out(DType::f32, kSmall.shape), lse(DType::f32, {1, 2, 100});
  const Plan without = plan_attention_into({.out = out.view()}, kSmall, kSmall, kSmall);
  const Plan with = plan_attention_into({.out = out.view(), .lse = lse.view()}, kSmall, kSmall, kSmall);
  EXPECT_EQ(without.way, plan_attention(kSmall, kSmall, kSmall).way);
  EXPECT_NE(with.way, "vendor.onednn");
}

Plan sample() {
  Plan plan;
  plan.op = "attention";
  plan.way = "unfused";
  plan.kernel = "cblas_sgemm, \"softmax\"\n";
  plan.workspace_bytes = 4096;
  plan.stores_scores = true;
  plan.refused = {{"tensor_ops", "no\tkernel"}, {"simdgroup", "back\\slash"}};
  return plan;
}

TEST(Plan, PrintsForPeople) {
  EXPECT_EQ(sample().to_string(),
            "attention by unfused on cpu\n  kernel: cblas_sgemm, \"softmax\"\n\n  workspace: 4096 bytes, which "
            "hold scores: memory grows with Lq x Lkv\n"
            "  not tensor_ops: no\tkernel\n  not simdgroup: back\\slash\n");
}

TEST(Plan, PrintsAsOneLineOfJson) {
  EXPECT_EQ(sample().to_json(),
            "{\"op\": \"attention\", \"way\": \"unfused\", \"device\": \"cpu\", \"kernel\": \"cblas_sgemm, "
            "\\\"softmax\\\"\\n\", \"workspace_bytes\": 4096, "
            "\"stores_scores\": true, \"refused\": [{\"way\": \"tensor_ops\", \"reason\": "
            "\"no\\u0009kernel\"}, {\"way\": \"simdgroup\", \"reason\": "
            "\"back\\\\slash\"}]}");
}

// ---- choosing, on a table of its own ----

struct FakeProblem {
  Device device;
  int size = 0;
  bool empty() const { return size == 0; }
};
struct NoBuffers {};
using FakeWay = ops::Way<FakeProblem, NoBuffers>;

std::string_view never(const FakeProblem&) { return "never can"; }
std::string_view small_only(const FakeProblem& p) { return p.size > 10 ? "too large" : ""; }
std::string_view always(const FakeProblem&) { return {}; }

FakeWay way(std::string_view name, std::string_view (*declines)(const FakeProblem&)) {
  return {.name = name,
          .about = "",
          .declines = declines,
          .workspace_bytes = ops::no_workspace<FakeProblem>,
          .kernel = [](const FakeProblem&) { return std::string("k"); },
          .run = nullptr};
}

std::string chosen(std::vector<FakeWay> table, int size, std::string_view forced = {}) {
  const FakeProblem problem{{}, size};
  return std::string(ops::choose("op", std::span<const FakeWay>(table), problem, forced).name);
}

TEST(Choose, TakesTheFirstWayThatCan) {
  const std::vector<FakeWay> table = {way("a", never), way("b", small_only), way("c", always)};
  EXPECT_EQ(chosen(table, 3), "b");
  EXPECT_EQ(chosen(table, 30), "c");
  EXPECT_EQ(chosen(table, 3, "c"), "c") << "a forced way is taken though an earlier one can";
}

TEST(Choose, ListsEveryReasonWhenNobodyCan) {
  try {
    chosen({way("a", never), way("b", small_only)}, 30);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::unsupported);
    EXPECT_STREQ(e.what(), "op: no way can run this call on cpu:\n  a: never can\n  b: too large");
    ASSERT_EQ(e.refused().size(), 2u);
    EXPECT_EQ(e.refused()[1].way, "b");
    EXPECT_EQ(e.refused()[1].reason, "too large");
  }
}

TEST(Choose, AsksAWayOnlyWhatItsRowDoesNotSay) {
  FakeWay missing = way("a", nullptr), elsewhere = way("b", nullptr);
  missing.missing = "this build has none";
  elsewhere.device = DeviceType::cuda;
  const FakeProblem problem{{}, 3};
  EXPECT_EQ(ops::refusal(missing, problem), "this build has none");
  EXPECT_EQ(ops::refusal(elsewhere, problem), "it is for NVIDIA GPUs");
  EXPECT_EQ(ops::refusal(elsewhere, FakeProblem{{DeviceType::metal, 0}, 3}), "it is for NVIDIA GPUs");
  elsewhere.device = DeviceType::cpu;
  elsewhere.declines = always;
  EXPECT_EQ(ops::refusal(elsewhere, problem), "");
  EXPECT_FALSE(ops::infos(std::span<const FakeWay>(&missing, 1))[0].built);
}

TEST(Choose, RefusalsTellInabilityFromChoice) {
  const std::vector<FakeWay> table = {way("a", never), way("b", always), way("c", always)};
  const auto refused = [&](std::string_view forced) {
    std::string text;
    for (const auto& other :
         ops::plan_of("op", std::span<const FakeWay>(table), FakeProblem{{}, 1}, forced).refused)
      text += other.way + ": " + other.reason + "; ";
    return text;
  };
  EXPECT_EQ(refused(""), "a: never can; ") << "those before the chosen one";
  EXPECT_EQ(refused("c"), "a: never can; b: can, but another way was asked for; ");
}

}  // namespace
}  // namespace flashtile
