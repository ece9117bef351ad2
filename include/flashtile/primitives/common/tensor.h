// Extents and inline tensors: a pointer, a shape and strides. Dimension 0 is the contiguous one.
// Included by primitives.h for the CPU and CUDA backends; Metal has its own <metal_tensor>.
#pragma once

#include <cstddef>
#include <cstdint>

namespace flashtile::primitives {
inline namespace FLASHTILE_BACKEND {

inline constexpr std::size_t dynamic_extent = static_cast<std::size_t>(-1);

/// The sizes of a tensor, dimension 0 (columns) first; each is static, or dynamic_extent and held at run time.
template <class Index, std::size_t... E>
class extents {
 public:
  using index_type = Index;
  static_assert(sizeof...(E) >= 1 && sizeof...(E) <= 8, "extents: rank must be 1 to 8");

  constexpr extents() = default;
  /// From one value a dimension (static ones must match), or from the dynamic ones alone.
  template <class... I>
  FLASHTILE_HOST_DEVICE constexpr explicit extents(I... sizes) {
    static_assert(sizeof...(I) == sizeof...(E) || sizeof...(I) == rank_dynamic(),
                  "extents: give one size a dimension, or one a dynamic dimension");
    const Index given[] = {static_cast<Index>(sizes)..., Index{}};
    int next = 0;
    for (int r = 0; r < static_cast<int>(sizeof...(E)); ++r) {
      if (sizeof...(I) == sizeof...(E))
        sizes_[r] = given[r];
      else
        sizes_[r] = static_extent(r) == dynamic_extent ? given[next++] : static_cast<Index>(static_extent(r));
    }
  }

  FLASHTILE_HOST_DEVICE static constexpr std::size_t rank() { return sizeof...(E); }
  FLASHTILE_HOST_DEVICE static constexpr std::size_t rank_dynamic() {
    return ((E == dynamic_extent ? std::size_t{1} : std::size_t{0}) + ...);
  }
  FLASHTILE_HOST_DEVICE static constexpr std::size_t static_extent(std::size_t r) {
    const std::size_t all[] = {E...};
    return all[r];
  }
  FLASHTILE_HOST_DEVICE constexpr Index extent(std::size_t r) const {
    return static_extent(r) == dynamic_extent ? sizes_[r] : static_cast<Index>(static_extent(r));
  }

 private:
  Index sizes_[sizeof...(E)] = {(E == dynamic_extent ? Index{} : static_cast<Index>(E))...};
};

namespace detail {
template <class Index, class Sequence, std::size_t... E>
struct dynamic_extents_of;
template <class Index, std::size_t Rank, std::size_t... E>
struct make_dextents : make_dextents<Index, Rank - 1, dynamic_extent, E...> {};
template <class Index, std::size_t... E>
struct make_dextents<Index, 0, E...> {
  using type = extents<Index, E...>;
};
}  // namespace detail

/// Extents that are all dynamic.
template <class Index, std::size_t Rank>
using dextents = typename detail::make_dextents<Index, Rank>::type;

/// Descriptor tag: a tensor built inside the kernel over any pointer.
struct tensor_inline {};

/// A view of memory with a shape and strides; element (i0, i1, ...) is data[i0 * stride0 + i1 * stride1 + ...].
///
/// Shapes    dimension 0 is contiguous (stride 1): a row-major R x C matrix has extents (C, R).
/// Units     strides in elements, 64-bit; offsets never overflow past 2 GiB.
/// Bounds    operator[] is unchecked; get returns T{} outside and set drops.
template <class T, class Extents, class Descriptor = tensor_inline>
class tensor {
 public:
  using element_type = T;
  using value_type = std::remove_cv_t<T>;
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
    return data_[offset(index...)];
  }
  template <class... I>
  FLASHTILE_HOST_DEVICE constexpr value_type get(I... index) const {
    return inside(index...) ? data_[offset(broadcast(index)...)] : value_type{};
  }
  template <class... I>
  FLASHTILE_HOST_DEVICE constexpr void set(value_type value, I... index) const {
    if (inside(index...)) data_[offset(index...)] = value;
  }

  /// The tensor from an origin on (column first). Without template arguments the rest of each extent remains,
  /// so edges are clipped; with static extents the caller promises that the slice lies inside.
  template <std::size_t... S, class... I>
  FLASHTILE_HOST_DEVICE constexpr auto slice(I... origin) const;

 private:
  template <class... I>
  FLASHTILE_HOST_DEVICE constexpr std::int64_t offset(I... index) const {
    static_assert(sizeof...(I) == kRank, "tensor: give one index a dimension");
    const std::int64_t at[] = {static_cast<std::int64_t>(index)...};
    std::int64_t sum = 0;
    for (int r = 0; r < kRank; ++r) sum += at[r] * strides_[r];
    return sum;
  }
  T* data_;
  Extents extents_;
  std::int64_t strides_[Extents::rank()];
};

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::primitives
