// The C interface: every struct's rules, every callback, every code that a call ends with.
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "flashtile/flashtile.h"

namespace {

/// A valid call whose answer is known: two equal keys with values 1 and 3.
struct Call {
  std::vector<float> q_data = std::vector<float>(2 * 3 * 8, 1.0f), k_data = std::vector<float>(2 * 2 * 8, 1.0f);
  std::vector<float> v_data = std::vector<float>(2 * 2 * 4), out_data = std::vector<float>(2 * 3 * 4, -1.0f);
  std::vector<float> lse_data = std::vector<float>(2 * 3, -1.0f);
  flashtile_tensor q = packed(q_data, {1, 2, 3, 8}), k = packed(k_data, {1, 2, 2, 8});
  flashtile_tensor v = packed(v_data, {1, 2, 2, 4}), out = packed(out_data, {1, 2, 3, 4});
  flashtile_tensor lse = packed(lse_data, {1, 2, 3});
  flashtile_attention_outputs outputs;
  flashtile_attention_options options;

  Call() {
    for (std::size_t i = 0; i < v_data.size(); ++i) v_data[i] = i / 4 % 2 == 0 ? 1.0f : 3.0f;
    FLASHTILE_INIT(outputs);
    FLASHTILE_INIT(options);
    outputs.out = &out;
  }
  Call(const Call&) = delete;

  static flashtile_tensor packed(std::vector<float>& data, const std::vector<std::int64_t>& shape) {
    flashtile_tensor tensor;
    EXPECT_EQ(flashtile_packed_tensor(&tensor, data.data(), FLASHTILE_F32,
                                      static_cast<std::int32_t>(shape.size()), shape.data()),
              FLASHTILE_OK);
    return tensor;
  }
  flashtile_status run() { return flashtile_attention(&outputs, &q, &k, &v, &options); }
  /// "ok" when every row is `value`; otherwise what went wrong.
  std::string outcome(float value) {
    if (const flashtile_status status = run(); status != FLASHTILE_OK)
      return flashtile_status_name(status) + std::string(": ") + flashtile_error_message();
    for (const float found : out_data) {
      if (found != value) return "wrong: " + std::to_string(found);
    }
    return "ok";
  }
};

/// A struct of a later version: one more field.
template <class T>
struct Later {
  T known;
  std::uint64_t more;

  explicit Later(const T& value) : known(value), more(0) { known.size = sizeof(Later); }
};

TEST(CApi, ComputesAttention) {
  Call call;
  call.outputs.lse = &call.lse;
  EXPECT_EQ(call.outcome(2.0f), "ok");
  EXPECT_NEAR(call.lse_data[5], 8 / std::sqrt(8.0) + std::log(2.0), 1e-6);
}

TEST(CApi, WritesScoresAtTheirStage) {
  Call call;
  std::vector<float> data(2 * 3 * 2, -1.0f);
  const flashtile_tensor scores = Call::packed(data, {1, 2, 3, 2});
  call.outputs.scores = &scores;
  const auto first_of = [&](std::int32_t stage) {
    call.outputs.score_stage = stage;
    EXPECT_EQ(call.outcome(2.0f), "ok");
    return data[0];
  };
  EXPECT_NEAR(first_of(FLASHTILE_SCORES_RAW), 8 / std::sqrt(8.0), 1e-6);
  EXPECT_EQ(first_of(FLASHTILE_SCORES_PROBABILITIES), 0.5f);
}

TEST(CApi, PassesEveryOptionOn) {
  Call call;
  const auto outcome = [&](auto set, float value) {
    FLASHTILE_INIT(call.options);
    set(call.options);
    return call.outcome(value);
  };
  using Options = flashtile_attention_options;
  std::vector<std::uint8_t> first{1, 0};
  const std::int64_t shape[] = {1, 2};
  flashtile_tensor mask, bias;
  flashtile_packed_tensor(&mask, first.data(), FLASHTILE_U8, 2, shape);
  std::vector<float> second{-std::numeric_limits<float>::infinity(), 0.0f};
  flashtile_packed_tensor(&bias, second.data(), FLASHTILE_F32, 2, shape);
  EXPECT_EQ(outcome([&](Options& o) { o.mask = &mask; }, 1.0f), "ok");
  EXPECT_EQ(outcome([&](Options& o) { o.bias = &bias; }, 3.0f), "ok");
  EXPECT_EQ(outcome([&](Options& o) { o.bias = &bias, o.mask = &mask; }, 0.0f), "ok");
  const flashtile_window none_after{-1, 0}, first_only{0, -1};
  EXPECT_EQ(outcome(
                [&](Options& o) {
                  o.window = &none_after, o.query_offset = FLASHTILE_OFFSET, o.query_offset_number = 5;
                },
                2.0f),
            "ok");
  EXPECT_EQ(outcome(
                [&](Options& o) {
                  o.window = &first_only, o.query_offset = FLASHTILE_OFFSET, o.query_offset_number = 5;
                },
                0.0f),
            "ok");
  EXPECT_EQ(outcome([&](Options& o) { o.causal = FLASHTILE_OFFSET, o.causal_offset = 9; }, 2.0f), "ok");
  EXPECT_EQ(outcome([&](Options& o) { o.causal = FLASHTILE_OFFSET, o.causal_offset = -9; }, 0.0f), "ok");
  const float nothing = 0.0f, infinite = std::numeric_limits<float>::infinity();
  EXPECT_EQ(outcome([&](Options& o) { o.scale = &nothing; }, 2.0f), "ok");
  EXPECT_EQ(outcome([&](Options& o) { o.scale = &infinite; }, 2.0f),
            "invalid_argument: attention: scale is inf; expected a finite number");
  EXPECT_EQ(outcome([&](Options& o) { o.softcap = 2.0f; }, 2.0f), "ok");
  EXPECT_EQ(outcome([&](Options& o) { o.softcap = -2.0f; }, 2.0f),
            "invalid_argument: attention: softcap is -2.000000; expected 0 (none) or a positive finite number");
  EXPECT_EQ(outcome([&](Options& o) { o.way = "unfused"; }, 2.0f), "ok");
  const std::int64_t one_entry[] = {1};
  std::int32_t one = 1;
  std::int64_t zero = 0;
  flashtile_tensor one_row, no_row;
  flashtile_packed_tensor(&one_row, &one, FLASHTILE_I32, 1, one_entry);
  flashtile_packed_tensor(&no_row, &zero, FLASHTILE_I64, 1, one_entry);
  EXPECT_EQ(outcome([&](Options& o) { o.kv_lengths = &one_row; }, 1.0f), "ok");
  EXPECT_EQ(outcome([&](Options& o) { o.q_lengths = &no_row; }, 0.0f), "ok");
  EXPECT_EQ(outcome([&](Options& o) { o.causal = FLASHTILE_OFFSETS, o.causal_offsets = &one_row; }, 2.0f),
            "ok");
  EXPECT_EQ(outcome(
                [&](Options& o) {
                  o.window = &first_only, o.query_offset = FLASHTILE_OFFSETS, o.query_offsets = &one_row;
                  o.kv_lengths = &one_row;
                },
                0.0f),
            "ok");
  const std::int64_t two_heads[] = {2};
  float slope_of[] = {100, 100}, sink_of[] = {infinite, infinite};
  flashtile_tensor slopes, sinks;
  flashtile_packed_tensor(&slopes, slope_of, FLASHTILE_F32, 1, two_heads);
  flashtile_packed_tensor(&sinks, sink_of, FLASHTILE_F32, 1, two_heads);
  const auto before_all_keys = [&](Options& o) {
    o.query_offset = FLASHTILE_OFFSET, o.query_offset_number = -5;
    o.alibi_slopes = &slopes;
  };
  EXPECT_EQ(outcome(before_all_keys, 1.0f), "ok");
  EXPECT_EQ(outcome([&](Options& o) { o.sinks = &sinks; }, 0.0f), "ok");
  EXPECT_EQ(
      outcome([&](Options& o) { o.k_scales = &sinks; }, 2.0f),
      "invalid_argument: attention: k_scales is given, but k has dtype f32, which takes none; leave it out");
  EXPECT_EQ(
      outcome([&](Options& o) { o.v_scales = &sinks; }, 2.0f),
      "invalid_argument: attention: v_scales is given, but v has dtype f32, which takes none; leave it out");
  std::int32_t q_id_of[] = {4, 4, 4}, kv_id_of[] = {9, 4};
  const std::int64_t three_ids[] = {1, 3}, two_ids[] = {1, 2}, a_block[] = {1, 1, 1, 2};
  flashtile_tensor q_ids, kv_ids, map;
  flashtile_packed_tensor(&q_ids, q_id_of, FLASHTILE_I32, 2, three_ids);
  flashtile_packed_tensor(&kv_ids, kv_id_of, FLASHTILE_I32, 2, two_ids);
  flashtile_packed_tensor(&map, first.data(), FLASHTILE_U8, 4, a_block);
  EXPECT_EQ(outcome([&](Options& o) { o.q_segments = &q_ids, o.kv_segments = &kv_ids; }, 3.0f), "ok");
  EXPECT_EQ(outcome([&](Options& o) { o.q_segments = &q_ids; }, 3.0f),
            "invalid_argument: attention: mask.segments.q is given, and mask.segments.kv is not; a pair is "
            "compared by both");
  EXPECT_EQ(outcome([&](Options& o) { o.block_map = &map, o.q_block = 5, o.kv_block = 1; }, 1.0f), "ok");
  EXPECT_EQ(outcome([&](Options& o) { o.kv_block = 1; }, 1.0f),
            "invalid_argument: attention: kv_block is 1, and block_map is not given; it counts only then");
  EXPECT_EQ(
      outcome([&](Options& o) { o.block_table = &kv_ids; }, 1.0f),
      "invalid_argument: attention: block_table is given, and lengths.kv is not, which says how many rows of "
      "the pages are there");
  std::int32_t page_of[] = {1};
  const std::int64_t a_page[] = {1, 1}, key_pool[] = {2, 2, 1, 8}, value_pool[] = {2, 2, 1, 4};
  flashtile_tensor table;
  flashtile_packed_tensor(&table, page_of, FLASHTILE_I32, 2, a_page);
  flashtile_packed_tensor(&call.k, call.k_data.data(), FLASHTILE_F32, 4, key_pool);
  flashtile_packed_tensor(&call.v, call.v_data.data(), FLASHTILE_F32, 4, value_pool);
  EXPECT_EQ(outcome([&](Options& o) { o.block_table = &table, o.kv_lengths = &one_row; }, 1.0f), "ok");
  call.k = Call::packed(call.k_data, {1, 2, 2, 8}), call.v = Call::packed(call.v_data, {1, 2, 2, 4});
  EXPECT_EQ(outcome([&](Options& o) { o.causal = FLASHTILE_OFFSETS; }, 2.0f),
            "invalid_argument: attention: causal_offsets is NULL; it must be given");
  EXPECT_EQ(
      outcome([&](Options& o) { o.query_offsets = &one_row; }, 2.0f),
      "invalid_argument: attention: query_offsets is given, and query_offset is not FLASHTILE_OFFSETS; it "
      "counts only then");
}

TEST(CApi, RefusesWhatCannotBe) {
  const auto outcome = [](auto change) {
    Call call;
    change(call);
    const std::string found = call.outcome(2.0f);
    for (const float value : call.out_data) EXPECT_EQ(value, -1.0f) << found;
    return found;
  };
  EXPECT_EQ(outcome([](Call& c) { c.q.size = 0; }),
            "invalid_argument: attention: q has size 0; expected at least 160, as FLASHTILE_INIT sets it");
  EXPECT_EQ(outcome([](Call& c) { c.options.size = 4; }),
            "invalid_argument: attention: options has size 4; expected at least 80, as FLASHTILE_INIT sets it");
  EXPECT_EQ(outcome([](Call& c) { c.options.size = 0xcdcdcdcd; }),  // memory that nobody has set
            "invalid_argument: attention: options has size 3452816845; expected at most 4096, as "
            "FLASHTILE_INIT sets it");
  EXPECT_EQ(outcome([](Call& c) { c.outputs.out = nullptr; }),
            "invalid_argument: attention: out is NULL; it must be given");
  EXPECT_EQ(outcome([](Call& c) { c.k.rank = 9; }),
            "invalid_argument: attention: k has rank 9; expected 0 ... 8");
  EXPECT_EQ(outcome([](Call& c) { c.v.dtype = 257; }),
            "invalid_argument: attention: v has dtype 257; expected one such as FLASHTILE_F32");
  EXPECT_EQ(outcome([](Call& c) { c.v.dtype = 77; }),
            "invalid_argument: attention: v has dtype DType(77); expected an enumerator of DType");
  EXPECT_EQ(outcome([](Call& c) { c.v.device_type = -1; }),
            "invalid_argument: attention: v has device_type -1; expected one such as FLASHTILE_CPU");
  EXPECT_EQ(outcome([](Call& c) { c.v.reserved = 1; }),
            "invalid_argument: attention: v has reserved 1; expected 0");
  EXPECT_EQ(outcome([](Call& c) { c.outputs.score_stage = 1; }),
            "invalid_argument: attention: score_stage is 1, and scores is NULL; it counts only with them");
  EXPECT_EQ(outcome([](Call& c) { c.options.causal = 5; }),
            "invalid_argument: attention: causal is 5; expected FLASHTILE_NOT_GIVEN, FLASHTILE_TOP_LEFT, "
            "FLASHTILE_BOTTOM_RIGHT, FLASHTILE_OFFSET or FLASHTILE_OFFSETS");
  EXPECT_EQ(outcome([](Call& c) { c.options.causal_offset = 4; }),
            "invalid_argument: attention: causal_offset is 4, and causal is not FLASHTILE_OFFSET; it counts "
            "only then");
  EXPECT_EQ(outcome([](Call& c) { c.options.way = "flash.cpu "; }).find("invalid_argument: attention: way is"),
            0u);
  EXPECT_EQ(outcome([](Call& c) {
              c.q.device_type = c.k.device_type = c.v.device_type = c.out.device_type = FLASHTILE_METAL;
            }),
            "unsupported: device: this build of flashtile has no Metal backend");
  Call call;
  EXPECT_EQ(flashtile_attention(nullptr, &call.q, &call.k, &call.v, nullptr), FLASHTILE_INVALID_ARGUMENT);
  EXPECT_STREQ(flashtile_error_message(), "attention: outputs is NULL; it must be given");
  EXPECT_EQ(flashtile_attention(&call.outputs, nullptr, &call.k, &call.v, nullptr), FLASHTILE_INVALID_ARGUMENT);
  EXPECT_STREQ(flashtile_error_message(), "attention: q is NULL; it must be given");
}

TEST(CApi, TakesStructsOfLaterVersionsWhoseNewFieldsAreZero) {
  Call call;
  Later<flashtile_attention_options> options(call.options);
  EXPECT_EQ(flashtile_attention(&call.outputs, &call.q, &call.k, &call.v, &options.known), FLASHTILE_OK);
  options.more = std::uint64_t{1} << 60;
  EXPECT_EQ(flashtile_attention(&call.outputs, &call.q, &call.k, &call.v, &options.known),
            FLASHTILE_INVALID_ARGUMENT);
  EXPECT_EQ(flashtile_error_message(),
            "attention: options sets a field at byte " + std::to_string(sizeof(call.options) + 7) +
                ", and this library, flashtile " + flashtile_version() + ", knows " +
                std::to_string(sizeof(call.options)) + " bytes; it needs a newer library");
  Later<flashtile_tensor> q(call.q);
  EXPECT_EQ(flashtile_attention(&call.outputs, &q.known, &call.k, &call.v, nullptr), FLASHTILE_OK);
  q.more = 1;
  EXPECT_EQ(flashtile_attention(&call.outputs, &q.known, &call.k, &call.v, nullptr),
            FLASHTILE_INVALID_ARGUMENT);
  EXPECT_EQ(std::string(flashtile_error_message()).find("attention: q sets a field at byte 160"), 0u);
  Later<flashtile_way_info> way({});
  EXPECT_EQ(flashtile_attention_way(0, &way.known), FLASHTILE_OK);
  EXPECT_EQ(way.known.size, sizeof way);
  EXPECT_STRNE(way.known.name, "");
}

TEST(CApi, KeepsAMessageAThread) {
  Call call;
  call.q.rank = 9;
  EXPECT_EQ(call.run(), FLASHTILE_INVALID_ARGUMENT);
  std::string elsewhere = "?";
  std::thread([&] { elsewhere = flashtile_error_message(); }).join();
  EXPECT_EQ(elsewhere, "");
  EXPECT_STREQ(flashtile_error_message(), "attention: q has rank 9; expected 0 ... 8");
  EXPECT_STREQ(flashtile_status_name(99), "unknown");
}

TEST(CApi, Multiplies) {
  std::vector<float> a{1, 2, 3, 4}, b{1, 0, 1, 1}, c{5, 5, 5, 5};
  flashtile_tensor ta = Call::packed(a, {2, 2}), tb = Call::packed(b, {2, 2}), tc = Call::packed(c, {2, 2});
  flashtile_gemm_options options;
  FLASHTILE_INIT(options);
  const float alpha = 2.0f;
  options.alpha = &alpha;
  options.beta = 1.0f;
  EXPECT_EQ(flashtile_gemm(&tc, &ta, &tb, &options), FLASHTILE_OK);
  EXPECT_EQ(c, (std::vector<float>{11, 9, 19, 13}));
  flashtile_plan* plan = nullptr;
  EXPECT_EQ(flashtile_plan_gemm(&plan, &tc, &ta, &tb, nullptr), FLASHTILE_OK);
  EXPECT_STREQ(flashtile_plan_op(plan), "gemm");
  flashtile_plan_free(plan);
  tb.shape[0] = 3;
  EXPECT_EQ(flashtile_gemm(&tc, &ta, &tb, nullptr), FLASHTILE_INVALID_ARGUMENT);
}

TEST(CApi, MergesPartsOfAttention) {
  std::vector<float> a{8, -4}, b{0, 4}, one{0.0f}, three{std::log(3.0f)}, sink{std::log(4.0f)}, c(2), sum(1);
  const flashtile_tensor ta = Call::packed(a, {1, 1, 1, 2}), tb = Call::packed(b, {1, 1, 1, 2}),
                         t_one = Call::packed(one, {1, 1, 1}), t_three = Call::packed(three, {1, 1, 1}),
                         t_sink = Call::packed(sink, {1}), out = Call::packed(c, {1, 1, 1, 2}),
                         lse = Call::packed(sum, {1, 1, 1});
  const flashtile_tensor *outs[] = {&ta, &tb}, *lses[] = {&t_one, &t_three};
  ASSERT_EQ(flashtile_merge_attention(&out, &lse, 2, outs, lses, nullptr), FLASHTILE_OK);
  EXPECT_NEAR(c[0], 2.0, 1e-6);
  EXPECT_NEAR(sum[0], std::log(4.0), 1e-6);
  flashtile_merge_attention_options options;
  FLASHTILE_INIT(options);
  options.sinks = &t_sink;
  ASSERT_EQ(flashtile_merge_attention(&out, nullptr, 2, outs, lses, &options), FLASHTILE_OK);
  EXPECT_NEAR(c[0], 1.0, 1e-6);
  ASSERT_EQ(flashtile_merge_attention(&out, &lse, 0, nullptr, nullptr, nullptr), FLASHTILE_OK);
  EXPECT_EQ(c, (std::vector<float>{0, 0}));
  const auto refused = [&](int32_t count, const flashtile_tensor* const* parts) {
    EXPECT_EQ(flashtile_merge_attention(&out, &lse, count, parts, lses, &options), FLASHTILE_INVALID_ARGUMENT);
    return std::string(flashtile_error_message());
  };
  EXPECT_EQ(refused(-1, outs), "merge_attention: count is -1; expected 0 or more");
  EXPECT_EQ(refused(2, nullptr), "merge_attention: outs is NULL; it must be given");
  outs[1] = nullptr;
  EXPECT_EQ(refused(2, outs), "merge_attention: outs[1] is NULL; it must be given");
  options.reserved = 1;
  EXPECT_EQ(refused(1, outs), "merge_attention: options.reserved is 1; expected 0");
}

/// int32 on the CPU.
flashtile_tensor packed_integers(std::vector<std::int32_t>& data, const std::vector<std::int64_t>& shape) {
  flashtile_tensor tensor;
  EXPECT_EQ(flashtile_packed_tensor(&tensor, data.data(), FLASHTILE_I32,
                                    static_cast<std::int32_t>(shape.size()), shape.data()),
            FLASHTILE_OK);
  return tensor;
}

TEST(CApi, TurnsRows) {
  std::vector<float> x{1, 2, 3, 4, 9}, out(5);
  std::vector<std::int32_t> position{1};
  const flashtile_tensor tx = Call::packed(x, {1, 1, 1, 5}), to = Call::packed(out, {1, 1, 1, 5}),
                         at = packed_integers(position, {1});
  const double quarters[] = {1.5707963267948966, 3.1415926535897931};
  flashtile_rotary_options options;
  FLASHTILE_INIT(options);
  options.dim = 4;
  options.frequencies = quarters;
  options.frequency_count = 2;
  const auto turned = [&](const std::vector<float>& right) {
    ASSERT_EQ(flashtile_rotary(&to, &tx, &at, &options), FLASHTILE_OK) << flashtile_error_message();
    for (std::size_t d = 0; d < 5; ++d) EXPECT_NEAR(out[d], right[d], 1e-5) << d;
  };
  turned({-3, -2, 1, -4, 9});
  options.pairs = FLASHTILE_INTERLEAVED;
  turned({-2, 1, -3, -4, 9});
  options.inverse = 1;
  turned({2, -1, -3, -4, 9});
  options.frequencies = nullptr;
  options.frequency_count = 0;
  options.base = 4.0;  // angles 1 and 1/2
  options.pairs = FLASHTILE_HALVES;
  turned({std::cos(1.0f) + 3 * std::sin(1.0f), 2 * std::cos(0.5f) + 4 * std::sin(0.5f),
          3 * std::cos(1.0f) - std::sin(1.0f), 4 * std::cos(0.5f) - 2 * std::sin(0.5f), 9});
  const auto refused = [&] {
    EXPECT_EQ(flashtile_rotary(&to, &tx, &at, &options), FLASHTILE_INVALID_ARGUMENT);
    return std::string(flashtile_error_message());
  };
  options.frequency_count = 2;
  EXPECT_EQ(
      refused(),
      "rotary: options.frequency_count is 2 where frequencies is NULL; expected their number, 0 for NULL");
  options.frequency_count = 0;
  options.pairs = 2;
  EXPECT_EQ(refused(), "rotary: options.pairs is 2; expected FLASHTILE_HALVES or FLASHTILE_INTERLEAVED");
  options.pairs = 0;
  options.reserved = 1;
  EXPECT_EQ(refused(), "rotary: options.reserved is 1; expected 0");
}

TEST(CApi, AppendsToACache) {
  std::vector<float> k{1, 2}, v{5}, cache_k(8), cache_v(4);
  std::vector<std::int32_t> position{3}, table{7, 1};
  const flashtile_tensor tk = Call::packed(k, {1, 1, 1, 2}), tv = Call::packed(v, {1, 1, 1, 1}),
                         at = packed_integers(position, {1, 1}), pages = packed_integers(table, {1, 2});
  flashtile_tensor ck = Call::packed(cache_k, {1, 1, 4, 2}), cv = Call::packed(cache_v, {1, 1, 4, 1});
  ASSERT_EQ(flashtile_append_kv(&ck, &cv, &tk, &tv, &at, nullptr), FLASHTILE_OK);
  EXPECT_EQ(cache_k, (std::vector<float>{0, 0, 0, 0, 0, 0, 1, 2}));
  EXPECT_EQ(cache_v, (std::vector<float>{0, 0, 0, 5}));
  // Two pages of two rows: position 3 is row 1 of page 1. Half a turn at position 3: an odd number of them.
  ck = Call::packed(cache_k, {2, 2, 1, 2});
  cv = Call::packed(cache_v, {2, 2, 1, 1});
  const double half_turn = 3.1415926535897931;
  flashtile_rotary_options rotary;
  FLASHTILE_INIT(rotary);
  rotary.frequencies = &half_turn;
  rotary.frequency_count = 1;
  flashtile_append_kv_options options;
  FLASHTILE_INIT(options);
  options.block_table = &pages;
  options.rotary = &rotary;
  ASSERT_EQ(flashtile_append_kv(&ck, &cv, &tk, &tv, &at, &options), FLASHTILE_OK) << flashtile_error_message();
  EXPECT_NEAR(cache_k[6], -1.0, 1e-5);
  EXPECT_NEAR(cache_k[7], -2.0, 1e-5);
  position[0] = 1;
  EXPECT_EQ(flashtile_append_kv(&ck, &cv, &tk, &tv, &at, &options), FLASHTILE_INVALID_ARGUMENT);
  EXPECT_STREQ(flashtile_error_message(),
               "append_kv: block_table[0, 0] is 7; expected 0 ... 1, a page: positions[0, 0] is 1");
  flashtile_queue* queue = nullptr;
  ASSERT_EQ(flashtile_queue_create_cpu(&queue, nullptr), FLASHTILE_OK);
  rotary.queue = queue;
  EXPECT_EQ(flashtile_append_kv(&ck, &cv, &tk, &tv, &at, &options), FLASHTILE_INVALID_ARGUMENT);
  EXPECT_STREQ(flashtile_error_message(),
               "append_kv: rotary.queue is given; the call's own queue counts: set it to NULL");
  flashtile_queue_free(queue);
}

TEST(CApi, LogsEachProblemOnce) {
  std::vector<std::string> texts;
  const flashtile_log take = [](void* user, const char* text) {
    static_cast<std::vector<std::string>*>(user)->emplace_back(text);
  };
  ASSERT_EQ(flashtile_set_log(take, &texts), FLASHTILE_OK);
  Call call;
  call.options.way = "tensor_ops";
  for (int i = 0; i < 2; ++i)
    ASSERT_EQ(flashtile_attention(&call.outputs, &call.q, &call.k, &call.v, &call.options), FLASHTILE_OK);
  ASSERT_EQ(texts.size(), 1u);
  EXPECT_NE(texts[0].find("attention by tensor_ops on cpu"), std::string::npos) << texts[0];
  ASSERT_EQ(flashtile_set_log(nullptr, nullptr), FLASHTILE_OK);
  call.options.way = "simdgroup";
  ASSERT_EQ(flashtile_attention(&call.outputs, &call.q, &call.k, &call.v, &call.options), FLASHTILE_OK);
  EXPECT_EQ(texts.size(), 1u);
}

TEST(CApi, ErrorsSayWhyEachWayCannot) {
  Call call;
  call.options.way = "vendor.cudnn";  // never on a CPU
  ASSERT_EQ(call.run(), FLASHTILE_UNSUPPORTED);
  ASSERT_EQ(flashtile_error_refused_count(), 1);
  EXPECT_STREQ(flashtile_error_refused_way(0), "vendor.cudnn");
  const std::string reason = flashtile_error_refused_reason(0);
  EXPECT_EQ(flashtile_error_message(), "attention: way vendor.cudnn cannot run this call: " + reason);
  for (const std::int32_t none : {-1, 1}) {
    EXPECT_STREQ(flashtile_error_refused_way(none), "");
    EXPECT_STREQ(flashtile_error_refused_reason(none), "");
  }
  call.q.rank = 9;
  EXPECT_EQ(call.run(), FLASHTILE_INVALID_ARGUMENT);
  EXPECT_EQ(flashtile_error_refused_count(), 0);
}

TEST(CApi, PlansSayWhatWillRun) {
  Call call;
  flashtile_plan* plan = nullptr;
  call.options.way = "unfused";
  call.q.data = call.k.data = call.v.data = nullptr;
  ASSERT_EQ(flashtile_plan_attention(&plan, nullptr, &call.q, &call.k, &call.v, &call.options), FLASHTILE_OK);
  EXPECT_STREQ(flashtile_plan_op(plan), "attention");
  EXPECT_STREQ(flashtile_plan_way(plan), "unfused");
  EXPECT_STRNE(flashtile_plan_kernel(plan), "");
  EXPECT_GT(flashtile_plan_workspace_bytes(plan), 0u);
  EXPECT_EQ(flashtile_plan_stores_scores(plan), 1);
  const std::int32_t refused = flashtile_plan_refused_count(plan);
  EXPECT_EQ(refused, flashtile_attention_way_count() - 1);
  for (std::int32_t i = 0; i < refused; ++i) {
    EXPECT_STRNE(flashtile_plan_refused_way(plan, i), "");
    EXPECT_STRNE(flashtile_plan_refused_reason(plan, i), "");
  }
  EXPECT_STREQ(flashtile_plan_refused_way(plan, refused), "");
  EXPECT_STREQ(flashtile_plan_refused_reason(plan, -1), "");
  EXPECT_EQ(std::string(flashtile_plan_text(plan)).find("attention by unfused on cpu"), 0u);
  EXPECT_EQ(std::string(flashtile_plan_json(plan)).find("{\"op\": \"attention\""), 0u);
  flashtile_plan_free(plan);

  flashtile_plan_free(nullptr);
  EXPECT_STREQ(flashtile_plan_way(nullptr), "");
  EXPECT_EQ(flashtile_plan_workspace_bytes(nullptr), 0u);
  plan = nullptr;
  call.options.way = "vendor.cudnn";
  EXPECT_EQ(flashtile_plan_attention(&plan, nullptr, &call.q, &call.k, &call.v, &call.options),
            FLASHTILE_UNSUPPORTED);
  EXPECT_EQ(plan, nullptr);
}

TEST(CApi, TakesAWorkspaceOfThePlansSize) {
  Call call;
  call.options.way = "unfused";
  flashtile_plan* plan = nullptr;
  ASSERT_EQ(flashtile_plan_attention(&plan, &call.outputs, &call.q, &call.k, &call.v, &call.options),
            FLASHTILE_OK);
  alignas(64) static unsigned char workspace[1 << 16];
  call.outputs.workspace = workspace;
  call.outputs.workspace_bytes = flashtile_plan_workspace_bytes(plan);
  flashtile_plan_free(plan);
  ASSERT_LE(call.outputs.workspace_bytes, sizeof workspace);
  EXPECT_EQ(call.outcome(2.0f), "ok");
  call.outputs.workspace_bytes = 1;
  EXPECT_EQ(call.outcome(2.0f).find("invalid_argument: attention: workspace has 1 bytes"), 0u);
}

/// A queue for one call.
struct OwnQueue {
  flashtile_cpu_queue_options options;
  flashtile_queue* queue = nullptr;

  OwnQueue() { FLASHTILE_INIT(options); }
  ~OwnQueue() { flashtile_queue_free(queue); }
  OwnQueue(const OwnQueue&) = delete;
  std::string outcome(Call& call) {
    if (flashtile_queue_create_cpu(&queue, &options) != FLASHTILE_OK) return flashtile_error_message();
    call.options.queue = queue;
    call.options.way = "tensor_ops";
    return call.outcome(2.0f);
  }
};

TEST(CApiQueue, HasThreads) {
  Call call;
  OwnQueue own;
  own.options.threads = 3;
  EXPECT_EQ(own.outcome(call), "ok");
  EXPECT_EQ(flashtile_queue_threads(own.queue), 3);
  EXPECT_EQ(flashtile_queue_threads(nullptr), 0);
  EXPECT_EQ(flashtile_queue_synchronize(own.queue), FLASHTILE_OK);
  EXPECT_EQ(flashtile_queue_synchronize(nullptr), FLASHTILE_INVALID_ARGUMENT);
  OwnQueue wrong;
  wrong.options.threads = -1;
  EXPECT_EQ(wrong.outcome(call), "Queue::cpu: threads is -1; expected 1 ... 65536, or 0 for the default");
  flashtile_queue* cuda = nullptr;
  EXPECT_EQ(flashtile_queue_create_cuda(&cuda, 1 << 30, nullptr), FLASHTILE_UNSUPPORTED);
  EXPECT_EQ(cuda, nullptr);
}

TEST(CApiQueue, RunsOnTheCallersThreads) {
  Call call;
  OwnQueue own;
  std::atomic<int> bodies{0};
  own.options.threads = 2;
  own.options.executor_user = &bodies;
  own.options.executor = [](void* user, std::int64_t count, flashtile_body body, void* context) {
    for (std::int64_t i = 0; i < count; ++i) {
      ++*static_cast<std::atomic<int>*>(user);
      std::thread(body, context, i).join();
    }
  };
  EXPECT_EQ(own.outcome(call), "ok");
  EXPECT_EQ(bodies, 2);
  OwnQueue lazy;
  lazy.options.threads = 2;
  lazy.options.executor = [](void*, std::int64_t, flashtile_body, void*) {};
  EXPECT_EQ(lazy.outcome(call).find("invalid_argument: Queue::cpu: executor called its body 0 times"), 0u);
}

TEST(CApiQueue, StopsWhenAsked) {
  Call call;
  OwnQueue own;
  int stop = 1;
  own.options.should_stop_user = &stop;
  own.options.should_stop = [](void* user) -> std::int32_t { return *static_cast<int*>(user); };
  EXPECT_EQ(own.outcome(call), "cancelled: cancelled: the queue's should_stop said so");
  stop = 0;
  EXPECT_EQ(call.outcome(2.0f), "ok");
}

TEST(CApi, ListsWaysAndDevices) {
  flashtile_way_info way;
  FLASHTILE_INIT(way);
  EXPECT_GT(flashtile_gemm_way_count(), 0);
  ASSERT_EQ(flashtile_gemm_way(0, &way), FLASHTILE_OK);
  EXPECT_STRNE(way.about, "");
  EXPECT_EQ(flashtile_gemm_way(-1, &way), FLASHTILE_INVALID_ARGUMENT);
  EXPECT_EQ(flashtile_attention_way(flashtile_attention_way_count(), &way), FLASHTILE_INVALID_ARGUMENT);
  way.size = 0;
  EXPECT_EQ(flashtile_gemm_way(0, &way), FLASHTILE_INVALID_ARGUMENT);

  flashtile_device_info device;
  FLASHTILE_INIT(device);
  ASSERT_EQ(flashtile_device(0, &device), FLASHTILE_OK);
  EXPECT_EQ(device.device_type, FLASHTILE_CPU);
  EXPECT_GT(device.compute_units, 0);
  EXPECT_STREQ(device.unavailable_reason, "");
  ASSERT_EQ(flashtile_device(flashtile_device_count() - 1, &device), FLASHTILE_OK);
  EXPECT_EQ(device.device_type, FLASHTILE_METAL);
  EXPECT_STRNE(device.unavailable_reason, "");
}

// ---- DLPack: the structs as dlpack.h has them ----

struct DlTensor {
  void* data;
  std::int32_t device_type, device_id, rank;
  std::uint8_t code, bits;
  std::uint16_t lanes;
  std::int64_t *shape, *strides;
  std::uint64_t byte_offset;
};

TEST(CApiDlpack, BecomesATensor) {
  float data[30];
  std::int64_t shape[] = {2, 3, 4}, strides[] = {1, 2, 0};
  DlTensor dl{data, 1, 0, 3, 2, 32, 1, shape, nullptr, 8};
  flashtile_tensor tensor;
  ASSERT_EQ(flashtile_tensor_from_dlpack(&tensor, &dl), FLASHTILE_OK);
  EXPECT_EQ(tensor.size, sizeof tensor);
  EXPECT_EQ(tensor.data, data + 2);
  EXPECT_EQ(tensor.dtype, FLASHTILE_F32);
  EXPECT_EQ(tensor.rank, 3);
  EXPECT_EQ(std::vector(tensor.shape, tensor.shape + 4), (std::vector<std::int64_t>{2, 3, 4, 0}));
  EXPECT_EQ(std::vector(tensor.strides, tensor.strides + 4), (std::vector<std::int64_t>{12, 4, 1, 0}));
  dl.strides = strides;
  ASSERT_EQ(flashtile_tensor_from_dlpack(&tensor, &dl), FLASHTILE_OK);
  EXPECT_EQ(std::vector(tensor.strides, tensor.strides + 4), (std::vector<std::int64_t>{1, 2, 0, 0}));

  const auto dtype = [&](std::uint8_t code, std::uint8_t bits) {
    dl.code = code;
    dl.bits = bits;
    return flashtile_tensor_from_dlpack(&tensor, &dl) == FLASHTILE_OK ? tensor.dtype : -1;
  };
  EXPECT_EQ(dtype(2, 16), FLASHTILE_F16);
  EXPECT_EQ(dtype(4, 16), FLASHTILE_BF16);
  EXPECT_EQ(dtype(6, 8), FLASHTILE_U8);
  EXPECT_EQ(dtype(0, 8), FLASHTILE_I8);
  EXPECT_EQ(dtype(1, 4), FLASHTILE_UINT4);
  EXPECT_EQ(dtype(0, 64), FLASHTILE_I64);
  EXPECT_EQ(dtype(1, 64), -1);
  EXPECT_STREQ(flashtile_error_message(),
               "tensor_from_dlpack: flashtile has no type of DLPack's code 1 with 64 bits");
  EXPECT_EQ(dtype(2, 32), FLASHTILE_F32);

  dl.device_type = 2;
  dl.device_id = 3;
  ASSERT_EQ(flashtile_tensor_from_dlpack(&tensor, &dl), FLASHTILE_OK);
  EXPECT_EQ(tensor.device_type, FLASHTILE_CUDA);
  EXPECT_EQ(tensor.device_index, 3);
  dl.device_type = 10;
  EXPECT_EQ(flashtile_tensor_from_dlpack(&tensor, &dl), FLASHTILE_UNSUPPORTED);
  dl.device_type = 1;
  dl.lanes = 4;
  EXPECT_EQ(flashtile_tensor_from_dlpack(&tensor, &dl), FLASHTILE_INVALID_ARGUMENT);
  dl.lanes = 1;
  dl.rank = 9;
  EXPECT_EQ(flashtile_tensor_from_dlpack(&tensor, &dl), FLASHTILE_INVALID_ARGUMENT);
  dl.rank = 3;
  dl.shape = nullptr;
  EXPECT_EQ(flashtile_tensor_from_dlpack(&tensor, &dl), FLASHTILE_INVALID_ARGUMENT);
}

TEST(CApi, PackedTensorsAreChecked) {
  flashtile_tensor tensor;
  const std::int64_t negative[] = {-1}, huge[] = {1LL << 40, 1LL << 40};
  EXPECT_EQ(flashtile_packed_tensor(&tensor, nullptr, FLASHTILE_F32, 1, negative), FLASHTILE_INVALID_ARGUMENT);
  EXPECT_EQ(flashtile_packed_tensor(&tensor, nullptr, FLASHTILE_F32, 2, huge), FLASHTILE_INVALID_ARGUMENT);
  EXPECT_EQ(flashtile_packed_tensor(&tensor, nullptr, FLASHTILE_F32, 9, huge), FLASHTILE_INVALID_ARGUMENT);
  EXPECT_EQ(flashtile_packed_tensor(&tensor, nullptr, FLASHTILE_F32, 1, nullptr), FLASHTILE_INVALID_ARGUMENT);
  EXPECT_EQ(flashtile_packed_tensor(nullptr, nullptr, FLASHTILE_F32, 0, nullptr), FLASHTILE_INVALID_ARGUMENT);
  EXPECT_EQ(flashtile_packed_tensor(&tensor, nullptr, FLASHTILE_F32, 0, nullptr), FLASHTILE_OK);
}

}  // namespace
