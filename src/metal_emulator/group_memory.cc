// What a running thread may touch: threadgroup memory by its own rules, bound buffers, stacks, and the program's constants.
#include "src/metal_emulator/group.h"

namespace flashtile::metal_emulator {

void* Group::threadgroup_variable(std::uint32_t id, std::size_t bytes, std::size_t alignment, const char* name,
                                  Where where) {
  if (ThreadgroupMemory::Variable* variable = memory_.variable(id, bytes, alignment, name))
    return variable->data;
  note(running_, "threadgroup.too_large",
       "threadgroup memory of " + std::to_string(memory_.used_bytes()) + " bytes with " + name +
           "; a threadgroup has " + std::to_string(memory_.limit_bytes()) +
           ": use smaller tiles, or reuse a variable",
       where);
  stop();
}

void* Group::scratch(std::size_t bytes) {
  constexpr std::size_t kAlignment = 64;
  if (scratch_.size() < bytes + kAlignment) scratch_.resize(2 * bytes + kAlignment);
  return scratch_.data() + (kAlignment - reinterpret_cast<std::uintptr_t>(scratch_.data()) % kAlignment);
}

bool Group::stack_is_full(const std::byte* address) const {
  constexpr std::size_t kReserve = 16 * 1024;  // for what the emulator itself calls
  return address < stacks_ + running_ * kStackBytes + kReserve;
}

void Group::check(const std::byte* address, std::size_t bytes, Access access, Where where) {
  if (memory_.contains(address)) {
    const bool shared = access >= Access::shared_read;
    const bool whole = shared && waits_[running_].kind == Wait::whole_threadgroup;
    const auto simdgroup = static_cast<std::int32_t>(running_ / kLanes);
    const Accessor by{static_cast<std::int32_t>(running_), whole ? -1 : simdgroup, shared};
    ThreadgroupMemory::Problem problem =
        memory_.touch(address, bytes, access, by, {epoch_, simdgroups_[running_ / kLanes].epoch});
    if (problem.check == nullptr) return;
    note(running_, problem.check, std::move(problem.explanation), where);
    stop();
  }
  for (const LaunchState::Bound& bound : launch_.buffers)
    if (bound.memory->contains(address, bytes)) return;
  for (const std::span<std::byte> memory : launch_.resident)
    if (address >= memory.data() && static_cast<std::size_t>(address - memory.data()) + bytes <= memory.size())
      return;
  if (on_stacks(address)) return;
  const bool writes = access != Access::read && access != Access::shared_read;
  if (launch_.lines->contains(address) && !writes) return;
  note_outside(address, bytes, access, where);
  stop();
}

std::pair<const char*, std::string> Group::outside(const std::byte* address, const std::string& what) const {
  for (const LaunchState::Bound& bound : launch_.buffers) {
    if (!bound.memory->near(address)) continue;
    const std::span<std::byte> buffer = bound.memory->bytes();
    return {"buffer.out_of_bounds", what + " at byte " + std::to_string(address - buffer.data()) +
                                        " of buffer " + std::to_string(bound.index) + ", which has " +
                                        std::to_string(buffer.size()) +
                                        " bytes: check the index, or bind a larger buffer"};
  }
  for (const std::span<std::byte> memory : launch_.resident) {
    if (address < memory.data() - kGuardBytes || address >= memory.data() + memory.size() + kGuardBytes)
      continue;
    return {"buffer.out_of_bounds", what + " at byte " + std::to_string(address - memory.data()) +
                                        " of resident memory of " + std::to_string(memory.size()) +
                                        " bytes: check the index, or make more memory resident"};
  }
  if (launch_.lines->contains(address))
    return {"constant.write", what + " to a constant of the program: constants cannot be changed"};
  const bool is_null = address < reinterpret_cast<const std::byte*>(kGuardBytes);
  return {"pointer.invalid",
          what + (is_null ? " through a null pointer: is the buffer gated off by a function constant?"
                          : " outside every buffer: the pointer was computed wrongly")};
}

void Group::note_outside(const std::byte* address, std::size_t bytes, Access access, Where where) {
  const bool writes = access == Access::write || access >= Access::shared_write;
  const char* kind = access == Access::atomic ? "atomic access" : writes ? "store" : "load";
  auto [check, explanation] = outside(address, std::string(kind) + " of " + std::to_string(bytes) + " bytes");
  note(running_, check, std::move(explanation), where);
}

Violation Group::crash(const std::byte* address, const void* after) const {
  const SourceLine line = launch_.lines->at(after);
  auto [check, explanation] = outside(address, "access");
  if (on_stacks(address)) check = "stack.overflow", explanation = kStackIsFull;
  return Violation({check, explanation, launch_.kernel->name, line.line > 0 ? line.file : launch_.kernel->file,
                    line.line, running_ < threads_ ? thread_position(running_) : Dim{0, 0, 0}, threadgroup_});
}

}  // namespace flashtile::metal_emulator
