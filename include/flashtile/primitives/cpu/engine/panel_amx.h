// Panel products of bfloats on AMX tiles: the memory layouts are those of BfloatPairStep. Included by panel.h.
//
// One operand tile is sixteen rows of R, read in place. The other is sixteen steps of 16 lanes of a panel,
// whose interleaved pairs are already the layout that the unit reads. The tile of sums is sixteen rows of D.
#pragma once

#include "flashtile/primitives/cpu/engine/amx.h"

namespace flashtile::inline v0_2::primitives {
inline namespace FLASHTILE_BACKEND {
namespace panel {

/// Is a step multiplied by tiles, which read the steps of each row of R adjacent in memory?
template <class Step>
inline constexpr bool kUsesTiles = false;

/// Products must run while a Session lives. It configures the tiles, and does nothing for vector steps.
template <class Step>
struct Session {
  Session() {}
};

}  // namespace panel
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::primitives

#if defined(FT_AMX)

namespace flashtile::inline v0_2::primitives {
inline namespace FLASHTILE_BACKEND {
namespace panel {

struct AmxPairStep : BfloatPairStep {};
template <>
inline constexpr bool kUsesTiles<AmxPairStep> = true;

/// Operands that are sums of Right and of Left bfloat matrices. The product of parts i and j has
/// order i + j: it is 2^(-8 (i + j)) of the largest. Only orders that a float32 sum can hold are
/// computed, the smallest first.
template <int Right, int Left>
struct Split {
  static constexpr int kRight = Right;
  static constexpr int kOrders = 3;
  /// Parts of L that part i of R is multiplied with.
  static constexpr int left_of(int i) { return kOrders - i < Left ? kOrders - i : Left; }
  static constexpr int products() {
    int sum = 0;
    for (int i = 0; i < Right; ++i) sum += left_of(i);
    return sum;
  }
};
using Whole = Split<1, 1>;

namespace detail {

inline constexpr int kTile = amx::kRows;  ///< rows of a tile, and 4-byte steps in each

template <int Sum, Mode M>
FT_FUNCTION void start_sum(const float* at, std::ptrdiff_t row_bytes) {
  if constexpr (M == Mode::accumulate)
    amx::load<Sum>(at, row_bytes);
  else
    amx::zero<Sum>();
}

/// Rows x Columns tiles of D, at most 2 x 2: sums in tiles 0 ... 3, rows of R in 4 and 5, lanes of L in 6 and
/// 7. beside() is called after each product.
template <int Rows, int Columns, Mode M, int Width, class Split = Whole, class Beside>
[[gnu::always_inline]] FT_FUNCTION void tile_block(float* d, RightRows r, const Word* l, int steps,
                                                   Beside&& beside, std::ptrdiff_t r_part = 0,
                                                   std::ptrdiff_t l_part = 0) {
  constexpr std::ptrdiff_t kRowBytes = Width * 4;
  const auto each_sum = [&](auto f) {
    f(std::integral_constant<int, 0>(), d);
    if constexpr (Columns > 1) f(std::integral_constant<int, 1>(), d + kTile);
    if constexpr (Rows > 1) f(std::integral_constant<int, 2>(), d + kTile * Width);
    if constexpr (Rows > 1 && Columns > 1) f(std::integral_constant<int, 3>(), d + kTile * Width + kTile);
  };
  each_sum([](auto sum, float* at) { start_sum<decltype(sum)::value, M>(at, kRowBytes); });
  for (int k = 0; k < steps; k += kTile) {
    for (int i = Split::kRight - 1; i >= 0; --i) {
      const RightRows right = r.from(0, i * r_part + k);
      for (int j = Split::left_of(i) - 1; j >= 0; --j) {
        const Word* left = l + j * l_part + k * Width;
        const bool first = j == Split::left_of(i) - 1;
        if (first) amx::load_passing<4>(right.data, r.row_stride);
        amx::load<6>(left, kRowBytes);
        amx::multiply_add_bf16<0, 4, 6>();
        beside();
        if constexpr (Columns > 1) {
          amx::load<7>(left + kTile, kRowBytes);
          amx::multiply_add_bf16<1, 4, 7>();
          beside();
        }
        if constexpr (Rows > 1) {
          if (first) amx::load_passing<5>(right.from(kTile, 0).data, r.row_stride);
          amx::multiply_add_bf16<2, 5, 6>();
          beside();
          if constexpr (Columns > 1) {
            amx::multiply_add_bf16<3, 5, 7>();
            beside();
          }
        }
      }
    }
  }
  each_sum([](auto sum, float* at) { amx::store<decltype(sum)::value>(at, kRowBytes); });
}

/// RowTiles x 2 tiles of D over at most two tiles of steps. All of L stays in tiles 4 ... 7. Two tiles of sums
/// alternate: each is stored while the other's products run, since a tile is busy until its store is done.
template <int Depth, Mode M, int Width, class Beside>
[[gnu::always_inline]] FT_FUNCTION void tile_strip(float* d, RightRows r, const Word* l, int row_tiles,
                                                   Beside&& beside) {
  constexpr std::ptrdiff_t kRowBytes = Width * 4;
  amx::load<4>(l, kRowBytes);
  amx::load<5>(l + kTile, kRowBytes);
  if constexpr (Depth > 1) {
    amx::load<6>(l + kTile * Width, kRowBytes);
    amx::load<7>(l + kTile * Width + kTile, kRowBytes);
  }
  for (int i = 0; i < row_tiles; ++i) {
    const RightRows at = r.from(i * kTile, 0);
    float* sums = d + i * kTile * Width;
    amx::load_passing<2>(at.data, r.row_stride);
    if constexpr (Depth > 1) amx::load_passing<3>(at.from(0, kTile).data, r.row_stride);
    start_sum<0, M>(sums, kRowBytes);
    amx::multiply_add_bf16<0, 2, 4>();
    beside();
    if constexpr (Depth > 1) {
      amx::multiply_add_bf16<0, 3, 6>();
      beside();
    }
    if (i > 0) amx::store<1>(sums - kTile * Width + kTile, kRowBytes);
    start_sum<1, M>(sums + kTile, kRowBytes);
    amx::multiply_add_bf16<1, 2, 5>();
    beside();
    if constexpr (Depth > 1) {
      amx::multiply_add_bf16<1, 3, 7>();
      beside();
    }
    amx::store<0>(sums, kRowBytes);
  }
  amx::store<1>(d + (row_tiles - 1) * kTile * Width + kTile, kRowBytes);
}

template <int Rows, Mode M>
FT_FUNCTION void tile_row(float* d, RightRows r, const Word* l, int steps, int vectors) {
  int j = 0;
  for (; j + 2 <= vectors; j += 2)
    tile_block<Rows, 2, M, kWidth>(d + j * kTile, r, l + j * kTile, steps, [] {});
  if (j < vectors) tile_block<Rows, 1, M, kWidth>(d + j * kTile, r, l + j * kTile, steps, [] {});
}

}  // namespace detail

template <>
struct Session<AmxPairStep> : amx::Session {};

inline constexpr int kTileLanes = 32;  ///< lanes of the panels of multiply_tiles

/// D (+)= R L for whole tiles only: kTileLanes lanes in rows of Width floats, rows and steps multiples of 16.
/// beside() is called after each of the tile_products(rows, steps) products. It may do a little vector work
/// that touches none of the operands, which then runs while the tile unit multiplies.
///
/// Parts of R are r_part steps apart, parts of L l_part floats; see split_floats().
template <Mode M, int Width, class Split = Whole, class Beside>
[[gnu::always_inline]] FT_FUNCTION void multiply_tiles(float* d, RightRows r, const Word* l, int rows,
                                                       int steps, Beside&& beside, std::ptrdiff_t r_part = 0,
                                                       std::ptrdiff_t l_part = 0) {
  using detail::kTile;
  if constexpr (std::is_same_v<Split, Whole>) {
    if (steps == kTile) return detail::tile_strip<1, M, Width>(d, r, l, rows / kTile, beside);
    if (steps == 2 * kTile) return detail::tile_strip<2, M, Width>(d, r, l, rows / kTile, beside);
  }
  int i = 0;
  for (; i + 2 * kTile <= rows; i += 2 * kTile)
    detail::tile_block<2, 2, M, Width, Split>(d + i * Width, r.from(i, 0), l, steps, beside, r_part, l_part);
  if (i < rows)
    detail::tile_block<1, 2, M, Width, Split>(d + i * Width, r.from(i, 0), l, steps, beside, r_part, l_part);
}

/// Number of tile products in multiply_tiles.
template <class Split = Whole>
constexpr int tile_products(int rows, int steps) {
  return Split::products() * (rows / detail::kTile) * (steps / detail::kTile) * 2;
}

/// x truncated to the precision of bfloat.
FT_FUNCTION floats cut_to_bfloat(floats x) { return floats_of_bits(bits_of(x) & ints(-0x10000)); }

/// x as a sum of bfloats, each the nearest to what the ones before it leave. Three hold any float32 from 2^-100
/// to 2^40 exactly, two any half.
template <int Parts>
FT_FUNCTION void split_floats(floats x, floats (&parts)[Parts]) {
  const ints half_ulp = 0x8000;
  FT_UNROLL for (int i = 0; i < Parts; ++i) {
    parts[i] = cut_to_bfloat(floats_of_bits(bits_of(x) + half_ulp));
    x = x - parts[i];
  }
}

/// D (+)= R L: whole tiles by the tile unit, the rest by vectors.
template <class Step, Mode M>
  requires std::is_same_v<Step, AmxPairStep>
void multiply(float* d, RightRows r, const Word* l, int rows, int steps, int vectors) {
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
}  // namespace flashtile::inline v0_2::primitives

#endif
