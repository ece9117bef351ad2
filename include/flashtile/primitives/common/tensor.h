// Inline tensors: a pointer, a shape and strides. Dimension 0 is the contiguous one.
// Included by primitives.h for the CPU and CUDA backends; metal/tensor.h is Metal's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "flashtile/dtype.h"
#include "flashtile/primitives/common/extents.h"

namespace flashtile::inline v0_2::primitives {
inline namespace FLASHTILE_BACKEND {

/// A fixed number of values; what Metal calls metal::array.
template <class T, std::size_t N>
struct array {
  T values[N];
  FLASHTILE_HOST_DEVICE constexpr T& operator[](std::size_t i) { return values[i]; }
  FLASHTILE_HOST_DEVICE constexpr const T& operator[](std::size_t i) const { return values[i]; }
  FLASHTILE_HOST_DEVICE static constexpr std::size_t size() { return N; }
};

namespace detail {
/// How many elements one T of memory holds: two in the packed 4-bit formats, which are
/// read as int8_t or uint8_t.
template <class T>
struct packing {
  using value = T;
  static constexpr int elements = 1;
};
template <>
struct packing<int4b_format> {
  using value = std::int8_t;
  static constexpr int elements = 2;
};
template <>
struct packing<uint4b_format> {
  using value = std::uint8_t;
  static constexpr int elements = 2;
};

FLASHTILE_HOST_DEVICE constexpr std::int8_t nibble(const int4b_format* data, std::int64_t i) {
  const int bits = data[i >> 1].pair >> ((i & 1) * 4) & 15;
  return static_cast<std::int8_t>(bits < 8 ? bits : bits - 16);
}
FLASHTILE_HOST_DEVICE constexpr std::uint8_t nibble(const uint4b_format* data, std::int64_t i) {
  return static_cast<std::uint8_t>(data[i >> 1].pair >> ((i & 1) * 4) & 15);
}
}  // namespace detail

/// Descriptor tag: a tensor built inside the kernel over any pointer.
struct tensor_inline {};

/// A view of memory with a shape and strides; element (i0, i1, ...) is data[i0 * stride0 + i1 * stride1 + ...].
///
/// Shapes    Dimension 0 is contiguous (stride 1): a row-major R x C matrix has extents (C, R).
/// Units     Strides are in elements, 64-bit; offsets do not overflow past 2 GiB.
/// Bounds    operator() and operator[] are unchecked. get returns 0 outside and repeats extents of 1; set drops
///           what is outside.
/// Types     int4b_format and uint4b_format are pairs. Strides and indices count single elements, and must be
///           even where a row or a slice starts; get returns int8_t or uint8_t; single elements cannot be
///           referred to or set.
template <class T, class Extents, class Descriptor = tensor_inline>
class tensor {
 public:
  using element_type = T;
  using value_type = typename detail::packing<std::remove_cv_t<T>>::value;
  using extents_type = Extents;
  using index_type = typename Extents::index_type;
  static constexpr int kRank = static_cast<int>(Extents::rank());

  FLASHTILE_HOST_DEVICE constexpr tensor(T* data, Extents sizes) : data_(data), extents_(sizes) {
    std::int64_t stride = 1;
    for (int r = 0; r < kRank; ++r) {
      strides_[r] = stride;
      stride *= static_cast<std::int64_t>(sizes.extent(static_cast<std::size_t>(r)));
    }
  }
  /// Strides in elements, one a dimension, the first of them 1.
  template <class Stride>
  FLASHTILE_HOST_DEVICE constexpr tensor(T* data, Extents sizes, const Stride (&strides)[Extents::rank()])
      : data_(data), extents_(sizes) {
    for (int r = 0; r < kRank; ++r) strides_[r] = static_cast<std::int64_t>(strides[r]);
  }
  template <class Stride>
  FLASHTILE_HOST_DEVICE constexpr tensor(T* data, Extents sizes, const array<Stride, Extents::rank()>& strides)
      : tensor(data, sizes, strides.values) {}

  FLASHTILE_HOST_DEVICE static constexpr int get_rank() { return kRank; }
  FLASHTILE_HOST_DEVICE static constexpr std::size_t get_static_extent(int r) {
    return Extents::static_extent(static_cast<std::size_t>(r));
  }
  FLASHTILE_HOST_DEVICE static constexpr bool has_static_extent(int r) {
    return get_static_extent(r) != dynamic_extent;
  }
  FLASHTILE_HOST_DEVICE static constexpr bool has_all_static_extent() { return Extents::rank_dynamic() == 0; }
  FLASHTILE_HOST_DEVICE constexpr index_type get_extent(int r) const {
    return extents_.extent(static_cast<std::size_t>(r));
  }
  FLASHTILE_HOST_DEVICE constexpr std::int64_t get_stride(int r) const { return strides_[r]; }
  FLASHTILE_HOST_DEVICE constexpr T* data() const { return data_; }

  template <class... I>
  FLASHTILE_HOST_DEVICE constexpr T& operator()(I... index) const {
    static_assert(kPacking == 1, "tensor: 4-bit elements have no address; use get");
    return data_[offset(index...)];
  }
  FLASHTILE_HOST_DEVICE constexpr T& operator[](const array<index_type, Extents::rank()>& index) const {
    static_assert(kPacking == 1, "tensor: 4-bit elements have no address; use get");
    std::int64_t at = 0;
    for (int r = 0; r < kRank; ++r)
      at += static_cast<std::int64_t>(index[static_cast<std::size_t>(r)]) * strides_[r];
    return data_[at];
  }
  template <class... I>
  FLASHTILE_HOST_DEVICE constexpr value_type get(I... index) const {
    static_assert(sizeof...(I) == kRank, "tensor: give one index a dimension");
    std::int64_t at[] = {static_cast<std::int64_t>(index)...};
    std::int64_t sum = 0;
    for (int r = 0; r < kRank; ++r) {
      const std::int64_t extent = static_cast<std::int64_t>(get_extent(r));
      if (extent == 1) at[r] = 0;
      if (at[r] < 0 || at[r] >= extent) return value_type{};
      sum += at[r] * strides_[r];
    }
    if constexpr (kPacking == 2)
      return detail::nibble(data_, sum);
    else
      return data_[sum];
  }
  template <class... I>
  FLASHTILE_HOST_DEVICE constexpr void set(value_type value, I... index) const {
    static_assert(kPacking == 1, "tensor: 4-bit elements cannot be set one by one");
    static_assert(sizeof...(I) == kRank, "tensor: give one index a dimension");
    const std::int64_t at[] = {static_cast<std::int64_t>(index)...};
    for (int r = 0; r < kRank; ++r) {
      if (at[r] < 0 || at[r] >= static_cast<std::int64_t>(get_extent(r))) return;
    }
    data_[offset(index...)] = value;
  }

  /// The tensor from an origin (column first) on. Without template arguments the rest of each extent
  /// remains, and 0 past the end, so that edges are clipped. With a static extent the caller
  /// promises that the slice lies inside.
  template <std::size_t... S, class... I>
  FLASHTILE_HOST_DEVICE constexpr auto slice(I... origin) const {
    static_assert(sizeof...(I) == kRank, "slice: give one origin a dimension");
    static_assert(sizeof...(S) == 0 || sizeof...(S) == kRank,
                  "slice: give one static extent a dimension, or none");
    using Sliced = typename detail::sliced_extents<index_type, Extents::rank(), S...>::type;
    const std::int64_t at[] = {static_cast<std::int64_t>(origin)...};
    array<index_type, Extents::rank()> left{};
    for (int r = 0; r < kRank; ++r) {
      const std::int64_t rest = static_cast<std::int64_t>(get_extent(r)) - at[r];
      left[static_cast<std::size_t>(r)] = static_cast<index_type>(rest > 0 ? rest : 0);
    }
    return tensor<T, Sliced, Descriptor>(data_ + offset(origin...) / kPacking,
                                         sized<Sliced>(left, std::make_index_sequence<Extents::rank()>()),
                                         strides_);
  }

 private:
  static constexpr int kPacking = detail::packing<std::remove_cv_t<T>>::elements;

  template <class... I>
  FLASHTILE_HOST_DEVICE constexpr std::int64_t offset(I... index) const {
    static_assert(sizeof...(I) == kRank, "tensor: give one index a dimension");
    const std::int64_t at[] = {static_cast<std::int64_t>(index)...};
    std::int64_t sum = 0;
    for (int r = 0; r < kRank; ++r) sum += at[r] * strides_[r];
    return sum;
  }
  template <class Sliced, std::size_t... R>
  FLASHTILE_HOST_DEVICE static constexpr Sliced sized(const array<index_type, Extents::rank()>& left,
                                                      std::index_sequence<R...>) {
    return Sliced(left[R]...);
  }

  T* data_;
  Extents extents_;
  std::int64_t strides_[Extents::rank()];
};

template <class T, class Extents>
tensor(T*, Extents) -> tensor<T, Extents, tensor_inline>;
template <class T, class Extents, class Stride>
tensor(T*, Extents, const Stride (&)[Extents::rank()]) -> tensor<T, Extents, tensor_inline>;
template <class T, class Extents, class Stride>
tensor(T*, Extents, array<Stride, Extents::rank()>) -> tensor<T, Extents, tensor_inline>;

namespace detail {
template <class>
inline constexpr bool is_tensor = false;
template <class T, class Extents, class D>
inline constexpr bool is_tensor<tensor<T, Extents, D>> = true;
}  // namespace detail

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::primitives
