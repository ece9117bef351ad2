// Ours, since Metal makes tiles by a product only: cooperative tensors without one.
#pragma once

#include "flashtile/primitives/common/cooperative_tensor_contract.h"
#include "flashtile/primitives/cpu/cooperative_tensor.h"

namespace flashtile::inline v0_2::primitives {
inline namespace FLASHTILE_BACKEND {
namespace detail {

/// How many parts the rows of a scope's tile have.
template <class Scope>
inline constexpr int kScopeParts = Scope::simdgroups > 1 ? Scope::simdgroups : 1;

/// What the elements T of a tile are stored as.
template <class T>
using tile_storage = std::conditional_t<std::is_same_v<T, std::int32_t>, std::int32_t, float>;

template <class T, int M, int N, class Scope, class Coord = int>
using destination_tile =
    cooperative_tensor<T, extents<Coord, std::size_t{N}, std::size_t{M}>,
                       lane_layout<tile_storage<T>, tile_role::destination, kScopeParts<Scope>>>;
template <class T, int M, class Scope, class Coord = int>
using row_tile_of =
    cooperative_tensor<T, extents<Coord, std::size_t{M}>,
                       lane_layout<tile_storage<T>, tile_role::row_reduction, kScopeParts<Scope>>>;
template <class T, int N, class Coord = int>
using column_tile_of = cooperative_tensor<T, extents<Coord, std::size_t{N}>,
                                          lane_layout<tile_storage<T>, tile_role::column_reduction, 1>>;

}  // namespace detail

/// A tile of M rows and N columns of T (half, bfloat, float or int32_t), as the scope's products of that shape have
/// for D. Fresh tiles hold 0.
template <class T, int M, int N, class Scope>
inline auto make_tile() {
  detail::check_tile<Scope, M, N>();
  return detail::destination_tile<T, M, N, Scope>();
}
/// A tile with one entry of T for each row, or each column, of such tiles.
template <class T, int M, int N, class Scope>
inline auto make_row_entries() {
  detail::check_tile<Scope, M, N>();
  return detail::row_tile_of<T, M, Scope>();
}
template <class T, int M, int N, class Scope>
inline auto make_column_entries() {
  detail::check_tile<Scope, M, N>();
  return detail::column_tile_of<T, N>();
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::primitives
