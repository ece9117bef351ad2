// The floating-point environment that the library computes in. Called at every entry that computes, and by each
// thread that works for one.
#pragma once

#include <cfenv>
#include <cstdint>

namespace flashtile::inline v0_2::core {

/// What floats below 2^-126 count as, where they are read and where they are results.
enum class Subnormals { themselves, zero };

/// While one lives, its thread rounds to nearest, takes subnormals as it says and traps nothing; then it has the
/// settings and flags from before. On x86-64 those of SSE and AVX; nothing here computes on the x87.
class FloatEnvironment {
 public:
  explicit FloatEnvironment(Subnormals subnormals = Subnormals::themselves) noexcept : outer_(current_) {
    enter(subnormals);
    current_ = subnormals;
  }
  ~FloatEnvironment() {
    leave();
    current_ = outer_;
  }
  FloatEnvironment(const FloatEnvironment&) = delete;
  FloatEnvironment& operator=(const FloatEnvironment&) = delete;

  /// That of the environment that this thread is in, whatever the caller of the library has set.
  static Subnormals subnormals() noexcept { return current_; }

 private:
#if defined(__x86_64__)  // <cfenv> takes a tenth of a microsecond, for the x87
  static constexpr unsigned kDefault = 0x1f80, kSubnormalsAreZero = 0x8040;
  void enter(Subnormals subnormals) noexcept {
    saved_ = __builtin_ia32_stmxcsr();
    set(kDefault | (subnormals == Subnormals::zero ? kSubnormalsAreZero : 0));
  }
  void leave() noexcept { set(saved_); }
  /// Loads and stores stay on their side of it, and with them what is computed from them.
  static void set(unsigned control) noexcept {
    __asm__ volatile("" ::: "memory");
    __builtin_ia32_ldmxcsr(control);
    __asm__ volatile("" ::: "memory");
  }
  unsigned saved_;
#else
  void enter(Subnormals subnormals) noexcept {
    std::fegetenv(&saved_);
    std::fesetenv(FE_DFL_ENV);
    if (subnormals == Subnormals::zero) flush();
  }
  void leave() noexcept { std::fesetenv(&saved_); }
  static void flush() noexcept {
#if defined(__aarch64__)
    constexpr std::uint64_t kFlushToZero = std::uint64_t{1} << 24;
    std::uint64_t control;
    __asm__ volatile("mrs %0, fpcr" : "=r"(control)::"memory");
    __asm__ volatile("msr fpcr, %0" ::"r"(control | kFlushToZero) : "memory");
#endif
  }
  std::fenv_t saved_;
#endif
  Subnormals outer_;
  static inline thread_local Subnormals current_ = Subnormals::themselves;
};

}  // namespace flashtile::inline v0_2::core
