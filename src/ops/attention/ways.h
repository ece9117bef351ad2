// The ways to compute attention, best first. A new way is a source file with a `const AttentionWay k...` and a
// line in ways.cc.
#pragma once

#include <span>

#include "src/ops/attention/problem.h"
#include "src/ops/common/ways.h"

namespace flashtile::inline v0_2::ops {

using AttentionWay = Way<AttentionProblem, AttentionArguments>;

/// Best first; the last one supports everything that validates on a CPU.
std::span<const AttentionWay> attention_way_table();

extern const AttentionWay kAttentionFlashCpu;
extern const AttentionWay kAttentionFlashSm90;
extern const AttentionWay kAttentionCudnn;
extern const AttentionWay kAttentionTensorOps;
extern const AttentionWay kAttentionSimdgroup;
extern const AttentionWay kAttentionUnfused;
extern const AttentionWay kAttentionOneDnn;
extern const AttentionWay kAttentionMpsGraph;  // on macOS

}  // namespace flashtile::inline v0_2::ops
