// Misuses of gemm: each is a typed error that names the argument, at every entry point, in a process of its own.
#include "flashtile/gemm.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "src/backends/backend.h"
#include "tests/contract/faults.h"
#include "tests/contract/outcome.h"

namespace flashtile::test {
namespace {

/// A valid call: M 4, K 6, N 8.
struct Call {
  Roomy a_memory{DType::f32, {4, 6}}, b_memory{DType::f32, {6, 8}}, c_memory{DType::f32, {4, 8}};
  TensorView a = a_memory.view, b = b_memory.view, c = c_memory.view;
  GemmOptions options;
};

const std::vector<Entry<Call>> entries = {
    {"gemm", false, [](Call& c) { return outcome_of([&] { gemm(c.c, c.a, c.b, c.options); }); }},
    {"plan_gemm", true, [](Call& c) { return outcome_of([&] { plan_gemm(c.c, c.a, c.b, c.options); }); }},
    {"try_gemm", false, [](Call& c) { return outcome_of(try_gemm(c.c, c.a, c.b, c.options)); }},
    {"try_plan_gemm", true, [](Call& c) { return outcome_of(try_plan_gemm(c.c, c.a, c.b, c.options)); }},
};
const std::vector<Entry<Call>> running = {entries[0], entries[2]};

struct Argument {
  const char* name;
  TensorView& (*of)(Call&);
  Takes takes;
};
void PrintTo(const Argument& argument, std::ostream* out) { *out << argument.name; }
const std::vector<DType> narrower = {DType::f32, DType::f16, DType::bf16, DType::i8, DType::u8};
const std::vector<Argument> arguments = {
    {"a", [](Call& c) -> TensorView& { return c.a; }, {.types = narrower}},
    {"b", [](Call& c) -> TensorView& { return c.b; }, {.types = narrower}},
    {"c", [](Call& c) -> TensorView& { return c.c; }, {Use::written, {DType::f32}}},
};

TEST(GemmContract, AValidCallPasses) {
  expect_refused(entries, [](Call&) {}, "ok");
}

class GemmTensor : public ::testing::TestWithParam<Argument> {};

TEST_P(GemmTensor, FaultsAreRefused) {
  const Argument& argument = GetParam();
  Call valid;
  for (const Fault& fault : faults_of(argument.of(valid), argument.takes)) {
    SCOPED_TRACE(argument.name + std::string(": ") + fault.name);
    expect_refused(
        fault.of_data ? running : entries, [&](Call& c) { fault.apply(argument.of(c)); },
        fault.codes() + ": gemm: .*\\b" + argument.name + "\\b");
  }
}

TEST_P(GemmTensor, ResultsInItsMemoryAreRefused) {
  const Argument& other = GetParam();
  if (other.takes.use == Use::written) return;
  for (const std::ptrdiff_t bytes : {0, 4, 64}) {
    SCOPED_TRACE(std::to_string(bytes) + " bytes inside " + other.name);
    expect_refused(
        entries, [&](Call& c) { c.c.data = static_cast<std::byte*>(other.of(c).data) + bytes; },
        "invalid_argument: gemm: c overlaps " + std::string(other.name) + "; ");
  }
}

INSTANTIATE_TEST_SUITE_P(Arguments, GemmTensor, ::testing::ValuesIn(arguments),
                         [](const auto& each) { return std::string(each.param.name); });

struct Misuse {
  const char* name;
  void (*change)(Call&);
  const char* pattern;
};

constexpr float kInfinity = std::numeric_limits<float>::infinity(),
                kNaN = std::numeric_limits<float>::quiet_NaN();

struct OtherQueue : Queue::State {
  Device device() const noexcept override { return Device::cuda(3); }
  void synchronize() const override {}
};

const std::vector<Misuse> misuses = {
    {"alpha NaN", [](Call& c) { c.options.alpha = kNaN; }, "gemm: alpha is nan; expected a finite number"},
    {"alpha inf", [](Call& c) { c.options.alpha = -kInfinity; },
     "gemm: alpha is -inf; expected a finite number"},
    {"beta NaN", [](Call& c) { c.options.beta = kNaN; }, "gemm: beta is nan; expected a finite number"},
    {"beta inf", [](Call& c) { c.options.beta = kInfinity; }, "gemm: beta is inf; expected a finite number"},
    {"way unknown", [](Call& c) { c.options.way = "fastest"; }, "gemm: way is \"fastest\"; expected one of "},
    {"queue elsewhere", [](Call& c) { c.options.queue = Queue(std::make_shared<OtherQueue>()); },
     "gemm: options.queue is one of cuda:3, c is on cpu; they must match"},
    {"a: no unit stride", [](Call& c) { c.a.strides = {12, 2}; },
     "gemm: a has strides \\(12, 2\\); expected 1 in one dimension"},
    {"c: no unit stride", [](Call& c) { c.c.strides = {2, 8}; },
     "gemm: c has strides \\(2, 8\\); expected 1 in one dimension"},
    {"c: lines that overlap", [](Call& c) { c.c.strides = {7, 1}; }, "gemm: c has shape .* must not overlap"},
    {"c: columns that overlap", [](Call& c) { c.c.strides = {1, 3}; }, "gemm: c has shape .* must not overlap"},
    {"bytes, alpha 2",
     [](Call& c) { c.a.dtype = c.b.dtype = DType::i8, c.c.dtype = DType::i32, c.options.alpha = 2; },
     "gemm: an integer product has alpha 2"},
    {"bytes, beta 0.5",
     [](Call& c) { c.a.dtype = c.b.dtype = DType::i8, c.c.dtype = DType::i32, c.options.beta = 0.5f; },
     "gemm: an integer product has alpha 1"},
};

TEST(GemmContract, MisusesAreRefused) {
  for (const Misuse& misuse : misuses) {
    SCOPED_TRACE(misuse.name);
    expect_refused(entries, misuse.change, std::string("invalid_argument: ") + misuse.pattern);
  }
}

}  // namespace
}  // namespace flashtile::test
