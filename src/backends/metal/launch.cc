#include "src/backends/metal/launch.h"

#include "src/backends/metal/memory.h"
#include "src/backends/metal/pipelines.h"
#include "src/backends/metal/queue.h"

namespace flashtile::inline v0_2::metal {

void launch(const Queue& queue, const Family& family, const char* kernel, Grid grid,
            std::span<const std::byte> params, int simdgroups) {
  if (grid.x <= 0 || grid.y <= 0 || grid.z <= 0) return;
  const int device = queue.device().index, threads = 32 * simdgroups;
  MTL::ComputePipelineState& compiled = pipeline(device, family, kernel, threads);
  const MTL::Size groups(threadgroups(grid.x), threadgroups(grid.y), threadgroups(grid.z));
  state_of(queue).submit([&](MTL::CommandBuffer* commands) {
    MTL::ComputeCommandEncoder* const encoder = commands->computeCommandEncoder();
    encoder->setComputePipelineState(&compiled);
    encoder->setBytes(params.data(), params.size(), 0);
    // Metal does not see the addresses in `params`: every buffer has to be said to be used.
    for (const auto& buffer : all_buffers(device))
      encoder->useResource(buffer.get(), MTL::ResourceUsageRead | MTL::ResourceUsageWrite);
    encoder->dispatchThreadgroups(groups, MTL::Size(static_cast<NS::UInteger>(threads), 1, 1));
    encoder->endEncoding();
  });
}

}  // namespace flashtile::inline v0_2::metal
