// The ways in which one tensor of a call can be wrong: the same list for every argument of every op.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "flashtile/tensor.h"

namespace flashtile::test {

inline constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
inline constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();

/// A packed tensor with room behind it, so that another one that is put there by mistake meets nobody else.
struct Roomy {
  Tensor memory;
  TensorView view;
  Roomy(DType dtype, const Dims& shape)
      : memory(DType::u8, {element_count(shape) * bits(dtype) / 8 + (1 << 13)}),
        view(packed_view(memory.data(), dtype, shape)) {}
};

struct Fault {
  std::string name;
  std::function<void(TensorView&)> apply;
  bool of_data = false;  ///< a plan, which looks at no data, does not see it

  /// The errors that it may end with, as a pattern: a size may be right, and more than any kernel takes.
  std::string codes() const {
    return name.starts_with("size ") ? "(invalid_argument|unsupported)" : "invalid_argument";
  }
};

enum class Use { read, written };

/// What a call takes in place of a tensor, and what is therefore no fault.
struct Takes {
  Use use = Use::read;
  std::vector<DType> types;       ///< others are faults
  std::vector<int> free_sizes{};  ///< dimensions whose size no other argument fixes
  bool broadcasts = false;        ///< dimensions may be missing
};

/// Everything that is wrong with `valid`, which has more than two elements in each dimension, when it is changed
/// so.
inline std::vector<Fault> faults_of(const TensorView& valid, const Takes& takes) {
  std::vector<Fault> faults;
  const auto add = [&](std::string name, std::function<void(TensorView&)> apply, bool of_data = false) {
    faults.push_back({std::move(name), std::move(apply), of_data});
  };

  add("no data", [](TensorView& v) { v.data = nullptr; }, true);
  if (bits(valid.dtype) > 8)
    add("data + 1 byte", [](TensorView& v) { v.data = static_cast<std::byte*>(v.data) + 1; });
  add("only the first element in the address space", [](TensorView& v) {
    v.data = reinterpret_cast<void*>(std::uintptr_t{0} -
                                     static_cast<std::uintptr_t>(std::max(1, bits(v.dtype) / 8)));
  });
  for (int number = 0; number < 256; number = number < 16 ? number + 1 : number * 3) {
    const auto dtype = static_cast<DType>(number);
    bool taken = false;
    for (const DType type : takes.types) taken = taken || type == dtype;
    if (!taken) add("dtype " + std::to_string(number), [=](TensorView& v) { v.dtype = dtype; });
  }
  for (const Device device :
       {Device{DeviceType::cpu, 1}, Device{DeviceType::cpu, -1}, Device::cuda(0), Device::cuda(-3),
        Device{DeviceType::metal, 0}, Device{static_cast<DeviceType>(7), 0}}) {
    add("device " + name(device), [=](TensorView& v) { v.device = device; });
  }
  add("a tensor that was moved from", [](TensorView& v) { v = Tensor(); });
  for (int rank = 0; rank <= kMaxRank; ++rank) {
    if (rank == valid.rank()) continue;
    if (!takes.broadcasts || rank > valid.rank()) {
      add("rank " + std::to_string(rank), [=](TensorView& v) {
        std::vector<std::int64_t> ones(static_cast<std::size_t>(rank), 1);
        v.shape = v.strides = Dims(ones);
      });
    }
    add(std::to_string(rank) + " strides", [=](TensorView& v) {
      std::vector<std::int64_t> ones(static_cast<std::size_t>(rank), 1);
      v.strides = Dims(ones);
    });
  }
  for (int i = 0; i < valid.rank(); ++i) {
    const std::string dimension = " in dimension " + std::to_string(i);
    std::vector<std::int64_t> sizes{kLeast, -1, std::int64_t{1} << 31, std::int64_t{1} << 62, kMost};
    if (std::count(takes.free_sizes.begin(), takes.free_sizes.end(), i) == 0) {
      sizes.insert(sizes.end(), {valid.shape[i] - 1, valid.shape[i] + 1});
    }
    for (const std::int64_t size : sizes)
      add("size " + std::to_string(size) + dimension, [=](TensorView& v) { v.shape[i] = size; });
    for (const std::int64_t stride : {kLeast, kLeast / 2, kMost / 2, kMost}) {
      add("stride " + std::to_string(stride) + dimension, [=](TensorView& v) { v.strides[i] = stride; });
    }
    if (takes.use == Use::read) continue;
    for (const std::int64_t stride : {std::int64_t{0}, valid.strides[i] / 2}) {
      add("stride " + std::to_string(stride) + dimension, [=](TensorView& v) { v.strides[i] = stride; });
    }
  }
  return faults;
}

}  // namespace flashtile::test
