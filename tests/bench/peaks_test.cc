#include "bench/peaks.h"

#include <gmock/gmock.h>

#include "bench/peaks_cpu.h"

namespace flashtile::bench {
namespace {

using testing::AnyOf;
using testing::HasSubstr;

TEST(Peaks, AreThoseOfTheQueuesThreads) {
  const Peaks peaks = measure_peaks(Queue::cpu({.threads = 1}), DType::f32);
  EXPECT_GT(peaks.flops, 1e8);
  EXPECT_GT(peaks.read_bytes, 1e7);
  EXPECT_THAT(peaks.arithmetic, HasSubstr("float32, 1 thread"));
}

#if defined(__x86_64__)
TEST(Peaks, ArithmeticFollowsTypeAndInstructionSet) {
  const auto arithmetic = [](DType dtype, const char* isa) {
    return best_register_loop(dtype, isa).arithmetic;
  };
  EXPECT_EQ(arithmetic(DType::f32, "scalar"), "128-bit multiply and add, float32");
  EXPECT_EQ(arithmetic(DType::f32, "avx2"), "AVX2 FMA, float32");
  EXPECT_EQ(arithmetic(DType::f32, "avx512_bf16"), "AVX-512 FMA, float32");
  EXPECT_EQ(arithmetic(DType::f32, "amx"), "AMX bf16, 6 products for one of float32");
  EXPECT_EQ(arithmetic(DType::f16, "avx512"), "AVX-512 FMA, float32");  // float16 sums would be another result
  EXPECT_EQ(arithmetic(DType::f16, "amx"), "AMX bf16, 4.5 products for one of float16");
  EXPECT_EQ(arithmetic(DType::bf16, "avx512"), "AVX-512 FMA, float32");
  EXPECT_EQ(arithmetic(DType::bf16, "avx512_bf16"), "AVX-512 bf16 dot");
  EXPECT_EQ(arithmetic(DType::bf16, "amx"), "AMX bf16");
  EXPECT_EQ(arithmetic(DType::i8, "scalar"), "128-bit multiply and add, float32");
  EXPECT_EQ(arithmetic(DType::i8, "avx2"), "AVX2 multiply-add of 16-bit integers");
  EXPECT_THAT(arithmetic(DType::u8, "avx512"),
              AnyOf("AVX-512 VNNI int8", "AVX2 multiply-add of 16-bit integers"));
  EXPECT_EQ(arithmetic(DType::int4, "amx"), "AMX int8");
  EXPECT_EQ(best_register_loop(DType::bf16, "amx").flops, 4.0 * 2 * 16 * 16 * 32);  // four tile products
}

TEST(Peaks, LoopsOfThisMachineRun) {
  for (const BackendInfo& backend : backends()) {
    for (const DeviceInfo& device : backend.devices) {
      if (device.device != Device::cpu()) continue;
      for (const DType dtype : {DType::f32, DType::f16, DType::bf16, DType::i8}) {
        best_register_loop(dtype, device.architecture).run(10);
      }
      alignas(64) const char lines[64 * 6] = {};
      for (const ReadLoop read : read_loops(device.architecture)) read(lines, 6);
    }
  }
}
#endif

}  // namespace
}  // namespace flashtile::bench
