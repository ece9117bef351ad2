// What C++ cannot express: kernels written as third parties write them run unmodified.
#include <gmock/gmock.h>

#include <cmath>
#include <cstring>

#include "flashtile/dtype.h"
#include "tests/metal_emulator/run_kernel.h"

namespace flashtile::metal_emulator {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Module& module() {
  static Module instance = Module::from_file("tests/metal_emulator/constructs.metal",
                                             {.include_directories = {"tests/metal_emulator/include"}});
  return instance;
}

TEST(Constructs, TakeFunctionConstantsGatesAndStructs) {
  struct {
    std::int32_t rows = 3;
    float values[2] = {0.25f, 0.5f}, color[3] = {1, 2, 4};
    std::uint16_t ba[2] = {7, 8};
  } params;
  std::vector<std::byte> params_bytes(sizeof params);
  std::memcpy(params_bytes.data(), &params, sizeof params);
  std::vector<float> out(4, -1.0f), bias{100, 200, 300, 400};
  std::vector<std::int32_t> shape{0, 16};
  Launch launch{.kernel = "constants_and_gates",
                .buffers = {{0, bytes_of(out)}, {2, bytes_of(shape)}, {3, params_bytes}},
                .constants = {{20, "false"}, {21, "5"}},
                .threads = {4}};
  const LaunchReport report = module().run(launch);
  EXPECT_THAT(report.notes, ElementsAre("function constant 22 (scale) has no value and counts as 0",
                                        "function constant 23 (optional) has no value and counts as 0"));
  const float rest = 1000 * (0.5f + 2 + 7 + 3) + 13;
  EXPECT_THAT(out, ElementsAre(27.75f + rest + 16, -1, 29.75f + rest + 16, 27.75f + rest + 16));

  // The same module, with other constants; now the gated buffer is needed.
  launch.constants = {{20, "true"}, {21, "-1"}, {22, "0.5"}, {23, "0"}};
  EXPECT_THROW(module().run(launch), Error);
  launch.buffers[1] = bytes_of(bias);
  module().run(launch);
  EXPECT_THAT(out, ElementsAre(15.75f + 100 + rest + 8 + 1e6f, -1, 17.75f + 300 + rest + 8 + 1e6f,
                               15.75f + 400 + rest + 8 + 1e6f));
}

TEST(Constructs, TakeVectorsWithSwizzles) {
  std::vector<float> b{1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, c(4), d{1, 2, 3, 0, 0, 0, 0, 0, 0};
  std::vector<std::int32_t> e(5);
  module().run({.kernel = "swizzles",
                .buffers = {{0, bytes_of(b)}, {1, bytes_of(c)}, {2, bytes_of(d)}, {3, bytes_of(e)}}});
  EXPECT_THAT(b, ElementsAre(1, 2, 3, 4, 4, 3, 4, 9, 8, 7, 0, 0, 4, 3, 4, 11));
  EXPECT_THAT(c, ElementsAre(2, 8, 2, 2));
  EXPECT_THAT(d, ElementsAre(1, 2, 3, 6, 7, 10, 3, 0, 0));
  EXPECT_THAT(e, ElementsAre(16 + 100 * 12 + 10000 * 8, 8743, 211, 156, 4321));
}

TEST(Constructs, RoundSixteenBitTypesAfterEveryOperation) {
  std::vector<half> h{half(0.0f), half(0.0f), half(0.0f), half(1.0009765625f)};
  std::vector<bfloat> b(2);
  std::vector<float> f(4);
  module().run({.kernel = "rounding", .buffers = {{0, bytes_of(h)}, {1, bytes_of(b)}, {2, bytes_of(f)}}});
  EXPECT_EQ(static_cast<float>(h[0]), 1.0f);
  EXPECT_EQ(static_cast<float>(h[1]), HUGE_VALF);
  EXPECT_EQ(static_cast<float>(h[2]), 0.001953125f);
  EXPECT_EQ(b[0].bits, 0x3f80);
  EXPECT_EQ(b[1].bits, 0x4049);
  EXPECT_THAT(f, ElementsAre(0.1f + 0.2f, 1.0f, 3.14159274f + 65504.0f + 2147483647.0f, 12.75f));
}

/// Softmax of rows of `size`, each within `tolerance` of the exact one.
template <class T>
void expect_softmax(const std::string& kernel, int size, std::uint32_t threads, double tolerance) {
  const std::size_t rows = 3, columns = static_cast<std::size_t>(size);
  std::vector<T> in, out(rows * columns);
  for (std::size_t i = 0; i < rows * columns; ++i)
    in.push_back(T(static_cast<float>(i * 7919 % 1009) / 100.0f));
  std::vector<std::int32_t> axis{size};
  module().run({.kernel = kernel,
                .buffers = {{0, bytes_of(in)}, {1, bytes_of(out)}, {2, bytes_of(axis)}},
                .threads = {threads},
                .threadgroups = {rows}});
  for (std::size_t row = 0; row < rows; ++row) {
    double sum = 0;
    for (std::size_t i = 0; i < columns; ++i)
      sum += std::exp(static_cast<double>(static_cast<float>(in[row * columns + i])));
    for (std::size_t i = 0; i < columns; ++i) {
      const double exact = std::exp(static_cast<double>(static_cast<float>(in[row * columns + i]))) / sum;
      ASSERT_NEAR(static_cast<double>(static_cast<float>(out[row * columns + i])), exact,
                  tolerance * exact + 1e-7);
    }
  }
}

TEST(Constructs, InstantiateTemplatesUnderHostNames) {
  EXPECT_THAT(module().kernels(), testing::IsSupersetOf({"softmax_float32", "softmax_float16",
                                                         "softmax_of_eight", "in_a_namespace", "swizzles"}));
  expect_softmax<float>("softmax_float32", 4100, 1024, 1e-5);
  expect_softmax<float>("softmax_of_eight", 333, 64, 1e-5);
  expect_softmax<half>("softmax_float16", 500, 96, 0x1p-10);
}

TEST(Constructs, ReinterpretTheElementsOfAMatrix) {
  std::vector<float> in(64), out(32);
  for (std::size_t i = 0; i < 64; ++i) in[i] = static_cast<float>(i);
  module().run(
      {.kernel = "fragment_rows", .buffers = {{0, bytes_of(in)}, {1, bytes_of(out)}}, .threads = {32}});
  for (std::size_t lane = 0; lane < 32; ++lane)
    ASSERT_EQ(out[lane], 64 * static_cast<float>((lane / 4 & 4) + lane / 2 % 4) + 28);
}

TEST(Constructs, FindKernelsInNamespaces) {
  std::vector<std::uint32_t> out(64);
  module().run({.kernel = "in_a_namespace", .buffers = {{0, bytes_of(out)}}, .threads = {64}});
  for (std::size_t i = 0; i < 64; ++i) ASSERT_EQ(out[i], i % 32);
}

/// What compiling or launching `text` says.
std::string message_of(const std::string& text, const Launch& launch = {}) {
  try {
    Module::from_source(text).run(launch);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(Messages, NameThePlaceAndWhatToDo) {
  EXPECT_THAT(message_of("kernel void k(device float* b [[buffer(0)]]) { b[0] = nothing; }"),
              testing::AllOf(HasSubstr("source.metal:1:"), HasSubstr("nothing")));
  EXPECT_THAT(
      message_of("template <class T> T f(device T* p) { return *p; }\ntemplate <class T> T f(threadgroup T* p) "
                 "{ return p[1]; }\n"),
      HasSubstr(
          "source.metal:2: error: this differs from line 1 only by address space, and does something else"));
  EXPECT_THAT(message_of("kernel void k(uint t) {}"),
              HasSubstr("source.metal:1: error: parameter t has no attribute that says what it is"));
  EXPECT_THAT(message_of("namespace a { kernel void k() {} }\nnamespace b { kernel void k() {} }\n"),
              HasSubstr("source.metal:2: error: line 1 has a kernel called k too"));
  EXPECT_THAT(message_of("kernel void k() { int a[4] = {[0 ... 1] = 3, 4, 5}; }"),
              HasSubstr("source.metal:1: error: an initialiser that mixes ranges with other forms"));
  EXPECT_THAT(message_of("kernel void k(device float* b [[buffer(0)]]) { b[0] = 1; }}"),
              HasSubstr("has no bracket that it closes"));
}

TEST(Messages, OfLaunchesNameTheParameter) {
  const std::string text =
      "#include <metal_stdlib>\nusing namespace metal;\nkernel void k(device float* b [[buffer(0)]], constant "
      "int4& n [[buffer(1)]], threadgroup float* t [[threadgroup(0)]]) { b[0] = n.x; }\n";
  Module module = Module::from_source(text);
  std::vector<std::byte> few(8);
  const auto message = [&](const Launch& launch) -> std::string {
    try {
      module.run(launch);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
      return error.what();
    }
    return "";
  };
  EXPECT_THAT(message({.kernel = "other"}), HasSubstr("no kernel \"other\"; it has k"));
  EXPECT_THAT(message({.kernel = "k"}), HasSubstr("k: parameter b is buffer 0, which is not bound"));
  EXPECT_THAT(message({.kernel = "k", .buffers = {{0, few}, {1, few}}}),
              HasSubstr("parameter n needs 16 bytes; buffer 1 has 8"));
  std::vector<std::byte> enough(16);
  EXPECT_THAT(message({.kernel = "k", .buffers = {{0, few}, {1, enough}}}),
              HasSubstr("parameter t is threadgroup memory 0, whose length was not given"));
  EXPECT_THAT(message({.kernel = "k", .threads = {1025}}),
              HasSubstr("1025 threads a threadgroup; it takes 1 to 1024"));
  EXPECT_THAT(message({.kernel = "k", .constants = {{3, "many"}}}),
              HasSubstr("function constant 3 is \"many\"; give true, false or a number, or for a vector "
                        "numbers with commas"));
}

/// A kernel with one matmul2d of a descriptor and scope, and tensors of `index`.
std::string matmul_message(const std::string& descriptor, const std::string& scope,
                           const std::string& index = "int") {
  return message_of(
      "#include <metal_tensor>\nusing namespace metal;\nusing namespace mpp::tensor_ops;\n"
      "kernel void k(device half* a [[buffer(0)]], device float* c [[buffer(1)]]) {\n"
      "  tensor<device half, dextents<" +
      index + ", 2>, tensor_inline> A(a, dextents<" + index +
      ", 2>(64, 64));\n"
      "  tensor<device float, dextents<" +
      index + ", 2>, tensor_inline> C(c, dextents<" + index +
      ", 2>(64, 64));\n"
      "  constexpr matmul2d_descriptor d(" +
      descriptor + ");\n  matmul2d<d, " + scope + "> op;\n  op.run(A, A, C);\n}\n");
}

TEST(Messages, RefuseWhatApplesHeadersRefuse) {
  EXPECT_THAT(matmul_message("12, 16", "execution_simdgroup"),
              HasSubstr("m and n must be multiples of 8, and one of them of 16"));
  EXPECT_THAT(matmul_message("8, 24", "execution_simdgroup"),
              HasSubstr("m and n must be multiples of 8, and one of them of 16"));
  EXPECT_THAT(matmul_message("16, 16, 24", "execution_simdgroup"),
              HasSubstr("a static k must be a multiple of 16"));
  EXPECT_THAT(matmul_message("16, 16", "execution_simdgroup", "long"),
              HasSubstr("matmul2d needs tensors whose index type is int"));
  EXPECT_THAT(
      message_of("#include <metal_tensor>\nusing namespace metal;\nusing namespace mpp::tensor_ops;\nkernel "
                 "void k() {\n"
                 "  constexpr matmul2d_descriptor d(32, 64, 32);\n  matmul2d<d, execution_simdgroup> op;\n"
                 "  auto a = op.get_left_input_cooperative_tensor<half, half, float>();\n"
                 "  auto b = op.get_right_input_cooperative_tensor<half, half, float>();\n"
                 "  auto c = op.get_destination_cooperative_tensor<decltype(a), decltype(b), float>();\n  "
                 "op.run(a, b, c);\n}\n"),
      HasSubstr("m, n and k are 16 or 32, and one of them is 32"));
  EXPECT_THAT(
      message_of(
          "#include <metal_tensor>\nusing namespace metal;\nkernel void k(device half* a [[buffer(0)]]) {\n"
          "  tensor<device half, dextents<int, 2>> t(a, dextents<int, 2>(4, 4));\n}\n"),
      HasSubstr("build a tensor_inline over a buffer's pointer"));
  EXPECT_THAT(message_of("kernel void k() { metal::simdgroup_matrix<int, 8, 8> m; }"),
              HasSubstr("a simdgroup_matrix holds half, bfloat or float"));
}

TEST(Messages, SayWhenRegionsAreTooDeep) {
  Module module = Module::from_source(
      "#include <metal_stdlib>\nusing namespace metal;\n"
      "float deep(float x, int n) { if (n > 0) return deep(simd_sum(x), n - 1); return x; }\n"
      "kernel void k(device float* b [[buffer(0)]]) { b[0] = deep(1, 100); }\n");
  std::vector<float> b(1);
  EXPECT_EQ(violated(module, {.kernel = "k", .buffers = {{0, bytes_of(b)}}}), "region.too_deep");
}

TEST(Messages, SayWhatTheCompilerLacks) {
  try {
    Module::from_source("", {.compiler = "no-such-compiler"});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::unsupported);
    EXPECT_THAT(error.what(), HasSubstr("no-such-compiler cannot be started; install it, or set CXX"));
  }
  EXPECT_THROW(Module::from_file("no/such.metal"), Error);
}

}  // namespace
}  // namespace flashtile::metal_emulator
