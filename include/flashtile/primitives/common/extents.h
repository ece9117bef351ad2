// The sizes of a tensor, known to the compiler or at run time. Included by common/tensor.h, and by metal/tensor.h: shared text.
#pragma once

#include <stddef.h>

#include "flashtile/detail/kernel_words.h"

namespace flashtile::inline v0_2::primitives {
inline namespace FLASHTILE_BACKEND {

inline constexpr FT_CONSTANT size_t dynamic_extent = static_cast<size_t>(-1);

/// The sizes of a tensor, dimension 0 (columns) first; each is static, or dynamic_extent and held at run time.
template <class Index, size_t... E>
class extents {
 public:
  using index_type = Index;
  static_assert(sizeof...(E) >= 1 && sizeof...(E) <= 8, "extents: rank must be 1 to 8");

  constexpr extents() = default;
  /// From one value for each dimension (static ones must match), or from the dynamic ones alone.
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

  FLASHTILE_HOST_DEVICE static constexpr size_t rank() { return sizeof...(E); }
  FLASHTILE_HOST_DEVICE static constexpr size_t rank_dynamic() {
    return ((E == dynamic_extent ? size_t{1} : size_t{0}) + ...);
  }
  FLASHTILE_HOST_DEVICE static constexpr size_t static_extent(size_t r) {
    const size_t all[] = {E...};
    return all[r];
  }
  FLASHTILE_HOST_DEVICE constexpr Index extent(size_t r) const {
    return static_extent(r) == dynamic_extent ? sizes_[r] : static_cast<Index>(static_extent(r));
  }

 private:
  Index sizes_[sizeof...(E)] = {(E == dynamic_extent ? Index{} : static_cast<Index>(E))...};
};

namespace detail {
template <class Index, size_t Rank, size_t... E>
struct make_dextents : make_dextents<Index, Rank - 1, dynamic_extent, E...> {};
template <class Index, size_t... E>
struct make_dextents<Index, 0, E...> {
  using type = extents<Index, E...>;
};
}  // namespace detail

/// Extents that are all dynamic.
template <class Index, size_t Rank>
using dextents = typename detail::make_dextents<Index, Rank>::type;

namespace detail {
/// The extents of slice<S...>: as given, or all dynamic when none are.
template <class Index, size_t Rank, size_t... S>
struct sliced_extents {
  using type = extents<Index, S...>;
};
template <class Index, size_t Rank>
struct sliced_extents<Index, Rank> {
  using type = dextents<Index, Rank>;
};
}  // namespace detail

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::primitives
