#include "src/backends/cuda/vendor_library.h"

#include <dlfcn.h>

namespace flashtile::backend {

VendorLibrary::VendorLibrary(const char* name) : name_(name) {
  for (const char* folder : {"", "/usr/local/cuda/lib64/", "/usr/local/cuda/lib/"}) {
    handle_ = dlopen((folder + name_).c_str(),
                     RTLD_NOW | RTLD_LOCAL);  // stays open: its threads and caches outlive us
    if (handle_ != nullptr) {
      missing_.clear();
      return;
    }
    if (missing_.empty()) missing_ = name_ + " cannot be loaded: " + dlerror();
  }
}

void* VendorLibrary::address_of(const char* symbol) {
  if (handle_ == nullptr) return nullptr;
  void* address = dlsym(handle_, symbol);
  if (address == nullptr && missing_.empty()) missing_ = name_ + " has no " + symbol;
  return address;
}

}  // namespace flashtile::backend
