#include "src/metal_emulator/runtime.h"

#include <cstdarg>
#include <cstdio>

#include "src/metal_emulator/function_constants.h"
#include "src/metal_emulator/group.h"

namespace flashtile::metal_emulator {
namespace {

using ::metal_device::Layout;
using ::metal_device::Numerics;

thread_local FunctionConstants* constants_in_use = nullptr;

const std::byte* bytes_at(const void* address) { return static_cast<const std::byte*>(address); }

class GroupRuntime final : public ::metal_device::Runtime {
 public:
  void wait(Wait kind, std::uint32_t memory_flags, Operation operation, void* argument,
            const Site& site) override {
    Group::current()->wait(kind, memory_flags, operation, argument, site);
  }
  std::uint32_t thread_index() override { return Group::current()->thread(); }
  std::uint32_t threads() override { return Group::current()->threads(); }

  void enter_region(bool counted) override {
    Group& group = *Group::current();
    if (group.position().full()) {
      group.note(group.thread(), "region.too_deep",
                 "statements with collectives are nested too deeply, or recurse: unroll the recursion", {});
      group.stop();
    }
    group.position().enter(counted);
  }
  void leave_region(bool counted) override { Group::current()->position().leave(counted); }
  void next_iteration() override { Group::current()->position().next_iteration(); }

  void* threadgroup_variable(std::uint32_t id, std::size_t bytes, std::size_t alignment, const char* name,
                             const Site& site) override {
    return Group::current()->threadgroup_variable(id, bytes, alignment, name, {&site});
  }
  bool function_constant(int index, int component, const char* name, double& real,
                         std::int64_t& integer) override {
    return constants_in_use->find(index, component, name, real, integer);
  }

  void touch(const void* address, std::size_t bytes, Access access, const void* program_counter) override {
    // Constructors of constants run before any group does.
    if (Group* group = Group::current())
      group->touch(bytes_at(address), bytes, access, {nullptr, program_counter});
  }
  void touch(const void* address, std::size_t bytes, Access access, const Site& site) override {
    Group::current()->touch(bytes_at(address), bytes, access, {&site, nullptr});
  }
  void stack_check(const void* frame, const void* program_counter) override {
    Group* group = Group::current();
    if (group == nullptr || !group->stack_is_full(bytes_at(frame))) return;
    group->note(group->thread(), "stack.overflow", kStackIsFull, {nullptr, program_counter});
    group->stop();
  }
  void fail(const char* check, const Site& site, const char* format, ...) override {
    char text[1024];
    std::va_list values;
    va_start(values, format);
    std::vsnprintf(text, sizeof text, format, values);
    va_end(values);
    Group& group = *Group::current();
    group.note(group.thread(), check, text, {&site, nullptr});
    group.stop();
  }

  void log(const char* line) override { Group::current()->log(line); }

  Layout layout() override { return Group::current()->launch().layout; }
  bool poisons() override { return Group::current()->launch().poisons; }
  void* scratch(std::size_t bytes) override { return Group::current()->scratch(bytes); }
  Numerics numerics() override { return Group::current()->launch().numerics; }
};

}  // namespace

::metal_device::Runtime& runtime() {
  static GroupRuntime instance;
  return instance;
}

void use_constants(FunctionConstants* constants) { constants_in_use = constants; }

}  // namespace flashtile::metal_emulator
