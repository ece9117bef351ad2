// What a call says of pairs of query and key beside its mask tensors: segments, and a map of hidden blocks.
#pragma once

#include "src/ops/attention/problem.h"

namespace flashtile::inline v0_2::ops {

// These check one part of a call's mask, and note it in the call. Errors: invalid_argument, naming the argument and what
// was found.
void set_segments(AttentionCall& call, const Segments& segments, Data data);
void set_blocks(AttentionCall& call, const std::optional<BlockMap>& blocks, Data data);

}  // namespace flashtile::inline v0_2::ops
