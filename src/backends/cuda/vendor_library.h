// A library of NVIDIA's that is opened when it is first needed, so that flashtile starts on machines without
// it. Called by the vendor ways of each op.
#pragma once

#include <string>

namespace flashtile::backend {

class VendorLibrary {
 public:
  /// Looks for `name` (with its version) as the loader does, then in CUDA's own folders. Never throws.
  explicit VendorLibrary(const char* name);

  /// Why it cannot be used; empty when it can.
  const std::string& missing() const noexcept { return missing_; }
  void* handle() const noexcept { return handle_; }

  /// Finds a function. One that is not there makes the library missing.
  template <class Function>
  void find(const char* symbol, Function*& function) {
    function = reinterpret_cast<Function*>(address_of(symbol));
  }

 private:
  void* address_of(const char* symbol);

  std::string name_, missing_;
  void* handle_ = nullptr;
};

}  // namespace flashtile::backend
