// What kernels take of a call.
#include <algorithm>
#include <cstdint>
#include <optional>

#include "src/core/checked.h"
#include "src/ops/attention/entries.h"
#include "src/ops/attention/problem.h"

namespace flashtile::inline v0_2::ops {
namespace {

kernels::EntryType entry_type(DType dtype) {
  switch (dtype) {
    case DType::u8: return kernels::EntryType::u8;
    case DType::f16: return kernels::EntryType::f16;
    case DType::bf16: return kernels::EntryType::bf16;
    default: return kernels::EntryType::f32;
  }
}

kernels::StoredType stored_type(DType dtype) {
  switch (dtype) {
    case DType::f32: return kernels::StoredType::f32;
    case DType::f16: return kernels::StoredType::f16;
    case DType::bf16: return kernels::StoredType::bf16;
    case DType::i8: return kernels::StoredType::i8;
    case DType::int4: return kernels::StoredType::int4;
    case DType::f8_e4m3: return kernels::StoredType::f8_e4m3;
    case DType::f8_e5m2: return kernels::StoredType::f8_e5m2;
    case DType::q8_0: return kernels::StoredType::q8_0;
    case DType::q4_0: return kernels::StoredType::q4_0;
    default: return kernels::StoredType::none;
  }
}

kernels::RowStrides row_strides(const TensorLayout& layout) {
  return {layout.strides[0], layout.strides[1], layout.strides[2]};
}

kernels::MaskEntries entries_of(const TensorLayout& view, const void* data) {
  return {data, row_strides(view),
          view.strides[2] == 0 ? 1 : core::narrow(view.shape[2], "attention: mask rows"),
          view.strides[3] == 0 ? 1 : core::narrow(view.shape[3], "attention: mask columns"),
          entry_type(view.dtype)};
}

kernels::EntryNumbers numbers_of(const std::optional<TensorLayout>& layout, const void* data) {
  if (!layout) return {nullptr, 0, kernels::NumberType::none};
  return {data, layout->strides[0],
          layout->dtype == DType::i64 ? kernels::NumberType::i64 : kernels::NumberType::i32};
}

kernels::HeadNumbers numbers_of_heads(const std::optional<TensorLayout>& layout, const void* data) {
  if (!layout) return {};
  return {static_cast<const float*>(data), layout->strides[0], layout->strides[1]};
}

kernels::CodedRows coded_rows(const TensorLayout& layout, const void* data,
                              const std::optional<TensorLayout>& scales, const void* scale_data) {
  const Block block = block_of(layout.dtype);
  const auto bytes = [&](int dimension) { return layout.strides[dimension] / block.elements * block.bytes; };
  kernels::CodedRows rows{};
  rows.data = static_cast<const std::uint8_t*>(data);
  rows.strides = {bytes(0), bytes(1), bytes(2)};
  rows.type = stored_type(layout.dtype);
  const auto columns = static_cast<std::int32_t>(layout.shape[3]);
  rows.group = block.elements > 2 ? block.elements : columns;
  if (scales) {
    rows.scales = scale_data;
    rows.scale_strides = row_strides(*scales);
    rows.scale_group_stride = scales->strides[3];
    rows.scales_are_f16 = scales->dtype == DType::f16;
    rows.group = columns / static_cast<std::int32_t>(scales->shape[3]);
  }
  return rows;
}

kernels::RowIds ids_of(const std::optional<TensorLayout>& layout, const void* data) {
  if (!layout) return {};
  return {static_cast<const std::int32_t*>(data), layout->strides[0]};
}

kernels::BlockMap blocks_of(const AttentionProblem& problem, const void* data) {
  if (!problem.blocks) return {};
  return {static_cast<const std::uint8_t*>(data), row_strides(*problem.blocks), problem.blocks->strides[3],
          core::narrow(problem.q_block, "attention: q_block"),
          core::narrow(problem.kv_block, "attention: kv_block")};
}

kernels::Pages pages_of(const AttentionProblem& problem, const void* data) {
  if (!problem.block_table) return {};
  const TensorLayout& table = *problem.block_table;
  return {static_cast<const std::int32_t*>(data), table.strides[0], table.strides[1],
          core::narrow(problem.page_size(), "attention: page size"),
          core::narrow(problem.k.shape[0], "attention: pages")};
}

/// The most rows of a sequence; all rows where nobody has looked.
std::int64_t longest_of(const std::optional<TensorLayout>& layout, void* data, const AttentionProblem& problem,
                        std::int64_t rows) {
  if (!layout || data == nullptr || problem.device.type != DeviceType::cpu) return rows;
  const TensorView starts = view_of(problem, *layout, data);
  std::int64_t longest = 0;
  for (std::int64_t b = 0; b < problem.batch; ++b)
    longest = std::max(longest, number_of(starts, b + 1) - number_of(starts, b));
  return longest;
}

}  // namespace

kernels::AttentionParams params_of(const AttentionProblem& problem, const AttentionArguments& arguments) {
  kernels::AttentionParams p{};
  p.q = arguments.q;
  p.k = arguments.k;
  p.v = arguments.v;
  p.out = arguments.out;
  p.q_strides = row_strides(problem.q);
  p.k_strides = row_strides(problem.k);
  p.v_strides = row_strides(problem.v);
  if (problem.needed.has(Feature::quantised)) {
    p.coded_q = coded_rows(problem.q, arguments.q, std::nullopt, nullptr);
    p.coded_k = coded_rows(problem.k, arguments.k, problem.k_scales, arguments.k_scales);
    p.coded_v = coded_rows(problem.v, arguments.v, problem.v_scales, arguments.v_scales);
  }
  p.out_type = stored_type(problem.out.dtype);
  p.out_strides = row_strides(problem.out);
  if (problem.lse) {
    p.lse = static_cast<float*>(arguments.lse);
    p.lse_strides = row_strides(*problem.lse);
  }
  p.broken = arguments.broken;
  kernels::MaskTensors mask{};
  if (problem.boolean) mask.boolean = entries_of(*problem.boolean, arguments.boolean);
  if (problem.bias) mask.bias = entries_of(*problem.bias, arguments.bias);
  p.rule = kernels::ScoreRule(problem.scale, problem.softcap, mask,
                              numbers_of_heads(problem.alibi_slopes, arguments.alibi_slopes));
  p.rule.segments = {ids_of(problem.query_segments, arguments.query_segments),
                     ids_of(problem.kv_segments, arguments.kv_segments)};
  p.rule.blocks = blocks_of(problem, arguments.blocks);
  p.pages = pages_of(problem, arguments.block_table);
  p.sinks = numbers_of_heads(problem.sinks, arguments.sinks);
  p.band = problem.band;
  p.query_lengths = numbers_of(problem.query_lengths, arguments.query_lengths);
  p.kv_lengths = numbers_of(problem.kv_lengths, arguments.kv_lengths);
  p.query_offsets = numbers_of(problem.query_offsets, arguments.query_offsets);
  p.query_offset = problem.query_offset;
  p.ends_together = problem.ends_together;
  p.query_starts = numbers_of(problem.query_starts, arguments.query_starts);
  p.kv_starts = numbers_of(problem.kv_starts, arguments.kv_starts);
  p.batch = core::narrow(problem.batch, "attention: batch");
  p.query_heads = core::narrow(problem.query_heads, "attention: query heads");
  p.kv_heads = core::narrow(problem.kv_heads, "attention: KV heads");
  p.query_length = core::narrow(problem.query_length, "attention: query length");
  p.kv_length = core::narrow(problem.kv_length, "attention: KV length");
  p.longest_query = static_cast<std::int32_t>(
      longest_of(problem.query_starts, arguments.query_starts, problem, problem.query_length));
  p.longest_kv =
      static_cast<std::int32_t>(longest_of(problem.kv_starts, arguments.kv_starts, problem, problem.kv_length));
  if (problem.is_paged() && problem.k.shape[0] == 0) p.kv_length = p.longest_kv = 0;  // whatever lengths say
  p.head_dim = core::narrow(problem.head_dim, "attention: head_dim");
  p.value_dim = core::narrow(problem.value_dim, "attention: value_dim");
  return p;
}

}  // namespace flashtile::inline v0_2::ops
