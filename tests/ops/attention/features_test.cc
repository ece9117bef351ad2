// What each way must know: a committed table, way by device by feature. A way that declines what this table says it
// must know fails, and so does a way that knows more than the table says.
#include "src/ops/attention/features.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "flashtile/attention.h"
#include "flashtile/error.h"

namespace flashtile {
namespace {

using ops::Feature;
using ops::Features;

constexpr Features kEverything = Features::all();

/// What a way must know on a device where it runs at all.
const std::map<std::string, std::map<DeviceType, Features>> kMust{
    {"flash.cpu", {{DeviceType::cpu, kEverything.without(Feature::scores)}}},
    {"tensor_ops",
     {{DeviceType::cpu, kEverything.without(Feature::scores)},
      {DeviceType::cuda, kEverything.without(Feature::scores)}}},
    {"simdgroup",
     {{DeviceType::cpu,
       kEverything.without(Feature::quantised).without(Feature::paged).without(Feature::scores)},
      {DeviceType::cuda,
       kEverything.without(Feature::quantised).without(Feature::paged).without(Feature::scores)}}},
    {"flash.sm90",
     {{DeviceType::cuda,
       {Feature::boolean, Feature::bias, Feature::causal, Feature::window, Feature::query_offset,
        Feature::query_offsets, Feature::lengths, Feature::paged, Feature::alibi_slopes, Feature::sinks,
        Feature::softcap, Feature::out_f32, Feature::lse}}}},
    {"unfused",
     {{DeviceType::cpu,
       kEverything.without(Feature::quantised).without(Feature::paged).without(Feature::packed)},
      {DeviceType::cuda,
       kEverything.without(Feature::quantised).without(Feature::paged).without(Feature::packed)}}},
    {"vendor.onednn", {{DeviceType::cpu, {}}}},
    {"vendor.cudnn",
     {{DeviceType::cuda, {Feature::bias, Feature::causal, Feature::query_offset, Feature::lse}}}},
};

/// Does the way plan a call that asks for this feature alone? Types and sizes are such that every way takes them.
bool plans(const std::string& way, Device device, const Feature* feature) {
  const bool in_f32 = device.type == DeviceType::cpu && (feature == nullptr || *feature != Feature::out_f32);
  const DType dtype = in_f32 ? DType::f32 : DType::f16;
  const bool packed = feature != nullptr && *feature == Feature::packed;
  const TensorView x = packed_view(nullptr, dtype, packed ? Dims{64, 1, 64} : Dims{1, 1, 64, 64}, device);
  const TensorView entries = packed_view(nullptr, DType::u8, {64, 64}, device),
                   biases = packed_view(nullptr, dtype, {64, 64}, device),
                   numbers = packed_view(nullptr, DType::i32, {1}, device),
                   starts = packed_view(nullptr, DType::i32, {2}, device),
                   table = packed_view(nullptr, DType::i32, {1, 4}, device),
                   pool = packed_view(nullptr, dtype, {9, 16, 1, 64}, device),
                   ids = packed_view(nullptr, DType::i32, {1, 64}, device),
                   blocks = packed_view(nullptr, DType::u8, {1, 1, 2, 2}, device),
                   head_floats = packed_view(nullptr, DType::f32, {1}, device);
  TensorView v = x;
  AttentionOptions options{.way = way};
  AttentionOutputs outputs{.out = x};
  if (feature != nullptr) {
    switch (*feature) {
      case Feature::boolean: options.mask.boolean = entries; break;
      case Feature::bias: options.mask.bias = biases; break;
      case Feature::causal: options.mask.causal = CausalCorner::top_left; break;
      case Feature::window: options.mask.window = {.left = 3, .right = 3}; break;
      case Feature::query_offset: options.query_offset = std::int64_t{0}; break;
      case Feature::query_offsets: options.query_offset = numbers; break;
      case Feature::lengths: options.lengths = {.q = numbers, .kv = numbers}; break;
      case Feature::packed: options.row_starts = {.q = starts, .kv = starts}; break;
      // Paged keys have lengths, so a way that declines these declines pages too.
      case Feature::paged: options.lengths.kv = numbers, options.block_table = table; break;
      case Feature::segments: options.mask.segments = {.q = ids, .kv = ids}; break;
      case Feature::blocks: options.mask.blocks = BlockMap{blocks, 32, 32}; break;
      case Feature::alibi_slopes: options.alibi_slopes = head_floats; break;
      case Feature::sinks: options.sinks = head_floats; break;
      case Feature::quantised: v.dtype = DType::q8_0; break;
      case Feature::softcap: options.softcap = 1.0f; break;
      case Feature::out_f32: outputs.out = packed_view(nullptr, DType::f32, {1, 1, 64, 64}, device); break;
      case Feature::scores: outputs.scores = {packed_view(nullptr, DType::f32, {1, 1, 64, 64}, device)}; break;
      case Feature::lse: outputs.lse = packed_view(nullptr, DType::f32, {1, 1, 64}, device); break;
    }
  }
  try {
    const TensorView &keys = options.block_table ? pool : x, &values = options.block_table ? pool : v;
    plan_attention_into(outputs, x, keys, values, options);
    return true;
  } catch (const Error& error) {
    if (error.code() != ErrorCode::unsupported) throw;
    return false;
  }
}

TEST(Features, WaysKnowWhatTheTableSays) {
  for (const WayInfo& way : attention_ways()) {
    ASSERT_TRUE(kMust.contains(way.name)) << way.name << " has no row in the table";
    for (const BackendInfo& kind : backends()) {
      if (kind.devices.empty()) continue;
      const Device device = kind.devices.front().device;
      if (!plans(way.name, device, nullptr)) continue;
      const auto& rows = kMust.at(way.name);
      ASSERT_TRUE(rows.contains(device.type)) << way.name << " runs on " << name(device);
      for (const ops::FeatureRow& row : ops::kFeatureRows) {
        EXPECT_EQ(plans(way.name, device, &row.feature), rows.at(device.type).has(row.feature))
            << way.name << " on " << name(device) << ": " << row.name;
      }
    }
  }
}

TEST(Features, ADecliningWaySaysWhatItDoesNotKnow) {
  EXPECT_EQ(ops::unknown({Feature::bias, Feature::window}, {Feature::bias}),
            "it does not know sliding windows");
  EXPECT_EQ(ops::unknown({Feature::bias}, {Feature::bias, Feature::window}), "");
}

}  // namespace
}  // namespace flashtile
