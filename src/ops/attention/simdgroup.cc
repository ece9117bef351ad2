// The way `simdgroup`: our kernel on simdgroup_matrix.
#include "src/ops/attention/shared_kernel.h"
#include "src/ops/attention/ways.h"

namespace flashtile::inline v0_2::ops {

constexpr AttentionText kText = AttentionText::simdgroup;

const AttentionWay kAttentionSimdgroup = {
    .name = name(kText),
    .about = "fused: 8x8 simdgroup matrices, online softmax",
    .knows = known_of_text<kText>,
    .notes_rows = true,
    .finishes_rows = finishes_rows<kText>,
    .declines = declines_without_kernel<kText>,
    .workspace_bytes = workspace_of_deal<kText>,
    .kernel = describe_kernel<kText>,
    .run = launch_kernel<kText>,
};

}  // namespace flashtile::inline v0_2::ops
