// What the emulator and a compiled kernel file say to each other. Included by both, so it needs nothing but <cstdint>.
#pragma once

#include <cstddef>
#include <cstdint>

namespace metal_device {

inline constexpr uint32_t kLanes = 32;          // threads of a simdgroup
inline constexpr uint32_t kMostThreads = 1024;  // threads of a threadgroup

struct Dim {
  uint32_t x = 1, y = 1, z = 1;
};

/// A place in the kernel's source, and what was called there. Where the line is not known (0), an address in the code is.
struct Site {
  const char* what;
  const char* file;
  uint32_t line, column;
  const void* code = nullptr;
};

/// What a thread waits for.
enum class Wait : uint8_t {
  active_lanes,         ///< a simd_ or quad_ function: those lanes of the simdgroup that reach it together
  whole_simdgroup,      ///< simdgroup_matrix and tensor operations: all 32 lanes
  simdgroup_barrier,    ///< every lane that has not returned
  threadgroup_barrier,  ///< every thread that has not returned
  whole_threadgroup,    ///< tensor operations of several simdgroups: every thread of the threadgroup
};

/// Does a collective's work for all lanes at once, in the last lane to arrive. `arguments` has one entry a thread of
/// the simdgroup (or threadgroup), null where bit i of `active` is not set; for a threadgroup `active` is all ones.
using Operation = void (*)(void* const* arguments, uint32_t active);

enum class Access : uint8_t {
  read,
  write,
  atomic,
  shared_read,  ///< by an operation that many lanes do together: even the own lane's write needs a barrier before
  shared_write,   ///< likewise: even the own lane needs a barrier before it reads this
  shared_update,  ///< reads and writes; what the same operation wrote before needs no barrier
};

enum class Layout : uint8_t { before_m5, m5, os26_0, os26_2 };
enum class Numerics : uint8_t { sequential, tree };

/// What the host says of a tensor that it binds, dimension 0 first; strides in elements.
struct HostTensor {
  int64_t extents[16], strides[16];
};

/// One value of a kernel's parameter list for one thread.
struct Argument {
  void* pointer;
  const HostTensor* tensor;
  uint32_t value[3];
};

/// How the emulator serves a running kernel.
class Runtime {
 public:
  virtual void wait(Wait kind, uint32_t memory_flags, Operation operation, void* argument,
                    const Site& site) = 0;
  virtual uint32_t thread_index() = 0;  ///< in the threadgroup
  virtual uint32_t threads() = 0;       ///< of this threadgroup

  /// Where this thread stands in its control flow; the translator puts these around statements with collectives.
  virtual void enter_region(bool counted) = 0;
  virtual void leave_region(bool counted) = 0;
  virtual void next_iteration() = 0;

  virtual void* threadgroup_variable(uint32_t id, size_t bytes, size_t alignment, const char* name,
                                     const Site& site) = 0;
  /// Whether constant `index` was given a value for this component, which is then in the two numbers.
  virtual bool function_constant(int index, int component, const char* name, double& real,
                                 int64_t& integer) = 0;

  virtual void touch(const void* address, size_t bytes, Access access, const void* program_counter) = 0;
  virtual void touch(const void* address, size_t bytes, Access access, const Site& site) = 0;
  virtual void stack_check(const void* frame, const void* program_counter) = 0;
  [[noreturn]] virtual void fail(const char* check, const Site& site, const char* format, ...) = 0;

  virtual void log(const char* line) = 0;  ///< what the kernel says by os_log

  virtual Layout layout() = 0;
  virtual bool poisons() = 0;               ///< whether fresh cooperative tensors are poisoned, or else zero
  virtual void* scratch(size_t bytes) = 0;  ///< for one operation, aligned to 64 bytes
  virtual Numerics numerics() = 0;

 protected:
  ~Runtime() = default;
};

/// What the C++ type of a parameter says, and what its attributes say.
struct Parameter {
  const char* name;
  const char* attribute;  ///< "buffer", "threadgroup", or the name of a built-in index
  int index;
  bool bound;  ///< false where a function constant gates the parameter off
  bool is_pointer = false, is_reference = false, is_const = false;
  uint32_t element_bytes = 0, alignment = 1;
  // Of a tensor that the host binds:
  uint32_t rank = 0;  ///< 0: the parameter is none
  uint32_t element_bits = 0;
  const int64_t* fixed_extents = nullptr;  ///< each that its type says, or -1
};

struct KernelRow {
  const char* name;
  const char* file;
  uint32_t line;
  uint32_t most_threads;  ///< max_total_threads_per_threadgroup, or 0
  void (*call)(void* function, const Argument* arguments);
  void* function;
  const Parameter* parameters;
  uint32_t parameter_count;
};

struct ModuleTable {
  uint32_t abi_version;
  void (*attach)(Runtime* runtime);
  void (*set_constants)();
  /// The kernels; their `bound` depends on the function constants.
  const KernelRow* (*kernels)(uint32_t& count);
};

inline constexpr uint32_t kAbiVersion = 3;

}  // namespace metal_device
