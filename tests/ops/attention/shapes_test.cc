// Shapes drawn at random from the sizes that go wrong: 0, 1, 2 and around a tile, for every size at once, by
// every way and at every entry point.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "flashtile/attention.h"
#include "tests/ops/attention/cases.h"

namespace flashtile::test {
namespace {

constexpr int kDraws = 150;
constexpr std::int64_t kTile = 64;

Case drawn(int number) {
  Random random(static_cast<std::uint64_t>(number));
  const auto one_of = [&](std::initializer_list<std::int64_t> sizes) {
    return *(sizes.begin() + random.next() % sizes.size());
  };
  const auto length = [&] { return one_of({0, 1, 2, kTile - 1, kTile, kTile + 1}); };
  const auto width = [&] { return one_of({1, 2, kTile - 1, kTile, kTile + 1}); };
  Case c;
  c.batch = one_of({0, 1, 1, 2});
  c.kv_heads = one_of({0, 1, 1, 2});
  c.query_heads = c.kv_heads * one_of({0, 1, 2});
  c.query_length = length();
  c.kv_length = length();
  c.head_dim = width();
  c.value_dim = width();
  if (random.next() % 3 == 0) c.causal = CausalCorner::bottom_right;
  if (random.next() % 3 == 0) c.causal = CausalCorner::top_left;
  if (random.next() % 3 == 0) c.layout = Layout::bshd;
  return c;
}

std::vector<std::string> cpu_ways() {
  std::vector<std::string> names{""};  // the one that is chosen
  for (const WayInfo& way : attention_ways()) {
    if (way.built) names.push_back(way.name);
  }
  return names;
}

/// Results of one call, in memory that held NaN.
struct Results {
  Tensor out, lse;
  Results(const Call& call)
      : out(call.dtype, {call.c.batch, call.c.query_heads, call.c.query_length, call.c.values()}),
        lse(DType::f32, {call.c.batch, call.c.query_heads, call.c.query_length}) {
    std::memset(out.data(), 0xff, out.size_bytes());
    std::memset(lse.data(), 0xff, lse.size_bytes());
  }
};

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && (a.size() == 0 || std::memcmp(a.data(), b.data(), a.size_bytes()) == 0);
}

/// Every entry point gives the bits of attention_into, which are the oracle's within the bound.
void check(Call& call, const std::string& way) {
  AttentionOptions options = call.options();
  options.way = way;
  const TensorView &q = call.q.view, &k = call.k.view, &v = call.v.view;
  const Result<Plan> plan = try_plan_attention(q, k, v, options);
  if (!plan) {  // declines; whoever may is in the parity test's list
    EXPECT_EQ(plan.failure().code, ErrorCode::unsupported) << plan.failure().message;
    EXPECT_FALSE(try_attention(q, k, v, options));
    return;
  }
  EXPECT_FALSE(plan_attention(q, k, v, options).kernel.empty());

  const Results first(call);
  attention_into({.out = first.out.view()}, q, k, v, options);
  for (std::int64_t n = 0; n < first.out.size(); ++n) {
    const std::int64_t row = n / call.c.values();
    const auto column = static_cast<std::size_t>(n % call.c.values());
    ASSERT_TRUE(within(get(first.out, n), call.expected(row).out[column], call.bounds(row).out[column]))
        << "element " << n;
  }
  EXPECT_TRUE(same_bits(attention(q, k, v, options), first.out));
  const Result<Tensor> tried = try_attention(q, k, v, options);
  ASSERT_TRUE(tried);
  EXPECT_TRUE(same_bits(*tried, first.out));

  const Results second(call);
  AttentionOutputs outputs{.out = second.out.view(), .lse = second.lse.view()};
  const Result<Plan> with_lse = try_plan_attention_into(outputs, q, k, v, options);
  if (!with_lse) return;  // oneDNN and cuDNN may decline lse
  const Tensor workspace(DType::u8, {static_cast<std::int64_t>(with_lse->workspace_bytes)});
  outputs.workspace = {workspace.as<std::byte>(), with_lse->workspace_bytes};
  EXPECT_TRUE(try_attention_into(outputs, q, k, v, options));
  if (with_lse->way == plan->way) {
    EXPECT_TRUE(same_bits(second.out, first.out)) << "with lse and a workspace";
  }
  for (std::int64_t row = 0; row < second.lse.size(); ++row) {
    ASSERT_TRUE(within(get(second.lse, row), call.expected(row).lse, call.bounds(row).lse))
        << "lse of row " << row;
  }
}

TEST(AttentionShapes, AreRightInEveryCombination) {
  int empty = 0, computed = 0;
  for (int number = 0; number < kDraws; ++number) {
    const DType dtype = number % 3 == 0 ? DType::f32 : number % 3 == 1 ? DType::bf16 : DType::f16;
    Call call(drawn(number), dtype);
    for (const std::string& way : cpu_ways()) {
      SCOPED_TRACE("draw " + std::to_string(number) + ", " + name(dtype) + ", way \"" + way + "\", q " +
                   to_string(call.q.view.shape) + ", v " + to_string(call.v.view.shape));
      check(call, way);
    }
    (call.rows() == 0 ? empty : computed) += 1;
  }
  EXPECT_GT(empty, kDraws / 5);
  EXPECT_GT(computed, kDraws / 5);
}

}  // namespace
}  // namespace flashtile::test
