// Shapes, strided views of memory, and tensors that own theirs.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "flashtile/detail/config.h"
#include "flashtile/device.h"
#include "flashtile/dtype.h"
#include "flashtile/result.h"

namespace flashtile::inline v0_2 {
FLASHTILE_EXPORTS_BEGIN

inline constexpr int kMaxRank = 8;

/// Up to kMaxRank 64-bit sizes: a shape or a set of strides, outermost dimension first.
class Dims {
 public:
  Dims() = default;
  /// Errors: invalid_argument when there are more than kMaxRank values.
  Dims(std::initializer_list<std::int64_t> values) : Dims(std::span(values.begin(), values.size())) {}
  explicit Dims(std::span<const std::int64_t> values);

  int rank() const noexcept { return rank_; }
  std::int64_t operator[](int i) const noexcept { return values_[static_cast<std::size_t>(i)]; }
  std::int64_t& operator[](int i) noexcept { return values_[static_cast<std::size_t>(i)]; }
  const std::int64_t* begin() const noexcept { return values_.data(); }
  const std::int64_t* end() const noexcept { return values_.data() + rank_; }
  friend bool operator==(const Dims& a, const Dims& b) noexcept {
    return a.rank_ == b.rank_ && std::equal(a.begin(), a.end(), b.begin());
  }

 private:
  std::array<std::int64_t, kMaxRank> values_{};
  int rank_ = 0;
};

/// "(2, 16, 128, 64)".
std::string to_string(const Dims& dims);

/// Product of the sizes. Errors: invalid_argument for a negative size or a product past 2^63 - 1.
std::int64_t element_count(const Dims& shape);

/// Row-major strides of a dense tensor, in elements.
Dims packed_strides(const Dims& shape);

/// A strided view of somebody's memory. Never owns.
///
/// Threads  A value like any other: several threads may read one, and no other may use one that is being changed.
/// Units  Strides are in elements. A stride of 0 repeats one element along its dimension. 4-bit types count
///        nibbles, and data must start at the low nibble of a byte.
struct TensorView {
  void* data = nullptr;
  DType dtype = DType::f32;
  Dims shape;
  Dims strides;
  Device device;

  int rank() const noexcept { return shape.rank(); }
  /// The same memory with dimensions reordered: result dimension i is dimension order[i].
  /// Errors: invalid_argument.
  TensorView permuted(const Dims& order) const;
  /// Elements begin ... end - 1 of one dimension. Errors: invalid_argument.
  TensorView sliced(int dimension, std::int64_t begin, std::int64_t end) const;
  /// Are both the same view, whatever the memory holds?
  friend bool operator==(const TensorView&, const TensorView&) noexcept = default;
};

/// A view of dense row-major memory. Errors: invalid_argument for sizes that overflow.
TensorView packed_view(const void* data, DType dtype, const Dims& shape, Device device = {});

/// A dense row-major tensor that owns its memory, aligned to 64 bytes. New memory is not initialised. Copies
/// share the memory; one that was moved from has no elements. Copies may be made and destroyed by several threads, as
/// std::shared_ptr's.
class Tensor {
 public:
  /// No memory and no elements: shape (0,).
  Tensor() noexcept = default;  // NOLINT(bugprone-exception-escape)
  /// Errors: invalid_argument for bad sizes and types; out_of_memory; unsupported when the device is not there.
  Tensor(DType dtype, const Dims& shape, Device device = {});

  Tensor(const Tensor&) = default;
  Tensor(Tensor&& other) noexcept : Tensor() { swap(other); }  // NOLINT(bugprone-exception-escape)
  Tensor& operator=(Tensor other) noexcept {
    swap(other);
    return *this;
  }

  const TensorView& view() const noexcept { return view_; }
  operator const TensorView&() const noexcept { return view_; }
  void* data() const noexcept { return view_.data; }
  template <class T>
  T* as() const noexcept {
    return static_cast<T*>(view_.data);
  }
  DType dtype() const noexcept { return view_.dtype; }
  const Dims& shape() const noexcept { return view_.shape; }
  Device device() const noexcept { return view_.device; }
  std::int64_t size() const { return element_count(view_.shape); }
  std::size_t size_bytes() const;

 private:
  void swap(Tensor& other) noexcept {
    std::swap(view_, other.view_);
    std::swap(memory_, other.memory_);
  }

  TensorView view_{nullptr, DType::f32, {0}, {1}, {}};
  std::shared_ptr<void> memory_;
};

/// A dense copy of a view on another device (or the same one). Synchronous. Safe from any thread.
/// Errors: invalid_argument for a view that is none; out_of_memory, unsupported, device_failure.
Tensor copy_to(const TensorView& source, Device device);

/// A dense copy with elements converted, rounding to nearest even; on the CPU. Integers saturate. Safe from any thread.
/// Errors: invalid_argument for device memory, and for a view or type that is none; out_of_memory.
Tensor convert(const TensorView& source, DType dtype);

/// The same for a program without exceptions.
Result<Tensor> try_tensor(DType dtype, const Dims& shape, Device device = {}) noexcept;
Result<Tensor> try_copy_to(const TensorView& source, Device device) noexcept;
Result<Tensor> try_convert(const TensorView& source, DType dtype) noexcept;

FLASHTILE_EXPORTS_END
}  // namespace flashtile::inline v0_2
