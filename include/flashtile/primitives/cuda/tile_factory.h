// Ours, since Metal makes tiles by a product only: cooperative tensors without one. Included by cuda/primitives.h.
#pragma once

#include <type_traits>

#include "flashtile/primitives/common/cooperative_tensor_contract.h"
#include "flashtile/primitives/cuda/cooperative_tensor.h"

namespace flashtile::inline v0_2::primitives {
inline namespace FLASHTILE_BACKEND {
namespace detail {

template <int N>
struct simdgroups_of<execution_team<N>> {
  static constexpr int value = N;
};

/// Where the threads of a scope hold an M x N result.
template <int M, int N, class Scope>
struct scope_layouts {
  static constexpr bool kThread = Scope::simdgroups == 0;
  using rows = row_spread<M, kThread ? 1 : Scope::simdgroups>;
  using destination = std::conditional_t<kThread, thread_layout<M, N>, result_layout<rows, N>>;
  using row_entries = typename reductions_of<destination>::rows;
  using column_entries = typename reductions_of<destination>::columns;
};

/// A fresh tile of a scope, which must be the threadgroup if it is more than a simdgroup.
template <class Scope, class T, class Layout>
FT_FUNCTION cooperative_tensor<T, Layout> fresh_tile() {
  check_scope<Scope>();
  return cooperative_tensor<T, Layout>();
}

}  // namespace detail

/// A tile of M rows and N columns of T (half, bfloat, float or int32_t), as the scope's products of that shape have
/// for D. Fresh tiles hold 0.
template <class T, int M, int N, class Scope>
FT_FUNCTION auto make_tile() {
  detail::check_tile<Scope, M, N>();
  return detail::fresh_tile<Scope, T, typename detail::scope_layouts<M, N, Scope>::destination>();
}
/// A tile with one entry of T for each row, or each column, of such tiles.
template <class T, int M, int N, class Scope>
FT_FUNCTION auto make_row_entries() {
  detail::check_tile<Scope, M, N>();
  return detail::fresh_tile<Scope, T, typename detail::scope_layouts<M, N, Scope>::row_entries>();
}
template <class T, int M, int N, class Scope>
FT_FUNCTION auto make_column_entries() {
  detail::check_tile<Scope, M, N>();
  return detail::fresh_tile<Scope, T, typename detail::scope_layouts<M, N, Scope>::column_entries>();
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::primitives
