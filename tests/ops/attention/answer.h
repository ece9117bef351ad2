// What a way makes of a call, on any device and among memory that must not change, and whether that is what the oracle
// says. Used by the parity tests and by the campaign.
#pragma once

#include <cstddef>
#include <cstring>
#include <sstream>
#include <string>
#include <vector>

#include "tests/ops/attention/cases.h"

namespace flashtile::test {

inline constexpr double kCanary = 77.0;              ///< around out
inline constexpr std::size_t kBehindWorkspace = 64;  ///< bytes
inline constexpr std::byte kWorkspaceCanary{0xab};

struct Answer {
  Stored out;
  Tensor lse;
  Tensor workspace;  ///< what was given, and kBehindWorkspace bytes more; empty: the library took its own
};

/// Who brings the memory that a way works in.
enum class Workspace { of_library, given };

/// Computes the call; on another device than the CPU, on dense copies. Errors: those of attention_into().
inline Answer answer_to(const Call& call, AttentionOptions options, Device device,
                        Workspace workspace = Workspace::of_library) {
  const Case& c = call.c;
  // The output lies in a layout of its own; elements that are never written are NaN.
  const Layout layout = c.layout == Layout::bhsd || c.layout == Layout::bshd ? c.layout : Layout::padded;
  Answer answer{
      .out = stored(call.out_dtype(), {c.batch, c.query_heads, c.query_length, c.values()}, layout, kCanary),
      .lse = Tensor(DType::f32, {c.batch, c.query_heads, c.query_length}),
      .workspace = {}};
  for_each(answer.out.view, [&](auto offset, auto, auto, auto, auto, auto) {
    set(answer.out.view, offset, static_cast<double>(kNaN));
  });
  for (std::int64_t i = 0; i < answer.lse.size(); ++i) answer.lse.as<float>()[i] = kNaN;

  const bool here = device == Device::cpu();
  std::vector<Tensor> copies;  // keeps them until the work is done
  const auto there = [&](const TensorView& view) {
    if (here) return view;
    copies.push_back(copy_to(view, device));
    return copies.back().view();
  };
  for (std::optional<TensorView>* given :
       {&options.mask.boolean, &options.mask.bias, &options.lengths.q, &options.lengths.kv,
        &options.alibi_slopes, &options.sinks, &options.k_scales, &options.v_scales, &options.block_table,
        &options.mask.segments.q, &options.mask.segments.kv})
    if (*given) *given = there(**given);
  if (options.mask.blocks) options.mask.blocks->view = there(options.mask.blocks->view);
  if (!c.offsets.empty()) options.query_offset = there(call.offsets);
  const TensorView q = there(call.q.view), k = there(call.keys()), v = there(call.values());
  AttentionOutputs outputs{.out = there(answer.out.view)};
  if (c.lse) outputs.lse = there(answer.lse);
  if (workspace == Workspace::given) {
    const std::size_t bytes = plan_attention_into(outputs, q, k, v, options).workspace_bytes;
    answer.workspace = Tensor(DType::u8, {static_cast<std::int64_t>(bytes + kBehindWorkspace)});
    std::memset(answer.workspace.data(), static_cast<int>(kWorkspaceCanary), bytes + kBehindWorkspace);
    const TensorView memory = there(answer.workspace);
    outputs.workspace = {static_cast<std::byte*>(memory.data), bytes};
  }
  attention_into(outputs, q, k, v, options);
  if (here) return answer;

  options.queue.value_or(Queue::default_for(device)).synchronize();
  const auto back = [](const TensorView& view) { return copy_to(view, Device::cpu()); };
  const Tensor out = back(outputs.out);
  for_each(answer.out.view, [&](auto offset, auto index, auto, auto, auto, auto) {
    set(answer.out.view, offset, get(out, index));
  });
  if (outputs.lse) answer.lse = back(*outputs.lse);
  if (workspace == Workspace::given) answer.workspace = back(copies.back());
  return answer;
}

/// The first thing that is wrong with an answer; "" where all of it lies within the oracle's bound, and nothing around it
/// has changed.
inline std::string fault_of(Call& call, const Answer& answer) {
  std::ostringstream fault;
  const auto judge = [&](double found, double expected, double bound) {
    if (reference::agrees(found, expected, bound)) return true;
    if (fault.tellp() == 0) fault << found << " is not " << expected << " +- " << bound << ": ";
    return false;
  };
  const TensorView& out = answer.out.view;
  const auto bytes = static_cast<std::int64_t>(bits(out.dtype) / 8);
  const std::int64_t first =
      (static_cast<const std::byte*>(out.data) - static_cast<const std::byte*>(answer.out.memory.data())) /
      bytes;
  std::vector<bool> is_element(static_cast<std::size_t>(answer.out.memory.size()));
  for_each(out, [&](auto offset, auto index, auto b, auto h, auto i, auto d) {
    is_element[static_cast<std::size_t>(first + offset)] = true;
    if (fault.tellp() != 0) return;
    const std::int64_t row = index / call.c.values();
    const reference::AttentionRow& exact = call.expected(row);
    const bool empty = exact.lse == -static_cast<double>(kInfinity);
    const auto column = static_cast<std::size_t>(d);
    if (!judge(get(out, offset), exact.out[column], empty ? 0 : call.bounds(row).out[column]))
      fault << "out[" << b << "," << h << "," << i << "," << d << "]"
            << (empty ? ", of a row without a key" : "");
  });
  for (std::int64_t row = 0; call.c.lse && row < call.rows() && fault.tellp() == 0; ++row) {
    if (!judge(static_cast<double>(answer.lse.as<float>()[row]), call.expected(row).lse, call.bounds(row).lse))
      fault << "lse of row " << row;
  }
  for (std::int64_t n = 0; n < answer.out.memory.size() && fault.tellp() == 0; ++n) {
    if (!is_element[static_cast<std::size_t>(n)] && get(answer.out.memory, n) != kCanary)
      fault << "memory around out has changed, at element " << n - first;
  }
  const auto behind =
      static_cast<std::int64_t>(answer.workspace.size_bytes()) - static_cast<std::int64_t>(kBehindWorkspace);
  for (std::int64_t n = behind; n >= 0 && n < answer.workspace.size() && fault.tellp() == 0; ++n) {
    if (answer.workspace.as<std::byte>()[n] != kWorkspaceCanary)
      fault << "memory behind the workspace has changed, byte " << n - behind;
  }
  return fault.str();
}

}  // namespace flashtile::test
