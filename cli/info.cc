// flashtile info: what this build holds and what this machine offers.
#include <fmt/format.h>

#include <cstdlib>

#include "cli/commands.h"
#include "cli/json_lines.h"
#include "flashtile/attention.h"
#include "flashtile/gemm.h"

namespace flashtile::cli {
namespace {

const char* type_name(DeviceType type) {
  switch (type) {
    case DeviceType::cpu: return "cpu";
    case DeviceType::cuda: return "cuda";
    case DeviceType::metal: return "metal";
    case DeviceType::metal_emulated: return "metal-emulated";
  }
  return "unknown";
}

Json gathered() {
  Json json;
  json["compiler"] = FLASHTILE_COMPILER;
  json["build_type"] = FLASHTILE_BUILD_TYPE;
  json["kernels"] = FLASHTILE_DEBUG_KERNELS ? "compiled as the build type says" : "optimised";
  json["devices"] = Json::array();
  json["unavailable"] = Json::array();
  for (const BackendInfo& backend : backends()) {
    for (const DeviceInfo& device : backend.devices) {
      json["devices"].push_back({{"device", name(device.device)},
                                 {"name", device.name},
                                 {"architecture", device.architecture},
                                 {"memory_bytes", device.memory_bytes},
                                 {"compute_units", device.compute_units}});
    }
    if (backend.devices.empty())
      json["unavailable"].push_back(
          {{"device", type_name(backend.type)}, {"reason", backend.unavailable_reason}});
  }
  json["libraries"] = {{"cblas", FLASHTILE_HAS_CBLAS != 0},
                       {"onednn", FLASHTILE_HAS_ONEDNN != 0},
                       {"cuda", FLASHTILE_HAS_CUDA != 0}};
  for (const auto& [op, ways] : {std::pair{"attention", attention_ways()}, {"gemm", gemm_ways()}}) {
    json["ways"][op] = Json::array();
    for (const WayInfo& way : ways)
      json["ways"][op].push_back({{"way", way.name}, {"built", way.built}, {"about", way.about}});
  }
  for (const char* variable : {"FLASHTILE_THREADS", "FLASHTILE_MAX_ISA", "NO_COLOR"}) {
    const char* value = std::getenv(variable);
    json["environment"][variable] = value != nullptr ? Json(value) : Json(nullptr);
  }
  return json;
}

}  // namespace

int info(const Options& options) {
  Report report(options);
  const Json json = gathered();
  if (options.json) {
    report.line(stamped(json));
    return kDone;
  }
  const auto text = [](const Json& value) {
    return value.is_string() ? value.get<std::string>() : value.dump();
  };
  report.line(fmt::format("flashtile {} ({}, {}; kernels {})", FLASHTILE_VERSION, text(json["compiler"]),
                          text(json["build_type"]), text(json["kernels"])));
  for (const Json& device : json["devices"]) {
    report.line(fmt::format("device   {}: {}, {}, {} compute units, {:.1f} GiB", text(device["device"]),
                            text(device["name"]), text(device["architecture"]), text(device["compute_units"]),
                            device["memory_bytes"].get<double>() / (1 << 30)));
  }
  for (const Json& backend : json["unavailable"])
    report.line(fmt::format("device   {}: none; {}", text(backend["device"]), text(backend["reason"])));
  for (const auto& [library, found] : json["libraries"].items())
    report.line(fmt::format("library  {}: {}", library, found ? "in this build" : "not in this build"));
  for (const auto& [op, ways] : json["ways"].items()) {
    for (const Json& way : ways) {
      report.line(fmt::format("way      {} {}: {}{}", op, text(way["way"]), text(way["about"]),
                              way["built"] ? "" : " (not in this build)"));
    }
  }
  for (const auto& [variable, value] : json["environment"].items())
    report.line(fmt::format("set      {}={}", variable, value.is_null() ? "" : text(value)));
  return kDone;
}

}  // namespace flashtile::cli
