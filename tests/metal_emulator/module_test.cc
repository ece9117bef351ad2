// Modules: compiling kernel files and launching their kernels.
#include <gmock/gmock.h>

#include <numeric>

#include "src/metal_emulator/raw_array.h"
#include "tests/metal_emulator/run_kernel.h"

namespace flashtile::metal_emulator {
namespace {

TEST(Module, AddsVectors) {
  Module& module = module_of("vector_add");
  std::vector<float> a(1000), b(1000), c(1000);
  std::iota(a.begin(), a.end(), 0.0f);
  std::iota(b.begin(), b.end(), 0.5f);
  std::vector<std::uint32_t> n{1000};
  module.run({.kernel = "vector_add",
              .buffers = {{0, bytes_of(a)}, {1, bytes_of(b)}, {2, bytes_of(c)}, {3, bytes_of(n)}},
              .threads = {128},
              .threadgroups = {8}});
  for (std::size_t i = 0; i < c.size(); ++i) ASSERT_EQ(c[i], 2 * static_cast<float>(i) + 0.5f);
}

TEST(Module, KeepsThreadsAtBarriersUntilAllArrive) {
  Module& module = module_of("vector_add");
  std::vector<float> a(512);
  std::iota(a.begin(), a.end(), 0.0f);
  module.run({.kernel = "reverse", .buffers = {{0, bytes_of(a)}}, .threads = {256}, .threadgroups = {2}});
  for (int i = 0; i < 256; ++i) {
    ASSERT_EQ(a[static_cast<std::size_t>(i)], static_cast<float>(255 - i));
    ASSERT_EQ(a[static_cast<std::size_t>(256 + i)], static_cast<float>(511 - i));
  }
}

TEST(Module, InstancesNameTypesOfTheirOwnInlineNamespace) {
  const std::string text =
      "namespace a::inline b {\n"
      "inline namespace c {\n"
      "struct Own { float x; };\n"
      "template <class T> [[kernel]] void size(device int* out [[buffer(0)]]) { out[0] = sizeof(T); }\n"
      "template [[host_name(\"own\")]] [[kernel]] decltype(size<Own>) size<Own>;\n"
      "template [[host_name(\"short\")]] [[kernel]] decltype(size<short>) size<short>;\n"
      "}\n}\n";
  std::vector<int> out(1);
  Module all = Module::from_source(text);
  EXPECT_THAT(all.kernels(), testing::ElementsAre("own", "short"));
  all.run({.kernel = "own", .buffers = {{0, bytes_of(out)}}});
  EXPECT_EQ(out[0], 4);
  Module one = Module::from_source(text, {.instance = "short"});
  EXPECT_THAT(one.kernels(), testing::ElementsAre("short"));
  one.run({.kernel = "short", .buffers = {{0, bytes_of(out)}}});
  EXPECT_EQ(out[0], 2);
}

TEST(Module, PointersInsideBuffersReachResidentMemoryAlone) {
  Module module = Module::from_source(
      "struct Params { device float* data; int index; };\n"
      "kernel void follow(constant Params& p [[buffer(0)]]) { p.data[p.index] = 7.0f; }\n");
  struct Params {
    float* data;
    int index;
  };
  std::vector<float> data(4);
  std::vector<Params> params{{data.data(), 3}};
  Launch launch{.kernel = "follow", .buffers = {{0, bytes_of(params)}}, .resident = {bytes_of(data)}};
  EXPECT_EQ(violated(module, launch), "none");
  EXPECT_EQ(data[3], 7.0f);
  params[0].index = 4;
  EXPECT_EQ(violated(module, launch), "buffer.out_of_bounds");
  params[0].index = 3;
  launch.resident = {};
  EXPECT_EQ(violated(module, launch), "pointer.invalid");
}

TEST(RawArrays, KnowTheirExtentsInnermostFirst) {
  using Extents = std::vector<std::int64_t>;
  RawArray array = zeros("float32,3,5");
  EXPECT_EQ(extents_of(array), (Extents{5, 3}));
  array.header.replace(array.header.find("False"), 5, "True");
  EXPECT_EQ(extents_of(array), (Extents{3, 5}));
  EXPECT_EQ(extents_of(zeros("float32,7")), (Extents{7}));
  EXPECT_EQ(extents_of(zeros("float32")), Extents{});
  EXPECT_EQ(extents_of(RawArray{}), Extents{});
}

}  // namespace
}  // namespace flashtile::metal_emulator
