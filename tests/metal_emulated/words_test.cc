// The words of tests/primitives/words_kernel.h as Metal source, in the emulator, under every layout of cooperative tensors.
#include "src/backends/metal/launch.h"
#include "tests/primitives/words_check.h"

namespace flashtile::test {
namespace {

const metal::Family kWords = {"words",
#include "words.metal.inc"
                              , 400};

TEST(MetalWords, MeanTheSameAsOnEveryBackend) {
  constexpr const char* kNames[] = {"linear", "softmax", "matrices", "inputs", "thread", "results"};
  for (int layout = 0; layout < 4; ++layout) {
    const Device device{DeviceType::metal_emulated, layout};
    check_words(device, [&](Words words, const WordParams& params) {
      metal::launch(Queue::default_for(device), kWords, kNames[static_cast<int>(words)], Grid{},
                    std::as_bytes(std::span(&params, 1)));
    });
  }
}

TEST(MetalMatrixMap, IsAskedOfTheGpu) {
  float transposed[64];
  for (int i = 0; i < 64; ++i) transposed[i] = static_cast<float>(i % 8 * 8 + i / 8);
  for (int layout = 0; layout < 4; ++layout) {
    const Queue queue = Queue::default_for({DeviceType::metal_emulated, layout});
    EXPECT_TRUE(metal::matrix_map_is_known(queue));
    EXPECT_FALSE(metal::matrix_map_holds(queue, transposed));
  }
}

}  // namespace
}  // namespace flashtile::test
