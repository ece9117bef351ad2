// Inputs of a job out of files. Called by the jobs.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cli/arguments.h"
#include "flashtile/tensor.h"
#include "src/io/tensor_file.h"

namespace flashtile::cli {

/// Reads the tensors that the options name, by the names that --names gives them, and notes what a user should know:
/// what was converted, and what FILE holds that is not used. Errors: bad_file, invalid_argument.
class Reader {
 public:
  Reader(const Options& options, std::vector<std::string>& notes) : options_(options), notes_(notes) {}

  /// q, k, v, a, b or c, from a file of its own or out of FILE where `path` is empty. Converted to `dtype` where one is
  /// asked for; f64 becomes f32 anyway. What has scales is taken as it is.
  Tensor input(const std::string& name, const std::string& path, std::optional<DType> dtype);

  /// mask or bias. Integers of a mask are boolean (u8); f64 becomes f32, and a bias --mask-dtype.
  Tensor mask(const std::string& name, const std::string& path);

  /// One of kFurtherTensors, as it is.
  Tensor further(const std::string& name, const std::string& path);

  /// After all inputs: notes what FILE holds beside them under a name that means something here.
  void note_unused();

 private:
  Tensor tensor(io::TensorFile& file, const std::string& path, const std::string& name);
  Tensor without_f64(const Tensor& tensor, const std::string& name);

  const Options& options_;
  std::vector<std::string>& notes_;
  std::unique_ptr<io::TensorFile> file_;  // FILE, once it is open
  std::vector<std::string> used_;         // of FILE
};

}  // namespace flashtile::cli
