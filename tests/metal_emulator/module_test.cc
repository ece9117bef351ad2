// Modules: compiling kernel files and launching their kernels.
#include <gmock/gmock.h>

#include <numeric>

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

}  // namespace
}  // namespace flashtile::metal_emulator
