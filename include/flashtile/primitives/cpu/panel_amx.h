// Panel products of bfloats on AMX tiles: the memory layouts are those of BfloatPairStep. Included by panel.h.
//
// Sixteen rows of R, read where they lie, are one operand tile; sixteen steps of a panel's register of lanes
// are the other, since a panel of pairs is just what the unit wants; sixteen rows of D are the sums.
#pragma once

#include "flashtile/primitives/cpu/amx.h"

namespace flashtile::primitives {
inline namespace FLASHTILE_BACKEND {
namespace panel {

/// Does a step go through tiles, which want both operands' steps side by side?
template <class Step>
inline constexpr bool kUsesTiles = false;

/// What products need set up around them while it lives: nothing, but for tiles.
template <class Step>
struct Session {
  Session() {}
};

}  // namespace panel
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::primitives

#if defined(FT_AMX)

namespace flashtile::primitives {
inline namespace FLASHTILE_BACKEND {
namespace panel {

struct AmxPairStep : BfloatPairStep {};
template <>
inline constexpr bool kUsesTiles<AmxPairStep> = true;

namespace detail {

inline constexpr int kTile = amx::kRows;  ///< rows of a tile, and 4-byte steps in each

/// Rows x Columns tiles of D, at most 2 x 2: sums in tiles 0 ... 3, rows of R in 4 and 5, lanes of L in 6
/// and 7.
template <int Rows, int Columns, Mode M>
FT_FUNCTION void tile_block(float* d, RightRows r, const float* l, int steps) {
  constexpr std::ptrdiff_t kRowBytes = kWidth * 4;
  const auto each_sum = [&](auto f) {
    f(std::integral_constant<int, 0>(), d);
    if constexpr (Columns > 1) f(std::integral_constant<int, 1>(), d + kTile);
    if constexpr (Rows > 1) f(std::integral_constant<int, 2>(), d + kTile * kWidth);
    if constexpr (Rows > 1 && Columns > 1) f(std::integral_constant<int, 3>(), d + kTile * kWidth + kTile);
  };
  each_sum([](auto sum, float* at) {
    if constexpr (M == Mode::accumulate)
      amx::load<decltype(sum)::value>(at, kRowBytes);
    else
      amx::zero<decltype(sum)::value>();
  });
  for (int k = 0; k < steps; k += kTile) {
    const RightRows at = r.from(0, k);
    amx::load<4>(at.data, r.row_stride);
    amx::load<6>(l + k * kWidth, kRowBytes);
    amx::multiply_add_bf16<0, 4, 6>();
    if constexpr (Columns > 1) {
      amx::load<7>(l + k * kWidth + kTile, kRowBytes);
      amx::multiply_add_bf16<1, 4, 7>();
    }
    if constexpr (Rows > 1) {
      amx::load<5>(at.from(kTile, 0).data, r.row_stride);
      amx::multiply_add_bf16<2, 5, 6>();
      if constexpr (Columns > 1) amx::multiply_add_bf16<3, 5, 7>();
    }
  }
  each_sum([](auto sum, float* at) { amx::store<decltype(sum)::value>(at, kRowBytes); });
}

template <int Rows, Mode M>
FT_FUNCTION void tile_row(float* d, RightRows r, const float* l, int steps, int vectors) {
  int j = 0;
  for (; j + 2 <= vectors; j += 2) tile_block<Rows, 2, M>(d + j * kTile, r, l + j * kTile, steps);
  if (j < vectors) tile_block<Rows, 1, M>(d + j * kTile, r, l + j * kTile, steps);
}

}  // namespace detail

template <>
struct Session<AmxPairStep> : amx::Session {};

/// What fills whole tiles goes to them, the rest to vectors.
template <class Step, Mode M>
requires std::is_same_v<Step, AmxPairStep>
void multiply(float* d, RightRows r, const float* l, int rows, int steps, int vectors) {
  using Rest = BfloatPairStep;
  const int whole_rows = r.step_stride == 4 ? rows / detail::kTile * detail::kTile : 0;
  const int whole_steps = steps / detail::kTile * detail::kTile;
  if (whole_rows == 0 || whole_steps == 0) return multiply<Rest, M>(d, r, l, rows, steps, vectors);
  int i = 0;
  for (; i + 2 * detail::kTile <= whole_rows; i += 2 * detail::kTile) {
    detail::tile_row<2, M>(d + i * kWidth, r.from(i, 0), l, whole_steps, vectors);
  }
  if (i < whole_rows) detail::tile_row<1, M>(d + i * kWidth, r.from(i, 0), l, whole_steps, vectors);
  if (whole_steps < steps) {
    multiply<Rest, Mode::accumulate>(d, r.from(0, whole_steps), l + whole_steps * kWidth, whole_rows,
                                     steps - whole_steps, vectors);
  }
  if (whole_rows < rows) {
    multiply<Rest, M>(d + whole_rows * kWidth, r.from(whole_rows, 0), l, rows - whole_rows, steps, vectors);
  }
}

}  // namespace panel
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::primitives

#endif
