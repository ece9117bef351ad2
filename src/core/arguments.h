// What every call asks of its tensors, and how it refuses one. Called by each op's problem and by tensor_memory.cc.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>

#include "flashtile/tensor.h"
#include "src/core/data.h"
#include "src/core/memory.h"

namespace flashtile::inline v0_2::core {

/// One tensor of a call, the names that a message calls it by ("attention", "q"), and what it touches.
struct Argument {
  Argument(const char* op_name, const char* its_name, const TensorView& its_view)
      : op(op_name), name(its_name), view(its_view), reach(reach_of(its_view)) {}

  /// Throws invalid_argument: "attention: q " + what was found and what was expected.
  [[noreturn]] void refuse(const std::string& message) const;

  const char* op;
  const char* name;
  const TensorView& view;
  std::optional<Reach> reach;
};

/// "f32"; "DType(77)" for a number that is none of the enumerators.
std::string spelled(DType dtype);

/// Its device is one that can be, its sizes are not negative, its memory is there, aligned to its elements, and
/// within the address space. What nobody reads, data and strides of a view without elements and the stride of a
/// dimension of size 1, may be anything.
void check_memory(const Argument& argument, Data data);

/// As many dimensions as `letters` names, of rows whose elements are adjacent; and what check_memory asks.
void check_rows(const Argument& argument, const char* letters, Data data);

/// f32, f16 or bf16.
bool is_float(DType dtype);

/// Its elements are floats of these types.
void check_floats(const Argument& argument);

/// It is where `other` is.
void check_device(const Argument& argument, Device device, const char* other);

/// Its elements lie apart: for results.
void check_written(const Argument& argument);

/// What the call writes shares no byte with another of its arguments. Both have passed check_memory.
void check_apart(const Argument& written, const Argument& other);

/// The same view with a harmless stride wherever nobody reads it, so that a kernel may multiply by it.
TensorView with_harmless_strides(TensorView view);

/// A workspace as a tensor of bytes on the call's device; it must have memory, and be aligned to 64 bytes.
TensorView checked_workspace(const char* op, std::span<std::byte> workspace, Device device);

}  // namespace flashtile::inline v0_2::core
