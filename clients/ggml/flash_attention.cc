#include "clients/ggml/flash_attention.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string_view>

#include "flashtile/attention.h"
#include "ggml.h"

namespace flashtile_ggml {
namespace {

using flashtile::DType;
using flashtile::TensorView;

/// The least queries for which a call of its own is sooner than ggml's loop over one query after another. llama.cpp turns flash
/// attention off by itself where the op of a single query is taken.
constexpr std::int64_t kLeastQueries = 8;
/// The least multiply-adds that pay for leaving ggml's graph and coming back.
constexpr double kLeastWork = 1e6;
/// The most elements of a bias that are made at once: 16 MiB of them.
constexpr std::int64_t kMostBias = std::int64_t{1} << 22;

/// An op in flashtile's words. Dimensions are (B, H, L, D).
struct Call {
  TensorView q, k, v, out;
  std::optional<TensorView> mask, sinks;
  float scale, max_bias, softcap;

  std::int64_t batch() const { return q.shape[0]; }
  std::int64_t heads() const { return q.shape[1]; }
  std::int64_t queries() const { return q.shape[2]; }
  std::int64_t keys() const { return k.shape[2]; }
  /// The type that q is given in: that of k and v, where it can be. Otherwise all products are float32, and q is as it is.
  DType q_type() const {
    const bool of_both = k.dtype == v.dtype && k.dtype != DType::q8_0 && k.dtype != DType::q4_0;
    return of_both ? k.dtype : DType::f32;
  }
  /// Is a bias made of the mask? flashtile adds a mask that all heads or entries share, or one of each. ggml also has fewer masks
  /// than heads or entries, which take the masks in turns; and ALiBi.
  bool makes_bias() const {
    if (!mask) return false;
    const auto repeats = [&](int i) { return mask->shape[i] == 1 || mask->shape[i] == q.shape[i]; };
    return max_bias > 0.0f || !repeats(0) || !repeats(1);
  }
  /// How many queries are computed by one call: all of them, but where a bias is made for each.
  std::int64_t queries_at_once() const {
    if (!makes_bias()) return queries();
    const std::int64_t of_a_query = std::max<std::int64_t>(1, batch() * heads() * keys());
    return std::min(queries(), std::max<std::int64_t>(1, kMostBias / of_a_query));
  }
};

std::optional<DType> dtype_of(ggml_type type) {
  switch (type) {
    case GGML_TYPE_F32: return DType::f32;
    case GGML_TYPE_F16: return DType::f16;
    case GGML_TYPE_BF16: return DType::bf16;
    case GGML_TYPE_Q8_0: return DType::q8_0;
    case GGML_TYPE_Q4_0: return DType::q4_0;
    default: return std::nullopt;
  }
}

/// ggml names the innermost dimension first, and counts strides in bytes.
std::optional<TensorView> view_of(const ggml_tensor& tensor) {
  const std::optional<DType> dtype = dtype_of(tensor.type);
  if (!dtype) return std::nullopt;
  const flashtile::Block block = block_of(*dtype);
  TensorView view{
      .data = tensor.data, .dtype = *dtype, .shape = {0, 0, 0, 0}, .strides = {0, 0, 0, 1}, .device{}};
  for (int i = 0; i < 4; ++i) {
    const auto bytes = static_cast<std::int64_t>(tensor.nb[i]);
    if (i == 0 ? bytes != block.bytes : bytes % block.bytes != 0) return std::nullopt;
    view.shape[3 - i] = tensor.ne[i];
    if (i > 0) view.strides[3 - i] = bytes / block.bytes * block.elements;
  }
  return view;
}

/// The mask's part for these queries and keys: it may have more rows and columns than there are.
std::optional<TensorView> mask_of(const ggml_tensor& tensor, const Call& call) {
  const std::optional<TensorView> mask = view_of(tensor);
  if (!mask || mask->dtype != DType::f16 || mask->shape[2] < call.queries() || mask->shape[3] < call.keys())
    return std::nullopt;
  return mask->sliced(2, 0, call.queries()).sliced(3, 0, call.keys());
}

/// The op as a call; nothing where its types or strides are none of flashtile's.
std::optional<Call> call_of(const ggml_tensor& op) {
  const auto [q, k, v] = std::array{view_of(*op.src[0]), view_of(*op.src[1]), view_of(*op.src[2])};
  const std::optional<TensorView> out = view_of(op);  // (B, L, H, D)
  if (!q || !k || !v || !out || q->dtype != DType::f32) return std::nullopt;
  Call call{.q = *q,
            .k = *k,
            .v = *v,
            .out = out->permuted({0, 2, 1, 3}),
            .mask{},
            .sinks{},
            .scale{},
            .max_bias{},
            .softcap{}};
  std::memcpy(&call.scale, &op.op_params[0], sizeof(float));
  std::memcpy(&call.max_bias, &op.op_params[1], sizeof(float));
  std::memcpy(&call.softcap, &op.op_params[2], sizeof(float));
  if (const ggml_tensor* mask = op.src[3]; mask != nullptr && !(call.mask = mask_of(*mask, call)))
    return std::nullopt;
  if (const ggml_tensor* sinks = op.src[4]; sinks != nullptr) {
    if (sinks->type != GGML_TYPE_F32) return std::nullopt;
    call.sinks = packed_view(sinks->data, DType::f32, {call.heads()});
  }
  return call;
}

/// What one call of flashtile is given.
struct Arguments {
  TensorView q;
  flashtile::AttentionOutputs outputs;
  flashtile::AttentionOptions options;
};

/// Those of queries `first` ... `last` - 1. `q` is in the type that it needs, and `bias` memory for one that is made; both may be
/// null for a plan.
Arguments arguments_of(const Call& call, std::int64_t first, std::int64_t last, const void* q,
                       const void* bias) {
  Arguments arguments;
  arguments.q = call.q_type() == DType::f32 ? call.q : packed_view(q, call.q_type(), call.q.shape);
  arguments.q = arguments.q.sliced(2, first, last);
  arguments.outputs.out = call.out.sliced(2, first, last);
  arguments.options = {.scale = call.scale, .softcap = call.softcap, .sinks = call.sinks, .way = "flash.cpu"};
  if (call.makes_bias())
    arguments.options.mask.bias =
        packed_view(bias, DType::f32, {call.batch(), call.heads(), last - first, call.keys()});
  else if (call.mask)
    arguments.options.mask.bias = call.mask->sliced(2, first, last);
  return arguments;
}

/// At least so many bytes. What was there before may be lost.
void* at_least(flashtile::Tensor& memory, std::size_t bytes) {
  if (memory.size_bytes() < bytes) {
    memory = {};
    memory = flashtile::Tensor(DType::u8, {static_cast<std::int64_t>(bytes)});
  }
  return memory.data();
}

/// q in the type that it needs, f16 or bf16, densely.
void* rounded_q(const Call& call, const Threads& threads, Scratch& scratch) {
  const std::int64_t width = call.q.shape[3], queries = call.queries();
  auto* rounded = static_cast<std::uint16_t*>(
      at_least(scratch.q, static_cast<std::size_t>(element_count(call.q.shape)) * sizeof(std::uint16_t)));
  threads.for_each(call.batch() * call.heads(), [&](std::int64_t head) {
    const float* from = static_cast<const float*>(call.q.data) + head / call.heads() * call.q.strides[0] +
                        head % call.heads() * call.q.strides[1];
    std::uint16_t* to = rounded + head * queries * width;
    for (std::int64_t i = 0; i < queries; ++i, from += call.q.strides[2], to += width) {
      if (call.q_type() == DType::f16)
        ggml_fp32_to_fp16_row(from, to, width);
      else
        ggml_fp32_to_bf16_row(from, reinterpret_cast<ggml_bf16_t*>(to), width);
    }
  });
  return rounded;
}

/// What ggml multiplies the mask of head `head` by: max_bias as Press et al. 2022 spread it over the heads.
float slope_of(const Call& call, std::int64_t head) {
  if (!(call.max_bias > 0.0f)) return 1.0f;
  const auto heads = static_cast<float>(std::bit_floor(static_cast<std::uint64_t>(call.heads())));
  const auto h = static_cast<float>(head);
  return h < heads ? std::exp2(-call.max_bias / heads * (h + 1.0f))
                   : std::exp2(-call.max_bias / 2.0f / heads * (2.0f * (h - heads) + 1.0f));
}

/// Each head's slope times its mask, for queries `first` ... `last` - 1.
void* made_bias(const Call& call, std::int64_t first, std::int64_t last, const Threads& threads,
                Scratch& scratch) {
  const TensorView& mask = *call.mask;
  const std::int64_t keys = call.keys(), rows = last - first;
  auto* bias = static_cast<float*>(at_least(
      scratch.bias, static_cast<std::size_t>(call.batch() * call.heads() * rows * keys) * sizeof(float)));
  threads.for_each(call.batch() * call.heads() * rows, [&](std::int64_t row) {
    const std::int64_t head = row / rows % call.heads(), entry = row / rows / call.heads(),
                       query = first + row % rows;
    const auto* from = static_cast<const ggml_fp16_t*>(mask.data) + entry % mask.shape[0] * mask.strides[0] +
                       head % mask.shape[1] * mask.strides[1] + query * mask.strides[2];
    float* to = bias + row * keys;
    ggml_fp16_to_fp32_row(from, to, keys);
    const float slope = slope_of(call, head);
    std::for_each(to, to + keys, [slope](float& value) { value *= slope; });
  });
  return bias;
}

/// For tests: ops of any size.
bool takes_small_ones() {
  static const char* const asked = std::getenv("FLASHTILE_GGML_SMALL");
  return asked != nullptr && asked == std::string_view("1");
}

bool wins(const Call& call) {
  const double work = static_cast<double>(element_count(call.q.shape)) * static_cast<double>(call.keys()) * 2.0;
  return takes_small_ones() || (call.queries() >= kLeastQueries && work >= kLeastWork);
}

}  // namespace

bool takes(const ggml_tensor& op) noexcept {
  const std::optional<Call> call = call_of(op);
  if (!call || !wins(*call)) return false;
  const Arguments arguments = arguments_of(*call, 0, call->queries_at_once(), nullptr, nullptr);
  return static_cast<bool>(
      try_plan_attention_into(arguments.outputs, arguments.q, call->k, call->v, arguments.options));
}

void compute(const ggml_tensor& op, const Threads& threads, Scratch& scratch) {
  const Call call = *call_of(op);
  const void* q = call.q_type() == DType::f32 ? nullptr : rounded_q(call, threads, scratch);
  const std::int64_t at_once = call.queries_at_once();
  for (std::int64_t first = 0; first < call.queries(); first += at_once) {
    const std::int64_t last = std::min(first + at_once, call.queries());
    const void* bias = call.makes_bias() ? made_bias(call, first, last, threads, scratch) : nullptr;
    Arguments arguments = arguments_of(call, first, last, q, bias);
    arguments.options.queue = threads.queue();
    const std::size_t bytes =
        plan_attention_into(arguments.outputs, arguments.q, call.k, call.v, arguments.options).workspace_bytes;
    arguments.outputs.workspace = {static_cast<std::byte*>(at_least(scratch.workspace, bytes)), bytes};
    attention_into(arguments.outputs, arguments.q, call.k, call.v, arguments.options);
  }
}

}  // namespace flashtile_ggml
