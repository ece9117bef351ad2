#include "src/metal_emulator/threadgroup_memory.h"

#include <algorithm>
#include <cstring>

namespace flashtile::metal_emulator {
namespace {

constexpr std::size_t kAlignment = 128;
constexpr std::size_t kRedZone = 64;            // unused bytes behind a variable, when checked
constexpr std::size_t kSpare = 64 * 1024;       // for red zones and alignment
constexpr std::uint32_t kMostVariables = 4096;  // ids are small numbers that the translator counts up
constexpr int kPoison = 0xff;                   // a NaN in every float type

std::string by_whom(std::int32_t thread, bool shared) {
  return shared ? "an operation that thread " + std::to_string(thread) + " shared in"
                : "thread " + std::to_string(thread);
}

}  // namespace

ThreadgroupMemory::ThreadgroupMemory(std::size_t limit_bytes, bool checked)
    : limit_(limit_bytes),
      capacity_(limit_bytes + kSpare),
      checked_(checked),
      storage_(capacity_ + kAlignment) {
  memory_ = storage_.data() + (kAlignment - reinterpret_cast<std::uintptr_t>(storage_.data()) % kAlignment);
  if (checked) bytes_.resize(capacity_);
}

void ThreadgroupMemory::reset() {
  if (checked_) {
    std::memset(memory_, kPoison, next_);
    std::fill_n(bytes_.begin(), next_, Byte{});
  }
  variables_.clear();
  used_ = next_ = 0;
}

ThreadgroupMemory::Variable* ThreadgroupMemory::variable(std::uint32_t id, std::size_t bytes,
                                                         std::size_t alignment, const char* name) {
  if (id >= kMostVariables) return nullptr;
  if (id >= variables_.size()) variables_.resize(id + 1);
  Variable& variable = variables_[id];
  if (variable.data != nullptr) return &variable;
  const std::size_t at = (next_ + alignment - 1) / alignment * alignment;
  used_ += bytes;
  if (used_ > limit_ || at + bytes > capacity_) return nullptr;
  next_ = std::min(at + bytes + (checked_ ? kRedZone : 0), capacity_);
  if (checked_) std::memset(memory_ + at, kPoison, bytes);
  variable = {memory_ + at, bytes, name};
  return &variable;
}

const ThreadgroupMemory::Variable* ThreadgroupMemory::variable_at(const std::byte* address,
                                                                  std::size_t bytes) const {
  for (const Variable& variable : variables_)
    if (variable.data != nullptr && address >= variable.data &&
        address + bytes <= variable.data + variable.bytes)
      return &variable;
  return nullptr;
}

/// Whether a barrier lies between, or none is needed since the same thread (or operation) goes on with its own work.
bool ThreadgroupMemory::ordered(const Touch& before, const Accessor& by, const Epoch& now, bool own_work) {
  if (before.when.threadgroup < now.threadgroup) return true;
  const bool same_simdgroup = by.simdgroup >= 0 && before.simdgroup == by.simdgroup;
  if (same_simdgroup && before.when.simdgroup < now.simdgroup) return true;
  if (!own_work || before.shared != by.shared) return false;
  return by.shared ? before.simdgroup == by.simdgroup : before.thread == by.thread;
}

ThreadgroupMemory::Problem ThreadgroupMemory::check_read(Byte& byte, const Variable& variable, Access access,
                                                         const Accessor& by, const Epoch& now) {
  if (!byte.written) {
    return {
        "threadgroup.uninitialised",
        "read of " + variable.name +
            ", which nobody has written yet: it is uninitialised, or a threadgroup_barrier is missing after "
            "the write of another thread"};
  }
  if (!ordered(byte.write, by, now, access != Access::shared_read)) {
    return {"threadgroup.race",
            "read of " + variable.name + " races with the write by " +
                by_whom(byte.write.thread, byte.write.shared) +
                ": put threadgroup_barrier(mem_flags::mem_threadgroup) between (within one simdgroup a "
                "simdgroup_barrier is enough)"};
  }
  const bool first = byte.read.thread < 0 || byte.read.when.threadgroup < now.threadgroup ||
                     (!byte.many_readers && byte.read.thread == by.thread);
  byte.many_simdgroups = !first && (byte.many_simdgroups || byte.read.simdgroup != by.simdgroup);
  byte.many_readers = !first;
  byte.read = {now, static_cast<std::int16_t>(by.thread), static_cast<std::int16_t>(by.simdgroup), by.shared};
  return {};
}

ThreadgroupMemory::Problem ThreadgroupMemory::check_write(Byte& byte, const Variable& variable,
                                                          const Accessor& by, const Epoch& now) {
  if (byte.written && !ordered(byte.write, by, now, true)) {
    return {"threadgroup.race", "write of " + variable.name + " races with the write by " +
                                    by_whom(byte.write.thread, byte.write.shared) +
                                    ": let one thread write it, or put a threadgroup_barrier between"};
  }
  if (byte.read.thread >= 0) {
    // Of several readers only the last is known: a barrier of its simdgroup says nothing of readers in others.
    Touch reader = byte.read;
    if (byte.many_simdgroups) reader.simdgroup = -2;
    if (!ordered(reader, by, now, !byte.many_readers)) {
      return {"threadgroup.race", "write of " + variable.name + " races with the read by " +
                                      by_whom(byte.read.thread, byte.read.shared) +
                                      ": put threadgroup_barrier(mem_flags::mem_threadgroup) between"};
    }
  }
  byte.write = {now, static_cast<std::int16_t>(by.thread), static_cast<std::int16_t>(by.simdgroup), by.shared};
  byte.read = {};
  byte.written = true;
  byte.many_readers = byte.many_simdgroups = false;
  return {};
}

ThreadgroupMemory::Problem ThreadgroupMemory::touch(const std::byte* address, std::size_t bytes, Access access,
                                                    const Accessor& by, const Epoch& now) {
  const Variable* variable = variable_at(address, bytes);
  if (variable == nullptr) {
    return {"threadgroup.out_of_bounds", "access of " + std::to_string(bytes) +
                                             " bytes outside every threadgroup variable: check the index"};
  }
  for (std::size_t i = 0; i < bytes; ++i) {
    Byte& byte = bytes_[static_cast<std::size_t>(address + i - memory_)];
    if (access == Access::atomic) {  // orders nothing but itself
      byte.written = true;
      continue;
    }
    if (access == Access::shared_update && !byte.written) {
      return check_read(byte, *variable, access, by, now);  // an uninitialised sum
    }
    const bool write =
        access == Access::write || access == Access::shared_write || access == Access::shared_update;
    Problem problem =
        write ? check_write(byte, *variable, by, now) : check_read(byte, *variable, access, by, now);
    if (problem.check != nullptr) return problem;
  }
  return {};
}

}  // namespace flashtile::metal_emulator
