// From a kernel file to a loaded module: preprocess, translate, compile, load.
#pragma once

#include <string>

#include "src/metal_emulator/emulator.h"
#include "src/metal_emulator/source_line.h"

namespace flashtile::metal_emulator {

/// A folder of one's own under the system's temporary folder, removed at the end.
class PrivateFolder {
 public:
  PrivateFolder();
  PrivateFolder(const PrivateFolder&) = delete;
  PrivateFolder& operator=(const PrivateFolder&) = delete;
  ~PrivateFolder();
  const std::string& path() const { return path_; }
  void keep() { kept_ = true; }

 private:
  std::string path_;
  bool kept_ = false;
};

/// Compiles `path` into `folder` and gives the shared library's path. `messages_name` is what errors call the source.
std::string compile(const std::string& path, const CompileOptions& options, const std::string& folder);

/// Where compile() put the device headers.
std::string header_folder(const std::string& folder);

}  // namespace flashtile::metal_emulator
