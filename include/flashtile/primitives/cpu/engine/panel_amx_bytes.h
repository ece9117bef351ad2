// Panel products of bytes on AMX tiles, for whole tiles: the packed panel is that of Int8QuadStep and its likes, and
// sums are exact. Included by panel_operands.h.
#pragma once

#include "flashtile/primitives/cpu/engine/panel.h"

namespace flashtile::inline v0_2::primitives {
inline namespace FLASHTILE_BACKEND {
namespace panel {

/// D (+)= R L for whole tiles only: kTileLanes lanes in rows of Width floats, rows and steps multiples of 16,
/// steps of R adjacent within each 16 of them.
template <class Step, Mode M, int Width>
void multiply_tiles(float* d, RightRows r, const Word* l, int rows, int steps);

}  // namespace panel
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::primitives

#if defined(FT_AMX)

namespace flashtile::inline v0_2::primitives {
inline namespace FLASHTILE_BACKEND {
namespace panel {

/// Products of less than whole tiles are computed by vectors, with their excess.
template <class Step>
struct AmxBytes : Step {};
template <class Step>
inline constexpr bool kUsesTiles<AmxBytes<Step>> = true;
template <class Step>
struct Session<AmxBytes<Step>> : amx::Session {};

namespace detail {

template <class Step, int D, int A, int B>
FT_FUNCTION void multiply_add_bytes() {
  if constexpr (std::is_same_v<Step, AmxBytes<Int8QuadStep>>)
    amx::multiply_add_i8<D, A, B>();
  else if constexpr (std::is_same_v<Step, AmxBytes<Uint8QuadStep>>)
    amx::multiply_add_u8<D, A, B>();
  else if constexpr (std::is_same_v<Step, AmxBytes<Uint8Int8QuadStep>>)
    amx::multiply_add_u8_i8<D, A, B>();
  else
    amx::multiply_add_i8_u8<D, A, B>();
}

/// Rows x 2 tiles of D: sums in tiles 0 ... 3, rows of R in 4 and 5, lanes of L in 6 and 7.
template <class Step, int Rows, Mode M, int Width>
FT_FUNCTION void byte_tiles(float* d, RightRows r, const Word* l, int steps) {
  constexpr std::ptrdiff_t kRowBytes = Width * 4;
  float* below = d + kTile * Width;
  start_sum<0, M>(d, kRowBytes);
  start_sum<1, M>(d + kTile, kRowBytes);
  if constexpr (Rows > 1) {
    start_sum<2, M>(below, kRowBytes);
    start_sum<3, M>(below + kTile, kRowBytes);
  }
  for (int k = 0; k < steps; k += kTile) {
    amx::load<6>(l + k * Width, kRowBytes);
    amx::load_passing<4>(r.from(0, k).data, r.row_stride);
    multiply_add_bytes<Step, 0, 4, 6>();
    amx::load<7>(l + k * Width + kTile, kRowBytes);
    multiply_add_bytes<Step, 1, 4, 7>();
    if constexpr (Rows > 1) {
      amx::load_passing<5>(r.from(kTile, k).data, r.row_stride);
      multiply_add_bytes<Step, 2, 5, 6>();
      multiply_add_bytes<Step, 3, 5, 7>();
    }
  }
  amx::store<0>(d, kRowBytes);
  amx::store<1>(d + kTile, kRowBytes);
  if constexpr (Rows > 1) {
    amx::store<2>(below, kRowBytes);
    amx::store<3>(below + kTile, kRowBytes);
  }
}

}  // namespace detail

template <class Step, Mode M, int Width>
void multiply_tiles(float* d, RightRows r, const Word* l, int rows, int steps) {
  using detail::kTile;
  if constexpr (std::is_same_v<Step, AmxPairStep>) {
    multiply_tiles<M, Width>(d, r, l, rows, steps, [] {});
  } else {
    int i = 0;
    for (; i + 2 * kTile <= rows; i += 2 * kTile)
      detail::byte_tiles<Step, 2, M, Width>(d + i * Width, r.from(i, 0), l, steps);
    if (i < rows) detail::byte_tiles<Step, 1, M, Width>(d + i * Width, r.from(i, 0), l, steps);
  }
}

}  // namespace panel
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::primitives

#endif
