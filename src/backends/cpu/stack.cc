#include "src/backends/cpu/stack.h"

#include <cstdint>
#include <string>
#include <system_error>
#include <utility>

#include "flashtile/error.h"

namespace flashtile::inline v0_2::backend {
namespace {

constexpr std::size_t kLargeStack = std::size_t{8} << 20;

/// The addresses of a thread's stack, which grows down; all of them where the system does not tell.
struct Stack {
  std::uintptr_t low = 0, high = UINTPTR_MAX;
};

Stack stack_of_this_thread() noexcept {
#if defined(__linux__)
  pthread_attr_t attributes;
  if (pthread_getattr_np(pthread_self(), &attributes) != 0) return {};
  void* low = nullptr;
  std::size_t bytes = 0;
  pthread_attr_getstack(&attributes, &low, &bytes);
  pthread_attr_destroy(&attributes);
  return {reinterpret_cast<std::uintptr_t>(low), reinterpret_cast<std::uintptr_t>(low) + bytes};
#elif defined(__APPLE__)
  const auto high = reinterpret_cast<std::uintptr_t>(pthread_get_stackaddr_np(pthread_self()));
  return {high - pthread_get_stacksize_np(pthread_self()), high};
#else
  return {};
#endif
}

}  // namespace

bool stack_has(std::size_t bytes) noexcept {
  thread_local const Stack stack = stack_of_this_thread();
  const auto here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
  return here >= stack.low && here - stack.low >= bytes && here <= stack.high;
}

LargeThread::LargeThread(std::function<void()> body) : body_(std::move(body)) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kLargeStack);
  const auto run = [](void* self) -> void* {
    static_cast<LargeThread*>(self)->body_();
    return nullptr;
  };
  const int status = pthread_create(&thread_, &attributes, run, this);
  pthread_attr_destroy(&attributes);
  if (status != 0) {
    throw Error(ErrorCode::out_of_memory,
                "cpu: no thread with a stack of 8 MiB: " + std::generic_category().message(status));
  }
}

}  // namespace flashtile::inline v0_2::backend
