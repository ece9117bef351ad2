// Threadgroup memory: where variables lie, and who touched each byte last, by which missing barriers and reads of nothing
// are found. Knows epochs and threads, but no scheduler.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "src/metal_emulator/device/abi.h"

namespace flashtile::metal_emulator {

using ::metal_device::Access;

/// How many barriers that order memory there were: of the threadgroup, and of one simdgroup.
struct Epoch {
  std::uint32_t threadgroup = 0, simdgroup = 0;
};

/// Who accesses: a thread, or an operation that many threads do together (simdgroup below 0: of the whole threadgroup).
struct Accessor {
  std::int32_t thread;  ///< of an operation: any thread of it, for messages
  std::int32_t simdgroup;
  bool shared;
};

class ThreadgroupMemory {
 public:
  /// With `checked`, fresh memory is poisoned and variables are set apart.
  explicit ThreadgroupMemory(std::size_t limit_bytes, bool checked);

  /// Before a threadgroup starts.
  void reset();

  struct Variable {
    std::byte* data = nullptr;
    std::size_t bytes = 0;
    std::string name;
  };
  /// The variable `id`, laid out at its first use; null when the limit is passed.
  Variable* variable(std::uint32_t id, std::size_t bytes, std::size_t alignment, const char* name);
  std::size_t used_bytes() const { return used_; }
  std::size_t limit_bytes() const { return limit_; }

  bool contains(const std::byte* address) const { return address >= memory_ && address < memory_ + capacity_; }

  struct Problem {
    const char* check = nullptr;  ///< null: none
    std::string explanation;
  };
  /// Notes an access and says what is wrong with it. `now` is the accessor's own.
  Problem touch(const std::byte* address, std::size_t bytes, Access access, const Accessor& by,
                const Epoch& now);

 private:
  struct Touch {
    Epoch when;
    std::int16_t thread = -1, simdgroup = -1;
    bool shared = false;
  };
  struct Byte {
    Touch write, read;
    bool written = false, many_readers = false, many_simdgroups = false;
  };

  static bool ordered(const Touch& before, const Accessor& by, const Epoch& now, bool own_work);
  Problem check_read(Byte& byte, const Variable& variable, Access access, const Accessor& by, const Epoch& now);
  Problem check_write(Byte& byte, const Variable& variable, const Accessor& by, const Epoch& now);
  const Variable* variable_at(const std::byte* address, std::size_t bytes) const;

  std::size_t limit_, capacity_, used_ = 0, next_ = 0;
  bool checked_;
  std::vector<std::byte> storage_;
  std::byte* memory_;  // in storage_, aligned for every type
  std::vector<Byte> bytes_;
  std::vector<Variable> variables_;  // by id
};

}  // namespace flashtile::metal_emulator
