#include "src/ops/attention/features.h"

namespace flashtile::inline v0_2::ops {
namespace {

struct Row {
  Feature feature;
  std::string_view name, unknown;
};

#define FLASHTILE_FEATURE(feature, name) {Feature::feature, name, "it does not know " name}
constexpr Row kRows[] = {
    FLASHTILE_FEATURE(boolean, "boolean masks"),
    FLASHTILE_FEATURE(bias, "biases"),
    FLASHTILE_FEATURE(causal, "causal masks"),
    FLASHTILE_FEATURE(window, "sliding windows"),
    FLASHTILE_FEATURE(query_offset, "a query_offset"),
    FLASHTILE_FEATURE(softcap, "a softcap"),
    FLASHTILE_FEATURE(lse, "lse"),
};
#undef FLASHTILE_FEATURE

}  // namespace

std::string_view name(Feature feature) {
  for (const Row& row : kRows) {
    if (row.feature == feature) return row.name;
  }
  return {};
}

Features needed_by(const AttentionOptions& options) {
  // A new field stops this from compiling: it is a feature, or is named here as none.
  const auto& [scale, softcap, mask, query_offset, way, queue] = options;
  const auto& [causal, window, boolean, bias] = mask;
  Features needed;
  if (softcap.value_or(0.0f) != 0.0f) needed.add(Feature::softcap);
  if (causal) needed.add(Feature::causal);
  if (window && (window->left >= 0 || window->right >= 0)) needed.add(Feature::window);
  if (query_offset) needed.add(Feature::query_offset);
  if (boolean) needed.add(Feature::boolean);
  if (bias) needed.add(Feature::bias);
  return needed;
}

std::string_view unknown(Features needed, Features known) {
  for (const Row& row : kRows) {
    if (needed.has(row.feature) && !known.has(row.feature)) return row.unknown;
  }
  return {};
}

}  // namespace flashtile::inline v0_2::ops
