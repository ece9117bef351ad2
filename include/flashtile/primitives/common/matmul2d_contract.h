// What matmul2d<descriptor, scope> computes on every backend, and what it refuses. Included by each backend's matmul2d.h, behind
// its descriptor and scopes.
//
//   The product of two matrices by the threads of a scope, D = A B or D += A B.
//
//   Extents of the operands (extent 0 = columns = contiguous):
//
//     transposes      left     right    destination
//     none            (K, M)   (N, K)   (N, M)
//     right           (K, M)   (K, N)   (N, M)
//     left            (M, K)   (N, K)   (N, M)
//     both            (M, K)   (K, N)   (N, M)
//
//   Element types (the table of Metal 4):
//
//     left, right                                              destination
//     half, half                                               half, float
//     bfloat, bfloat                                           bfloat, float
//     half and bfloat, either way                              half, bfloat, float
//     half or bfloat with int8_t or uint8_t, either way        the 16-bit type, float
//     float with float, half, bfloat, int8_t, uint8_t, either way    float
//     int8_t, int8_t; uint8_t, uint8_t                         int32_t
//     int8_t with uint8_t, either way; on CPUs alone           int32_t
//     half or bfloat with int4b_format or uint4b_format        the 16-bit type, float
//     int8_t with int4b_format; uint8_t with uint4b_format     int32_t
//
//   Shapes     m and n are those of a cooperative tensor (cooperative_tensor_contract.h); a static k is a multiple of 8.
//   Operands   Tensors in device or threadgroup memory, cooperative tensors, which need a static k, and tiles of
//              left_tile_stages and right_tile_stages. All threads of the scope call run with the same arguments.
//   Edges      Elements of a tile outside a source tensor count as 0 and are not read; those outside the destination are
//              dropped. A static k must not pass the K extent of a tensor: leave k dynamic for a ragged K. Beside a
//              cooperative operand load the other one into an input tile, too: loads clip.
//   Numerics   Sums are float32 for every float type, and int32 for integers, which wrap modulo 2^32. A 16-bit result is
//              rounded once, at the end. Float operands keep their precision unless relaxed_precision is set. Mode multiply
//              never reads D.
//   Sync       Before other threads read a destination in device or threadgroup memory, the scope needs a barrier; a
//              cooperative one needs none.
#pragma once

#include "flashtile/primitives/common/cooperative_tensor_contract.h"
#include "flashtile/primitives/common/tile_stages_contract.h"

namespace flashtile::inline v0_2::primitives {
inline namespace FLASHTILE_BACKEND {
namespace detail {

template <class T, class... Set>
FLASHTILE_HOST_DEVICE constexpr bool is_one_of() {
  return (same_type<T, Set>::value || ...);
}
template <class T>
FLASHTILE_HOST_DEVICE constexpr bool is_8_bit() {
  return is_one_of<T, int8_t, uint8_t>();
}
template <class T>
FLASHTILE_HOST_DEVICE constexpr bool is_4_bit() {
  return is_one_of<T, int4b_format, uint4b_format>();
}

/// One row of the table above, for every backend.
template <class L, class R, class D>
FLASHTILE_HOST_DEVICE constexpr bool types_are_supported() {
  constexpr bool l16 = is_one_of<L, half, bfloat>(), r16 = is_one_of<R, half, bfloat>();
  if (l16 && r16) return is_one_of<D, L, R, float>();
  if (l16 && (is_8_bit<R>() || is_4_bit<R>())) return is_one_of<D, L, float>();
  if (r16 && is_8_bit<L>()) return is_one_of<D, R, float>();
  if (is_one_of<L, float>() && (is_one_of<R, float>() || r16 || is_8_bit<R>())) return is_one_of<D, float>();
  if (is_one_of<R, float>() && (l16 || is_8_bit<L>())) return is_one_of<D, float>();
  const bool same_signs =
      is_8_bit<L>() && (is_one_of<R, L>() || (is_one_of<L, int8_t>() ? is_one_of<R, int4b_format>()
                                                                     : is_one_of<R, uint4b_format>()));
  return same_signs && is_one_of<D, int32_t>();
}

/// Is k known at compile time? Negative values and INT_MAX are dynamic_length.
FLASHTILE_HOST_DEVICE constexpr bool is_static_k(int k) { return k > 0 && k != 0x7fffffff; }

/// The limits of a product; matmul2d derives from it.
template <int M, int N, int K, class Scope>
struct matmul2d_contract {
  static_assert(simdgroups_of<Scope>::value >= 0,
                "matmul2d: the scope must be execution_thread or execution_simdgroups<N>");
  static_assert(tile_shape_ok(simdgroups_of<Scope>::value, M, N),
                "matmul2d: m and n must be multiples of 8, one of them of 16 (for execution_thread: 1, 2, 4 or "
                "multiples of 8)");
  static_assert(!is_static_k(K) || K % 8 == 0, "matmul2d: a static k must be a multiple of 8");
  static_assert(tile_size_ok(M, N), "matmul2d: a tile of D must not pass 131072 elements");

 protected:
  /// `Supported` is types_are_supported, and what a backend takes besides.
  template <bool Supported>
  FLASHTILE_HOST_DEVICE static constexpr void check_table() {
    static_assert(Supported,
                  "matmul2d: no product of these element types; see the table in matmul2d_contract.h");
  }
  FLASHTILE_HOST_DEVICE static constexpr void check_static_k() {
    static_assert(is_static_k(K), "matmul2d: cooperative inputs need a static k");
  }
  FLASHTILE_HOST_DEVICE static constexpr void check_column_scope() {
    static_assert(simdgroups_of<Scope>::value <= 1,
                  "matmul2d: column reductions need a scope of one simdgroup");
  }
  template <bool Fits>
  FLASHTILE_HOST_DEVICE static constexpr void check_destination() {
    static_assert(Fits, "matmul2d: the destination tile was made for another shape, scope or role");
  }
  template <int Rank>
  FLASHTILE_HOST_DEVICE static constexpr void check_rank() {
    static_assert(Rank == 2, "matmul2d: operands are matrices; give tensors of rank 2");
  }
  template <bool CanAdd>
  FLASHTILE_HOST_DEVICE static constexpr void check_add() {
    static_assert(CanAdd, "matmul2d: add is for mode multiply and destinations of float or int32_t");
  }
};

}  // namespace detail
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::primitives
