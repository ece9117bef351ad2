// Sums over so many keys that one chain of additions would lose digits, on GPUs; meaning_test.cc has those of CPUs.
#include <cmath>

#include "tests/ops/attention/cases.h"
#include "tests/ops/on_metal_emulated.h"

namespace flashtile::test {
namespace {

/// A (1, 1, length, size) tensor whose rows are one row of `value`, repeated by a stride of 0.
TensorView repeated(const Tensor& row, std::int64_t length) {
  TensorView view = row;
  view.shape[2] = length;
  view.strides[2] = 0;
  return view;
}

/// The error of `way` for so many equal keys stays in the bound of one row.
void check_equal_keys(const std::string& way, Device device, DType dtype, std::int64_t queries,
                      std::int64_t keys) {
  constexpr std::int64_t kD = 8;
  const Tensor numbers(DType::f32, {1, 1, 1, kD});
  for (std::int64_t d = 0; d < kD; ++d) numbers.as<float>()[d] = 1.0f / static_cast<float>(3 + d);
  const Tensor row = convert(numbers, dtype), there = copy_to(row, device);
  std::vector<double> exact;
  for (std::int64_t d = 0; d < kD; ++d) exact.push_back(get(row, d));

  reference::AttentionCase oracle;
  oracle.kv_length = keys;
  oracle.head_dim = oracle.value_dim = kD;
  oracle.scale = 1.0;
  for (reference::Array4* operand : {&oracle.q, &oracle.k, &oracle.v}) *operand = {exact.data(), {0, 0, 0, 1}};
  const reference::AttentionRow expected = reference::attention_row(oracle, 0, 0, 0);
  const reference::AttentionBounds bounds = reference::attention_bounds(oracle, expected, format_of(dtype));

  const Tensor out(dtype, {1, 1, queries, kD}, device), lse(DType::f32, {1, 1, queries}, device);
  attention_into({.out = out.view(), .lse = lse.view()}, repeated(there, queries), repeated(there, keys),
                 repeated(there, keys), {.scale = 1.0f, .way = way});
  Queue::default_for(device).synchronize();
  const Tensor found = copy_to(out, Device::cpu()), found_lse = copy_to(lse, Device::cpu());
  for (std::int64_t i = 0; i < queries; ++i) {
    for (std::int64_t d = 0; d < kD; ++d) {
      const auto column = static_cast<std::size_t>(d);
      ASSERT_TRUE(within(get(found, i * kD + d), expected.out[column], bounds.out[column]))
          << way << " " << name(dtype) << ", query " << i << " of " << queries << ", " << keys << " keys";
    }
    ASSERT_TRUE(within(static_cast<double>(found_lse.as<float>()[i]), expected.lse, bounds.lse))
        << way << " " << name(dtype) << ", lse";
  }
}

TEST(LongSumsOnGpus, OfManyEqualKeysStayInTheBound) {
  bool any = false;
  for (const Device device : devices_under_test()) {
    if (device.type != DeviceType::cuda) continue;
    any = true;
    for (const char* way : {"tensor_ops", "simdgroup"}) {
      for (const DType dtype : {DType::f32, DType::f16, DType::bf16}) {
        for (const std::int64_t queries : {1, 150}) {
          for (const std::int64_t keys : {1'000'000, 1 << 20})
            check_equal_keys(way, device, dtype, queries, keys);
        }
      }
    }
  }
  if (!any) GTEST_SKIP() << "no NVIDIA GPU";
}

}  // namespace
}  // namespace flashtile::test
