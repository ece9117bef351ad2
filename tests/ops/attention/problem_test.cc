// What a call is refused for: each message names the argument and what was found.
#include "src/ops/attention/problem.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "flashtile/attention.h"
#include "flashtile/error.h"
#include "src/backends/backend.h"

namespace flashtile {
namespace {

using ::testing::HasSubstr;

/// A valid call: B 2, Hq 4, Hkv 2, Lq 5, Lkv 7, D 16, Dv 8. Tests break one thing each.
struct ValidCall {
  Tensor q{DType::f32, {2, 4, 5, 16}}, k{DType::f32, {2, 2, 7, 16}}, v{DType::f32, {2, 2, 7, 8}};
  Tensor out{DType::f32, {2, 4, 5, 8}}, lse{DType::f32, {2, 4, 5}};
  TensorView q_view = q, k_view = k, v_view = v;
  AttentionOutputs outputs{.out = out.view(), .lse = lse.view()};
  AttentionOptions options;

  void run() { attention_into(outputs, q_view, k_view, v_view, options); }
};

/// The message of the error that a call ends with after `change`.
std::string message_of(const std::function<void(ValidCall&)>& change,
                       ErrorCode code = ErrorCode::invalid_argument) {
  ValidCall call;
  change(call);
  try {
    call.run();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), code) << e.what();
    return e.what();
  }
  return "no error";
}

TEST(AttentionArguments, AValidCallPasses) {
  EXPECT_EQ(message_of([](ValidCall&) {}), "no error");
}

TEST(AttentionArguments, RankAndTypeOfQ) {
  EXPECT_EQ(message_of([](ValidCall& c) { c.q_view = packed_view(c.q.data(), DType::f32, {4, 5, 16}); }),
            "attention: q has shape (4, 5, 16); expected 4 dimensions (B, Hq, Lq, D)");
  EXPECT_EQ(message_of([](ValidCall& c) { c.q_view.dtype = DType::i32; }),
            "attention: q has dtype i32; expected f32, f16 or bf16");
}

TEST(AttentionArguments, TypesOfKVAndOut) {
  EXPECT_EQ(message_of([](ValidCall& c) { c.k_view.dtype = DType::i32; }),
            "attention: k has dtype i32; expected f32, f16, bf16, i8, int4, f8_e4m3, f8_e5m2, q8_0 or q4_0");
  EXPECT_EQ(message_of([](ValidCall& c) { c.v_view.dtype = DType::uint4; }),
            "attention: v has dtype uint4; expected f32, f16, bf16, i8, int4, f8_e4m3, f8_e5m2, q8_0 or q4_0");
  EXPECT_EQ(message_of([](ValidCall& c) { c.outputs.out.dtype = DType::f16; }),
            "attention: out has dtype f16; expected f32");
}

TEST(AttentionArguments, ResultsAreOfTheTypeOfQOrFloat32) {
  const Tensor q(DType::f16, {1, 1, 2, 8}), out(DType::f32, {1, 1, 2, 8}), half_out(DType::f16, {1, 1, 2, 8});
  const auto outcome = [&](const AttentionOutputs& outputs, const AttentionOptions& options) -> std::string {
    try {
      attention_into(outputs, q, q, q, options);
    } catch (const Error& e) {
      return e.what();
    }
    return "no error";
  };
  EXPECT_EQ(outcome({.out = out.view()}, {}), "no error");
  EXPECT_EQ(outcome({.out = out.view()}, {.out_dtype = DType::f32}), "no error");
  EXPECT_EQ(outcome({.out = half_out.view()}, {.out_dtype = DType::f32}),
            "attention: out has dtype f16, out_dtype is f32; give one of them, or the same");
  EXPECT_EQ(outcome({.out = packed_view(out.data(), DType::bf16, {1, 1, 2, 8})}, {}),
            "attention: out has dtype bf16; expected f32 or f16, as q has");
  EXPECT_EQ(attention(q, q, q, {.out_dtype = DType::f32}).dtype(), DType::f32);
  EXPECT_EQ(attention(q, q, q).dtype(), DType::f16);
  EXPECT_EQ(message_of([](ValidCall& c) { c.options.out_dtype = DType::i8; }),
            "attention: out_dtype is i8; expected f32");
}

TEST(AttentionArguments, NumbersOutsideAnEnum) {
  EXPECT_EQ(message_of([](ValidCall& c) { c.q_view.dtype = DType(77); }),
            "attention: q has dtype DType(77); expected f32, f16 or bf16");
  EXPECT_EQ(message_of([](ValidCall& c) { c.k_view.dtype = DType(77); }),
            "attention: k has dtype DType(77); expected an enumerator of DType");
  EXPECT_EQ(message_of([](ValidCall& c) { c.k_view.dtype = DType::int4; }),
            "attention: k has dtype int4 and no k_scales; give them: f32 or f16");
  EXPECT_EQ(message_of([](ValidCall& c) { c.q_view.device.type = DeviceType(9); }),
            "attention: q is on DeviceType(9):0; expected DeviceType::cpu, cuda, metal or metal_emulated");
  EXPECT_EQ(message_of([](ValidCall& c) { c.q_view.device.index = 3; }),
            "attention: q is on cpu:3; there is one CPU device, with index 0");
  EXPECT_EQ(message_of([](ValidCall& c) { c.options.mask.causal = CausalCorner(5); }),
            "attention: mask.causal is CausalCorner(5); expected top_left or bottom_right");
}

TEST(AttentionArguments, DevicesMustMatch) {
  EXPECT_EQ(message_of([](ValidCall& c) { c.k_view.device = Device::cuda(1); }),
            "attention: k is on cuda:1, q is on cpu; they must match");
  EXPECT_EQ(message_of([](ValidCall& c) { c.outputs.lse->device = Device::cuda(); }),
            "attention: lse is on cuda:0, q is on cpu; they must match");
}

TEST(AttentionArguments, SizesMustMatch) {
  EXPECT_EQ(message_of([](ValidCall& c) { c.k_view.shape[0] = 1; }),
            "attention: k has batch 1, q has 2; they must match");
  EXPECT_EQ(message_of([](ValidCall& c) { c.v_view.shape[0] = 1; }),
            "attention: v has batch 1, q has 2; they must match");
  EXPECT_EQ(message_of([](ValidCall& c) { c.v_view.shape[1] = 1; }),
            "attention: v has heads 1, k has 2; they must match");
  EXPECT_EQ(message_of([](ValidCall& c) { c.v_view.shape[2] = 6; }),
            "attention: v has length 6, k has 7; they must match");
  EXPECT_EQ(message_of([](ValidCall& c) { c.k_view.shape[3] = 12; }),
            "attention: k has head_dim 12, q has 16; they must match");
}

TEST(AttentionArguments, QueryHeadsAreAMultipleOfKvHeads) {
  EXPECT_EQ(message_of([](ValidCall& c) { c.q_view = c.q_view.sliced(1, 0, 3); }),
            "attention: q has 3 heads, k has 2; query heads must be a multiple of KV heads");
  EXPECT_EQ(message_of([](ValidCall& c) {
              c.k_view = c.k_view.sliced(1, 0, 0);
              c.v_view = c.v_view.sliced(1, 0, 0);
            }),
            "attention: q has 4 heads, k has 0; query heads must be a multiple of KV heads");
}

TEST(AttentionArguments, HeadSizesEndAt576And512OnACpu) {
  const auto with_head_dim = [](std::int64_t d) {
    return [d](ValidCall& c) { c.q_view.shape[3] = c.k_view.shape[3] = d; };
  };
  EXPECT_EQ(message_of(with_head_dim(0)), "attention: q has head_dim 0; expected 1 ... 576");
  EXPECT_EQ(message_of(with_head_dim(577), ErrorCode::unsupported),
            "attention: q has head_dim 577; this version takes 1 ... 576");
  EXPECT_EQ(message_of([](ValidCall& c) { c.v_view.shape[3] = 513; }, ErrorCode::unsupported),
            "attention: v has value_dim 513; this version takes 1 ... 512");
}

TEST(AttentionArguments, LengthsEndAt2To30) {
  EXPECT_EQ(message_of(
                [](ValidCall& c) {
                  c.q_view.strides[2] = 0;
                  c.q_view.shape[2] = std::int64_t{1} << 31;
                },
                ErrorCode::unsupported),
            "attention: q has length 2147483648; this version takes 0 ... 1073741824");
}

TEST(AttentionArguments, LengthsAreThoseOfBatchEntries) {
  const std::int32_t lengths[] = {5, 6}, negative[] = {-1, 0};
  const std::int64_t wide[] = {7, std::int64_t{1} << 40};
  const float floats[] = {1, 2};
  EXPECT_EQ(message_of([&](ValidCall& c) { c.options.lengths.kv = packed_view(lengths, DType::i32, {2}); }),
            "no error");
  EXPECT_EQ(message_of([&](ValidCall& c) { c.options.lengths.q = packed_view(lengths, DType::i32, {2}); }),
            "attention: lengths.q[1] is 6; expected 0 ... 5");
  EXPECT_EQ(message_of([&](ValidCall& c) { c.options.lengths.kv = packed_view(negative, DType::i32, {2}); }),
            "attention: lengths.kv[0] is -1; expected 0 ... 7");
  EXPECT_EQ(message_of([&](ValidCall& c) { c.options.lengths.kv = packed_view(wide, DType::i64, {2}); }),
            "attention: lengths.kv[1] is 1099511627776; expected 0 ... 7");
  EXPECT_EQ(message_of([&](ValidCall& c) { c.options.lengths.q = packed_view(lengths, DType::i32, {2, 1}); }),
            "attention: lengths.q has shape (2, 1); expected (B) = (2,)");
  EXPECT_EQ(message_of([&](ValidCall& c) { c.options.lengths.q = packed_view(floats, DType::f32, {2}); }),
            "attention: lengths.q has dtype f32; expected i32 or i64");
}

TEST(AttentionArguments, RowStartsAscendInsideTheirTensor) {
  const Tensor q(DType::f32, {10, 4, 16}), k(DType::f32, {12, 2, 16}), v(DType::f32, {12, 2, 8});
  const Tensor out(DType::f32, {10, 4, 8}), lse(DType::f32, {10, 4}), padded(DType::f32, {2, 2, 7, 16});
  const std::int32_t q_starts[] = {0, 4, 10}, kv_starts[] = {1, 1, 12}, past[] = {0, 4, 13},
                     falling[] = {0, 5, 4};
  const std::int64_t three[] = {0, 1, 2, 3};
  const auto view = [](const std::int32_t* numbers) { return packed_view(numbers, DType::i32, {3}); };
  struct PackedCall {
    AttentionOutputs outputs;
    TensorView k, v;
    AttentionOptions options;
  };
  const auto outcome = [&](auto change) -> std::string {
    PackedCall call{
        {.out = out.view(), .lse = lse.view()}, k, v, {.row_starts = {view(q_starts), view(kv_starts)}}};
    change(call);
    try {
      attention_into(call.outputs, q, call.k, call.v, call.options);
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::invalid_argument) << e.what();
      return e.what();
    }
    return "no error";
  };
  EXPECT_EQ(outcome([](PackedCall&) {}), "no error");
  EXPECT_EQ(outcome([&](PackedCall& c) { c.options.row_starts.kv = view(past); }),
            "attention: row_starts.kv[2] is 13; expected 0 ... 12");
  EXPECT_EQ(outcome([&](PackedCall& c) { c.options.row_starts.q = view(falling); }),
            "attention: row_starts.q[2] is 4, less than the one before, 5; they must ascend");
  EXPECT_EQ(outcome([&](PackedCall& c) { c.options.row_starts.kv = packed_view(three, DType::i64, {4}); }),
            "attention: row_starts.kv has shape (4,); expected (B + 1) = (3,)");
  EXPECT_EQ(outcome([&](PackedCall& c) { c.options.row_starts.q = packed_view(q_starts, DType::i32, {3, 1}); }),
            "attention: row_starts.q has shape (3, 1); expected (B + 1)");
  EXPECT_EQ(outcome([&](PackedCall& c) { c.options.row_starts.q->dtype = DType::f32; }),
            "attention: row_starts.q has dtype f32; expected i32 or i64");
  EXPECT_EQ(outcome([&](PackedCall& c) { c.options.row_starts.q.reset(); }),
            "attention: row_starts.kv is given, and row_starts.q is not; packed keys need packed queries");
  EXPECT_EQ(outcome([&](PackedCall& c) { c.options.lengths.q = view(q_starts); }),
            "attention: lengths.q and row_starts.q are given; packed sequences have no padding");
  EXPECT_EQ(outcome([&](PackedCall& c) { c.options.mask.bias = packed_view(q.data(), DType::f32, {1}); }),
            "attention: mask.bias is given, and q is packed; this version takes it without row_starts");
  const TensorView ids = packed_view(q_starts, DType::i32, {2, 1});
  EXPECT_EQ(outcome([&](PackedCall& c) { c.options.mask.segments = {.q = ids, .kv = ids}; }),
            "attention: mask.segments is given, and q is packed; this version takes it without row_starts");
  EXPECT_EQ(outcome([&](PackedCall& c) { c.options.mask.blocks = BlockMap{ids, 1, 1}; }),
            "attention: mask.blocks is given, and q is packed; this version takes it without row_starts");
  EXPECT_EQ(outcome([&](PackedCall& c) { c.k = padded; }),
            "attention: k has shape (2, 2, 7, 16); expected 3 dimensions (Tk, Hkv, D)");
  EXPECT_EQ(outcome([&](PackedCall& c) { c.outputs.out = packed_view(out.data(), DType::f32, {4, 10, 8}); }),
            "attention: out has shape (4, 10, 8); expected (Tq, Hq, Dv) = (10, 4, 8)");
  EXPECT_EQ(outcome([&](PackedCall& c) { c.outputs.lse = packed_view(lse.data(), DType::f32, {4, 10}); }),
            "attention: lse has shape (4, 10); expected (Tq, Hq) = (10, 4)");
  EXPECT_EQ(attention(q, k, v, {.row_starts = {view(q_starts), view(kv_starts)}}).shape(), (Dims{10, 4, 8}));
  const auto planned =
      plan_attention(q, k, v, {.row_starts = {view(q_starts), view(kv_starts)}, .way = "flash.cpu"});
  EXPECT_EQ(planned.way, "flash.cpu");
}

TEST(AttentionArguments, SegmentsAreIdsOfBothSides) {
  const std::int32_t numbers[14] = {};
  const auto ids = [&](const Dims& shape) { return packed_view(numbers, DType::i32, shape); };
  const auto with = [&](Segments segments) {
    return message_of([&](ValidCall& c) { c.options.mask.segments = segments; });
  };
  EXPECT_EQ(with({ids({2, 5}), ids({2, 7})}), "no error");
  EXPECT_EQ(with({ids({2, 5}), {}}),
            "attention: mask.segments.q is given, and mask.segments.kv is not; a pair is compared by both");
  EXPECT_EQ(with({{}, ids({2, 7})}),
            "attention: mask.segments.kv is given, and mask.segments.q is not; a pair is compared by both");
  EXPECT_EQ(with({ids({2, 7}), ids({2, 7})}),
            "attention: mask.segments.q has shape (2, 7); expected (B, Lq) = (2, 5)");
  EXPECT_EQ(with({ids({2, 5}), ids({7})}),
            "attention: mask.segments.kv has shape (7,); expected 2 dimensions (B, Lkv)");
  EXPECT_EQ(with({packed_view(numbers, DType::f32, {2, 5}), ids({2, 7})}),
            "attention: mask.segments.q has dtype f32; expected i32");
}

TEST(AttentionArguments, BlockMapsHaveAnEntryABlock) {
  const std::uint8_t entries[48] = {};
  const auto with = [&](const Dims& shape, std::int64_t q_block, std::int64_t kv_block,
                        DType dtype = DType::u8) {
    return message_of([&](ValidCall& c) {
      c.options.mask.blocks = BlockMap{packed_view(entries, dtype, shape), q_block, kv_block};
    });
  };
  EXPECT_EQ(with({2, 4, 3, 2}, 2, 4), "no error");
  EXPECT_EQ(with({1, 1, 1, 1}, 99, std::int64_t{1} << 50), "no error");
  EXPECT_EQ(with({1, 4, 3, 1}, 2, 4),
            "attention: mask.blocks has shape (1, 4, 3, 1); expected (1 or B, 1 or Hq, ceil(Lq / q_block), "
            "ceil(Lkv / kv_block)), B and so on being (2, 4, 3, 2)");
  EXPECT_THAT(with({3, 2}, 2, 4), HasSubstr("attention: mask.blocks has shape (3, 2); expected"));
  EXPECT_EQ(with({2, 4, 3, 2}, 0, 4), "attention: mask.blocks.q_block is 0; expected 1 or more");
  EXPECT_EQ(with({2, 4, 3, 2}, 2, -1), "attention: mask.blocks.kv_block is -1; expected 1 or more");
  EXPECT_EQ(with({2, 4, 3, 2}, 2, 4, DType::i8), "attention: mask.blocks has dtype i8; expected u8");
}

TEST(AttentionArguments, BlockTablesNamePagesThatAreThere) {
  const Tensor k_pages(DType::f32, {3, 4, 2, 16}), v_pages(DType::f32, {3, 4, 2, 8});
  const std::int32_t lengths[] = {5, 8}, long_ones[] = {5, 9}, none[] = {0, 0}, starts[] = {0, 3, 7};
  // What lies behind an entry's length is not looked at.
  const std::int32_t table[] = {2, 0, 1, 1}, with_rest[] = {2, 0, -7, 1, 1, 99}, wrong[] = {2, 0, 1, 3},
                     negative[] = {0, -1, 1, 2};
  const auto numbers = [](const std::int32_t* values, const Dims& shape) {
    return packed_view(values, DType::i32, shape);
  };
  const auto outcome = [&](auto change) {
    return message_of([&](ValidCall& c) {
      c.k_view = k_pages, c.v_view = v_pages;
      c.options.block_table = numbers(table, {2, 2});
      c.options.lengths.kv = numbers(lengths, {2});
      change(c);
    });
  };
  EXPECT_EQ(outcome([](ValidCall&) {}), "no error");
  EXPECT_EQ(outcome([&](ValidCall& c) { c.options.block_table = numbers(with_rest, {2, 3}); }), "no error");
  EXPECT_EQ(outcome([&](ValidCall& c) { c.options.block_table = numbers(wrong, {2, 2}); }),
            "attention: block_table[1, 1] is 3; expected 0 ... 2");
  EXPECT_EQ(outcome([&](ValidCall& c) { c.options.block_table = numbers(negative, {2, 2}); }),
            "attention: block_table[0, 1] is -1; expected 0 ... 2");
  EXPECT_EQ(outcome([&](ValidCall& c) { c.options.lengths.kv = numbers(long_ones, {2}); }),
            "attention: lengths.kv[1] is 9; expected 0 ... 8");
  EXPECT_EQ(outcome([&](ValidCall& c) { c.options.lengths.kv.reset(); }),
            "attention: block_table is given, and lengths.kv is not, which says how many rows of the pages are "
            "there");
  EXPECT_EQ(outcome([&](ValidCall& c) { c.options.block_table = numbers(table, {1, 4}); }),
            "attention: block_table has shape (1, 4); expected (B, most) = (2, any)");
  EXPECT_EQ(outcome([&](ValidCall& c) { c.options.block_table = packed_view(table, DType::i64, {2, 1}); }),
            "attention: block_table has dtype i64; expected i32");
  EXPECT_EQ(outcome([&](ValidCall& c) { c.v_view.shape[0] = 2; }),
            "attention: v has pages 2, k has 3; they must match");
  EXPECT_EQ(outcome([&](ValidCall& c) { c.v_view.shape[1] = 2; }),
            "attention: v has page size 2, k has 4; they must match");
  EXPECT_EQ(outcome([&](ValidCall& c) { c.k_view.shape[1] = c.v_view.shape[1] = 0; }),
            "attention: k has page size 0; expected 1 ... 1073741824");
  EXPECT_EQ(
      outcome([&](ValidCall& c) { c.k_view = c.k_view.sliced(0, 0, 0), c.v_view = c.v_view.sliced(0, 0, 0); }),
      "attention: block_table[0, 0] is 2; there are no pages");
  EXPECT_EQ(outcome([&](ValidCall& c) {
              c.k_view = c.k_view.sliced(0, 0, 0), c.v_view = c.v_view.sliced(0, 0, 0);
              c.options.lengths.kv = numbers(none, {2});
            }),
            "no error");
  EXPECT_EQ(outcome([&](ValidCall& c) { c.options.row_starts = {numbers(starts, {3}), numbers(starts, {3})}; }),
            "attention: lengths.kv and row_starts.kv are given; packed sequences have no padding");
  EXPECT_EQ(outcome([&](ValidCall& c) {
              c.options.row_starts = {numbers(starts, {3}), numbers(starts, {3})};
              c.options.lengths.kv.reset();
            }),
            "attention: block_table and row_starts.kv are given; k and v are paged, or packed");
}

TEST(AttentionArguments, SlopesAndSinksAreThoseOfHeads) {
  const float numbers[12] = {};
  const auto view = [&](const Dims& shape) { return packed_view(numbers, DType::f32, shape); };
  EXPECT_EQ(message_of([&](ValidCall& c) { c.options.alibi_slopes = view({4}); }), "no error");
  EXPECT_EQ(message_of([&](ValidCall& c) { c.options.alibi_slopes = view({2, 4}); }), "no error");
  EXPECT_EQ(message_of([&](ValidCall& c) { c.options.alibi_slopes = view({2}); }),
            "attention: alibi_slopes has shape (2,); expected (Hq) = (4,) or (B, Hq) = (2, 4)");
  EXPECT_EQ(message_of([&](ValidCall& c) { c.options.sinks = view({2, 4}); }),
            "attention: sinks has shape (2, 4); expected (Hq) = (4,)");
  EXPECT_EQ(message_of([&](ValidCall& c) { c.options.sinks = packed_view(numbers, DType::f16, {4}); }),
            "attention: sinks has dtype f16; expected f32");
}

TEST(AttentionArguments, OffsetsOfBatchEntriesAreNearAndAgree) {
  const std::int64_t far[] = {0, std::int64_t{1} << 41}, two[] = {2, 3}, others[] = {2, 4};
  const std::int32_t same[] = {2, 3};
  const auto view = [](const std::int64_t* numbers) { return packed_view(numbers, DType::i64, {2}); };
  EXPECT_EQ(message_of([&](ValidCall& c) { c.options.query_offset = view(far); }),
            "attention: query_offset[1] is 2199023255552; expected -1099511627776 ... 1099511627776");
  EXPECT_EQ(message_of([&](ValidCall& c) {
              c.options.mask.causal = view(two);
              c.options.query_offset = packed_view(same, DType::i32, {2});
            }),
            "no error");
  EXPECT_EQ(message_of([&](ValidCall& c) {
              c.options.mask.causal = view(two);
              c.options.query_offset = view(others);
            }),
            "attention: query_offset is a tensor, mask.causal is a tensor; give one of them, or the same");
  EXPECT_EQ(message_of([&](ValidCall& c) {
              c.options.lengths.kv = view(two);
              c.options.mask.causal = CausalCorner::bottom_right;
              c.options.query_offset = std::int64_t{2};
            }),
            "attention: query_offset is 2, mask.causal is bottom_right; give one of them, or the same");
}

TEST(AttentionArguments, RowsAreContiguous) {
  EXPECT_EQ(message_of([](ValidCall& c) { c.q_view.strides[3] = 2; }),
            "attention: q has stride 2 in its last dimension; expected 1");
  EXPECT_EQ(message_of([](ValidCall& c) { c.v_view.strides[3] = 0; }),
            "attention: v has stride 0 in its last dimension; expected 1");
}

TEST(AttentionArguments, MemoryIsThereAlignedAndWithin64Bits) {
  EXPECT_EQ(message_of([](ValidCall& c) { c.k_view.data = nullptr; }),
            "attention: k has no data, but shape (2, 2, 7, 16)");
  EXPECT_EQ(message_of([](ValidCall& c) { c.k_view.data = static_cast<std::byte*>(c.k_view.data) + 1; }),
            "attention: k has data that is not aligned to its f32 elements");
  EXPECT_EQ(message_of([](ValidCall& c) { c.q_view.strides = Dims{1, 2, 3}; }),
            "attention: q has 3 strides for shape (2, 4, 5, 16); expected one a dimension");
  EXPECT_THAT(message_of([](ValidCall& c) { c.q_view.strides[0] = std::int64_t{1} << 62; }),
              HasSubstr("which reach out of the address space"));
  EXPECT_THAT(message_of([](ValidCall& c) { c.q_view.strides[0] = std::numeric_limits<std::int64_t>::min(); }),
              HasSubstr("which reach out of the address space"));
}

TEST(AttentionArguments, ScaleIsFinite) {
  EXPECT_EQ(message_of([](ValidCall& c) { c.options.scale = std::numeric_limits<float>::infinity(); }),
            "attention: scale is inf; expected a finite number");
  EXPECT_EQ(message_of([](ValidCall& c) { c.options.scale = std::numeric_limits<float>::quiet_NaN(); }),
            "attention: scale is nan; expected a finite number");
}

TEST(AttentionArguments, QueueIsOfTheSameDevice) {
  struct OtherQueue : Queue::State {
    Device device() const noexcept override { return Device::cuda(3); }
    void synchronize() const override {}
  };
  EXPECT_EQ(message_of([](ValidCall& c) { c.options.queue = Queue(std::make_shared<OtherQueue>()); }),
            "attention: options.queue is one of cuda:3, q is on cpu; they must match");
}

TEST(AttentionArguments, Masks) {
  const Tensor bytes(DType::u8, {7}), floats(DType::f32, {2, 4, 5, 14});
  const auto boolean = [](const TensorView& view) {
    return [=](ValidCall& c) { c.options.mask.boolean = view; };
  };
  const auto bias = [](const TensorView& view) { return [=](ValidCall& c) { c.options.mask.bias = view; }; };
  EXPECT_EQ(message_of(boolean(floats)), "attention: mask.boolean has dtype f32; expected u8");
  EXPECT_EQ(message_of(bias(bytes)), "attention: mask.bias has dtype u8; expected f32, f16 or bf16");
  EXPECT_EQ(
      message_of(bias(floats)),
      "attention: mask.bias has shape (2, 4, 5, 14); expected one that broadcasts to (B, Hq, Lq, Lkv) = (2, "
      "4, 5, 7)");
  EXPECT_EQ(message_of(boolean(packed_view(bytes.data(), DType::u8, {1, 1, 1, 1, 7}))),
            "attention: mask.boolean has shape (1, 1, 1, 1, 7); expected one that broadcasts to (B, Hq, Lq, "
            "Lkv) = (2, "
            "4, 5, 7)");
  TensorView view = floats.view().sliced(3, 0, 7);
  EXPECT_EQ(message_of(bias(view)), "no error");
  view.strides[3] = 2;
  EXPECT_EQ(message_of(bias(view)),
            "attention: mask.bias has stride 2 in its last dimension; expected 1, or 0 to repeat");
  view.strides[3] = 0;
  EXPECT_EQ(message_of(bias(view)), "no error");
  view.device = Device::cuda();
  EXPECT_EQ(message_of(bias(view)), "attention: mask.bias is on cuda:0, q is on cpu; they must match");
  view = bytes;
  view.data = nullptr;
  EXPECT_EQ(message_of(boolean(view)), "attention: mask.boolean has no data, but shape (7,)");
}

TEST(AttentionArguments, PositionsAndSoftcap) {
  const auto window = [](std::int64_t left, std::int64_t right) {
    return [=](ValidCall& c) { c.options.mask.window = {.left = left, .right = right}; };
  };
  EXPECT_EQ(message_of(window(-1, 0)), "no error");
  EXPECT_EQ(message_of(window(std::numeric_limits<std::int64_t>::max(), -1)), "no error");
  EXPECT_EQ(message_of(window(-2, 0)), "attention: mask.window.left is -2; expected -1 (no limit), 0 or more");
  EXPECT_EQ(message_of(window(0, -9)), "attention: mask.window.right is -9; expected -1 (no limit), 0 or more");
  EXPECT_EQ(message_of([](ValidCall& c) {
              c.options.mask.causal = CausalCorner::bottom_right;  // 7 - 5
              c.options.query_offset = std::int64_t{2};
            }),
            "no error");
  EXPECT_EQ(message_of([](ValidCall& c) {
              c.options.mask.causal = CausalCorner::top_left;
              c.options.query_offset = CausalCorner::bottom_right;
            }),
            "attention: query_offset is 2, mask.causal is 0; give one of them, or the same");
  EXPECT_EQ(message_of([](ValidCall& c) { c.options.query_offset = std::int64_t{1} << 41; }),
            "attention: query_offset is 2199023255552; expected -2^40 ... 2^40");
  EXPECT_EQ(message_of([](ValidCall& c) { c.options.query_offset = static_cast<CausalCorner>(7); }),
            "attention: query_offset is CausalCorner(7); expected top_left or bottom_right");
  EXPECT_EQ(message_of([](ValidCall& c) { c.options.softcap = -1.0f; }),
            "attention: softcap is -1.000000; expected 0 (none) or a positive finite number");
  EXPECT_EQ(message_of([](ValidCall& c) { c.options.softcap = std::numeric_limits<float>::infinity(); }),
            "attention: softcap is inf; expected 0 (none) or a positive finite number");
}

TEST(AttentionArguments, Outputs) {
  EXPECT_EQ(message_of([](ValidCall& c) { c.outputs.out.shape[3] = 7; }),
            "attention: out has shape (2, 4, 5, 7); expected (B, Hq, Lq, Dv) = (2, 4, 5, 8)");
  EXPECT_EQ(message_of([](ValidCall& c) { c.outputs.out.strides[3] = 2; }),
            "attention: out has stride 2 in its last dimension; expected 1");
  EXPECT_EQ(
      message_of([](ValidCall& c) { c.outputs.out.strides[1] = 0; }),
      "attention: out has shape (2, 4, 5, 8) and strides (160, 0, 8, 1); its elements must not overlap: each "
      "stride must step over all that the smaller ones span");
  EXPECT_EQ(message_of([](ValidCall& c) { c.outputs.lse->shape[2] = 4; }),
            "attention: lse has shape (2, 4, 4); expected (B, Hq, Lq) = (2, 4, 5)");
  EXPECT_EQ(message_of([](ValidCall& c) { c.outputs.lse->dtype = DType::f16; }),
            "attention: lse has dtype f16; expected f32");
  EXPECT_THAT(
      message_of([](ValidCall& c) { c.outputs.lse->strides[2] = 0; }),
      HasSubstr("attention: lse has shape (2, 4, 5) and strides (20, 5, 0); its elements must not overlap"));
}

TEST(AttentionArguments, ResultsShareNoMemoryWithAnything) {
  const auto overlap = [](const char* written, const char* other) {
    return "attention: " + std::string(written) + " overlaps " + other + "; a call writes " + written +
           " while it reads its inputs: give it memory of its own";
  };
  const auto square = [](ValidCall& c) { c.v_view = c.k_view, c.outputs.out = c.q_view; };  // Dv = D
  EXPECT_EQ(message_of([&](ValidCall& c) { square(c); }), overlap("out", "q"));
  EXPECT_EQ(message_of([&](ValidCall& c) {
              c.q_view = c.v_view = c.k_view;
              c.outputs.out = c.k_view;
              c.outputs.lse.reset();
              c.q_view.data = c.q.data();
            }),
            overlap("out", "k"));
  EXPECT_EQ(message_of([](ValidCall& c) { c.outputs.lse->data = c.out.data(); }), overlap("lse", "out"));
  EXPECT_EQ(message_of([](ValidCall& c) { c.outputs.lse->data = c.v.data(); }), overlap("lse", "v"));
  EXPECT_EQ(message_of([](ValidCall& c) { c.outputs.workspace = {c.k.as<std::byte>() + 64, 64}; }),
            overlap("workspace", "k"));
  EXPECT_EQ(message_of([](ValidCall& c) { c.outputs.workspace = {c.out.as<std::byte>(), 64}; }),
            overlap("workspace", "out"));
  EXPECT_EQ(message_of([](ValidCall& c) { c.outputs.workspace = {c.lse.as<std::byte>(), 64}; }),
            overlap("workspace", "lse"));
}

TEST(AttentionArguments, StridesThatNobodyReadMayBeAnything) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(message_of([](ValidCall& c) {
              for (TensorView* view : {&c.q_view, &c.k_view, &c.v_view, &c.outputs.out, &*c.outputs.lse}) {
                *view = view->sliced(0, 0, 1);
                view->strides[0] = view == &c.k_view ? -kMost - 1 : kMost;
              }
            }),
            "no error");
  EXPECT_EQ(message_of([](ValidCall& c) {
              for (TensorView* view : {&c.k_view, &c.v_view}) {
                *view = view->sliced(2, 0, 0);
                view->strides = {kMost, kMost, kMost, kMost};
              }
            }),
            "no error");
}

TEST(AttentionArguments, Workspace) {
  alignas(64) static std::byte memory[65];
  EXPECT_THAT(message_of([](ValidCall& c) {
                c.options.way = "unfused";
                c.outputs.workspace = {memory, 64};
              }),
              HasSubstr("attention: workspace has 64 bytes; this call needs "));
  static std::vector<std::byte> large(std::size_t{1} << 16);
  EXPECT_EQ(message_of([](ValidCall& c) {
              c.options.way = "unfused";
              std::byte* odd =
                  large.data() + (reinterpret_cast<std::uintptr_t>(large.data()) % 64 == 0 ? 8 : 0);
              c.outputs.workspace = {odd, large.size() - 64};
            }),
            "attention: workspace is not aligned to 64 bytes");
  EXPECT_EQ(message_of([](ValidCall& c) { c.outputs.workspace = {static_cast<std::byte*>(nullptr), 1 << 20}; }),
            "attention: workspace has no memory, but 1048576 bytes");
}

TEST(AttentionArguments, Ways) {
  EXPECT_THAT(message_of([](ValidCall& c) { c.options.way = "fastest"; }),
              HasSubstr("attention: way is \"fastest\"; expected one of "));
  EXPECT_THAT(message_of([](ValidCall& c) { c.options.way = "vendor.onednn"; }, ErrorCode::unsupported),
              HasSubstr("attention: way vendor.onednn cannot run this call: "));
}

TEST(AttentionArguments, EmptyTensorsNeedNoMemory) {
  const TensorView q = packed_view(nullptr, DType::f32, {1, 2, 0, 8}),
                   kv = packed_view(nullptr, DType::f32, {1, 2, 0, 8});
  EXPECT_EQ(attention(q, kv, kv).shape(), (Dims{1, 2, 0, 8}));
}

TEST(AttentionArguments, PlansNeedNoMemory) {
  const TensorView q = packed_view(nullptr, DType::f32, {1, 2, 100, 8});
  EXPECT_EQ(plan_attention(q, q, q).op, "attention");
}

TEST(AttentionProblem, KnowsWhenAPairMayBeHidden) {
  const Tensor q(DType::f32, {1, 1, 3, 8}), k(DType::f32, {1, 1, 5, 8});
  const auto hides = [](const TensorView& queries, const TensorView& keys, std::optional<CausalCorner> corner) {
    AttentionOptions options;
    options.mask.causal = corner;
    return ops::validated(queries, keys, keys, options, ops::Data::ignored).problem.hides_some();
  };
  EXPECT_FALSE(hides(q, k, std::nullopt));
  EXPECT_TRUE(hides(q, k, CausalCorner::top_left));
  EXPECT_TRUE(hides(q, k, CausalCorner::bottom_right));
  const TensorView one_query = q.view().sliced(2, 0, 1);
  EXPECT_FALSE(hides(one_query, k, CausalCorner::bottom_right));  // the last query sees every key
  EXPECT_TRUE(hides(q, k.view().sliced(2, 0, 0), std::nullopt));  // no key at all
}

}  // namespace
}  // namespace flashtile
