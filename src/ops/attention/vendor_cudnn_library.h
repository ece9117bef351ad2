// cuDNN's own functions and descriptors. Included by the files of the way `vendor.cudnn`; empty
// where the build has no cuDNN.
#pragma once

#if FLASHTILE_HAS_CUDA && __has_include(<cudnn.h>)
#define FLASHTILE_HAS_CUDNN 1
#include <cudnn.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>

#include "flashtile/error.h"
#include "src/backends/vendor_library.h"

namespace flashtile::inline v0_2::ops::cudnn {

/// cuDNN, opened on first use.
struct Cudnn {
  backend::VendorLibrary library = backend::VendorLibrary::of_nvidia("libcudnn.so.9");
  decltype(cudnnCreate)* create = nullptr;
  decltype(cudnnGetVersion)* get_version = nullptr;
  decltype(cudnnGetErrorString)* error_string = nullptr;
  decltype(cudnnSetStream)* set_stream = nullptr;
  decltype(cudnnBackendCreateDescriptor)* create_descriptor = nullptr;
  decltype(cudnnBackendDestroyDescriptor)* destroy_descriptor = nullptr;
  decltype(cudnnBackendSetAttribute)* set_attribute = nullptr;
  decltype(cudnnBackendGetAttribute)* get_attribute = nullptr;
  decltype(cudnnBackendFinalize)* finalize = nullptr;
  decltype(cudnnBackendExecute)* execute = nullptr;

  Cudnn() {
    library.find("cudnnCreate", create);
    library.find("cudnnGetVersion", get_version);
    library.find("cudnnGetErrorString", error_string);
    library.find("cudnnSetStream", set_stream);
    library.find("cudnnBackendCreateDescriptor", create_descriptor);
    library.find("cudnnBackendDestroyDescriptor", destroy_descriptor);
    library.find("cudnnBackendSetAttribute", set_attribute);
    library.find("cudnnBackendGetAttribute", get_attribute);
    library.find("cudnnBackendFinalize", finalize);
    library.find("cudnnBackendExecute", execute);
  }
  static const Cudnn& get() {
    static const Cudnn& cudnn = *new Cudnn;  // never destroyed: calls may come while the process exits
    return cudnn;
  }
  void check(cudnnStatus_t status, const char* call) const {
    if (status == CUDNN_STATUS_SUCCESS) return;
    throw Error(status == CUDNN_STATUS_ALLOC_FAILED ? ErrorCode::out_of_memory : ErrorCode::device_failure,
                std::string("attention: ") + call + ": " + error_string(status));
  }
};

/// A backend descriptor: attributes are set, then it is finalized.
class Descriptor {
 public:
  explicit Descriptor(cudnnBackendDescriptorType_t type) {
    cudnnBackendDescriptor_t raw = nullptr;
    Cudnn::get().check(Cudnn::get().create_descriptor(type, &raw), "cudnnBackendCreateDescriptor");
    raw_ = {raw, Cudnn::get().destroy_descriptor};
  }

  Descriptor& set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, const void* values,
                  std::int64_t count = 1) {
    Cudnn::get().check(Cudnn::get().set_attribute(raw(), name, type, count, values),
                       "cudnnBackendSetAttribute");
    return *this;
  }
  Descriptor& set(cudnnBackendAttributeName_t name, const Descriptor& other) {
    const cudnnBackendDescriptor_t raw_other = other.raw();
    return set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, &raw_other);
  }
  Descriptor& set(cudnnBackendAttributeName_t name, cudnnDataType_t type) {
    return set(name, CUDNN_TYPE_DATA_TYPE, &type);
  }
  Descriptor& set(cudnnBackendAttributeName_t name, const std::array<std::int64_t, 4>& values) {
    return set(name, CUDNN_TYPE_INT64, values.data(), 4);
  }

  /// False when cuDNN cannot do what the attributes say.
  bool try_finalize() { return Cudnn::get().finalize(raw()) == CUDNN_STATUS_SUCCESS; }
  Descriptor& finalize() {
    Cudnn::get().check(Cudnn::get().finalize(raw()), "cudnnBackendFinalize");
    return *this;
  }
  cudnnBackendDescriptor_t raw() const { return raw_.get(); }

 private:
  std::shared_ptr<std::remove_pointer_t<cudnnBackendDescriptor_t>> raw_;
};

}  // namespace flashtile::inline v0_2::ops::cudnn

#else
#define FLASHTILE_HAS_CUDNN 0
#endif
