// flashtile_attention: structs of C become arguments of attention_into.
#include "flashtile/attention.h"

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>

#include "c_api/call.h"
#include "c_api/numbers.h"
#include "c_api/plan.h"
#include "c_api/queue.h"

namespace flashtile::c_api {
namespace {

// What the first version of a struct had: a caller's has at least that.
constexpr std::size_t kLeastOptions = offsetof(flashtile_attention_options, queue) + sizeof(void*);
constexpr std::size_t kLeastOutputs = offsetof(flashtile_attention_outputs, workspace_bytes) + sizeof(uint64_t);

/// A field of an offset, and those beside it.
struct OffsetFields {
  int32_t kind;
  int64_t number;
  const flashtile_tensor* numbers;
  std::string name, number_name, numbers_name;
};

std::optional<QueryOffset> offset_of(const OffsetFields& given) {
  const auto refuse_unused = [&](const std::string& field, const std::string& value, const char* kind) {
    refuse("attention: " + field + " is " + value + ", and " + given.name + " is not " + kind +
           "; it counts only then");
  };
  if (given.kind != FLASHTILE_OFFSET && given.number != 0)
    refuse_unused(given.number_name, std::to_string(given.number), "FLASHTILE_OFFSET");
  if (given.kind != FLASHTILE_OFFSETS && given.numbers != nullptr)
    refuse_unused(given.numbers_name, "given", "FLASHTILE_OFFSETS");
  switch (given.kind) {
    case FLASHTILE_NOT_GIVEN: return std::nullopt;
    case FLASHTILE_TOP_LEFT: return CausalCorner::top_left;
    case FLASHTILE_BOTTOM_RIGHT: return CausalCorner::bottom_right;
    case FLASHTILE_OFFSET: return given.number;
    case FLASHTILE_OFFSETS: return view_of(given.numbers, ("attention: " + given.numbers_name).c_str());
  }
  refuse("attention: " + given.name + " is " + std::to_string(given.kind) +
         "; expected FLASHTILE_NOT_GIVEN, FLASHTILE_TOP_LEFT, FLASHTILE_BOTTOM_RIGHT, FLASHTILE_OFFSET or "
         "FLASHTILE_OFFSETS");
}

std::optional<BlockMap> blocks_of(const flashtile_attention_options& o) {
  if (o.block_map != nullptr)
    return BlockMap{view_of(o.block_map, "attention: block_map"), o.q_block, o.kv_block};
  for (const auto& [name, rows] : {std::pair{"q_block", o.q_block}, std::pair{"kv_block", o.kv_block}})
    if (rows != 0)
      refuse(std::string("attention: ") + name + " is " + std::to_string(rows) +
             ", and block_map is not given; it counts only then");
  return std::nullopt;
}

AttentionOptions options_of(const flashtile_attention_options* given) {
  const flashtile_attention_options o = read(given, "attention: options", kLeastOptions);
  AttentionOptions options;
  if (o.scale != nullptr) options.scale = *o.scale;
  if (o.softcap != 0.0f) options.softcap = o.softcap;
  options.mask.causal =
      offset_of({o.causal, o.causal_offset, o.causal_offsets, "causal", "causal_offset", "causal_offsets"});
  options.query_offset = offset_of({o.query_offset, o.query_offset_number, o.query_offsets, "query_offset",
                                    "query_offset_number", "query_offsets"});
  options.lengths.q = optional_view_of(o.q_lengths, "attention: q_lengths");
  options.lengths.kv = optional_view_of(o.kv_lengths, "attention: kv_lengths");
  options.alibi_slopes = optional_view_of(o.alibi_slopes, "attention: alibi_slopes");
  options.sinks = optional_view_of(o.sinks, "attention: sinks");
  options.k_scales = optional_view_of(o.k_scales, "attention: k_scales");
  options.v_scales = optional_view_of(o.v_scales, "attention: v_scales");
  options.row_starts.q = optional_view_of(o.q_row_starts, "attention: q_row_starts");
  options.row_starts.kv = optional_view_of(o.kv_row_starts, "attention: kv_row_starts");
  options.block_table = optional_view_of(o.block_table, "attention: block_table");
  options.mask.segments.q = optional_view_of(o.q_segments, "attention: q_segments");
  options.mask.segments.kv = optional_view_of(o.kv_segments, "attention: kv_segments");
  options.mask.blocks = blocks_of(o);
  if (o.window != nullptr) options.mask.window = Window{o.window->left, o.window->right};
  options.mask.boolean = optional_view_of(o.mask, "attention: mask");
  options.mask.bias = optional_view_of(o.bias, "attention: bias");
  if (o.way != nullptr) options.way = o.way;
  options.queue = queue_of(o.queue);
  return options;
}

AttentionOutputs outputs_of(const flashtile_attention_outputs* given) {
  expect_given(given, "attention: outputs");
  const flashtile_attention_outputs o = read(given, "attention: outputs", kLeastOutputs);
  AttentionOutputs outputs{
      .out = view_of(o.out, "attention: out"),
      .lse = optional_view_of(o.lse, "attention: lse"),
      .workspace = {static_cast<std::byte*>(o.workspace), static_cast<std::size_t>(o.workspace_bytes)}};
  if (o.scores != nullptr)
    outputs.scores = {view_of(o.scores, "attention: scores"), static_cast<ScoreStage>(o.score_stage)};
  else if (o.score_stage != 0)
    refuse("attention: score_stage is " + std::to_string(o.score_stage) +
           ", and scores is NULL; it counts only with them");
  return outputs;
}

}  // namespace
}  // namespace flashtile::c_api

using namespace flashtile::c_api;

extern "C" {

flashtile_status flashtile_attention(const flashtile_attention_outputs* outputs, const flashtile_tensor* q,
                                     const flashtile_tensor* k, const flashtile_tensor* v,
                                     const flashtile_attention_options* options) {
  return guarded([&] {
    flashtile::attention_into(outputs_of(outputs), view_of(q, "attention: q"), view_of(k, "attention: k"),
                              view_of(v, "attention: v"), options_of(options));
  });
}

flashtile_status flashtile_plan_attention(flashtile_plan** plan, const flashtile_attention_outputs* outputs,
                                          const flashtile_tensor* q, const flashtile_tensor* k,
                                          const flashtile_tensor* v,
                                          const flashtile_attention_options* options) {
  return guarded([&] {
    expect_given(plan, "attention: plan");
    const auto views =
        std::array{view_of(q, "attention: q"), view_of(k, "attention: k"), view_of(v, "attention: v")};
    *plan = new flashtile_plan(
        outputs == nullptr ? flashtile::plan_attention(views[0], views[1], views[2], options_of(options))
                           : flashtile::plan_attention_into(outputs_of(outputs), views[0], views[1], views[2],
                                                            options_of(options)));
  });
}

}  // extern "C"
