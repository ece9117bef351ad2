// How much stack a thread has, and threads that have enough.
#include "src/backends/cpu/stack.h"

#include <gtest/gtest.h>
#include <pthread.h>

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <thread>

#include "flashtile/detail/run_on_cpu.h"
#include "flashtile/device.h"

namespace flashtile {
namespace {

/// Runs f() on a thread with so much stack.
template <class F>
void on_thread_with(std::size_t stack_bytes, F f) {
  pthread_attr_t attributes;
  pthread_t thread;
  ASSERT_EQ(pthread_attr_init(&attributes), 0);
  ASSERT_EQ(pthread_attr_setstacksize(&attributes, stack_bytes), 0);
  const auto run = [](void* function) -> void* {
    (*static_cast<F*>(function))();
    return nullptr;
  };
  ASSERT_EQ(pthread_create(&thread, &attributes, run, &f), 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
}

TEST(Stack, KnowsWhatIsLeft) {
  EXPECT_TRUE(backend::stack_has(std::size_t{512} << 10)) << "of the first thread";
  // Part of a thread's stack is its thread-local memory, of which the thread sanitizer has 800 KiB; and glibc may give the
  // thread a stack that it has kept, of up to 4 times the size.
  on_thread_with(std::size_t{4} << 20, [] {
    EXPECT_TRUE(backend::stack_has(std::size_t{2} << 20));
    EXPECT_FALSE(backend::stack_has(std::size_t{16} << 20));
  });
  backend::LargeThread([] { EXPECT_TRUE(backend::stack_has(std::size_t{4} << 20)); });
}

TEST(Stack, LargeKernelsRunWhereThereIsEnough) {
  // Even if the thread is given a kept stack of 4 times the size, it is too small.
  on_thread_with(std::size_t{128} << 10, [] {
    const std::thread::id mine = std::this_thread::get_id();
    const auto body = [](const void* context, std::int64_t, void*) {
      *static_cast<std::thread::id*>(const_cast<void*>(context)) = std::this_thread::get_id();
    };
    std::thread::id ran;
    const Queue queue = Queue::cpu({.threads = 1});
    detail::run_on_cpu(queue, 1, 0, 1, body, &ran, detail::KernelStack::small);
    EXPECT_EQ(ran, mine);
    detail::run_on_cpu(queue, 1, 0, 1, body, &ran, detail::KernelStack::large);
    EXPECT_NE(ran, mine);
    const auto fails = [](const void*, std::int64_t, void*) { throw std::runtime_error("theirs"); };
    EXPECT_THROW(detail::run_on_cpu(queue, 1, 0, 1, fails, &ran, detail::KernelStack::large),
                 std::runtime_error);
  });
}

}  // namespace
}  // namespace flashtile
