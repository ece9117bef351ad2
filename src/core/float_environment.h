// The floating-point environment that the library computes in. Called at every entry that computes, and by each
// thread that works for one.
#pragma once

#include <cfenv>
#include <cstdint>

namespace flashtile::inline v0_2::core {

/// While one lives, its thread rounds to nearest, keeps denormals and traps nothing; then it has its own
/// settings and flags again. On x86-64 those of SSE and AVX; nothing here computes on the x87.
class DefaultFloatEnvironment {
 public:
  DefaultFloatEnvironment() noexcept { enter(); }
  ~DefaultFloatEnvironment() { leave(); }
  DefaultFloatEnvironment(const DefaultFloatEnvironment&) = delete;
  DefaultFloatEnvironment& operator=(const DefaultFloatEnvironment&) = delete;

 private:
#if defined(__x86_64__)  // <cfenv> takes a tenth of a microsecond, for the x87
  static constexpr unsigned kDefault = 0x1f80;
  void enter() noexcept {
    saved_ = __builtin_ia32_stmxcsr();
    set(kDefault);
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
  void enter() noexcept {
    std::fegetenv(&saved_);
    std::fesetenv(FE_DFL_ENV);
  }
  void leave() noexcept { std::fesetenv(&saved_); }
  std::fenv_t saved_;
#endif
};

}  // namespace flashtile::inline v0_2::core
