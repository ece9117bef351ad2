// The thread that calls: its floating-point environment, and how little stack it may have. Each case in a
// process of its own.
#include <gtest/gtest.h>
#include <pthread.h>

#include <atomic>
#include <cfenv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "flashtile/attention.h"
#include "flashtile/gemm.h"
#include "tests/contract/outcome.h"
#include "tests/contract/ways.h"

namespace flashtile::test {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::size_t kLittleStack = std::size_t{512} << 10;  // their frames are several times as large
#else
constexpr std::size_t kLittleStack = std::size_t{128} << 10;
#endif

Tensor numbers(DType dtype, const Dims& shape) {
  const Tensor t(DType::f32, shape);
  for (std::int64_t i = 0; i < t.size(); ++i) t.as<float>()[i] = static_cast<float>(i * 7 % 31 - 15) / 16.0f;
  return convert(t, dtype);
}

/// Calls of every kind: each way, type and head size, with rows that have no keys, and lse; products of every
/// way and type. Returns the bits of all results.
std::string everything(const Queue& queue) {
  std::string bits;
  const auto take = [&](const Tensor& t) { bits.append(static_cast<const char*>(t.data()), t.size_bytes()); };
  for (const DType dtype : {DType::f32, DType::f16, DType::bf16}) {
    for (const std::int64_t head_dim : {8, 64, 256}) {
      const Tensor q = numbers(dtype, {1, 2, 90, head_dim}), kv = numbers(dtype, {1, 1, 70, head_dim});
      for (const std::string& way : our_ways_on_cpus()) {
        const Tensor out(dtype, {1, 2, 90, head_dim}), lse(DType::f32, {1, 2, 90});
        AttentionOptions options{.way = way, .queue = queue};
        options.mask.causal = CausalCorner::bottom_right;  // the first 20 queries see nothing
        attention_into({.out = out.view(), .lse = lse.view()}, q, kv, kv, options);
        take(out);
        take(lse);
      }
    }
    const Tensor a = numbers(dtype, {70, 300}), b = numbers(dtype, {300, 150});
    for (const WayInfo& way : gemm_ways()) {
      const Tensor c(DType::f32, {70, 150});
      std::memset(c.data(), 0, c.size_bytes());
      if ((is_ours_on_cpus(way) || way.name == "vendor.cblas") &&
          try_gemm(c, a, b, {.way = way.name, .queue = queue}))
        take(c);
    }
  }
  return bits;
}

std::string compared(const std::string& found, const std::string& expected) {
  if (expected.size() < 100000) return "too few results";
  return found == expected ? "same" : "different";
}

/// Runs f() on a thread with so much stack.
template <class F>
void on_thread_with(std::size_t stack_bytes, F f) {
  pthread_attr_t attributes;
  pthread_t thread;
  pthread_attr_init(&attributes);
  if (pthread_attr_setstacksize(&attributes, stack_bytes) != 0) throw std::runtime_error("no such stack");
  const auto run = [](void* function) -> void* {
    (*static_cast<F*>(function))();
    return nullptr;
  };
  if (pthread_create(&thread, &attributes, run, &f) != 0) throw std::runtime_error("no thread");
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
}

TEST(ThreadContract, LittleStackIsEnough) {
  for (const int threads : {1, 3}) {
    EXPECT_EQ(in_child([&] {
                const Queue queue = Queue::cpu({.threads = threads});
                const std::string expected = everything(queue);
                std::string found;
                on_thread_with(kLittleStack, [&] { found = everything(queue); });
                return compared(found, expected);
              }),
              "same")
        << threads << " threads";
  }
  EXPECT_EQ(in_child([&] {
              const std::string expected = everything(Queue::cpu());
              const Executor executor = [](std::int64_t count, const std::function<void(std::int64_t)>& body) {
                for (std::int64_t i = 0; i < count; ++i) on_thread_with(kLittleStack, [&] { body(i); });
              };
              return compared(everything(Queue::cpu({.threads = 2, .executor = executor})), expected);
            }),
            "same")
      << "a caller's own threads";
}

// ---- the floating-point environment ----

struct Setting {
  const char* name;
  void (*set)();
};

#if defined(__x86_64__)
unsigned control() { return __builtin_ia32_stmxcsr(); }
#else
unsigned control() { return static_cast<unsigned>(std::fegetround()); }
#endif

const std::vector<Setting> settings = {
    {"rounding up", [] { std::fesetround(FE_UPWARD); }},
    {"rounding down", [] { std::fesetround(FE_DOWNWARD); }},
    {"rounding to zero", [] { std::fesetround(FE_TOWARDZERO); }},
    {"flags", [] { std::feraiseexcept(FE_ALL_EXCEPT); }},
#if defined(__x86_64__)
    {"flush to zero, denormals are zero", [] { __builtin_ia32_ldmxcsr(0x1f80 | 0x8040); }},
    {"all of it", [] { __builtin_ia32_ldmxcsr(0x8040 | 0x6000); }},  // traps, too
#if defined(__GLIBC__)
    {"traps of division and invalid", [] { feenableexcept(FE_DIVBYZERO | FE_INVALID | FE_OVERFLOW); }},
    {"every trap", [] { feenableexcept(FE_ALL_EXCEPT); }},
#endif
#endif
};

TEST(ThreadContract, TheFloatingPointEnvironmentChangesNothingAndStays) {
  for (const Setting& setting : settings) {
    EXPECT_EQ(in_child([&] {
                const std::string expected = everything(Queue::cpu());
                const Queue queue = Queue::cpu({.threads = 3});
                Tensor sample(DType::f32, {3});
                for (int i = 0; i < 3; ++i) sample.as<float>()[i] = 0x1p-149f * static_cast<float>(i) + 0.1f;
                const Tensor converted = convert(sample, DType::f16);
                setting.set();
                const unsigned before = control();
                const std::string found = everything(queue);
                const Tensor again = convert(sample, DType::f16);
                const unsigned after = control();
                std::fesetenv(FE_DFL_ENV);
                const bool same = std::memcmp(again.data(), converted.data(), converted.size_bytes()) == 0;
                return compared(found, expected) + (same ? "" : ", convert not") +
                       (before == after ? "" : ", not restored");
              }),
              "same")
        << setting.name;
  }
}

TEST(ThreadContract, SoItIsOnACallersOwnThreads) {
  for (const Setting& setting : settings) {
    EXPECT_EQ(in_child([&] {
                const std::string expected = everything(Queue::cpu());
                static std::atomic<int> changed{0};
                static const Setting* theirs;
                theirs = &setting;
                const Executor executor = [](std::int64_t count,
                                             const std::function<void(std::int64_t)>& body) {
                  for (std::int64_t i = 0; i < count; ++i) {
                    std::thread([&] {
                      theirs->set();
                      const unsigned before = control();
                      body(i);
                      changed += before != control();
                    }).join();
                  }
                };
                const std::string found = everything(Queue::cpu({.threads = 2, .executor = executor}));
                return compared(found, expected) + (changed == 0 ? "" : ", not restored");
              }),
              "same")
        << setting.name;
  }
}

}  // namespace
}  // namespace flashtile::test
