// What a call may ask for beyond a plain softmax(scale * Q K^T) V, and which of it a way knows. A way declines what it
// does not know with a generated reason, so that a new feature is accepted by no way that was not taught it.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string_view>

#include "flashtile/attention.h"

namespace flashtile::inline v0_2::ops {

enum class Feature : std::uint8_t { boolean, bias, causal, window, query_offset, softcap, lse };
inline constexpr Feature kAllFeatures[] = {Feature::boolean, Feature::bias,         Feature::causal,
                                           Feature::window,  Feature::query_offset, Feature::softcap,
                                           Feature::lse};

/// "boolean masks", "biases", ...
std::string_view name(Feature feature);

/// A set of features.
class Features {
 public:
  constexpr Features() = default;
  constexpr Features(std::initializer_list<Feature> features) {
    for (const Feature feature : features) add(feature);
  }
  static constexpr Features all() {
    Features features;
    for (const Feature feature : kAllFeatures) features.add(feature);
    return features;
  }
  constexpr void add(Feature feature) { bits_ |= 1u << static_cast<unsigned>(feature); }
  constexpr bool has(Feature feature) const { return (bits_ >> static_cast<unsigned>(feature) & 1u) != 0; }

 private:
  std::uint32_t bits_ = 0;
};

/// What a call with these options asks for.
Features needed_by(const AttentionOptions& options);

/// Empty, or why a way that knows `known` declines: "it does not know sliding windows".
std::string_view unknown(Features needed, Features known);

}  // namespace flashtile::inline v0_2::ops
