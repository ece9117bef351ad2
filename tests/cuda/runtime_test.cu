// The CUDA runtime under stress: memory that is not there, launches that cannot be, kernels that fail later,
// results that must not change from run to run, and offsets past 2^31 elements.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "flashtile/attention.h"
#include "flashtile/detail/cuda_calls.h"
#include "flashtile/device_memory.h"
#include "flashtile/error.h"
#include "flashtile/launch.h"

namespace flashtile {
namespace {

std::vector<half> random_halves(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<half> values(count);
  for (half& v : values) v = half(normal(random));
  return values;
}
Tensor on_gpu(const std::vector<half>& values, const Dims& shape) {
  return copy_to(packed_view(values.data(), DType::f16, shape), Device::cuda());
}
std::vector<half> bits_of(const TensorView& view) {
  const Tensor here = copy_to(view, Device::cpu());
  return {here.as<half>(), here.as<half>() + here.size()};
}
bool same_bits(const std::vector<half>& a, const std::vector<half>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(half)) == 0;
}

void expect_attention_works() {
  const Tensor q = on_gpu(random_halves(2 * 70 * 64, 1), {1, 2, 70, 64});
  const Tensor out = attention(q, q, q);
  for (const half x : bits_of(out)) ASSERT_EQ(static_cast<float>(x), static_cast<float>(x));
}

TEST(CudaMemory, RunningOutIsTypedAndLeavesTheLibraryUsable) {
  try {
    const Tensor huge(DType::u8, {std::int64_t{1} << 46}, Device::cuda());
    FAIL() << "64 TiB were given";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::out_of_memory);
    EXPECT_NE(std::string(e.what()).find("cudaMalloc"), std::string::npos) << e.what();
  }
  expect_attention_works();
}

/// Bytes of the device that nobody has.
std::size_t free_bytes() {
  std::size_t free = 0, all = 0;
  detail::check_cuda(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
  detail::check_cuda(cudaMemGetInfo(&free, &all), "cudaMemGetInfo");
  return free;
}
TEST(CudaMemory, WorkspacesComeFromAPoolOfTheLibrarysOwnAndGoBack) {
  cudaMemPool_t common;
  std::uint64_t threshold = 1, reserved = 0, before = 0;
  detail::check_cuda(cudaDeviceGetDefaultMemPool(&common, 0), "cudaDeviceGetDefaultMemPool");
  detail::check_cuda(cudaMemPoolGetAttribute(common, cudaMemPoolAttrReservedMemCurrent, &before), "attribute");
  constexpr std::int64_t kLength = 4096;  // whose scores take 64 MB
  const Tensor q = on_gpu(random_halves(kLength * 64, 1), {1, 1, kLength, 64});
  AttentionOptions options;
  options.way = "unfused";
  std::vector<half> expected;
  try {
    expected = bits_of(attention(q, q, q, options));
  } catch (const Error& e) {
    ASSERT_EQ(e.code(), ErrorCode::unsupported) << e.what();
    GTEST_SKIP() << e.what();
  }
  detail::check_cuda(cudaMemPoolGetAttribute(common, cudaMemPoolAttrReleaseThreshold, &threshold), "attribute");
  detail::check_cuda(cudaMemPoolGetAttribute(common, cudaMemPoolAttrReservedMemCurrent, &reserved),
                     "attribute");
  EXPECT_EQ(threshold, 0u) << "the default pool was changed";
  EXPECT_EQ(reserved, before) << "the default pool was used";

  const std::size_t kept = free_bytes();
  release_memory(Device::cuda());
  EXPECT_GE(free_bytes(), kept + (std::size_t{32} << 20)) << "nothing went back";
  EXPECT_TRUE(same_bits(expected, bits_of(attention(q, q, q, options))));
}

TEST(CudaMemory, AWorkspaceOfTheHostIsRefused) {
  int shared = 0;
  cudaDeviceGetAttribute(&shared, cudaDevAttrPageableMemoryAccess, 0);
  const Tensor q = on_gpu(random_halves(2 * 70 * 64, 1), {1, 2, 70, 64}),
               out(DType::f16, {1, 2, 70, 64}, Device::cuda());
  const Tensor host(DType::u8, {1 << 22}), device(DType::u8, {1 << 22}, Device::cuda());
  const auto message_with = [&](const Tensor& workspace) {
    try {
      attention_into({.out = out.view(), .workspace = {workspace.as<std::byte>(), 1 << 22}}, q, q, q,
                     {.way = "unfused"});
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string("no error");
  };
  if (shared == 0) {
    EXPECT_EQ(message_with(host),
              "attention: workspace is memory of the host, q is on cuda:0; they must match");
  }
  EXPECT_EQ(message_with(device), "no error");
  expect_attention_works();
}

struct TooMuchMemory {
  struct Params {
    float* out;
  };
  struct Threadgroup {
    float memory[100000];
  };
  static constexpr int kSimdgroups = 1;
  static FT_FUNCTION void run(const Params& p, Threadgroup& memory, GridPosition) {
    p.out[0] = memory.memory[0];
  }
};
TEST(CudaLaunch, ThatCannotBeIsRefusedAndLeavesTheLibraryUsable) {
  try {
    launch<TooMuchMemory>(Queue::cuda(), {1, 1, 1}, {nullptr});
    FAIL() << "launched";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::unsupported);
    EXPECT_NE(std::string(e.what()).find("threadgroup memory"), std::string::npos) << e.what();
  }
  expect_attention_works();
}

struct WritesNowhere {
  struct Params {
    float* out;
  };
  struct Threadgroup {};
  static constexpr int kSimdgroups = 1;
  static FT_FUNCTION void run(const Params& p, Threadgroup&, GridPosition) { p.out[0] = 1.0f; }
};
/// A failed kernel costs the process its CUDA context, so this runs in one of its own.
TEST(CudaLaunchDeathTest, ThatFailsLaterIsReportedByTheNextSynchronise) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        const Queue queue = Queue::cuda();
        launch<WritesNowhere>(queue, {1, 1, 1}, {reinterpret_cast<float*>(64)});
        try {
          queue.synchronize();
        } catch (const Error& e) {
          std::fprintf(stderr, "%s: %s\n", name(e.code()), e.what());
          std::_Exit(7);
        }
        std::_Exit(0);
      },
      testing::ExitedWithCode(7), "device_failure: cudaStreamSynchronize, for work queued earlier: .*illegal");
}

/// A kernel of one simdgroup that asks for a tile of four.
struct WrongScope {
  struct Params {
    float* out;
  };
  struct Threadgroup {};
  static constexpr int kSimdgroups = 1;
  static FT_FUNCTION void run(const Params& p, Threadgroup&, GridPosition) {
    using namespace primitives;
    auto tile = make_tile<float, 64, 16, execution_simdgroups<4>>();
    store(tile, tensor<float, dextents<int, 2>, tensor_inline>(p.out, dextents<int, 2>(16, 64)));
  }
};
TEST(CudaLaunchDeathTest, WithAScopeThatIsNotTheThreadgroupTraps) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        const Tensor out(DType::f32, {64, 16}, Device::cuda());
        const Queue queue = Queue::cuda();
        launch<WrongScope>(queue, {1, 1, 1}, {out.as<float>()});
        try {
          queue.synchronize();
        } catch (const Error& e) {
          std::fprintf(stderr, "%s: %s\n", name(e.code()), e.what());
          std::_Exit(7);
        }
        std::_Exit(0);
      },
      testing::ExitedWithCode(7), "device_failure: cudaStreamSynchronize, for work queued earlier");
}

/// False where a way cannot run here at all, such as flash.sm90 on another GPU.
bool can(const char* way, const Tensor& q) {
  try {
    attention(q, q, q, {.way = way});
    return true;
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::unsupported) << e.what();
    return false;
  }
}

/// 100 causal calls by each way that can.
void expect_same_bits(const Tensor& q, const Tensor& k, const Tensor& v) {
  for (const char* way : {"flash.sm90", "tensor_ops", "simdgroup", "unfused", "vendor.cudnn"}) {
    if (!can(way, q)) continue;
    AttentionOptions options;
    options.way = way;
    options.mask.causal = CausalCorner::bottom_right;
    std::vector<half> first;
    for (int run = 0; run < 100; ++run) {
      std::vector<half> now;
      try {
        now = bits_of(attention(q, k, v, options));
      } catch (const Error& e) {
        ASSERT_EQ(e.code(), ErrorCode::unsupported) << e.what();
        break;
      }
      if (run == 0) first = now;
      ASSERT_TRUE(same_bits(first, now)) << way << ", run " << run;
    }
  }
}
TEST(CudaWays, GiveTheSameBitsEachTime) {
  expect_same_bits(on_gpu(random_halves(2 * 4 * 300 * 128, 1), {2, 4, 300, 128}),
                   on_gpu(random_halves(2 * 2 * 333 * 128, 2), {2, 2, 333, 128}),
                   on_gpu(random_halves(2 * 2 * 333 * 128, 3), {2, 2, 333, 128}));
}
/// More tiles than multiprocessors: who takes which is then a matter of chance.
TEST(CudaWays, GiveTheSameBitsWhoeverTakesATile) {
  expect_same_bits(on_gpu(random_halves(4 * 16 * 700 * 64, 1), {4, 16, 700, 64}),
                   on_gpu(random_halves(4 * 8 * 700 * 64, 2), {4, 8, 700, 64}),
                   on_gpu(random_halves(4 * 8 * 700 * 64, 3), {4, 8, 700, 64}));
}

/// A causal call whose hidden values are NaN: the first query of each head sees one key alone, and the last value is
/// NaN for all queries but the last.
TEST(CudaWays, HiddenNaNsDoNotReachTheResult) {
  constexpr int kLength = 700, kDim = 64;
  const std::vector<half> values = random_halves(16 * kLength * kDim, 1);
  std::vector<half> poisoned = values;
  for (int head = 0; head < 16; ++head) {
    half* last = poisoned.data() + (head * kLength + kLength - 1) * kDim;
    std::fill_n(last, kDim, half(std::numeric_limits<float>::quiet_NaN()));
  }
  const Dims shape{1, 16, kLength, kDim};
  const Tensor clean = on_gpu(values, shape), nan = on_gpu(poisoned, shape);
  for (const char* way : {"flash.sm90", "tensor_ops", "simdgroup", "unfused"}) {
    if (!can(way, clean)) continue;
    AttentionOptions options;
    options.way = way;
    options.mask.causal = CausalCorner::top_left;
    const std::vector<half> expected = bits_of(attention(clean, clean, clean, options)),
                            found = bits_of(attention(clean, clean, nan, options));
    for (int row = 0; row < 16 * kLength; ++row) {
      const bool sees_nan = row % kLength == kLength - 1;
      for (int d = 0; d < kDim; ++d) {
        const float x = static_cast<float>(found[row * kDim + d]),
                    y = static_cast<float>(expected[row * kDim + d]);
        if (sees_nan)
          ASSERT_NE(x, x) << way << ", row " << row;
        else
          ASSERT_NEAR(x, y, 0.01f * (1.0f + std::fabs(y))) << way << ", row " << row;
      }
    }
  }
}

/// The second batch lies 2^31 + 64 elements behind the first; only the two ends of the memory are touched.
TEST(CudaWays, ReachPastTwoToTheThirtyOneElements) {
  constexpr std::int64_t kFar = (std::int64_t{1} << 31) + 64, kHead = 100 * 64;
  const std::vector<half> values = random_halves(2 * kHead, 1);
  const Tensor near = on_gpu(values, {2, 1, 100, 64});
  const Tensor memory(DType::f16, {kFar + 2 * kHead}, Device::cuda());
  const auto spread = [&](std::int64_t offset) {
    TensorView view = near.view();
    view.data = memory.as<half>() + offset;
    view.strides[0] = kFar;
    return view;
  };
  const TensorView in = spread(0), out = spread(kHead);
  for (int batch = 0; batch < 2; ++batch) {
    detail::check_cuda(cudaMemcpy(static_cast<half*>(in.data) + batch * kFar, values.data() + batch * kHead,
                                  kHead * sizeof(half), cudaMemcpyHostToDevice),
                       "cudaMemcpy");
  }
  for (const char* way : {"flash.sm90", "tensor_ops", "simdgroup", "unfused"}) {
    if (!can(way, near)) continue;
    AttentionOptions options;
    options.way = way;
    const std::vector<half> expected = bits_of(attention(near, near, near, options));
    attention_into({.out = out}, in, in, in, options);
    Queue::default_for(Device::cuda()).synchronize();
    std::vector<half> found(2 * kHead);
    for (int batch = 0; batch < 2; ++batch) {
      detail::check_cuda(cudaMemcpy(found.data() + batch * kHead, static_cast<half*>(out.data) + batch * kFar,
                                    kHead * sizeof(half), cudaMemcpyDeviceToHost),
                         "cudaMemcpy");
    }
    EXPECT_TRUE(same_bits(expected, found)) << way;
  }
}

}  // namespace
}  // namespace flashtile
