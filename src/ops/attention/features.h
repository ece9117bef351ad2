// What a call may ask for beyond a plain softmax(scale * Q K^T) V, and which of it a way knows. The others are
// refused for a way with a generated reason, so that a new feature is accepted by no way that was not taught it.
//
// A new feature is a line of the list, and one of needed_by() that says when a call asks for it.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <variant>

#include "flashtile/attention.h"

namespace flashtile::inline v0_2::ops {

// F(enumerator, the words of "it does not know ..."), in the order in which they are told.
#define FLASHTILE_ATTENTION_FEATURES(F)              \
  F(boolean, "boolean masks")                        \
  F(bias, "biases")                                  \
  F(causal, "causal masks")                          \
  F(window, "sliding windows")                       \
  F(query_offset, "a query_offset")                  \
  F(query_offsets, "query offsets of batch entries") \
  F(lengths, "lengths of batch entries")             \
  F(packed, "packed sequences")                      \
  F(paged, "paged keys and values")                  \
  F(segments, "segments")                            \
  F(blocks, "block maps")                            \
  F(alibi_slopes, "ALiBi slopes")                    \
  F(sinks, "attention sinks")                        \
  F(quantised, "k or v of another type than q")      \
  F(softcap, "a softcap")                            \
  F(out_f32, "f32 results of other types")           \
  F(lse, "lse")                                      \
  F(scores, "scores on request")

#define FLASHTILE_FEATURE(feature, words) feature,
enum class Feature : std::uint8_t { FLASHTILE_ATTENTION_FEATURES(FLASHTILE_FEATURE) };
#undef FLASHTILE_FEATURE

struct FeatureRow {
  Feature feature;
  std::string_view name, unknown;
};
#define FLASHTILE_FEATURE(feature, words) {Feature::feature, words, "it does not know " words},
inline constexpr FeatureRow kFeatureRows[] = {FLASHTILE_ATTENTION_FEATURES(FLASHTILE_FEATURE)};
#undef FLASHTILE_FEATURE

/// A set of features.
class Features {
 public:
  constexpr Features() = default;
  constexpr Features(std::initializer_list<Feature> features) {
    for (const Feature feature : features) add(feature);
  }
  static constexpr Features all() {
    Features features;
    for (const FeatureRow& row : kFeatureRows) features.add(row.feature);
    return features;
  }
  constexpr Features without(Feature feature) const {
    Features others = *this;
    others.bits_ &= ~(1u << static_cast<unsigned>(feature));
    return others;
  }
  constexpr void add(Feature feature) { bits_ |= 1u << static_cast<unsigned>(feature); }
  constexpr bool has(Feature feature) const { return (bits_ >> static_cast<unsigned>(feature) & 1u) != 0; }

 private:
  std::uint32_t bits_ = 0;
};

/// What a call with these options asks for.
inline Features needed_by(const AttentionOptions& options) {
  // A new field stops this from compiling: it is a feature, or is named here as none.
  const auto& [scale, softcap, mask, query_offset, lengths, row_starts, block_table, alibi_slopes, sinks,
               k_scales, v_scales, out_dtype, way, queue] = options;
  const auto& [causal, window, boolean, bias, segments, blocks] = mask;
  Features needed;
  static_cast<void>(out_dtype);  // needs a feature where it is not q's, see problem.cc
  if (k_scales || v_scales) needed.add(Feature::quantised);  // or where types differ, see problem.cc
  if (softcap.value_or(0.0f) != 0.0f) needed.add(Feature::softcap);
  if (causal) needed.add(Feature::causal);
  if (window && (window->left >= 0 || window->right >= 0)) needed.add(Feature::window);
  if (query_offset) needed.add(Feature::query_offset);
  for (const auto* offset : {&causal, &query_offset}) {
    if (*offset && std::holds_alternative<TensorView>(**offset)) needed.add(Feature::query_offsets);
  }
  if (lengths.q || lengths.kv) needed.add(Feature::lengths);
  if (row_starts.q || row_starts.kv) needed.add(Feature::packed);
  if (block_table) needed.add(Feature::paged);
  if (segments.q || segments.kv) needed.add(Feature::segments);
  if (blocks) needed.add(Feature::blocks);
  if (alibi_slopes) needed.add(Feature::alibi_slopes);
  if (sinks) needed.add(Feature::sinks);
  if (boolean) needed.add(Feature::boolean);
  if (bias) needed.add(Feature::bias);
  return needed;
}

/// Empty, or why a way that knows `known` declines: "it does not know sliding windows".
constexpr std::string_view unknown(Features needed, Features known) {
  for (const FeatureRow& row : kFeatureRows) {
    if (needed.has(row.feature) && !known.has(row.feature)) return row.unknown;
  }
  return {};
}

}  // namespace flashtile::inline v0_2::ops
