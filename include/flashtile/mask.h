// Which keys a query attends to.
#pragma once

#include <cstdint>
#include <optional>
#include <variant>

#include "flashtile/tensor.h"

namespace flashtile::inline v0_2 {

/// Where the diagonal of a causal mask starts when query and key lengths differ.
/// Query i sits at absolute position i + offset and sees keys 0 ... i + offset.
enum class CausalCorner : std::uint8_t {
  top_left,      ///< offset 0: the first query sees the first key only
  bottom_right,  ///< offset Lkv - Lq, which may be negative: the last query sees every key
};

/// Where queries lie among the keys: query i is at position i + offset. A corner is an offset that follows from the
/// lengths, those of each batch entry where the call gives them; a number is the offset itself; a tensor (B) of i32 or
/// i64 on q's device holds one for each batch entry.
using QueryOffset = std::variant<CausalCorner, std::int64_t, TensorView>;

/// A query sees keys from `left` before its position to `right` after it, both included; -1: no limit on that side.
struct Window {
  std::int64_t left = -1, right = -1;
};

/// Ids of rows, such as the documents of a sequence: a query attends only to keys whose id is its own. No id has another
/// meaning. Both tensors are given, or neither; i32 on q's device, innermost stride 1. Keys that no query of a tile shares an
/// id with are skipped, so that ids in runs save the work between them.
struct Segments {
  std::optional<TensorView> q{};   ///< (B, Lq)
  std::optional<TensorView> kv{};  ///< (B, Lkv)
};

/// Which blocks of the score matrix are hidden whole: those whose entry is 0. They cost nothing.
struct BlockMap {
  TensorView view;  ///< u8 on q's device: (1 or B, 1 or Hq, ceil(Lq / q_block), ceil(Lkv / kv_block))
  std::int64_t q_block = 0, kv_block = 0;  ///< queries and keys of a block, at least 1
};

/// Everything that restricts or biases attention. Parts compose: a pair is attended to where no part excludes it.
/// Both mask tensors are broadcastable to (B, Hq, Lq, Lkv): right-aligned dimensions, each of full size or 1, innermost
/// stride 1 or 0.
struct Mask {
  /// Set for causal attention: a query sees no key after its position. There is no default corner when Lq != Lkv: say
  /// which, or give the offset.
  std::optional<QueryOffset> causal{};
  std::optional<Window> window{};
  /// u8: a query attends to a key where the entry is not 0.
  std::optional<TensorView> boolean{};
  /// f32, f16 or bf16: added to the scaled score. -inf excludes exactly; any finite value is a bias.
  std::optional<TensorView> bias{};
  Segments segments{};
  std::optional<BlockMap> blocks{};
};

}  // namespace flashtile::inline v0_2
