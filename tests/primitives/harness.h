// What the tests of the vocabulary share: memory of the device under test, launching a check as a kernel,
// random data.
//
// A check is a kernel that writes its findings to memory, so that the same source tests every backend: compiled
// by a C++ compiler it runs on the CPU, once for each instruction set; compiled by nvcc it runs on a GPU.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "flashtile/error.h"
#include "flashtile/launch.h"
#include "flashtile/tensor.h"

namespace flashtile::test {
using namespace flashtile::primitives;

inline Device test_device() {
#if defined(__CUDACC__)
  return Device::cuda();
#else
  return Device::cpu();
#endif
}

/// Elements in the device's memory.
template <class T>
class Array {
 public:
  explicit Array(const std::vector<T>& values) : size_(values.size()) {
    const auto bytes = static_cast<std::int64_t>(values.size() * sizeof(T));
    memory_ = copy_to(packed_view(values.data(), DType::i8, {bytes}), test_device());
  }
  Array(std::size_t size, T value) : Array(std::vector<T>(size, value)) {}

  T* data() const { return static_cast<T*>(memory_.data()); }
  std::size_t size() const { return size_; }
  std::vector<T> read() const {
    const Tensor here = copy_to(memory_, Device::cpu());
    std::vector<T> values(size_);
    if (size_ > 0) std::memcpy(static_cast<void*>(values.data()), here.data(), size_ * sizeof(T));
    return values;
  }

 private:
  std::size_t size_;
  Tensor memory_;
};

/// Runs a kernel and waits for it. What a kernel refuses is thrown from here.
template <class Kernel>
void run(const typename Kernel::Params& params, Grid grid = {}) {
  const Queue queue = Queue::default_for(test_device());
  launch<Kernel>(queue, grid, params);
  queue.synchronize();
}

/// Small integers, exactly representable in every type, so that sums are exact too:
/// -3 ... 3, or 0 ... 6 if unsigned.
template <class T>
T small_value(std::mt19937& random) {
  const int value = static_cast<int>(random() % 7);
  if constexpr (std::is_same_v<T, std::uint8_t>)
    return static_cast<T>(value);
  else
    return static_cast<T>(static_cast<float>(value - 3));
}

/// Values as in real use: standard normal floats, all of the integers.
template <class T>
T any_value(std::mt19937& random) {
  if constexpr (std::is_integral_v<T>)
    return static_cast<T>(random());
  else
    return static_cast<T>(std::normal_distribution<float>()(random));
}

template <class T>
std::vector<T> random_values(std::size_t count, unsigned seed, T (*value)(std::mt19937&) = any_value<T>) {
  std::mt19937 random(seed);
  std::vector<T> values(count);
  for (T& v : values) v = value(random);
  return values;
}

template <class T>
double as_double(T value) {
  if constexpr (std::is_integral_v<T>)
    return static_cast<double>(value);
  else
    return static_cast<double>(static_cast<float>(value));
}

/// Half of the distance between 1 and the next number of T, and the smallest normal number.
template <class T>
constexpr double unit_roundoff = 0x1p-24;
template <>
constexpr double unit_roundoff<half> = 0x1p-11;
template <>
constexpr double unit_roundoff<bfloat> = 0x1p-8;
template <class T>
constexpr double smallest_normal = 0x1p-126;
template <>
constexpr double smallest_normal<half> = 0x1p-14;

inline std::uint32_t bits(float x) {
  std::uint32_t b;
  std::memcpy(&b, &x, sizeof b);
  return b;
}

/// Does this backend round a * b + c once? Without fused multiply-add the bits of sums are its own.
#if defined(__CUDACC__) || defined(FT_AVX512) || defined(FT_AVX2) || defined(__ARM_NEON) || \
    defined(FLASHTILE_EXACT)
inline constexpr bool kFused = true;
#else
inline constexpr bool kFused = false;
#endif

}  // namespace flashtile::test
