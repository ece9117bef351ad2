// A stack of its own for every thread of a threadgroup, by Boost.Context, announced to the address and thread sanitizers.
#pragma once

#include <boost/context/fiber.hpp>
#include <cstddef>
#include <functional>
#include <memory>
#include <new>
#include <utility>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

namespace flashtile::metal_emulator {

/// Where a fiber's stack lies. Empty for the launcher, which has the operating system thread's own.
struct Stack {
  std::byte* bottom = nullptr;
  std::size_t bytes = 0;
};

/// Says that nothing is left of frames that were abandoned where new stacks will be.
inline void forget_frames([[maybe_unused]] Stack stacks) {
#if defined(__SANITIZE_ADDRESS__)
  __asan_unpoison_memory_region(stacks.bottom, stacks.bytes);
#endif
}

/// A place that execution can leave and come back to. A fiber that stands still may be abandoned: it holds nothing but
/// its stack, which its owner unmaps, and is never unwound.
class Fiber {
 public:
  Fiber() = default;
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;
#if defined(__SANITIZE_THREAD__)
  ~Fiber() {
    if (started_) __tsan_destroy_fiber(tsan_);
  }
#endif

  bool started() const { return started_; }

  /// Execution will begin in `body`, which must never return, at the first switch to this fiber.
  void start(Stack stack, std::function<void()> body) {
    stack_ = stack;
    started_ = true;
#if defined(__SANITIZE_THREAD__)
    if (tsan_ == nullptr) tsan_ = __tsan_create_fiber(0);
#endif
    hold(boost::context::fiber(std::allocator_arg, GivenStack{stack},
                               [body = std::move(body)](boost::context::fiber&& back) {
                                 arrived(std::move(back));
                                 body();
                                 return boost::context::fiber();
                               }));
  }

  /// Leaves `from`, which the running code is, and goes on in `to`.
  static void switch_to(Fiber& from, Fiber& to) {
    leaving() = &from;
#if defined(__SANITIZE_ADDRESS__)
    void* fake_stack = nullptr;
    __sanitizer_start_switch_fiber(&fake_stack, to.stack_.bottom, to.stack_.bytes);
#endif
#if defined(__SANITIZE_THREAD__)
    if (from.tsan_ == nullptr) from.tsan_ = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(to.tsan_, 0);
#endif
    boost::context::fiber back = std::move(*to.held()).resume();
    keep(std::move(back));
#if defined(__SANITIZE_ADDRESS__)
    finish(fake_stack);
#endif
  }

 private:
  struct GivenStack {
    Stack stack;
    boost::context::stack_context allocate() const {
      boost::context::stack_context context;
      context.size = stack.bytes;
      context.sp = stack.bottom + stack.bytes;
      return context;
    }
    void deallocate(boost::context::stack_context&) const {}
  };

  static Fiber*& leaving() {
    static thread_local Fiber* fiber = nullptr;
    return fiber;
  }
  /// The context that was left belongs to whoever said that it was leaving.
  static void keep(boost::context::fiber&& back) { leaving()->hold(std::move(back)); }
  static void arrived(boost::context::fiber&& back) {
    keep(std::move(back));
#if defined(__SANITIZE_ADDRESS__)
    finish(nullptr);
#endif
  }
#if defined(__SANITIZE_ADDRESS__)
  static void finish(void* fake_stack) {
    Fiber& left = *leaving();
    const void* bottom = nullptr;
    std::size_t bytes = 0;
    __sanitizer_finish_switch_fiber(fake_stack, &bottom, &bytes);
    if (left.stack_.bottom == nullptr)  // the launcher's stack becomes known when it is first left
      left.stack_ = {static_cast<std::byte*>(const_cast<void*>(bottom)), bytes};
  }
#endif

  /// The context lies in raw memory, so that its destructor, which would unwind the stack, never runs.
  boost::context::fiber* held() { return std::launder(reinterpret_cast<boost::context::fiber*>(memory_)); }
  void hold(boost::context::fiber&& context) { new (memory_) boost::context::fiber(std::move(context)); }

  alignas(boost::context::fiber) std::byte memory_[sizeof(boost::context::fiber)];
  Stack stack_;
  bool started_ = false;
#if defined(__SANITIZE_THREAD__)
  void* tsan_ = nullptr;
#endif
};

}  // namespace flashtile::metal_emulator
