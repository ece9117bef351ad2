// The way `vendor.onednn`: oneDNN's own fused attention, through its Graph API.
#include <span>
#include <string>

#include "src/ops/attention/ways.h"

namespace flashtile::ops {
namespace {

#if 1
std::string_view declines(const AttentionProblem&) { return "this build of flashtile has no oneDNN"; }
std::string kernel(const AttentionProblem&) { return {}; }
void run(const AttentionProblem&, const AttentionBuffers&, std::span<std::byte>, const Queue&) {}
#endif

}  // namespace

const AttentionWay kAttentionOneDnn = {
    .name = "vendor.onednn",
    .about = "oneDNN Graph scaled dot-product attention",
    .built = false,
    .declines = declines,
    .preferred = always_preferred<AttentionProblem>,
    .workspace_bytes = no_workspace<AttentionProblem>,
    .kernel = kernel,
    .run = run,
};

}  // namespace flashtile::ops
