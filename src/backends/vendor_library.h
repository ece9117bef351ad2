// A library of somebody else's that is opened when it is first needed, so that flashtile starts on machines
// without it and a user's program never links it. Called by the vendor ways of each op.
#pragma once

#include <string>
#include <vector>

namespace flashtile::inline v0_2::backend {

class VendorLibrary {
 public:
  /// Opens the first of `names` that can be loaded, each looked for as the loader does. Never throws; without
  /// any, what the loader said of the first is the reason.
  explicit VendorLibrary(const std::vector<std::string>& names);

  /// A library of NVIDIA's, which may also lie in CUDA's own folders.
  static VendorLibrary of_nvidia(const std::string& name);

  /// Why it cannot be used; empty when it can.
  const std::string& missing() const noexcept { return missing_; }
  void* handle() const noexcept { return handle_; }

  /// Finds a function. One that is not there makes the library missing.
  template <class Function>
  void find(const char* symbol, Function*& function) {
    function = reinterpret_cast<Function*>(address_of(symbol));
    if (function == nullptr && missing_.empty()) missing_ = name_ + " has no " + symbol;
  }

  /// Finds a function that not every such library has: null where it is not there.
  template <class Function>
  void find_optional(const char* symbol, Function*& function) const {
    function = reinterpret_cast<Function*>(address_of(symbol));
  }

 private:
  void* address_of(const char* symbol) const;

  std::string name_, missing_;
  void* handle_ = nullptr;
};

}  // namespace flashtile::inline v0_2::backend
