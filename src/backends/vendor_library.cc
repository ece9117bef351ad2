#include "src/backends/vendor_library.h"

#include <dlfcn.h>

namespace flashtile::inline v0_2::backend {

VendorLibrary::VendorLibrary(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    handle_ = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);  // stays open: its threads and caches outlive us
    if (handle_ != nullptr) {
      name_ = name;
      missing_.clear();
      return;
    }
    if (missing_.empty()) missing_ = name + " cannot be loaded: " + dlerror();
  }
}

VendorLibrary VendorLibrary::of_nvidia(const std::string& name) {
  return VendorLibrary({name, "/usr/local/cuda/lib64/" + name, "/usr/local/cuda/lib/" + name});
}

void* VendorLibrary::address_of(const char* symbol) const {
  return handle_ == nullptr ? nullptr : dlsym(handle_, symbol);
}

}  // namespace flashtile::inline v0_2::backend
