// A DLPack tensor as one of ours. Its struct is declared here, as the public ABI that it is, so that no header of DLPack is
// needed (dmlc/dlpack: include/dlpack/dlpack.h, 1.1).
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "c_api/call.h"

namespace flashtile::c_api {
namespace {

struct DlTensor {
  void* data;
  std::int32_t device_type, device_id;
  std::int32_t rank;
  std::uint8_t type_code, type_bits;
  std::uint16_t type_lanes;
  const std::int64_t* shape;
  const std::int64_t* strides;  ///< in elements; null: row-major, in old versions
  std::uint64_t byte_offset;
};
static_assert(offsetof(DlTensor, device_type) == 8 && offsetof(DlTensor, rank) == 16 &&
              offsetof(DlTensor, type_code) == 20 && offsetof(DlTensor, type_lanes) == 22 &&
              offsetof(DlTensor, shape) == 24 && offsetof(DlTensor, byte_offset) == 40 &&
              sizeof(DlTensor) == 48);

enum TypeCode : std::uint8_t {
  kInt = 0,
  kUint = 1,
  kFloat = 2,
  kBfloat = 4,
  kBool = 6,
  kF8E4M3 = 10,
  kF8E5M2 = 12
};

struct DtypeRow {
  std::uint8_t code, bits;
  int32_t dtype;
};
constexpr DtypeRow kDtypes[] = {
    {kFloat, 64, FLASHTILE_F64},    {kFloat, 32, FLASHTILE_F32}, {kFloat, 16, FLASHTILE_F16},
    {kBfloat, 16, FLASHTILE_BF16},  {kInt, 8, FLASHTILE_I8},     {kUint, 8, FLASHTILE_U8},
    {kBool, 8, FLASHTILE_U8},       {kInt, 32, FLASHTILE_I32},   {kInt, 64, FLASHTILE_I64},
    {kInt, 4, FLASHTILE_INT4},      {kUint, 4, FLASHTILE_UINT4}, {kF8E4M3, 8, FLASHTILE_F8_E4M3},
    {kF8E5M2, 8, FLASHTILE_F8_E5M2}};

struct DeviceRow {
  std::int32_t dl, type;
};
/// The CPU, pinned memory of CUDA, and CUDA's managed memory are the second, third and thirteenth of DLPack.
constexpr DeviceRow kDevices[] = {
    {1, FLASHTILE_CPU}, {3, FLASHTILE_CPU}, {2, FLASHTILE_CUDA}, {13, FLASHTILE_CUDA}, {8, FLASHTILE_METAL}};

[[noreturn]] void not_known(const std::string& what) {
  throw Error(ErrorCode::unsupported, "tensor_from_dlpack: " + what);
}

int32_t dtype_of_dl(const DlTensor& dl) {
  for (const DtypeRow& row : kDtypes) {
    if (row.code == dl.type_code && row.bits == dl.type_bits) return row.dtype;
  }
  not_known("flashtile has no type of DLPack's code " + std::to_string(dl.type_code) + " with " +
            std::to_string(dl.type_bits) + " bits");
}

void set_device(const DlTensor& dl, flashtile_tensor& tensor) {
  for (const DeviceRow& row : kDevices) {
    if (row.dl != dl.device_type) continue;
    tensor.device_type = row.type;
    tensor.device_index = row.type == FLASHTILE_CPU ? 0 : dl.device_id;
    return;
  }
  not_known("flashtile does not know DLPack's device type " + std::to_string(dl.device_type));
}

flashtile_tensor tensor_of(const DlTensor& dl) {
  if (dl.rank < 0 || dl.rank > kMaxRank) {
    refuse("tensor_from_dlpack: the tensor has " + std::to_string(dl.rank) + " dimensions; expected 0 ... " +
           std::to_string(kMaxRank));
  }
  if (dl.type_lanes != 1) {
    refuse("tensor_from_dlpack: its elements are vectors of " + std::to_string(dl.type_lanes) +
           "; expected single numbers");
  }
  if (dl.rank > 0) expect_given(dl.shape, "tensor_from_dlpack: the tensor's shape");
  flashtile_tensor tensor;
  FLASHTILE_INIT(tensor);
  tensor.dtype = dtype_of_dl(dl);
  set_device(dl, tensor);
  tensor.data = dl.data == nullptr ? nullptr : static_cast<char*>(dl.data) + dl.byte_offset;
  tensor.rank = dl.rank;
  const std::span shape(dl.shape, static_cast<std::size_t>(dl.rank));
  const Dims strides =
      dl.strides != nullptr ? Dims(std::span(dl.strides, shape.size())) : packed_strides(Dims(shape));
  std::copy(shape.begin(), shape.end(), tensor.shape);
  std::copy(strides.begin(), strides.end(), tensor.strides);
  return tensor;
}

}  // namespace
}  // namespace flashtile::c_api

extern "C" flashtile_status flashtile_tensor_from_dlpack(flashtile_tensor* tensor, const void* dl_tensor) {
  using namespace flashtile::c_api;
  return guarded([&] {
    expect_given(tensor, "tensor_from_dlpack: tensor");
    expect_given(dl_tensor, "tensor_from_dlpack: dl_tensor");
    *tensor = tensor_of(*static_cast<const DlTensor*>(dl_tensor));
  });
}
