// What this build knows and this machine offers. Gathered once, since strings are to stay.
#include <cstddef>
#include <string>
#include <vector>

#include "c_api/call.h"
#include "flashtile/attention.h"
#include "flashtile/device.h"
#include "flashtile/gemm.h"

namespace flashtile::c_api {
namespace {

constexpr std::size_t kLeastWay = offsetof(flashtile_way_info, about) + sizeof(char*);
constexpr std::size_t kLeastDevice = offsetof(flashtile_device_info, unavailable_reason) + sizeof(char*);

// None is ever destroyed, since a thread may ask while the process ends.

const std::vector<WayInfo>& attention_rows() {
  static const auto* const rows = new std::vector<WayInfo>(attention_ways());
  return *rows;
}

const std::vector<WayInfo>& gemm_rows() {
  static const auto* const rows = new std::vector<WayInfo>(gemm_ways());
  return *rows;
}

struct DeviceRow {
  DeviceInfo info;
  std::string unavailable_reason;
};

const std::vector<DeviceRow>& device_rows() {
  static const auto* const rows = [] {
    auto* gathered = new std::vector<DeviceRow>;
    for (const BackendInfo& backend : backends()) {
      for (const DeviceInfo& device : backend.devices) gathered->push_back({device, {}});
      if (backend.devices.empty()) {
        DeviceRow& absent = gathered->emplace_back();
        absent.info.device = {backend.type, 0};
        absent.unavailable_reason = backend.unavailable_reason;
      }
    }
    return gathered;
  }();
  return *rows;
}

template <class T>
const T& row_of(const std::vector<T>& rows, int32_t index, const char* name) {
  if (index < 0 || static_cast<std::size_t>(index) >= rows.size()) {
    refuse(std::string(name) + ": index is " + std::to_string(index) + "; expected 0 ... " +
           std::to_string(static_cast<std::ptrdiff_t>(rows.size()) - 1));
  }
  return rows[static_cast<std::size_t>(index)];
}

flashtile_status way_of(const std::vector<WayInfo>& (*rows)(), int32_t index, flashtile_way_info* way,
                        const char* name) {
  return guarded([&] {
    const WayInfo& row = row_of(rows(), index, name);
    write(way, {0, row.built ? 1 : 0, row.name.c_str(), row.about.c_str()}, name, kLeastWay);
  });
}

/// 0 where there is no memory to know it.
template <class T>
int32_t count_of(const std::vector<T>& (*rows)()) {
  int32_t count = 0;
  guarded([&] { count = static_cast<int32_t>(rows().size()); });
  return count;
}

}  // namespace
}  // namespace flashtile::c_api

using namespace flashtile::c_api;

extern "C" {

int32_t flashtile_attention_way_count(void) { return count_of(attention_rows); }
int32_t flashtile_gemm_way_count(void) { return count_of(gemm_rows); }
int32_t flashtile_device_count(void) { return count_of(device_rows); }

flashtile_status flashtile_attention_way(int32_t index, flashtile_way_info* way) {
  return way_of(attention_rows, index, way, "attention_way");
}

flashtile_status flashtile_gemm_way(int32_t index, flashtile_way_info* way) {
  return way_of(gemm_rows, index, way, "gemm_way");
}

flashtile_status flashtile_device(int32_t index, flashtile_device_info* device) {
  return guarded([&] {
    const auto& [info, reason] = row_of(device_rows(), index, "device");
    write(device,
          {0, static_cast<int32_t>(info.device.type), info.device.index, info.compute_units, info.memory_bytes,
           info.name.c_str(), info.architecture.c_str(), reason.c_str()},
          "device", kLeastDevice);
  });
}

}  // extern "C"
