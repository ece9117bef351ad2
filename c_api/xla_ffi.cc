// The handler of a custom call of XLA, through which JAX calls flashtile_attention. XLA's structs are declared here, as the
// public ABI that they are, so that no header of XLA is needed (openxla/xla: xla/ffi/api/c_api.h, version 0).
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "c_api/call.h"

namespace flashtile::c_api {
namespace {

struct Extension {
  std::size_t struct_size;
  std::int32_t type;
  Extension* next;
};
struct Version {
  std::size_t struct_size;
  Extension* extensions;
  std::int32_t major, minor;
};

/// What XLA asks a handler for before its first call, as the first extension of a call.
struct Metadata {
  std::size_t struct_size;
  Version version;
  std::uint32_t traits;
};
struct MetadataExtension {
  Extension base;
  Metadata* metadata;
};
constexpr std::int32_t kMetadata = 1, kExecute = 3;  // a type of an extension, and a stage

struct Buffer {
  std::size_t struct_size;
  Extension* extensions;
  std::int32_t dtype;
  void* data;
  std::int64_t rank;
  const std::int64_t* dims;  ///< row-major
};
struct Buffers {
  std::size_t struct_size;
  Extension* extensions;
  std::int64_t size;
  const std::int32_t* types;
  const Buffer* const* buffers;
};
struct Name {
  const char* text;
  std::size_t length;
};
struct Scalar {
  std::int32_t dtype;
  const void* value;
};
struct Attributes {
  std::size_t struct_size;
  Extension* extensions;
  std::int64_t size;
  const std::int32_t* types;
  const Name* const* names;
  const Scalar* const* values;  ///< where the type is kScalar
};
constexpr std::int32_t kScalar = 3;

struct ErrorArguments {
  std::size_t struct_size;
  Extension* extensions;
  const char* message;
  std::int32_t code;
};
struct Api {
  std::size_t struct_size;
  Extension* extensions;
  Version version;
  const void* internal;
  void* (*create_error)(ErrorArguments*);
};
struct CallFrame {
  std::size_t struct_size;
  Extension* extensions;
  const Api* api;
  void* context;
  std::int32_t stage;
  Buffers arguments, results;
  Attributes attributes;
};
static_assert(sizeof(Version) == 24 && sizeof(Buffer) == 48 && sizeof(Buffers) == 40 &&
              sizeof(Attributes) == 48 && offsetof(Api, create_error) == 48 &&
              offsetof(CallFrame, arguments) == 40 && offsetof(CallFrame, attributes) == 120);

struct DtypeRow {
  std::int32_t xla, dtype;
};
constexpr DtypeRow kDtypes[] = {{1, FLASHTILE_U8},   {2, FLASHTILE_I8},   {6, FLASHTILE_U8},
                                {10, FLASHTILE_F16}, {11, FLASHTILE_F32}, {16, FLASHTILE_BF16}};
constexpr std::int32_t kI64 = 5, kF32 = 11;  // XLA's numbers of the types of attributes

/// A buffer as a tensor of `rank` dimensions: those before the last rank - 1 are one, the batch. jax.vmap adds such.
flashtile_tensor tensor_of(const Buffer& buffer, int rank, const char* name) {
  for (const DtypeRow& row : kDtypes) {
    if (row.xla != buffer.dtype) continue;
    if (buffer.rank < rank) {
      refuse(std::string(name) + " has " + std::to_string(buffer.rank) + " dimensions; expected at least " +
             std::to_string(rank));
    }
    std::array<std::int64_t, FLASHTILE_MAX_RANK> shape{1};
    const auto leading = static_cast<std::size_t>(buffer.rank - rank + 1);
    for (std::size_t i = 0; i < leading; ++i) shape[0] *= buffer.dims[i];
    for (std::size_t i = 1; i < static_cast<std::size_t>(rank); ++i) shape[i] = buffer.dims[leading + i - 1];
    flashtile_tensor tensor;
    if (flashtile_packed_tensor(&tensor, buffer.data, row.dtype, rank, shape.data()) != FLASHTILE_OK)
      refuse(flashtile_error_message());
    return tensor;
  }
  refuse(std::string(name) + " has XLA's type " + std::to_string(buffer.dtype) +
         ", which flashtile does not take");
}

template <class T>
T attribute(const Attributes& given, std::string_view name, std::int32_t dtype) {
  for (std::int64_t i = 0; i < given.size; ++i) {
    if (std::string_view(given.names[i]->text, given.names[i]->length) != name) continue;
    if (given.types[i] != kScalar || given.values[i]->dtype != dtype) break;
    return *static_cast<const T*>(given.values[i]->value);
  }
  refuse("attribute " + std::string(name) + " is missing, or not of its type");
}

std::int64_t integer(const CallFrame& call, std::string_view name) {
  return attribute<std::int64_t>(call.attributes, name, kI64);
}

/// Arguments are q, k, v, then the mask and the bias that the attributes announce; results are out, then lse if there are two.
void attend(const CallFrame& call) {
  const bool has_mask = integer(call, "has_mask") != 0, has_bias = integer(call, "has_bias") != 0;
  const std::int64_t expected = 3 + (has_mask ? 1 : 0) + (has_bias ? 1 : 0);
  if (call.arguments.size != expected || call.results.size < 1 || call.results.size > 2) {
    refuse("the call has " + std::to_string(call.arguments.size) + " arguments and " +
           std::to_string(call.results.size) + " results; expected " + std::to_string(expected) +
           ", and 1 or 2");
  }
  const auto argument = [&](std::int64_t i, const char* name) {
    return tensor_of(*call.arguments.buffers[i], 4, name);
  };
  const flashtile_tensor q = argument(0, "q"), k = argument(1, "k"), v = argument(2, "v");
  std::optional<flashtile_tensor> mask, bias, lse;
  if (has_mask) mask = argument(3, "mask");
  if (has_bias) bias = argument(expected - 1, "bias");
  const flashtile_tensor out = tensor_of(*call.results.buffers[0], 4, "out");
  if (call.results.size == 2) lse = tensor_of(*call.results.buffers[1], 3, "lse");

  const auto scale = attribute<float>(call.attributes, "scale", kF32);
  const flashtile_window window = {integer(call, "window_left"), integer(call, "window_right")};
  flashtile_attention_options options;
  FLASHTILE_INIT(options);
  options.scale = &scale;
  options.window = &window;
  options.softcap = attribute<float>(call.attributes, "softcap", kF32);
  options.causal = static_cast<std::int32_t>(integer(call, "causal"));
  options.causal_offset = integer(call, "causal_offset");
  options.query_offset = static_cast<std::int32_t>(integer(call, "query_offset"));
  options.query_offset_number = integer(call, "query_offset_number");
  options.mask = mask ? &*mask : nullptr;
  options.bias = bias ? &*bias : nullptr;
  flashtile_attention_outputs outputs;
  FLASHTILE_INIT(outputs);
  outputs.out = &out;
  outputs.lse = lse ? &*lse : nullptr;
  const flashtile_status status = flashtile_attention(&outputs, &q, &k, &v, &options);
  if (status != FLASHTILE_OK) throw Error(static_cast<ErrorCode>(status), flashtile_error_message());
}

/// XLA's code of a status.
std::int32_t code_of(flashtile_status status) {
  switch (status) {
    case FLASHTILE_INVALID_ARGUMENT: return 3;
    case FLASHTILE_UNSUPPORTED: return 12;
    case FLASHTILE_OUT_OF_MEMORY: return 8;
    case FLASHTILE_CANCELLED: return 1;
    default: return 13;
  }
}

}  // namespace
}  // namespace flashtile::c_api

extern "C" void* flashtile_xla_attention(void* call_frame) {
  using namespace flashtile::c_api;
  const auto& call = *static_cast<const CallFrame*>(call_frame);
  if (call.extensions != nullptr && call.extensions->type == kMetadata) {
    // What is read here is in every version with the major number 0.
    Metadata& metadata = *reinterpret_cast<MetadataExtension*>(call.extensions)->metadata;
    metadata.version = {sizeof(Version), nullptr, 0, call.api->version.minor};
    metadata.traits = 0;
    return nullptr;
  }
  if (call.stage != kExecute) return nullptr;
  const flashtile_status status = guarded([&] { attend(call); });
  if (status == FLASHTILE_OK) return nullptr;
  ErrorArguments error = {sizeof(ErrorArguments), nullptr, flashtile_error_message(), code_of(status)};
  return call.api->create_error(&error);
}
