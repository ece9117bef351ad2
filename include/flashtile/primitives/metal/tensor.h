// Views of device memory, in the names of <metal_tensor>. Ours, since Apple's exist from Metal 4 on, cannot be members of
// a struct and have 32-bit strides; matmul2d.h makes Apple's of them. Included by metal/primitives.h.
#pragma once

#include "flashtile/primitives/common/extents.h"
#include "flashtile/primitives/metal/standard.h"

namespace flashtile::inline v0_2::primitives {
inline namespace FLASHTILE_BACKEND {

/// A pair of packed 4-bit integers; the element with the even index is the low nibble.
struct int4b_format {
  uint8_t pair;
};
struct uint4b_format {
  uint8_t pair;
};

namespace detail {

/// T of a pointer to T, without its address space and const.
template <class Pointer>
struct pointee;
template <class T>
struct pointee<device T*> {
  using type = T;
};
template <class T>
struct pointee<const device T*> {
  using type = T;
};

/// How many elements a T in memory holds.
template <class T>
struct packing {
  static constexpr constant int elements = 1;
};
template <>
struct packing<int4b_format> {
  static constexpr constant int elements = 2;
};
template <>
struct packing<uint4b_format> {
  static constexpr constant int elements = 2;
};

}  // namespace detail

/// Descriptor tag: a tensor built inside the kernel over any pointer.
struct tensor_inline {};

/// Element (i0, i1, ...) is data[i0 + i1 * stride1 + ...]. T says its address space. Strides are in elements.
template <class T, class Extents, class Descriptor = tensor_inline>
class tensor {
 public:
  using element_type = typename detail::pointee<T*>::type;  ///< as it is read
  static constexpr constant int kRank = static_cast<int>(Extents::rank());

  /// Packed: each stride is the number of elements of the dimensions before it.
  tensor(T* data, Extents sizes) : data_(data), extents_(sizes) {
    int64_t stride = 1;
    for (int r = 0; r < kRank; ++r) {
      strides_[r] = stride;
      stride *= sizes.extent(r);
    }
  }
  tensor(T* data, Extents sizes, thread const int64_t (&strides)[kRank]) : data_(data), extents_(sizes) {
    for (int r = 0; r < kRank; ++r) strides_[r] = strides[r];
  }

  int get_extent(int r) const { return extents_.extent(r); }
  int64_t get_stride(int r) const { return strides_[r]; }
  T* data() const { return data_; }

  template <class... I>
  T& operator()(I... index) const {
    return data_[offset(index...)];
  }

  /// An element; 0 outside, and that of index 0 where an extent is 1.
  template <class... I>
  element_type get(I... index) const {
    int64_t sum = 0;
    const int64_t at[] = {static_cast<int64_t>(index)...};
    for (int r = 0; r < kRank; ++r) {
      if (get_extent(r) == 1) continue;
      if (at[r] < 0 || at[r] >= get_extent(r)) return element_type(0);
      sum += at[r] * strides_[r];
    }
    return data_[sum];
  }
  /// Sets an element unless it is outside.
  template <class... I>
  void set(element_type value, I... index) const {
    const int64_t at[] = {static_cast<int64_t>(index)...};
    for (int r = 0; r < kRank; ++r) {
      if (at[r] < 0 || at[r] >= get_extent(r)) return;
    }
    data_[offset(index...)] = value;
  }

  /// The tensor from an origin (column first) on. Without template arguments the rest of each extent remains, and 0 past the
  /// end; with static extents the caller promises that the slice lies inside.
  template <size_t... S, class... I>
  auto slice(I... origin) const {
    using Sliced = typename detail::sliced_extents<typename Extents::index_type, kRank, S...>::type;
    int r = 0;
    return tensor<T, Sliced, Descriptor>(data_ + offset(origin...) / detail::packing<element_type>::elements,
                                         Sliced{rest_of_extent(r++, static_cast<int>(origin))...}, strides_);
  }

 private:
  int rest_of_extent(int r, int origin) const { return origin < get_extent(r) ? get_extent(r) - origin : 0; }
  template <class... I>
  int64_t offset(I... index) const {
    const int64_t at[] = {static_cast<int64_t>(index)...};
    int64_t sum = 0;
    for (int r = 0; r < kRank; ++r) sum += at[r] * strides_[r];
    return sum;
  }

  T* data_;
  Extents extents_;
  int64_t strides_[kRank];
};

namespace detail {

/// Where the element of a tile lies to which get_multidimensional_index gives the place `at`; null outside. What a tensor
/// of rank 1 holds is every row's.
template <class T, class X, class Place>
inline T* element_at(thread const tensor<T, X>& source, Place at) {
  int64_t offset = 0;
  for (int r = 0; r < static_cast<int>(X::rank()); ++r) {
    if (at[r] >= source.get_extent(r)) return nullptr;
    offset += at[r] * source.get_stride(r);
  }
  return source.data() + offset;
}
/// Element (column, row) of a tensor of rank 2 as a float; 0 outside.
template <class T, class X>
inline float clipped(thread const tensor<T, X>& source, int column, int row) {
  const bool inside = column < source.get_extent(0) && row < source.get_extent(1);
  return inside ? static_cast<float>(source(column, row)) : 0.0f;
}
/// The same, where an extent of 1 is repeated.
template <class T, class X>
inline float repeated(thread const tensor<T, X>& source, int column, int row) {
  return clipped(source, source.get_extent(0) == 1 ? 0 : column, source.get_extent(1) == 1 ? 0 : row);
}
/// Stores element (column, row) unless it is outside.
template <class T, class X, class Value>
inline void put_clipped(thread const tensor<T, X>& target, int column, int row, Value value) {
  using E = typename tensor<T, X>::element_type;
  if (column < target.get_extent(0) && row < target.get_extent(1)) target(column, row) = static_cast<E>(value);
}

}  // namespace detail
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::primitives
