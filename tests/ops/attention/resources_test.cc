// Memory and threads of a call: what it allocates, how much it takes, and that threads change no bit.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <limits>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include "flashtile/attention.h"
#include "flashtile/error.h"
#include "flashtile/gemm.h"
#include "tests/ops/attention/cases.h"

namespace {
std::atomic<bool> counting{false};
std::atomic<int> allocations{0};

void* counted(std::size_t bytes, std::size_t alignment) {
  if (counting.load(std::memory_order_relaxed)) allocations.fetch_add(1, std::memory_order_relaxed);
  void* memory = std::aligned_alloc(
      alignment, (bytes + alignment - 1) / alignment * alignment + (bytes == 0 ? alignment : 0));
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

/// Out of line, so that compilers do not take the pair of malloc and delete for a mistake.
[[gnu::noinline]] void released(void* memory) noexcept { std::free(memory); }
}  // namespace

// Every operator new of this program, so that a test can count them on all threads.
void* operator new(std::size_t bytes) { return counted(bytes, alignof(std::max_align_t)); }
void* operator new[](std::size_t bytes) { return counted(bytes, alignof(std::max_align_t)); }
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return counted(bytes, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t bytes, std::align_val_t alignment) {
  return counted(bytes, static_cast<std::size_t>(alignment));
}
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  try {
    return counted(bytes, alignof(std::max_align_t));
  } catch (...) {
    return nullptr;
  }
}
void* operator new(std::size_t bytes, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  try {
    return counted(bytes, static_cast<std::size_t>(alignment));
  } catch (...) {
    return nullptr;
  }
}
void operator delete(void* memory) noexcept { released(memory); }
void operator delete[](void* memory) noexcept { released(memory); }
void operator delete(void* memory, std::size_t) noexcept { released(memory); }
void operator delete[](void* memory, std::size_t) noexcept { released(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { released(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { released(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { released(memory); }
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept { released(memory); }

namespace flashtile::test {
namespace {

std::vector<std::string> our_cpu_ways() {
  std::vector<std::string> names;
  for (const WayInfo& way : attention_ways()) {
    if (way.built && way.name.find("vendor.") == std::string::npos &&
        way.name.find("sm90") == std::string::npos)
      names.push_back(way.name);
  }
  return names;
}

Tensor random_tensor(const Dims& shape, DType dtype, std::uint64_t seed) {
  Random random(seed);
  Tensor t(DType::f32, shape);
  for (std::int64_t n = 0; n < t.size(); ++n) t.as<float>()[n] = static_cast<float>(random.normal());
  return convert(t, dtype);
}

/// How often work allocates on any thread. Threads that drivers keep may allocate beside it,
/// so the least of a few tries.
int allocations_of(const std::function<void()>& work) {
  int fewest = std::numeric_limits<int>::max();
  for (int attempt = 0; attempt < 5; ++attempt) {
    allocations = 0;
    counting = true;
    work();
    counting = false;
    fewest = std::min(fewest, allocations.load());
  }
  return fewest;
}

std::byte* aligned(std::vector<std::byte>& memory) {
  return memory.data() + (64 - reinterpret_cast<std::uintptr_t>(memory.data()) % 64) % 64;
}

class Resources : public ::testing::TestWithParam<std::string> {};

TEST_P(Resources, AWarmCallWithAWorkspaceAllocatesNothing) {
  const Tensor mask(DType::u8, {200});
  std::memset(mask.data(), 1, mask.size_bytes());
  for (const DType dtype : {DType::f32, DType::bf16}) {
    for (const std::int64_t queries : {1, 150}) {
      const Tensor q = random_tensor({2, 4, queries, 64}, dtype, 1),
                   k = random_tensor({2, 2, 200, 64}, dtype, 2);
      const Tensor out(dtype, {2, 4, queries, 64}), lse(DType::f32, {2, 4, queries});
      for (const int threads : {1, 3}) {
        AttentionOptions options{.way = GetParam(), .queue = Queue::cpu({.threads = threads})};
        options.mask.causal = CausalCorner::bottom_right;
        options.mask.boolean = mask;
        AttentionOutputs outputs{.out = out.view(), .lse = lse.view()};
        const std::size_t needed = plan_attention_into(outputs, q, k, k, options).workspace_bytes;
        std::vector<std::byte> memory(needed + 64);
        outputs.workspace = {aligned(memory), needed};
        attention_into(outputs, q, k, k, options);
        // A thread gets its scratch when it first takes part, which is up to the scheduler; then it keeps it.
        const int found = allocations_of([&] {
          for (int call = 0; call < 10; ++call) attention_into(outputs, q, k, k, options);
        });
        EXPECT_LE(found, threads - 1) << name(dtype) << " " << queries << " queries, " << threads << " threads";
      }
    }
  }
}

TEST_P(Resources, NothingBehindTheWorkspaceIsWritten) {
  const Tensor q = random_tensor({1, 2, 70, 40}, DType::f32, 1),
               k = random_tensor({1, 2, 90, 40}, DType::f32, 2);
  const Tensor out(DType::f32, {1, 2, 70, 40});
  AttentionOutputs outputs{.out = out.view()};
  const AttentionOptions options{.way = GetParam()};
  const std::size_t needed = plan_attention_into(outputs, q, k, k, options).workspace_bytes;
  std::vector<std::byte> memory(needed + 64 + 256, std::byte{0x5a});
  outputs.workspace = {aligned(memory), needed};
  attention_into(outputs, q, k, k, options);
  for (const std::byte* at = aligned(memory) + needed; at < aligned(memory) + needed + 128; ++at)
    ASSERT_EQ(*at, std::byte{0x5a});
  const Tensor without = attention(q, k, k, options);  // the library's own workspace
  EXPECT_EQ(std::memcmp(without.data(), out.data(), out.size_bytes()), 0);
}

TEST_P(Resources, ThreadsAndRepetitionChangeNoBit) {
  for (const DType dtype : {DType::f32, DType::f16, DType::bf16}) {
    for (const std::int64_t queries : {1, 130}) {
      const Tensor q = random_tensor({1, 6, queries, 72}, dtype, 3),
                   k = random_tensor({1, 3, 300, 72}, dtype, 4);
      const Tensor first = attention(q, k, k, {.way = GetParam(), .queue = Queue::cpu({.threads = 1})});
      for (const int threads : {1, 2, 3, 7}) {
        for (int repeat = 0; repeat < 3; ++repeat) {
          const Tensor again =
              attention(q, k, k, {.way = GetParam(), .queue = Queue::cpu({.threads = threads})});
          ASSERT_EQ(std::memcmp(again.data(), first.data(), first.size_bytes()), 0)
              << name(dtype) << ", " << queries << " queries, " << threads << " threads";
        }
      }
    }
  }
}

TEST_P(Resources, CallsFromSeveralThreadsDoNotMeet) {
  constexpr int kCallers = 4;
  std::vector<Tensor> queries, expected;
  for (int t = 0; t < kCallers; ++t) {
    queries.push_back(random_tensor({1, 2, 40 + 10 * t, 32}, DType::f32, static_cast<std::uint64_t>(t)));
    expected.push_back(attention(queries.back(), queries.back(), queries.back(), {.way = GetParam()}));
  }
  std::atomic<int> wrong{0};
  std::vector<std::thread> callers;
  for (int t = 0; t < kCallers; ++t) {
    callers.emplace_back([&, t] {
      const Tensor& mine = queries[static_cast<std::size_t>(t)];
      for (int repeat = 0; repeat < 20; ++repeat) {
        const Tensor out = attention(mine, mine, mine, {.way = GetParam()});
        if (std::memcmp(out.data(), expected[static_cast<std::size_t>(t)].data(), out.size_bytes()) != 0)
          ++wrong;
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(wrong.load(), 0);
}

TEST_P(Resources, RunsOnTheCallersExecutor) {
  std::atomic<int> calls{0};
  const Executor executor = [&](std::int64_t count, const std::function<void(std::int64_t)>& body) {
    std::vector<std::thread> threads;
    for (std::int64_t i = 0; i < count; ++i) threads.emplace_back([&, i] { body(i); });
    for (std::thread& thread : threads) thread.join();
    ++calls;
  };
  const Tensor q = random_tensor({1, 4, 200, 64}, DType::f32, 5);
  const Tensor on_theirs =
      attention(q, q, q, {.way = GetParam(), .queue = Queue::cpu({.threads = 3, .executor = executor})});
  const Tensor on_ours = attention(q, q, q, {.way = GetParam()});
  EXPECT_GT(calls.load(), 0);
  EXPECT_EQ(std::memcmp(on_theirs.data(), on_ours.data(), on_ours.size_bytes()), 0);
}

std::string test_name(const ::testing::TestParamInfo<std::string>& info) {
  std::string text = info.param;
  std::replace(text.begin(), text.end(), '.', '_');
  return text;
}
INSTANTIATE_TEST_SUITE_P(Attention, Resources, ::testing::ValuesIn(our_cpu_ways()), test_name);

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;  // its shadow memory counts as ours
#else
constexpr bool kSanitized = false;
#endif

/// "VmHWM", "VmRSS": bytes.
std::size_t process_memory(const std::string& what) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind(what + ":", 0) == 0) return std::stoul(line.substr(what.size() + 1)) * 1024;
  }
  return 0;
}

TEST(AttentionMemory, FusedWaysNeverHoldTheScores) {
  if (kSanitized) GTEST_SKIP() << "memory cannot be measured under a sanitizer";
  const Tensor q = random_tensor({1, 1, 8192, 64}, DType::bf16, 1), out(DType::bf16, {1, 1, 8192, 64});
  const Tensor k = copy_to(q, Device::cpu()), v = copy_to(q, Device::cpu());
  std::memset(out.data(), 0, out.size_bytes());
  const Queue queue =
      Queue::cpu({.threads = 1});  // each further thread adds its stack and tiles, whatever the lengths
  const double inputs_and_output = 4.0 * static_cast<double>(q.size_bytes());
  const double scores = 8192.0 * 8192.0 * sizeof(float);
  for (const char* way : {"tensor_ops", "simdgroup", "flash.cpu"}) {
    const AttentionOptions options{.way = way, .queue = queue};
    // The first call of a way loads its code, hundreds of KiB that are no memory of the call. Few rows do it.
    TensorView few_rows = q.view(), their_out = out.view();
    few_rows.shape[2] = their_out.shape[2] = 256;
    attention_into({.out = their_out}, few_rows, k, v, options);
    std::ofstream("/proc/self/clear_refs") << "5";  // the peak starts anew
    const std::size_t before = process_memory("VmRSS");
    const auto workspace = static_cast<double>(plan_attention(q, k, v, options).workspace_bytes);
    EXPECT_LT(workspace, 0.05 * scores) << way;
    attention_into({.out = out.view()}, q, k, v, options);
    const std::size_t peak = process_memory("VmHWM");
    ASSERT_GT(before, 0u);
    EXPECT_LT(static_cast<double>(peak) - static_cast<double>(before), workspace + 0.2 * inputs_and_output)
        << way;
  }
}

TEST(GemmResources, AWarmProductAllocatesNothing) {
  const Tensor a = random_tensor({1, 1, 100, 100}, DType::bf16, 1), c(DType::f32, {100, 100});
  const TensorView matrix = packed_view(a.data(), DType::bf16, {100, 100});
  const GemmOptions options{.way = "tensor_ops", .queue = Queue::cpu({.threads = 1})};
  gemm(c, matrix, matrix, options);
  EXPECT_EQ(allocations_of([&] { gemm(c, matrix, matrix, options); }), 0);
}

}  // namespace
}  // namespace flashtile::test
