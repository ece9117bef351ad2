// The common part of the ways that launch one compiled kernel text. Called by tensor_ops.cc and simdgroup.cc.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "src/backends/backend.h"
#include "src/ops/attention/key_parts.h"
#include "src/ops/attention/ways.h"

namespace flashtile::inline v0_2::ops {

/// Quantised keys become floats as tiles are filled, and rows of pages are gathered into them, which neither simdgroup nor
/// Metal's kernels do.
template <AttentionText kText>
Features known_of_text(DeviceType device) {
  const bool fills_tiles = device == DeviceType::cpu || device == DeviceType::cuda;
  const Features all = Features::all().without(Feature::scores);
  return kText == AttentionText::tensor_ops && fills_tiles
             ? all
             : all.without(Feature::quantised).without(Feature::paged);
}

template <AttentionText kText>
std::string_view declines_without_kernel(const AttentionProblem& problem) {
  const std::string_view why = backend::of(problem.device.type).cannot_run(name(kText), problem.device.index);
  if (!why.empty()) return why;
  if (find_kernel(kText, problem) != nullptr) return {};
  return "no kernel is compiled for this device, element type and head size";
}

template <AttentionText kText>
std::size_t workspace_of_deal(const AttentionProblem& problem) {
  return deal_of(kText, problem).workspace_bytes(problem);
}

/// Merging parts finishes rows, see kernel/merge_parts.h, and so does a look at what simdgroups have noted.
template <AttentionText kText>
bool finishes_rows(const AttentionProblem& problem) {
  const Deal deal = deal_of(kText, problem);
  return deal.in_parts() || deal.notes > 0;
}

template <AttentionText kText>
std::string describe_kernel(const AttentionProblem& problem) {
  const Deal deal = deal_of(kText, problem);
  std::string text = describe(*deal.tiling.kernel, problem);
  if (deal.tiling.group > 1) text += ", " + std::to_string(deal.tiling.group) + " heads a tile";
  if (deal.parts > 1) text += ", keys in " + std::to_string(deal.parts) + " parts";
  return text;
}

template <AttentionText kText>
void launch_kernel(const AttentionProblem& problem, const AttentionArguments& arguments, Workspace& workspace,
                   const Queue& queue) {
  run_deal(deal_of(kText, problem), problem, arguments, workspace, queue);
}

}  // namespace flashtile::inline v0_2::ops
