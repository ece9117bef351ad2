#include "src/metal_emulator/child_process.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <thread>

#include "flashtile/error.h"
#include "src/metal_emulator/group.h"

namespace flashtile::metal_emulator {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kLimitsMemory = false;  // sanitizers reserve terabytes of address space
#else
constexpr bool kLimitsMemory = true;
#endif

const void* program_counter(const void* context) {
  [[maybe_unused]] const auto& machine = static_cast<const ucontext_t*>(context)->uc_mcontext;
#if defined(__x86_64__)
  return reinterpret_cast<const void*>(machine.gregs[REG_RIP]);
#elif defined(__aarch64__)
  return reinterpret_cast<const void*>(machine.pc);
#else
  return nullptr;
#endif
}

/// On a stack of its own, since the kernel's may be what overflowed. The process ends here, so that what a signal handler must
/// not do to a program that goes on does not matter.
void report_crash(int signal, siginfo_t* info, void* context) {
  if (Group* group = Group::current()) {
    // Addresses are looked up one before a return address.
    const auto* after = static_cast<const std::byte*>(program_counter(context)) + 1;
    const Violation violation = group->crash(static_cast<const std::byte*>(info->si_addr), after);
    std::fprintf(stderr, "%s\n", violation.what());
  } else {
    std::fprintf(stderr, "metal emulator: signal %d outside a kernel\n", signal);
  }
  std::fflush(nullptr);
  _exit(1);
}

void catch_crashes() {
  static std::byte stack[256 * 1024];
  stack_t alternate{};
  alternate.ss_sp = stack;
  alternate.ss_size = sizeof stack;
  sigaltstack(&alternate, nullptr);
  struct sigaction action{};
  action.sa_sigaction = report_crash;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL}) sigaction(signal, &action, nullptr);
}

void limit(int resource, std::uint64_t value) {
  const rlimit both{static_cast<rlim_t>(value), static_cast<rlim_t>(value)};
  setrlimit(static_cast<__rlimit_resource>(resource), &both);
}

/// What all threads of a process have used; 0 when it cannot be told.
double processor_seconds(pid_t process) {
  clockid_t clock;
  timespec used;
  if (clock_getcpuclockid(process, &clock) != 0 || clock_gettime(clock, &used) != 0) return 0.0;
  return static_cast<double>(used.tv_sec) + 1e-9 * static_cast<double>(used.tv_nsec);
}

}  // namespace

ChildResult run_in_child(const ChildLimits& limits, const std::function<int()>& body) {
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child < 0)
    throw Error(ErrorCode::internal, "metal emulator: the system gives no process to run the kernel in");
  if (child == 0) {
    limit(RLIMIT_CORE, 0);
    const auto processors = std::max<std::uint64_t>(std::thread::hardware_concurrency(), 1);
    limit(RLIMIT_CPU, (static_cast<std::uint64_t>(limits.seconds) + 1) * processors);
    if (kLimitsMemory && limits.memory_bytes > 0) limit(RLIMIT_AS, limits.memory_bytes);
    catch_crashes();
    const int code = body();
    std::fflush(nullptr);
    _exit(code);
  }
  // On a busy machine a kernel, and the compiler before it, may get no processor for a long time.
  constexpr int kPatience = 10;
  const auto limit_by_clock = std::chrono::seconds(limits.seconds);
  const auto start = std::chrono::steady_clock::now();
  int status = 0;
  while (waitpid(child, &status, WNOHANG) == 0) {
    const auto waited = std::chrono::steady_clock::now() - start;
    const bool has_worked = processor_seconds(child) >= 0.9 * limits.seconds;
    if (waited >= kPatience * limit_by_clock || (waited >= limit_by_clock && has_worked)) {
      kill(child, SIGKILL);
      waitpid(child, &status, 0);
      return {ChildResult::End::timed_out, 0};
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  if (WIFEXITED(status)) return {ChildResult::End::exited, WEXITSTATUS(status)};
  return {ChildResult::End::signalled, WTERMSIG(status)};
}

}  // namespace flashtile::metal_emulator
