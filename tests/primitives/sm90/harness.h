// What the tests of Hopper's words share besides tests/primitives/harness.h.
#pragma once

#include "flashtile/device.h"
#include "tests/primitives/harness.h"

namespace flashtile::test {

inline bool has_hopper() {
  for (const BackendInfo& kind : backends()) {
    for (const DeviceInfo& device : kind.devices) {
      if (device.device == Device::cuda()) return device.architecture == "sm_90";
    }
  }
  return false;
}
#define SKIP_WITHOUT_HOPPER() \
  if (!has_hopper()) GTEST_SKIP() << "this machine has no CUDA device of compute capability 9.0"

}  // namespace flashtile::test
