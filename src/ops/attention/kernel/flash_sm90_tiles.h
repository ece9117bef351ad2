// Tile sizes of flash.sm90: how the registers and the threadgroup memory of a multiprocessor are spent. The
// runs that chose them are in docs/performance/hopper.md.
#pragma once

namespace flashtile::inline v0_2::kernels {

/// Teams of four simdgroups with 64 queries each share blocks of Keys keys; rows of Q and K have at most
/// HeadDim elements, rows of V at most ValueDim. QuerySlots: places for the tile of queries, so that the next
/// one is loaded early. Turns: only one team starts products at a time, so that the others' softmax runs
/// meanwhile. AnyScore: takes scores that need more than a positive factor; where that would spill registers, such calls
/// are the next larger kernel's.
template <int HeadDim, int ValueDim, int Teams, int Keys, int QuerySlots, bool Turns, bool AnyScore = true>
struct FlashSm90Shape {
  static constexpr int kD = HeadDim, kDv = ValueDim, kTeams = Teams, kK = Keys, kQ = 64 * Teams;
  static constexpr int kQuerySlots = QuerySlots;
  static constexpr bool kTurns = Turns, kAnyScore = AnyScore;
  // What 65536 registers give to one team that loads and those that multiply.
  static constexpr int kLoadRegisters = Teams == 2 ? 40 : 32, kMultiplyRegisters = Teams == 2 ? 232 : 160;
};

template <int HeadDim, int ValueDim>
struct FlashSm90Tile;
template <>
struct FlashSm90Tile<64, 64> : FlashSm90Shape<64, 64, 3, 128, 2, true> {};
template <>
struct FlashSm90Tile<96, 96> : FlashSm90Shape<96, 96, 2, 128, 2, true> {};
template <>
struct FlashSm90Tile<128, 128> : FlashSm90Shape<128, 128, 2, 128, 2, true> {};
template <>
struct FlashSm90Tile<192, 128> : FlashSm90Shape<192, 128, 2, 128, 1, true, false> {};
template <>
struct FlashSm90Tile<192, 192> : FlashSm90Shape<192, 192, 2, 112, 1, true, false> {};
template <>
struct FlashSm90Tile<256, 256> : FlashSm90Shape<256, 256, 2, 80, 1, true> {};

/// Pages of keys hold a multiple of so many rows, which are copied at a time.
inline constexpr int kFlashSm90PageRows = 16;

/// Few queries: blocks of Keys keys, of which Stages are on their way; rows of at most HeadDim elements. PerUnit threadgroups
/// share a multiprocessor, so that one multiplies while another does its softmax.
template <int HeadDim, int Keys, int Stages, int PerUnit>
struct FlashSm90GroupsShape {
  static constexpr int kD = HeadDim, kK = Keys, kStages = Stages, kPerUnit = PerUnit;
};
template <int HeadDim>
struct FlashSm90GroupsTile;
template <>
struct FlashSm90GroupsTile<64> : FlashSm90GroupsShape<64, 128, 3, 2> {};
template <>
struct FlashSm90GroupsTile<128> : FlashSm90GroupsShape<128, 64, 3, 2> {};
template <>
struct FlashSm90GroupsTile<256> : FlashSm90GroupsShape<256, 64, 3, 1> {};

}  // namespace flashtile::inline v0_2::kernels
