// Misuses of tensors and of what copies them, each in a process of its own.
#include "flashtile/tensor.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "tests/contract/faults.h"
#include "tests/contract/outcome.h"

namespace flashtile::test {
namespace {

struct Call {
  Tensor memory{DType::f32, {3, 4, 5}};
  TensorView source = memory;
};

const std::vector<Entry<Call>> entries = {
    {"copy_to", false, [](Call& c) { return outcome_of([&] { copy_to(c.source, Device::cpu()); }); }},
    {"convert", false, [](Call& c) { return outcome_of([&] { convert(c.source, DType::f16); }); }},
    {"convert to itself", false,
     [](Call& c) { return outcome_of([&] { convert(c.source, c.source.dtype); }); }},
    {"try_copy_to", false, [](Call& c) { return outcome_of(try_copy_to(c.source, Device::cpu())); }},
    {"try_convert", false, [](Call& c) { return outcome_of(try_convert(c.source, DType::f16)); }},
};

TEST(TensorContract, AValidCallPasses) {
  expect_refused(entries, [](Call&) {}, "ok");
}

TEST(TensorContract, FaultyViewsAreRefused) {
  Call valid;
  Takes takes{.types = {DType::f16, DType::bf16, DType::i8, DType::u8, DType::i32, DType::int4, DType::uint4,
                        DType::i64, DType::f64, DType::f8_e4m3, DType::f8_e5m2},
              .free_sizes = {0, 1, 2}};
  takes.types.push_back(DType::f32);
  for (const Fault& fault : faults_of(valid.source, takes)) {
    if (fault.name.starts_with("a tensor that was moved from") || fault.name.starts_with("rank "))
      continue;  // legal here
    if (fault.name.starts_with("device cuda:0") || fault.name.starts_with("device metal:0"))
      continue;                                               // unsupported
    if (fault.name.starts_with("size 2147483648")) continue;  // a view may say that it is as large
    SCOPED_TRACE(fault.name);
    expect_refused(
        entries, [&](Call& c) { fault.apply(c.source); },
        "(invalid_argument: (copy_to|convert): source |invalid_argument: tensor: |out_of_memory: )");
  }
}

struct Misuse {
  const char* name;
  std::string (*outcome)();
  const char* expected;
};

constexpr std::int64_t kHuge = std::int64_t{1} << 40;

Tensor small() { return Tensor(DType::f32, {2, 3}); }

const std::vector<Misuse> misuses = {
    {"negative size", [] { return outcome_of([] { Tensor(DType::f32, {2, -1}); }); },
     "invalid_argument: tensor: shape (2, -1) has a negative size"},
    {"sizes past 64 bits", [] { return outcome_of([] { Tensor(DType::f32, {kHuge, kHuge}); }); },
     "invalid_argument: tensor: element count: 1099511627776 x 1099511627776 does not fit 64 bits"},
    {"more than there is", [] { return outcome_of([] { Tensor(DType::u8, {std::int64_t{1} << 58}); }); },
     "out_of_memory: cpu: no 288230376151711744 bytes of memory"},
    {"more than there is, without exceptions",
     [] { return outcome_of(try_tensor(DType::u8, {std::int64_t{1} << 58})); },
     "out_of_memory: cpu: no 288230376151711744 bytes of memory"},
    {"no type", [] { return outcome_of(try_tensor(DType(42), {2})); },
     "invalid_argument: tensor: dtype is DType(42); expected an enumerator of DType"},
    {"no device", [] { return outcome_of(try_tensor(DType::f32, {2}, Device{DeviceType(7), 0})); },
     "invalid_argument: device: there is none of DeviceType(7); expected cpu, cuda, metal or metal_emulated"},
    {"another CPU", [] { return outcome_of(try_tensor(DType::f32, {2}, Device{DeviceType::cpu, 1})); },
     "unsupported: device: there is one CPU device, with index 0, not 1"},
    {"copy to no device", [] { return outcome_of(try_copy_to(small(), Device{DeviceType(7), 0})); },
     "invalid_argument: device: there is none of DeviceType(7); expected cpu, cuda, metal or metal_emulated"},
    {"convert to no type", [] { return outcome_of(try_convert(small(), DType(42))); },
     "invalid_argument: tensor: dtype is DType(42); expected an enumerator of DType"},
    {"convert from a device",
     [] {
       const Tensor memory = small();
       TensorView view = memory;
       view.device = Device::cuda();
       return outcome_of(try_convert(view, DType::f16));
     },
     "invalid_argument: convert: source is on cuda:0; expected cpu (copy_to brings it there)"},
    {"convert one that was moved from",
     [] {
       Tensor memory = small();
       const Tensor moved = std::move(memory);
       return outcome_of(try_convert(memory, DType::f16));  // NOLINT(bugprone-use-after-move)
     },
     "ok"},
    {"slice of dimension -1", [] { return outcome_of([] { small().view().sliced(-1, 0, 1); }); },
     "invalid_argument: sliced: [0, 1) of dimension -1 is not inside (2, 3)"},
    {"slice of everything there is", [] { return outcome_of([] { small().view().sliced(1, kLeast, kMost); }); },
     "invalid_argument: sliced: [-9223372036854775808, 9223372036854775807) of dimension 1 is not inside (2, "
     "3)"},
    {"slice that reaches too far",
     [] {
       return outcome_of([] {
         TensorView view = small();
         view.strides[1] = kMost;
         static_cast<void>(view.sliced(1, 2, 3));
       });
     },
     "invalid_argument: sliced: offset: 2 x 9223372036854775807 does not fit 64 bits"},
    {"permutation with a hole", [] { return outcome_of([] { small().view().permuted({0, kMost}); }); },
     "invalid_argument: permuted: order (0, 9223372036854775807) is not a permutation of the 2 dimensions of "
     "(2, 3)"},
    {"nine dimensions", [] { return outcome_of([] { Dims{1, 2, 3, 4, 5, 6, 7, 8, 9}; }); },
     "invalid_argument: tensor: rank is 9; at most 8 is supported"},
    {"a device's name", [] { return outcome_of([] { parse_device("cuda:-1"); }); },
     "invalid_argument: device: \"cuda:-1\" names no device; expected cpu, cuda, cuda:N, metal, metal:N, "
     "metal-emulated or metal-emulated:N"},
};

TEST(TensorContract, MisusesAreRefused) {
  for (const Misuse& misuse : misuses) EXPECT_EQ(in_child(misuse.outcome), misuse.expected) << misuse.name;
}

}  // namespace
}  // namespace flashtile::test
