#include "cli/reader.h"

#include <fmt/format.h>

#include <algorithm>

#include "flashtile/error.h"

namespace flashtile::cli {
namespace {

bool contains(const std::vector<std::string>& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

bool is_integer(DType dtype) {
  return dtype == DType::u8 || dtype == DType::i8 || dtype == DType::i32 || dtype == DType::i64;
}

/// What --names asks for, or the tensor's own name.
std::string stored_name(const Options& options, const std::string& name) {
  const auto found = options.names.find(name);
  return found == options.names.end() ? name : found->second;
}

}  // namespace

/// A file of one tensor is taken whatever that is called, unless --names says what it must be.
Tensor Reader::tensor(io::TensorFile& file, const std::string& path, const std::string& name) {
  const bool only = file.names().size() == 1 && !options_.names.contains(name) && path != options_.file;
  const std::string stored = only ? file.names()[0] : stored_name(options_, name);
  if (!file.contains(stored)) {
    const bool nameless = file.names().size() == 1 && file.names()[0].empty();
    throw Error(ErrorCode::bad_file,
                fmt::format("{}: {}; {}", path, file.missing(stored),
                            nameless ? fmt::format("--{} reads a file of its own", name)
                                     : fmt::format("--names {}=NAME says which one to take", name)));
  }
  return file.read(stored);
}

Tensor Reader::without_f64(const Tensor& tensor, const std::string& name) {
  if (tensor.dtype() != DType::f64) return tensor;
  notes_.push_back(fmt::format("{} is f64 and is rounded to f32", name));
  return convert(tensor, DType::f32);
}

Tensor Reader::input(const std::string& name, const std::string& path, std::optional<DType> dtype) {
  const io::ReadOptions reading{.two_bytes_are_bf16 = dtype == DType::bf16};
  Tensor read;
  if (path.empty()) {
    if (!file_) file_ = io::open_tensor_file(io::open_file(options_.file), reading);
    read = tensor(*file_, options_.file, name);
    used_.push_back(stored_name(options_, name));
  } else {
    read = tensor(*io::open_tensor_file(io::open_file(path), reading), path, name);
  }
  if (options_.tensors.contains(name + "_scales")) return read;
  if (dtype) return read.dtype() == *dtype ? read : convert(read, *dtype);
  if (options_.op == Op::attention && is_integer(read.dtype())) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{} has dtype {}; attention takes f32, f16 and bf16: --dtype f32 converts it", name,
                            flashtile::name(read.dtype())));
  }
  return without_f64(read, name);
}

Tensor Reader::mask(const std::string& name, const std::string& path) {
  const bool may_be_boolean = name == "mask";
  const auto file = io::open_tensor_file(
      io::open_file(path),
      {.two_bytes_are_bf16 = options_.mask_dtype == DType::bf16, .integers_are_boolean = may_be_boolean});
  if (path == options_.file) used_.push_back(stored_name(options_, name));
  Tensor read = without_f64(tensor(*file, path, name), name);
  if (is_integer(read.dtype())) {
    if (!may_be_boolean)
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("--bias: {} has dtype {}; a bias is made of floats, and --mask takes integers",
                              path, flashtile::name(read.dtype())));
    if (options_.mask_dtype && options_.bias.empty())
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("--mask-dtype: {} is a boolean mask; only a bias has a type", path));
    return read;
  }
  return options_.mask_dtype && read.dtype() != *options_.mask_dtype ? convert(read, *options_.mask_dtype)
                                                                     : read;
}

Tensor Reader::further(const std::string& name, const std::string& path) {
  if (path == options_.file) used_.push_back(stored_name(options_, name));
  return tensor(*io::open_tensor_file(io::open_file(path), {}), path, name);
}

void Reader::note_unused() {
  if (!file_) return;
  // The names of attention's inputs here and elsewhere.
  constexpr const char* kMasks[] = {"mask", "attn_mask", "attention_mask", "bias", "attn_bias"};
  const auto note = [&](const std::string& stored, const std::string& options_that_add) {
    const bool piped = options_.file == "-";  // and cannot be read again
    notes_.push_back(
        fmt::format("{} also holds '{}', which is not used{}", piped ? "standard input" : options_.file, stored,
                    piped || options_that_add.empty() ? "" : fmt::format("; {} adds it", options_that_add)));
  };
  for (const std::string& stored : file_->names()) {
    if (contains(used_, stored)) continue;
    if (options_.op == Op::gemm) {
      if (stored == "c") note(stored, fmt::format("--beta 1 --c {}", options_.file));
    } else if (std::find(std::begin(kMasks), std::end(kMasks), stored) != std::end(kMasks)) {
      const std::string option = stored.ends_with("bias") ? "bias" : "mask";
      note(stored, fmt::format("--{} {}{}", option, options_.file,
                               stored == option ? "" : fmt::format(" --names {}={}", option, stored)));
    } else if (std::find(std::begin(kFurtherTensors), std::end(kFurtherTensors), stored) !=
               std::end(kFurtherTensors)) {
      note(stored, fmt::format("{} {}", option_of(stored), options_.file));
    }
  }
}

}  // namespace flashtile::cli
