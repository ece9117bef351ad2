#include "src/core/arguments.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "flashtile/error.h"

namespace flashtile::inline v0_2::core {
namespace {

void check_device_exists(const Argument& argument) {
  const Device device = argument.view.device;
  switch (device.type) {
    case DeviceType::cpu:
      if (device.index != 0)
        argument.refuse("is on " + name(device) + "; there is one CPU device, with index 0");
      return;
    case DeviceType::cuda:
    case DeviceType::metal:
    case DeviceType::metal_emulated:
      if (device.index < 0) argument.refuse("is on " + name(device) + "; expected an index of 0 or more");
      return;
  }
  argument.refuse("is on " + name(device) + "; expected DeviceType::cpu, cuda, metal or metal_emulated");
}

/// Do rows along the last dimension begin and end with a block?
bool has_whole_blocks(const TensorView& view, std::int64_t elements) {
  const int last = view.rank() - 1;
  if (last < 0 || view.shape[last] % elements != 0 || view.strides[last] != 1) return false;
  for (int i = 0; i < last; ++i)
    if (view.shape[i] > 1 && view.strides[i] % elements != 0) return false;
  return true;
}

}  // namespace

void Argument::refuse(const std::string& message) const {
  throw Error(ErrorCode::invalid_argument, std::string(op) + ": " + name + " " + message);
}

std::string spelled(DType dtype) {
  return bits(dtype) != 0 ? name(dtype) : "DType(" + std::to_string(static_cast<int>(dtype)) + ")";
}

void check_memory(const Argument& argument, Data data) {
  const TensorView& view = argument.view;
  check_device_exists(argument);
  for (const std::int64_t size : view.shape) {
    if (size < 0) argument.refuse("has shape " + to_string(view.shape) + "; expected sizes of 0 or more");
  }
  if (bits(view.dtype) == 0)
    argument.refuse("has dtype " + spelled(view.dtype) + "; expected an enumerator of DType");
  if (has_no_elements(view)) return;
  if (view.data == nullptr && data == Data::needed) {
    argument.refuse("has no data, but shape " + to_string(view.shape));
  }
  if (view.strides.rank() != view.rank()) {
    argument.refuse("has " + std::to_string(view.strides.rank()) + " strides for shape " +
                    to_string(view.shape) + "; expected one a dimension");
  }
  const auto address = reinterpret_cast<std::uintptr_t>(view.data);
  const Block block = block_of(view.dtype);
  if (block.elements > 2 && !has_whole_blocks(view, block.elements)) {
    argument.refuse("has dtype " + spelled(view.dtype) + ", shape " + to_string(view.shape) + " and strides " +
                    to_string(view.strides) +
                    "; expected rows of whole blocks: a last dimension of stride 1 and a multiple of " +
                    std::to_string(block.elements) + ", like all other strides");
  }
  const auto element = static_cast<std::uintptr_t>(block.bytes);
  if (block.elements == 1 && element > 1 && address % element != 0) {
    argument.refuse("has data that is not aligned to its " + spelled(view.dtype) + " elements");
  }
  const std::optional<Reach>& reach = argument.reach;
  const bool outside =
      !reach || (view.data != nullptr && (address < static_cast<std::uintptr_t>(-reach->begin) ||
                                          UINTPTR_MAX - address < static_cast<std::uintptr_t>(reach->end)));
  if (outside) {
    argument.refuse("has shape " + to_string(view.shape) + " and strides " + to_string(view.strides) +
                    ", which reach out of the address space; strides count elements");
  }
}

void check_rows(const Argument& argument, const char* letters, Data data) {
  const TensorView& view = argument.view;
  const std::string_view dimensions(letters);
  const auto rank = static_cast<int>(1 + std::count(dimensions.begin(), dimensions.end(), ','));
  if (view.rank() != rank) {
    argument.refuse("has shape " + to_string(view.shape) + "; expected " + std::to_string(rank) +
                    " dimensions " + letters);
  }
  check_memory(argument, data);
  if (view.shape[rank - 1] > 1 && view.strides[rank - 1] != 1 && !has_no_elements(view)) {
    argument.refuse("has stride " + std::to_string(view.strides[rank - 1]) +
                    " in its last dimension; expected 1");
  }
}

bool is_float(DType dtype) { return dtype == DType::f32 || dtype == DType::f16 || dtype == DType::bf16; }

void check_floats(const Argument& argument) {
  if (is_float(argument.view.dtype)) return;
  argument.refuse("has dtype " + spelled(argument.view.dtype) + "; expected f32, f16 or bf16");
}

void check_device(const Argument& argument, Device device, const char* other) {
  if (argument.view.device == device) return;
  argument.refuse("is on " + flashtile::name(argument.view.device) + ", " + other + " is on " +
                  flashtile::name(device) + "; they must match");
}

void check_written(const Argument& argument) {
  if (may_overlap_itself(argument.view)) {
    argument.refuse(
        "has shape " + to_string(argument.view.shape) + " and strides " + to_string(argument.view.strides) +
        "; its elements must not overlap: each stride must step over all that the smaller ones span");
  }
}

void check_apart(const Argument& written, const Argument& other) {
  if (may_overlap(written.view, *written.reach, other.view, *other.reach)) {
    written.refuse("overlaps " + std::string(other.name) + "; a call writes " + written.name +
                   " while it reads its inputs: give it memory of its own");
  }
}

TensorView with_harmless_strides(TensorView view) {
  constexpr std::int64_t kLargest = std::int64_t{1} << 40;  // a tile of rows further on is still within 64 bits
  const bool none_read = has_no_elements(view);
  if (none_read) view.strides = view.shape;  // as many as there are sizes
  for (int i = 0; i < view.rank(); ++i) {
    const bool read = !none_read && view.shape[i] > 1;
    if (!read && (view.strides[i] > kLargest || view.strides[i] < -kLargest)) view.strides[i] = 1;
  }
  return view;
}

TensorView checked_workspace(const char* op, std::span<std::byte> workspace, Device device) {
  const std::size_t bytes = std::min<std::size_t>(workspace.size(), std::numeric_limits<std::int64_t>::max());
  const TensorView view = packed_view(workspace.data(), DType::u8, {static_cast<std::int64_t>(bytes)}, device);
  const Argument argument{op, "workspace", view};
  if (workspace.empty()) return view;
  if (view.data == nullptr)
    argument.refuse("has no memory, but " + std::to_string(workspace.size()) + " bytes");
  check_memory(argument, Data::needed);
  if (reinterpret_cast<std::uintptr_t>(view.data) % 64 != 0) argument.refuse("is not aligned to 64 bytes");
  return view;
}

}  // namespace flashtile::inline v0_2::core
