// Environment variables are read once a process, so each of these tests looks at a child's.
#include "src/backends/cpu/isa.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "flashtile/device.h"
#include "flashtile/error.h"

namespace flashtile {
namespace {

using backend::Isa;

/// Runs `body` in a child whose environment has NAME=value; the child prints what body returns.
#define EXPECT_IN_CHILD(name, value, body, expected)  \
  EXPECT_EXIT(                                        \
      {                                               \
        setenv(name, value, 1);                       \
        std::fprintf(stderr, "%s", (body)().c_str()); \
        std::_Exit(0);                                \
      },                                              \
      ::testing::ExitedWithCode(0), expected)

std::string message_of(void (*call)()) {
  try {
    call();
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

class Environment : public ::testing::Test {
 protected:
  /// The child starts anew. An emulated program cannot be started so; its child goes on from here, where
  /// nothing has been read from the environment yet, since tests of this name run first.
  void SetUp() override {
    const bool emulated = std::getenv("FLASHTILE_TEST_EMULATOR") != nullptr;
    ::testing::FLAGS_gtest_death_test_style = emulated ? "fast" : "threadsafe";
  }
};

TEST(Isa, NamesAreInAscendingOrder) {
  EXPECT_EQ(backend::name(Isa::scalar), "scalar");
  EXPECT_EQ(backend::name(Isa::amx), "amx");
  EXPECT_LT(Isa::avx2, Isa::avx512);
  EXPECT_LT(Isa::avx512, Isa::avx512_bf16);
}

TEST(Isa, TheTargetOfKernelsIsTheCpusSetOrTheDevice) {
  EXPECT_EQ(backend::kernel_target(Device::cpu(), DType::f32), backend::name(backend::kernel_isa()));
  EXPECT_EQ(backend::kernel_target(Device::cpu(), DType::bf16),
            backend::name(backend::kernel_isa(DType::bf16)));
  EXPECT_EQ(backend::kernel_target(Device::cuda(1), DType::f32), name(Device::cuda(1)));
}

TEST(Isa, KernelsUseWhatTheProcessorHas) {
  EXPECT_LE(backend::best_isa(), backend::hardware_isa());
  EXPECT_LE(backend::kernel_isa(), backend::best_isa());
#if defined(__x86_64__)
  EXPECT_EQ(backend::hardware_isa() >= Isa::avx2,
            __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"));
  EXPECT_EQ(backend::hardware_isa() >= Isa::avx512,
            __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"));
#endif
}

using EnvironmentDeathTest = Environment;

TEST_F(EnvironmentDeathTest, MaxIsaCaps) {
  EXPECT_IN_CHILD(
      "FLASHTILE_MAX_ISA", "scalar", [] { return std::string(backend::name(backend::best_isa())); },
      "^scalar$");
}

TEST_F(EnvironmentDeathTest, BfloatsAreMultipliedAsFloatsWhereThatIsFasterUnlessAskedFor) {
#if defined(__x86_64__)
  const bool slow = __builtin_cpu_is("intel");
#else
  const bool slow = false;
#endif
  const Isa hardware = backend::hardware_isa(), vectors = std::min(hardware, Isa::avx512_bf16);
  const Isa expected = slow && vectors == Isa::avx512_bf16 ? Isa::avx512 : vectors;
  const auto names = [] {
    std::string text(backend::name(backend::best_isa(DType::bf16)));
    for (const DType dtype : {DType::bf16, DType::f32, DType::i8})
      text.append(" ").append(backend::name(backend::kernel_isa(dtype)));
    return text;
  };
  const std::string vector_name(backend::name(vectors));
  const std::string best(backend::name(hardware == Isa::amx ? hardware : expected)),
      kernel(backend::name(expected));
  EXPECT_IN_CHILD("FLASHTILE_MAX_ISA", "", names,
                  "^" + best + " " + kernel + " " + vector_name + " " + vector_name + "$");
  EXPECT_IN_CHILD("FLASHTILE_MAX_ISA", "avx512_bf16", names,
                  "^" + vector_name + " " + vector_name + " " + vector_name + " " + vector_name + "$");
}

/// The best that FLASHTILE_MAX_ISA=amx may give: more than the processor's where the build emulates it.
Isa most() {
#if defined(FLASHTILE_EMULATE_AMX)
  if (backend::hardware_isa() == Isa::avx512_bf16) return Isa::amx;
#endif
  return backend::hardware_isa();
}

TEST_F(EnvironmentDeathTest, MaxIsaAboveTheProcessorIsTheProcessors) {
  EXPECT_IN_CHILD(
      "FLASHTILE_MAX_ISA", "amx", [] { return std::string(backend::best_isa() == most() ? "same" : "other"); },
      "^same$");
}

TEST_F(EnvironmentDeathTest, AnUnknownMaxIsaIsAnErrorThatListsTheNames) {
  EXPECT_IN_CHILD(
      "FLASHTILE_MAX_ISA", "sse9", [] { return message_of([] { backend::best_isa(); }); },
      "FLASHTILE_MAX_ISA is \"sse9\"; expected scalar, neon, avx2, avx512, avx512_bf16 or amx");
  EXPECT_IN_CHILD(
      "FLASHTILE_MAX_ISA", "sse9", [] { return backends()[0].unavailable_reason; },
      "FLASHTILE_MAX_ISA is \"sse9\"");
}

TEST_F(EnvironmentDeathTest, ThreadsSetsTheDefault) {
  EXPECT_IN_CHILD("FLASHTILE_THREADS", "3", [] { return std::to_string(Queue::cpu().threads()); }, "^3$");
  EXPECT_IN_CHILD(
      "FLASHTILE_THREADS", "3", [] { return std::to_string(Queue::cpu({.threads = 2}).threads()); }, "^2$");
}

TEST_F(EnvironmentDeathTest, WrongThreadsAreAnError) {
  for (const char* wrong : {"0", "-1", "two", "2x", "99999999999"}) {
    EXPECT_IN_CHILD(
        "FLASHTILE_THREADS", wrong, [] { return message_of([] { Queue::cpu(); }); },
        "FLASHTILE_THREADS is \".*\"; expected a whole number, 1 ... 65536");
  }
}

}  // namespace
}  // namespace flashtile
