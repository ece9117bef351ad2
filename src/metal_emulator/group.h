// One threadgroup at a time on one operating system thread: a fiber for every thread, and the scheduler that takes them from
// barrier to barrier. A thread that must wait jumps straight to the next one that can run; the last one to arrive does the
// collective's work for all.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "src/metal_emulator/fiber.h"
#include "src/metal_emulator/launch_state.h"
#include "src/metal_emulator/position.h"
#include "src/metal_emulator/threadgroup_memory.h"
#include "src/metal_emulator/violation.h"

namespace flashtile::metal_emulator {

using ::metal_device::kLanes;
using ::metal_device::kMostThreads;
using ::metal_device::Operation;
using ::metal_device::Site;
using ::metal_device::Wait;

/// Where in the kernel: a site that was passed along, or an address in its code.
struct Where {
  const Site* site = nullptr;
  const void* return_address = nullptr;
};

inline constexpr char kStackIsFull[] =
    "the thread's stack is full: keep large arrays in threadgroup or device memory, and do not recurse";

class Group {
 public:
  explicit Group(const LaunchState& launch);
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;
  ~Group();

  /// Runs one threadgroup to its end. Errors: Violation; the group must not be used afterwards.
  void run(Dim threadgroup);

  /// The group whose threads run on this operating system thread.
  static Group*& current();

  std::uint32_t thread() const { return running_; }
  std::uint32_t threads() const { return threads_; }
  const LaunchState& launch() const { return launch_; }
  Position& position() { return positions_[running_]; }

  void wait(Wait kind, std::uint32_t memory_flags, Operation operation, void* argument, const Site& site);
  void* threadgroup_variable(std::uint32_t id, std::size_t bytes, std::size_t alignment, const char* name,
                             Where where);
  void* scratch(std::size_t bytes);
  /// Passes on a line that the running thread writes.
  void log(const char* line) const;

  /// Checks one access by the running thread.
  void touch(const std::byte* address, std::size_t bytes, Access access, Where where) {
    if (in_operation_ ? where.site != nullptr : !on_stacks(address)) check(address, bytes, access, where);
  }
  /// Whether `address` is too deep in the running thread's stack for more calls.
  bool stack_is_full(const std::byte* address) const;
  bool on_stacks(const std::byte* address) const {
    return address >= stacks_ && address < stacks_ + kStackBytes * kMostThreads;
  }

  /// What a running thread does that ends the launch: it notes the violation, and then stops, which abandons its stack. Between
  /// the two, whatever owns memory on that stack must have let go of it.
  void note(std::uint32_t thread, const char* check, std::string explanation, Where where);
  [[noreturn]] void stop();

  /// What a fault of the processor in the running thread means; `after` is an address just behind the instruction.
  Violation crash(const std::byte* address, const void* after) const;

 private:
  struct Waiting {
    Operation operation;
    void* argument;
    Site site;
    std::uint32_t memory_flags;
    Wait kind;
  };
  struct Simdgroup {
    std::uint32_t ready = 0, waiting = 0, returned = 0;  // a bit a lane
    std::uint32_t lanes = 0;                             // all that it has
    std::uint32_t epoch = 0;
  };
  static constexpr std::uint32_t kNobody = kMostThreads;
  static constexpr std::size_t kStackBytes = 128 * 1024;

  void lane_main(std::uint32_t thread);
  void bind_arguments(std::uint32_t thread, ::metal_device::Argument* arguments);
  void switch_to(std::uint32_t next);
  std::uint32_t next_to_run();
  bool complete_in_simdgroup(std::uint32_t simdgroup);
  void complete_barrier();
  bool together(std::uint32_t a, std::uint32_t b) const;
  bool behind(std::uint32_t a, std::uint32_t b) const;
  bool is_whole(std::uint32_t simdgroup, std::uint32_t lead, std::uint32_t set);
  void operate(Operation operation, void* const* arguments, std::uint32_t active);
  void check(const std::byte* address, std::size_t bytes, Access access, Where where);
  /// The check that an access outside all memory violates, and why.
  std::pair<const char*, std::string> outside(const std::byte* address, const std::string& what) const;
  void note_outside(const std::byte* address, std::size_t bytes, Access access, Where where);
  Dim thread_position(std::uint32_t thread) const;

  const LaunchState& launch_;
  Dim threadgroup_, size_;
  std::uint32_t threads_ = 0, running_ = kNobody, simdgroup_ = 0, ready_simdgroups_ = 0, epoch_ = 1;
  bool in_operation_ = false;
  std::array<Simdgroup, kMostThreads / kLanes> simdgroups_{};
  std::vector<Position> positions_;
  std::vector<Waiting> waits_;
  std::vector<Fiber> fibers_;
  Fiber launcher_;
  std::byte* stacks_ = nullptr;
  ThreadgroupMemory memory_;
  std::vector<void*> arguments_;  // of a collective of the whole threadgroup
  std::vector<std::byte> scratch_;
  std::optional<ViolationPlace> violation_;
  const void* violation_address_ = nullptr;  // where its line is not known yet
};

}  // namespace flashtile::metal_emulator
