// What a matrix product is refused for: each message names the argument and what was found.
#include "src/ops/gemm/problem.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "flashtile/error.h"
#include "flashtile/gemm.h"
#include "src/backends/backend.h"

namespace flashtile {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

struct ValidCall {
  Tensor a_memory{DType::f32, {4, 6}}, b_memory{DType::f32, {6, 8}}, c_memory{DType::f32, {4, 8}};
  TensorView a = a_memory, b = b_memory, c = c_memory;
  GemmOptions options;
};

std::string message_of(const std::function<void(ValidCall&)>& change,
                       ErrorCode code = ErrorCode::invalid_argument) {
  ValidCall call;
  change(call);
  try {
    gemm(call.c, call.a, call.b, call.options);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), code) << e.what();
    return e.what();
  }
  return "no error";
}

TEST(GemmArguments, AValidCallPasses) {
  EXPECT_EQ(message_of([](ValidCall&) {}), "no error");
}

TEST(GemmArguments, ShapesMustFit) {
  EXPECT_EQ(message_of([](ValidCall& c) { c.a = packed_view(c.a.data, DType::f32, {1, 4, 6}); }),
            "gemm: a has shape (1, 4, 6); expected 2 dimensions (M, K)");
  EXPECT_EQ(message_of([](ValidCall& c) { c.b = packed_view(c.b.data, DType::f32, {48}); }),
            "gemm: b has shape (48,); expected 2 dimensions (K, N)");
  EXPECT_EQ(message_of([](ValidCall& c) { c.b.shape[0] = 5; }),
            "gemm: a has 6 columns, b has 5 rows; they must match");
  EXPECT_EQ(message_of([](ValidCall& c) { c.c.shape[1] = 7; }),
            "gemm: c has shape (4, 7); expected (M, N) = (4, 8), the rows of a and the columns of b");
  EXPECT_EQ(message_of([](ValidCall& c) { c.a.shape[0] = std::int64_t{1} << 31; }, ErrorCode::unsupported),
            "gemm: a has shape (2147483648, 6); this version takes sizes of 0 ... 2^30");
}

TEST(GemmArguments, TypesAreARowOfTheTable) {
  const std::string products =
      "; there are i8 or u8 with i8 or u8, i8 (a) with int4 and u8 (a) with uint4, into i32; floats with "
      "floats or "
      "bytes, and f16 or bf16 (a) with 4-bit b, into f32 or the 16-bit type";
  EXPECT_EQ(message_of([](ValidCall& c) { c.b.dtype = DType::i32; }),
            "gemm: there is no product of f32 (a) and i32 (b) into f32 (c)" + products);
  EXPECT_EQ(message_of([](ValidCall& c) { c.c.dtype = DType::f16; }),
            "gemm: there is no product of f32 (a) and f32 (b) into f16 (c)" + products);
  EXPECT_THAT(message_of([](ValidCall& c) {
                c.a.dtype = DType::i8;
                c.b.dtype = DType::u8;
              }),
              HasSubstr("there is no product of i8 (a) and u8 (b) into f32 (c)"));
}

TEST(GemmArguments, MemoryIsThereAlignedContiguousAndWithin64Bits) {
  EXPECT_EQ(message_of([](ValidCall& c) { c.a.data = nullptr; }), "gemm: a has no data, but shape (4, 6)");
  EXPECT_EQ(message_of([](ValidCall& c) { c.a.data = static_cast<std::byte*>(c.a.data) + 2; }),
            "gemm: a has data that is not aligned to its f32 elements");
  EXPECT_EQ(message_of([](ValidCall& c) { c.b.strides = {16, 2}; }),
            "gemm: b has strides (16, 2); expected 1 in one dimension");
  for (const Dims& strides : {Dims{0, 1}, Dims{7, 1}, Dims{-7, 1}, Dims{1, 3}}) {
    EXPECT_THAT(message_of([&](ValidCall& c) { c.c.strides = strides; }),
                HasSubstr("gemm: c has shape (4, 8) and strides " + to_string(strides) +
                          "; its elements must not overlap"));
  }
  EXPECT_THAT(
      message_of([](ValidCall& c) { c.b.strides[0] = std::int64_t{1} << 62; }),
      HasSubstr("gemm: b has shape (6, 8) and strides (4611686018427387904, 1), which reach out of the address "
                "space"));
  EXPECT_EQ(message_of([](ValidCall& c) {
              c.c = c.c.sliced(0, 0, 1), c.a = c.a.sliced(0, 0, 1);
              c.c.strides[0] = c.a.strides[0] = std::numeric_limits<std::int64_t>::min();  // which nobody reads
            }),
            "no error");
}

TEST(GemmArguments, CSharesNoMemory) {
  EXPECT_EQ(message_of([](ValidCall& c) { c.c.data = c.a.data; }),
            "gemm: c overlaps a; a call writes c while it reads its inputs: give it memory of its own");
  EXPECT_EQ(message_of([](ValidCall& c) { c.c.data = static_cast<float*>(c.b.data) + 16; }),
            "gemm: c overlaps b; a call writes c while it reads its inputs: give it memory of its own");
  const Tensor memory(DType::f32, {6, 24});  // a, b and c side by side
  const TensorView all = memory;
  EXPECT_EQ(message_of([&](ValidCall& c) {
              c.a = all.sliced(0, 0, 4).sliced(1, 0, 6);
              c.b = all.sliced(1, 6, 14);
              c.c = all.sliced(0, 0, 4).sliced(1, 14, 22);
            }),
            "no error");
}

TEST(GemmArguments, LinesOf4BitElementsStartAtWholeBytes) {
  const Tensor a(DType::f16, {2, 4}), b(DType::int4, {4, 3}), c(DType::f32, {2, 3});
  try {
    gemm(c, a, b);
    FAIL();
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(),
                 "gemm: b has lines of 4-bit elements that are 3 elements apart; expected an even distance, "
                 "whole bytes");
  }
}

TEST(GemmArguments, Factors) {
  EXPECT_EQ(message_of([](ValidCall& c) { c.options.alpha = std::numeric_limits<float>::infinity(); }),
            "gemm: alpha is inf; expected a finite number");
  EXPECT_EQ(message_of([](ValidCall& c) { c.options.beta = std::numeric_limits<float>::quiet_NaN(); }),
            "gemm: beta is nan; expected a finite number");
  const Tensor a(DType::i8, {2, 2}), b(DType::i8, {2, 2}), c(DType::i32, {2, 2});
  EXPECT_THROW(gemm(c, a, b, {.alpha = 2.0f}), Error);
  EXPECT_THROW(gemm(c, a, b, {.beta = 0.5f}), Error);
  EXPECT_NO_THROW(gemm(c, a, b, {.beta = 1.0f}));
}

TEST(GemmArguments, DevicesMustMatch) {
  EXPECT_EQ(message_of([](ValidCall& c) { c.a.device = Device::cuda(); }),
            "gemm: a is on cuda:0, c is on cpu; they must match");
  struct OtherQueue : Queue::State {
    Device device() const noexcept override { return Device::cuda(3); }
    void synchronize() const override {}
  };
  EXPECT_EQ(message_of([](ValidCall& c) { c.options.queue = Queue(std::make_shared<OtherQueue>()); }),
            "gemm: options.queue is one of cuda:3, c is on cpu; they must match");
}

TEST(GemmArguments, AnUnknownWayIsAnsweredWithThoseThereAre) {
  const std::string message = message_of([](ValidCall& c) { c.options.way = "fastest"; });
  EXPECT_THAT(message, HasSubstr("gemm: way is \"fastest\"; expected one of "));
  for (const WayInfo& way : gemm_ways()) EXPECT_THAT(message, HasSubstr(way.name));
}

TEST(GemmPlan, NamesTheWayAndItsReasons) {
  const TensorView a = packed_view(nullptr, DType::f16, {64, 64}),
                   c = packed_view(nullptr, DType::f32, {64, 64});
  const Plan plan = plan_gemm(c, a, a);
  EXPECT_EQ(plan.op, "gemm");
  EXPECT_FALSE(plan.kernel.empty());
  EXPECT_FALSE(plan.stores_scores);
  const std::vector<WayInfo> ways = gemm_ways();
  ASSERT_LT(plan.refused.size(), ways.size());
  EXPECT_EQ(plan.way, ways[plan.refused.size()].name) << "the first that can";
  for (const RefusedWay& refused : plan.refused) EXPECT_FALSE(refused.reason.empty()) << refused.way;
  EXPECT_THAT(plan_gemm(c, a, a, {.way = "tensor_ops"}).kernel, HasSubstr("tensor_ops f16 x f16 "));
}

TEST(GemmPlan, CblasRefusesWhatItsArgumentsCannotSay) {
  for (const WayInfo& way : gemm_ways()) {
    if (way.name == "vendor.cblas" && !way.built)
      GTEST_SKIP() << "way vendor.cblas cannot run this call: this build of flashtile has no CBLAS";
  }
  const auto refusal = [](const Dims& strides) {
    TensorView a = packed_view(nullptr, DType::f32, {4, 4});
    const TensorView c = a;
    a.strides = strides;
    try {
      plan_gemm(c, a, c, {.way = "vendor.cblas"});
      return std::string("no error");
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::unsupported);
      return std::string(e.what());
    }
  };
  EXPECT_THAT(refusal({4, 1}), AnyOf("no error", HasSubstr("cannot be loaded")));  // it may not be installed
  for (const Dims& strides : {Dims{3, 1}, Dims{0, 1}, Dims{-4, 1}}) {
    EXPECT_THAT(refusal(strides), HasSubstr("CBLAS needs lines that do not overlap, in ascending order"));
  }
  EXPECT_THAT(refusal({std::int64_t{1} << 31, 1}), HasSubstr("CBLAS counts strides in 32 bits"));
}

TEST(GemmPlan, OneWhoseDeviceIsNotThereSaysSo) {
  for (const BackendInfo& kind : backends()) {
    if (kind.type != DeviceType::metal) continue;
    ASSERT_TRUE(kind.devices.empty());
    const Device metal{DeviceType::metal, 0};
    const TensorView a = packed_view(nullptr, DType::f32, {4, 4}, metal);
    try {
      plan_gemm(a, a, a);
      FAIL();
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::unsupported);
      EXPECT_THAT(e.what(), HasSubstr(kind.unavailable_reason));
    }
  }
}

}  // namespace
}  // namespace flashtile
