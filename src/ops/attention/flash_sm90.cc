// The way `flash.sm90`: our kernel scheduled for Hopper, on the copy engine and the warpgroup instructions.
#include <string>

#include "src/ops/attention/ways.h"

#if FLASHTILE_HAS_SM90
#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstdint>

#include "flashtile/detail/cuda_calls.h"
#include "src/ops/attention/flash_sm90_groups.h"
#include "src/ops/attention/kernel/flash_sm90_tiles.h"
#include "src/ops/attention/kernel/instances_sm90_table.h"
#include "src/ops/attention/kernels.h"
#endif

namespace flashtile::inline v0_2::ops {

constexpr std::string_view
    kName = "flash.sm90",
    kAbout = "fused: scheduled for Hopper, teams that load and multiply side by side; f16, bf16";

#if FLASHTILE_HAS_SM90
namespace {

using detail::check_cuda;
using kernels::FlashSm90Kernel;

int attribute(cudaDeviceAttr which, Device device) {
  int value = 0;
  check_cuda(cudaDeviceGetAttribute(&value, which, device.index), "cudaDeviceGetAttribute");
  return value;
}

/// The smallest kernel that fits; nullptr where none was compiled.
const FlashSm90Kernel* kernel_for(const AttentionProblem& p) {
  std::span<const FlashSm90Kernel> kernels;
  if (p.dtype == DType::bf16) kernels = kernels::flash_sm90_bf16_kernels();
  if (p.dtype == DType::f16) kernels = kernels::flash_sm90_f16_kernels();
  const bool factor = params_of(p, {}).rule.is_factor;
  for (const FlashSm90Kernel& kernel : kernels) {
    if (kernel.head_dim >= p.head_dim && kernel.value_dim >= p.value_dim && (factor || kernel.any_score))
      return &kernel;
  }
  return nullptr;
}

/// The copy engine counts in 16 bytes, and up to 2^40.
bool copy_engine_takes(const TensorLayout& view) {
  constexpr std::int64_t kElements = 8, kMost = (std::int64_t{1} << 39) - 1;
  if (element_count(view.shape) == 0) return true;  // nothing is copied
  if (!view.aligned) return false;
  for (int i = 0; i < 3; ++i) {
    const std::int64_t stride = view.strides[i];
    if (view.shape[i] > 1 && (stride <= 0 || stride > kMost || stride % kElements != 0)) return false;
  }
  return true;
}

/// What is known where there are many queries.
constexpr Features kKnownOfMany{Feature::causal, Feature::window, Feature::query_offset, Feature::softcap,
                                Feature::lse};
/// What is known where there are few queries, all of that too: whatever the score rule does, but what hides blocks of pairs.
constexpr Features kKnownOfFew = Features::all()
                                     .without(Feature::quantised)
                                     .without(Feature::scores)
                                     .without(Feature::packed)
                                     .without(Feature::segments)
                                     .without(Feature::blocks);

constexpr std::string_view kNotInVectors =
    "the copy engine takes rows that are multiples of 16 bytes apart, aligned to them";

/// Why the kernel whose tiles are of one head's queries cannot.
std::string_view many_decline(const AttentionProblem& p) {
  if (kernel_for(p) == nullptr) return "no kernel is compiled for this element type and head size";
  if (const std::string_view reason = unknown(p.needed, kKnownOfMany); !reason.empty()) return reason;
  for (const TensorLayout* view : {&p.q, &p.k, &p.v, &p.out}) {
    if (!copy_engine_takes(*view)) return kNotInVectors;
  }
  if (p.value_dim % 8 != 0) return "the copy engine writes rows of whole multiples of 16 bytes";
  return {};
}

/// Why the kernel for few queries cannot. Its queries and its output do not go through the copy engine.
std::string_view few_decline(const AttentionProblem& p) {
  if (groups_kernel_for(p) == nullptr) return "no kernel is compiled for this element type and head size";
  if (p.is_paged() && (p.k.shape[0] == 0 || p.page_size() % kernels::kFlashSm90PageRows != 0))
    return "the copy engine takes pages of a multiple of 16 rows, and at least one";
  if (!copy_engine_takes(p.k) || !copy_engine_takes(p.v)) return kNotInVectors;
  return {};
}

std::string_view declines(const AttentionProblem& p) {
  if (attribute(cudaDevAttrComputeCapabilityMajor, p.device) != 9 ||
      attribute(cudaDevAttrComputeCapabilityMinor, p.device) != 0)
    return "it is for NVIDIA GPUs of compute capability 9.0";
  const std::string_view reason = few_decline(p);
  return reason.empty() || many_decline(p).empty() ? std::string_view() : reason;
}

std::uint32_t units(const AttentionProblem& p) {
  return static_cast<std::uint32_t>(attribute(cudaDevAttrMultiProcessorCount, p.device));
}

std::int64_t tiles_of(const AttentionProblem& p) {
  return p.batch * p.query_heads * divided_up(p.query_length, kernel_for(p)->tile_queries);
}

/// Are tiles of one head's queries too few to fill half of the GPU?
bool leaves_units_idle(const AttentionProblem& p) { return 2 * tiles_of(p) < units(p); }

GroupsDeal few_of(const AttentionProblem& p) { return groups_deal_of(p, static_cast<int>(units(p))); }

/// Does the kernel for few queries run? Where the other one cannot, where that would leave much of the GPU idle while there
/// are keys to deal out, and where its tiles would be mostly empty.
bool has_few(const AttentionProblem& p) {
  constexpr std::int64_t kShortKeys = 1024;
  if (!few_decline(p).empty()) return false;
  if (!many_decline(p).empty()) return true;
  if (leaves_units_idle(p) && longest_range(p, kernel_for(p)->tile_queries) > kShortKeys) return true;
  return 3 * few_of(p).padded_rows() <= 2 * tiles_of(p) * kernel_for(p)->tile_queries;
}

/// Of the kernel for many queries.
std::size_t notes_bytes(const AttentionProblem& p) {
  return p.hides_some() ? sizeof(kernels::FlashSm90Notes) : 0;
}

std::size_t workspace_bytes(const AttentionProblem& p) {
  return has_few(p) ? few_of(p).workspace_bytes(p) : notes_bytes(p);
}

/// Its kernel for few queries waits for the softmax of each block, so that others are faster where there are many.
bool preferred(const AttentionProblem& p) {
  constexpr std::int64_t kFewRows = 128;  // of a group of heads
  if (!has_few(p)) return !leaves_units_idle(p);
  return p.query_length * heads_of_group(p) <= kFewRows || (many_decline(p).empty() && leaves_units_idle(p));
}

std::string describe(const AttentionProblem& p) {
  const auto sizes = [](std::initializer_list<int> numbers) {
    std::string text;
    for (const int number : numbers) text += (text.empty() ? "" : "x") + std::to_string(number);
    return text;
  };
  const std::string text = std::string("flash.sm90 ") + name(p.dtype) + " ";
  if (has_few(p)) {
    const GroupsDeal deal = few_of(p);
    return text + sizes({deal.kernel->tile_rows, deal.kernel->tile_keys, deal.kernel->head_dim}) + ", " +
           std::to_string(heads_of_group(p)) + " heads a tile, keys in " +
           std::to_string(deal.shares(deal.tiles_at_once).count) + " even shares";
  }
  const FlashSm90Kernel& kernel = *kernel_for(p);
  return text + sizes({kernel.tile_queries, kernel.tile_keys, kernel.head_dim}) +
         (kernel.value_dim != kernel.head_dim ? "x" + std::to_string(kernel.value_dim) : "");
}

void run(const AttentionProblem& problem, const AttentionArguments& arguments, Workspace& workspace,
         const Queue& queue) {
  if (has_few(problem)) return run_groups_deal(few_of(problem), problem, arguments, workspace, queue);
  kernels::AttentionParams params = params_of(problem, arguments);
  auto* const notes = reinterpret_cast<kernels::FlashSm90Notes*>(workspace.take(notes_bytes(problem)));
  if (notes != nullptr) {
    const detail::CudaDeviceGuard guard(queue.device().index);
    check_cuda(cudaMemsetAsync(notes, 0, sizeof *notes, static_cast<cudaStream_t>(queue.native_stream())),
               "cudaMemsetAsync");
  }
  kernel_for(problem)->launch(queue, params, units(problem), notes);
  if (notes != nullptr) {
    params.broken = &notes->broken;  // else the pass ends at once
    find_kernel(AttentionText::exact_rows, problem)->launch(queue, params);
  }
}

}  // namespace

const AttentionWay kAttentionFlashSm90 = {
    .name = kName,
    .about = kAbout,
    .device = DeviceType::cuda,
    .knows = [](DeviceType) { return kKnownOfFew; },
    .finishes_rows = [](const AttentionProblem&) { return true; },
    .declines = declines,
    .preferred = preferred,
    .workspace_bytes = workspace_bytes,
    .kernel = describe,
    .run = run,
};
#else
const AttentionWay kAttentionFlashSm90 = {
    .name = kName, .about = kAbout, .missing = "this build of flashtile has no code for sm_90a"};
#endif

}  // namespace flashtile::inline v0_2::ops
