// What a merge is refused for: each message names the argument and what was found.
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "flashtile/error.h"
#include "flashtile/merge_attention.h"

namespace flashtile {
namespace {

struct ValidMerge {
  std::vector<Tensor> memory{Tensor(DType::f32, {1, 2, 3, 4}), Tensor(DType::f32, {1, 2, 3, 4}),
                             Tensor(DType::f32, {1, 2, 3}),    Tensor(DType::f32, {1, 2, 3}),
                             Tensor(DType::f32, {1, 2, 3, 4}), Tensor(DType::f32, {1, 2, 3}),
                             Tensor(DType::f32, {2})};
  std::vector<TensorView> outs{memory[0], memory[1]}, lses{memory[2], memory[3]};
  MergeAttentionOutputs outputs{memory[4], memory[5]};
  MergeAttentionOptions options{.sinks = memory[6]};
};

std::string message_of(const std::function<void(ValidMerge&)>& change,
                       ErrorCode code = ErrorCode::invalid_argument) {
  ValidMerge call;
  change(call);
  const Result<> done = try_merge_attention_into(call.outputs, call.outs, call.lses, call.options);
  if (done) return "no error";
  EXPECT_EQ(done.failure().code, code) << done.failure().message;
  return done.failure().message;
}

TEST(MergeAttentionArguments, AValidCallPasses) {
  EXPECT_EQ(message_of([](ValidMerge&) {}), "no error");
  EXPECT_EQ(message_of([](ValidMerge& c) { c.outs.clear(), c.lses.clear(); }), "no error");
}

TEST(MergeAttentionArguments, ShapesMustFit) {
  EXPECT_EQ(message_of([](ValidMerge& c) { c.lses.pop_back(); }),
            "merge_attention: outs has 2 parts, lses has 1; they must match");
  EXPECT_EQ(message_of([](ValidMerge& c) { c.outs[1].shape = {2, 3, 4}; }),
            "merge_attention: outs[1] has shape (2, 3, 4); expected 4 dimensions (B, Hq, L, Dv)");
  EXPECT_EQ(message_of([](ValidMerge& c) { c.outs[1].shape[2] = 2; }),
            "merge_attention: outs[1] has shape (1, 2, 2, 4), out has (1, 2, 3, 4); they must match");
  EXPECT_EQ(message_of([](ValidMerge& c) { c.lses[0].shape[2] = 2; }),
            "merge_attention: lses[0] has shape (1, 2, 2); expected (B, Hq, L) = (1, 2, 3)");
  EXPECT_EQ(message_of([](ValidMerge& c) { c.outputs.lse->shape[2] = 2; }),
            "merge_attention: lse has shape (1, 2, 2); expected (B, Hq, L) = (1, 2, 3)");
  EXPECT_EQ(message_of([](ValidMerge& c) { c.options.sinks->shape[0] = 1; }),
            "merge_attention: sinks has shape (1,); expected (Hq) = (2,)");
  EXPECT_EQ(message_of([](ValidMerge& c) { c.outs[0].strides[3] = 2; }),
            "merge_attention: outs[0] has stride 2 in its last dimension; expected 1");
  const Result<Tensor> none = try_merge_attention({}, {});
  ASSERT_FALSE(none);
  EXPECT_EQ(none.failure().message,
            "merge_attention: outs is empty; the shape of the result is that of the first part");
}

TEST(MergeAttentionArguments, TypesMustBeKnown) {
  EXPECT_EQ(message_of([](ValidMerge& c) { c.outs[0].dtype = DType::i8; }),
            "merge_attention: outs[0] has dtype i8; expected f32, f16 or bf16");
  EXPECT_EQ(message_of([](ValidMerge& c) { c.outputs.out.dtype = DType::i32; }),
            "merge_attention: out has dtype i32; expected f32, f16 or bf16");
  EXPECT_EQ(message_of([](ValidMerge& c) { c.lses[1].dtype = DType::f16; }),
            "merge_attention: lses[1] has dtype f16; expected f32");
  EXPECT_EQ(message_of([](ValidMerge& c) { c.outputs.lse->dtype = DType::f16; }),
            "merge_attention: lse has dtype f16; expected f32");
  EXPECT_EQ(message_of([](ValidMerge& c) { c.options.sinks->dtype = DType::f16; }),
            "merge_attention: sinks has dtype f16; expected f32");
}

TEST(MergeAttentionArguments, MemoryIsThereAndApart) {
  EXPECT_EQ(message_of([](ValidMerge& c) { c.lses[1].data = nullptr; }),
            "merge_attention: lses[1] has no data, but shape (1, 2, 3)");
  EXPECT_EQ(
      message_of([](ValidMerge& c) { c.outputs.out = c.outs[1]; }),
      "merge_attention: out overlaps outs[1]; a call writes out while it reads its inputs: give it memory of "
      "its own");
  EXPECT_EQ(
      message_of([](ValidMerge& c) { c.outputs.lse = c.lses[0]; }),
      "merge_attention: lse overlaps lses[0]; a call writes lse while it reads its inputs: give it memory of "
      "its own");
  EXPECT_EQ(
      message_of([](ValidMerge& c) { c.outputs.out.strides[2] = 0; }),
      "merge_attention: out has shape (1, 2, 3, 4) and strides (24, 12, 0, 1); its elements must not overlap: "
      "each stride must step over all that the smaller ones span");
}

TEST(MergeAttentionArguments, DevicesMustMatchAndHaveAKernel) {
  EXPECT_EQ(message_of([](ValidMerge& c) { c.outs[1].device = Device::cuda(); }),
            "merge_attention: outs[1] is on cuda:0, out is on cpu; they must match");
  EXPECT_EQ(message_of([](ValidMerge& c) { c.options.sinks->device = Device::cuda(); }),
            "merge_attention: sinks is on cuda:0, out is on cpu; they must match");
  EXPECT_EQ(
      message_of([](ValidMerge& c) { c.outputs.out.device = {DeviceType::metal, 0}; }, ErrorCode::unsupported),
      "merge_attention: out is on metal:0; it runs on CPUs and NVIDIA GPUs");
}

TEST(MergeAttentionArguments, SizesHaveALimit) {
  EXPECT_EQ(message_of(
                [](ValidMerge& c) {
                  c.outputs.out.shape = {1, 2, std::int64_t{1} << 31, 0};
                  c.outputs.out.strides = {0, 0, 0, 1};
                },
                ErrorCode::unsupported),
            "merge_attention: out has shape (1, 2, 2147483648, 0); this version takes sizes of 0 ... 2^30");
}

}  // namespace
}  // namespace flashtile
