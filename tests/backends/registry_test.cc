#include "src/backends/backend.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "flashtile/error.h"
#include "flashtile/tensor.h"

namespace flashtile {
namespace {

using ::testing::HasSubstr;

TEST(Device, NamesParseBack) {
  EXPECT_EQ(name(Device::cpu()), "cpu");
  EXPECT_EQ(name(Device::cuda(2)), "cuda:2");
  EXPECT_EQ(name(Device{DeviceType::metal, 0}), "metal:0");
  EXPECT_EQ(name(Device{DeviceType::metal_emulated, 3}), "metal-emulated:3");
  for (const Device device : {Device::cpu(), Device::cuda(), Device::cuda(7), Device{DeviceType::metal, 1},
                              Device{DeviceType::metal_emulated, 2}}) {
    EXPECT_EQ(parse_device(name(device)), device);
  }
  EXPECT_EQ(parse_device("cuda"), Device::cuda(0));
}

TEST(Device, OtherTextNamesNone) {
  for (const char* text :
       {"", "gpu", "CPU", "cuda:", "cuda:x", "cuda:-1", "cuda:1x", "cpu:1", "cuda:99999999999", "cpu "}) {
    try {
      parse_device(text);
      FAIL() << text;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::invalid_argument);
      EXPECT_EQ(std::string(e.what()), "device: \"" + std::string(text) +
                                           "\" names no device; expected cpu, cuda, cuda:N, metal, metal:N, "
                                           "metal-emulated or metal-emulated:N");
    }
  }
}

TEST(Backends, EveryKindIsListedWithDevicesOrAReason) {
  const std::vector<BackendInfo> all = backends();
  ASSERT_EQ(all.size(), 3u);
  for (const BackendInfo& kind : all) {
    EXPECT_NE(kind.devices.empty(), kind.unavailable_reason.empty());
    for (const DeviceInfo& device : kind.devices) {
      EXPECT_EQ(device.device.type, kind.type);
      EXPECT_FALSE(device.name.empty());
      EXPECT_FALSE(device.architecture.empty());
      EXPECT_GT(device.memory_bytes, 0u);
      EXPECT_GT(device.compute_units, 0);
    }
  }
  EXPECT_EQ(all[0].type, DeviceType::cpu);
  EXPECT_EQ(all[0].devices.size(), 1u);
}

TEST(Backends, ADeviceThatIsNotThereSaysWhyInEveryCall) {
  for (const BackendInfo& kind : backends()) {
    if (!kind.devices.empty()) continue;
    const Device device{kind.type, 0};
    const Tensor host(DType::f32, {4});
    const auto expect_reason = [&](auto&& call) {
      try {
        call();
        FAIL() << name(device);
      } catch (const Error& e) {
        EXPECT_EQ(e.code(), ErrorCode::unsupported);
        EXPECT_THAT(e.what(), HasSubstr(kind.unavailable_reason));
      }
    };
    expect_reason([&] { Tensor(DType::f32, {4}, device); });
    expect_reason([&] { copy_to(host, device); });
    expect_reason([&] { Queue::default_for(device); });
    expect_reason([&] { copy_to(packed_view(host.data(), DType::f32, {4}, device), Device::cpu()); });
    if (kind.type == DeviceType::cuda) expect_reason([&] { Queue::cuda(0, nullptr); });
    const backend::Backend& itself = backend::of(kind.type);
    expect_reason([&] { itself.allocate_for(Queue::cpu(), 1); });
    expect_reason([&] { itself.copy_from_host(0, host.data(), host.data(), 4); });
  }
}

TEST(Backends, ThereIsOneCpu) {
  EXPECT_THROW(Tensor(DType::f32, {1}, Device{DeviceType::cpu, 1}), Error);
  EXPECT_THROW(Queue::default_for(Device{DeviceType::cpu, 3}), Error);
  EXPECT_THROW(backend::cpu().queue_over(0, nullptr), Error);
}

}  // namespace
}  // namespace flashtile
