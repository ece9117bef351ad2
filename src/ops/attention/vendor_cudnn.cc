// The way `vendor.cudnn`: cuDNN's fused attention, described to its backend API as a graph of operations that
// one of its engines recognises:
//
//   S = Q Kᵀ;  S = S * scale (+ bias);  S = row >= column ? S : -inf;  M = max S;  E = exp(S - M);  Z = sum E
//   stats = M + log Z;  O = (E / Z) V
#include <string>

#include "src/ops/attention/ways.h"

#if FLASHTILE_HAS_CUDA && __has_include(<cudnn.h>)
#define FLASHTILE_HAS_CUDNN 1
#include <cudnn.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "flashtile/detail/cuda_calls.h"
#include "src/backends/backend.h"
#include "src/backends/cuda/vendor_library.h"
#else
#define FLASHTILE_HAS_CUDNN 0
#endif

namespace flashtile::ops {
namespace {

#if FLASHTILE_HAS_CUDNN

#define FLASHTILE_TEXT_OF(x) #x
#define FLASHTILE_TEXT(x) FLASHTILE_TEXT_OF(x)

/// cuDNN, opened on first use.
struct Cudnn {
  backend::VendorLibrary library{"libcudnn.so." FLASHTILE_TEXT(CUDNN_MAJOR)};
  decltype(cudnnCreate)* create = nullptr;
  decltype(cudnnSetStream)* set_stream = nullptr;
  decltype(cudnnGetErrorString)* error_string = nullptr;
  decltype(cudnnGetVersion)* version = nullptr;
  decltype(cudnnBackendCreateDescriptor)* create_descriptor = nullptr;
  decltype(cudnnBackendDestroyDescriptor)* destroy_descriptor = nullptr;
  decltype(cudnnBackendSetAttribute)* set_attribute = nullptr;
  decltype(cudnnBackendGetAttribute)* get_attribute = nullptr;
  decltype(cudnnBackendFinalize)* finalize = nullptr;
  decltype(cudnnBackendExecute)* execute = nullptr;

  Cudnn() {
    library.find("cudnnCreate", create);
    library.find("cudnnSetStream", set_stream);
    library.find("cudnnGetErrorString", error_string);
    library.find("cudnnGetVersion", version);
    library.find("cudnnBackendCreateDescriptor", create_descriptor);
    library.find("cudnnBackendDestroyDescriptor", destroy_descriptor);
    library.find("cudnnBackendSetAttribute", set_attribute);
    library.find("cudnnBackendGetAttribute", get_attribute);
    library.find("cudnnBackendFinalize", finalize);
    library.find("cudnnBackendExecute", execute);
  }
  static Cudnn& get() {
    static Cudnn& cudnn = *new Cudnn;  // never destroyed: calls may come while the process exits
    return cudnn;
  }
  void check(cudnnStatus_t status, const char* call) const {
    if (status == CUDNN_STATUS_SUCCESS) return;
    throw Error(ErrorCode::device_failure, std::string(call) + ": " + error_string(status));
  }
};

/// A handle of one device for the duration of a call; handles are used again, never by two calls at once.
class Handle {
 public:
  explicit Handle(int device) : device_(device) {
    {
      const std::lock_guard lock(mutex());
      auto& idle = idle_handles()[device];
      if (!idle.empty()) {
        handle_ = idle.back();
        idle.pop_back();
        return;
      }
    }
    Cudnn::get().check(Cudnn::get().create(&handle_), "cudnnCreate");
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() {
    const std::lock_guard lock(mutex());
    idle_handles()[device_].push_back(handle_);
  }
  operator cudnnHandle_t() const { return handle_; }

 private:
  static std::mutex& mutex() {
    static std::mutex& m = *new std::mutex;
    return m;
  }
  static std::map<int, std::vector<cudnnHandle_t>>& idle_handles() {
    static auto& handles = *new std::map<int, std::vector<cudnnHandle_t>>;
    return handles;
  }
  int device_;
  cudnnHandle_t handle_ = nullptr;
};

/// A backend descriptor: attributes are set, then it is finalised.
class Descriptor {
 public:
  explicit Descriptor(cudnnBackendDescriptorType_t type) {
    Cudnn::get().check(Cudnn::get().create_descriptor(type, &descriptor_), "cudnnBackendCreateDescriptor");
  }
  Descriptor(Descriptor&& other) noexcept : descriptor_(std::exchange(other.descriptor_, nullptr)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  ~Descriptor() {
    if (descriptor_ != nullptr) Cudnn::get().destroy_descriptor(descriptor_);
  }

  template <class T>
  Descriptor& set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, const T* values,
                  std::int64_t count = 1) {
    Cudnn::get().check(Cudnn::get().set_attribute(descriptor_, name, type, count, values),
                       "cudnnBackendSetAttribute");
    return *this;
  }
  Descriptor& set(cudnnBackendAttributeName_t name, const Descriptor& value) {
    return set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, &value.descriptor_);
  }
  cudnnStatus_t try_finalize() { return Cudnn::get().finalize(descriptor_); }
  Descriptor& finalize() {
    Cudnn::get().check(try_finalize(), "cudnnBackendFinalize");
    return *this;
  }
  cudnnBackendDescriptor_t raw() const { return descriptor_; }

 private:
  cudnnBackendDescriptor_t descriptor_ = nullptr;
};

using Sizes = std::array<std::int64_t, 4>;
constexpr Sizes kScalar{1, 1, 1, 1};

/// Tensors of the graph that memory is given for; the ones in between follow.
enum Name : std::int64_t { kQ = 1, kK, kV, kO, kStats, kScale, kBias, kInfinity, kLkv, kLq, kBetween };

/// The operations, built one after the other. Each returns its result as a tensor descriptor.
class Graph {
 public:
  Graph(const Sizes& scores, cudnnDataType_t type) : scores_(scores), type_(type) {}

  enum class Kind { memory, by_value, between };
  std::shared_ptr<Descriptor> tensor(std::int64_t name, cudnnDataType_t type, const Sizes& shape,
                                     const Sizes& strides, Kind kind) {
    auto t = std::make_shared<Descriptor>(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
    const std::int64_t alignment = 16;
    const bool is_virtual = kind == Kind::between, by_value = kind == Kind::by_value;
    t->set(CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, &name)
        .set(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, &type)
        .set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, &alignment)
        .set(CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, shape.data(), 4)
        .set(CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, strides.data(), 4)
        .set(CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, &is_virtual)
        .set(CUDNN_ATTR_TENSOR_IS_BY_VALUE, CUDNN_TYPE_BOOLEAN, &by_value);
    t->finalize();
    return t;
  }
  std::shared_ptr<Descriptor> value(Name name, cudnnDataType_t type) {
    return tensor(name, type, kScalar, kScalar, Kind::by_value);
  }

  std::shared_ptr<Descriptor> multiply(const Descriptor& a, const Descriptor& b,
                                       std::shared_ptr<Descriptor> result = nullptr) {
    if (!result) result = between(CUDNN_DATA_FLOAT, scores_);
    Descriptor product(CUDNN_BACKEND_MATMUL_DESCRIPTOR);
    const cudnnDataType_t type = CUDNN_DATA_FLOAT;
    product.set(CUDNN_ATTR_MATMUL_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, &type).finalize();
    add(CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR)
        .set(CUDNN_ATTR_OPERATION_MATMUL_ADESC, a)
        .set(CUDNN_ATTR_OPERATION_MATMUL_BDESC, b)
        .set(CUDNN_ATTR_OPERATION_MATMUL_CDESC, *result)
        .set(CUDNN_ATTR_OPERATION_MATMUL_DESC, product)
        .finalize();
    return result;
  }

  /// y = x op b; select takes t, the condition.
  std::shared_ptr<Descriptor> pointwise(cudnnPointwiseMode_t mode, const Descriptor& x, const Descriptor* b,
                                        std::shared_ptr<Descriptor> y,
                                        cudnnDataType_t precision = CUDNN_DATA_FLOAT,
                                        const Descriptor* t = nullptr, std::int64_t axis = -1) {
    Descriptor function(CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
    function.set(CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, &mode)
        .set(CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, &precision);
    if (axis >= 0) function.set(CUDNN_ATTR_POINTWISE_AXIS, CUDNN_TYPE_INT64, &axis);
    function.finalize();
    Descriptor& operation = add(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
    operation.set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, function)
        .set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, x);
    if (b != nullptr) operation.set(CUDNN_ATTR_OPERATION_POINTWISE_BDESC, *b);
    if (t != nullptr) operation.set(CUDNN_ATTR_OPERATION_POINTWISE_TDESC, *t);
    operation.set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, *y).finalize();
    return y;
  }
  std::shared_ptr<Descriptor> index(const Descriptor& like, std::int64_t axis) {
    return pointwise(CUDNN_POINTWISE_GEN_INDEX, like, nullptr, between(CUDNN_DATA_INT32, scores_),
                     CUDNN_DATA_FLOAT, nullptr, axis);
  }
  std::shared_ptr<Descriptor> reduce(cudnnReduceTensorOp_t op, const Descriptor& x) {
    Sizes rows = scores_;
    rows[3] = 1;
    auto y = between(CUDNN_DATA_FLOAT, rows);
    Descriptor reduction(CUDNN_BACKEND_REDUCTION_DESCRIPTOR);
    const cudnnDataType_t type = CUDNN_DATA_FLOAT;
    reduction.set(CUDNN_ATTR_REDUCTION_OPERATOR, CUDNN_TYPE_REDUCTION_OPERATOR_TYPE, &op)
        .set(CUDNN_ATTR_REDUCTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, &type)
        .finalize();
    add(CUDNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR)
        .set(CUDNN_ATTR_OPERATION_REDUCTION_XDESC, x)
        .set(CUDNN_ATTR_OPERATION_REDUCTION_YDESC, *y)
        .set(CUDNN_ATTR_OPERATION_REDUCTION_DESC, reduction)
        .finalize();
    return y;
  }

  /// A dense tensor that never reaches memory.
  std::shared_ptr<Descriptor> between(cudnnDataType_t type, const Sizes& shape) {
    return tensor(next_++, type, shape, {shape[1] * shape[2] * shape[3], shape[2] * shape[3], shape[3], 1},
                  Kind::between);
  }
  std::shared_ptr<Descriptor> scores() { return between(CUDNN_DATA_FLOAT, scores_); }
  /// Scores in the type of Q, as the second product takes them.
  std::shared_ptr<Descriptor> weights() { return between(type_, scores_); }

  Descriptor finished(cudnnHandle_t handle) const {
    std::vector<cudnnBackendDescriptor_t> raw;
    for (const Descriptor& operation : operations_) raw.push_back(operation.raw());
    Descriptor graph(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
    graph.set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, &handle)
        .set(CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, raw.data(),
             static_cast<std::int64_t>(raw.size()))
        .finalize();
    return graph;
  }

 private:
  Descriptor& add(cudnnBackendDescriptorType_t type) { return operations_.emplace_back(type); }

  Sizes scores_;
  cudnnDataType_t type_;
  std::vector<Descriptor> operations_;
  std::int64_t next_ = kBetween;
};

cudnnDataType_t cudnn_type(DType dtype) {
  switch (dtype) {
    case DType::f16: return CUDNN_DATA_HALF;
    case DType::bf16: return CUDNN_DATA_BFLOAT16;
    default: return CUDNN_DATA_FLOAT;
  }
}

/// Everything that a plan depends on: shapes, strides and types, no pointers.
struct Key {
  int device;
  DType dtype;
  std::array<std::int64_t, 7> sizes;  ///< B, Hq, Hkv, Lq, Lkv, D, Dv
  Sizes q, k, v, out, stats, bias, bias_shape;
  DType bias_dtype;
  bool has_stats, has_bias;
  std::int64_t causal_offset;  ///< kOpen: not causal
  auto operator<=>(const Key&) const = default;
};

Sizes strides_of(const TensorView& view) {
  return {view.strides[0], view.strides[1], view.strides[2], view.strides[3]};
}

/// out_strides and lse_strides: of the buffers, or dense ones while there are none.
Key key_of(const AttentionProblem& p, const AttentionBuffers* buffers) {
  Key key{};
  key.device = p.device.index;
  key.dtype = p.dtype;
  key.sizes = {p.batch, p.query_heads, p.kv_heads, p.query_length, p.kv_length, p.head_dim, p.value_dim};
  key.q = strides_of(p.q), key.k = strides_of(p.k), key.v = strides_of(p.v);
  const Dims dense = packed_strides(p.out_shape());
  key.out = buffers != nullptr ? strides_of(buffers->out) : Sizes{dense[0], dense[1], dense[2], dense[3]};
  key.has_stats = p.wants_lse;
  if (p.wants_lse) {
    key.stats = {p.query_heads * p.query_length, p.query_length, 1, 1};
    if (buffers != nullptr && buffers->lse) {
      const Dims& s = buffers->lse->strides;
      key.stats = {s[0], s[1], s[2], 1};
    }
  }
  key.has_bias = p.mask.has_value();
  if (p.mask) {
    const TensorView& m = p.mask->view;
    key.bias_dtype = m.dtype;
    key.bias_shape = {m.strides[0] == 0 ? 1 : p.batch, m.strides[1] == 0 ? 1 : p.query_heads, p.query_length,
                      p.kv_length};
    key.bias = {m.strides[0] == 0 ? p.query_length * m.strides[2] : m.strides[0],
                m.strides[1] == 0 ? p.query_length * m.strides[2] : m.strides[1], m.strides[2], m.strides[3]};
  }
  key.causal_offset = p.band.offset;
  return key;
}

/// An engine of cuDNN made ready for one key, or why there is none.
struct EnginePlan {
  std::string refusal;
  std::unique_ptr<Descriptor> plan;
  std::int64_t workspace_bytes = 0;
};

Descriptor graph_of(const Key& key, cudnnHandle_t handle) {
  const auto [batch, query_heads, kv_heads, query_length, kv_length, head_dim, value_dim] = key.sizes;
  const cudnnDataType_t type = cudnn_type(key.dtype);
  using Kind = Graph::Kind;
  Graph g({batch, query_heads, query_length, kv_length}, type);

  const auto q = g.tensor(kQ, type, {batch, query_heads, query_length, head_dim}, key.q, Kind::memory);
  const auto k = g.tensor(kK, type, {batch, kv_heads, head_dim, kv_length},
                          {key.k[0], key.k[1], key.k[3], key.k[2]}, Kind::memory);
  const auto v = g.tensor(kV, type, {batch, kv_heads, kv_length, value_dim}, key.v, Kind::memory);
  const auto o = g.tensor(kO, type, {batch, query_heads, query_length, value_dim}, key.out, Kind::memory);

  auto s = g.multiply(*q, *k);
  s = g.pointwise(CUDNN_POINTWISE_MUL, *s, g.value(kScale, CUDNN_DATA_FLOAT).get(), g.scores());
  if (key.has_bias) {
    const auto bias = g.tensor(kBias, cudnn_type(key.bias_dtype), key.bias_shape, key.bias, Kind::memory);
    s = g.pointwise(CUDNN_POINTWISE_ADD, *s, bias.get(), g.scores());
  }
  if (key.causal_offset != kernels::BandMask::kOpen) {
    auto row = g.index(*s, 2);
    const auto column = g.index(*s, 3);
    if (key.causal_offset != 0) {
      row = g.pointwise(CUDNN_POINTWISE_ADD, *row, g.value(kLkv, CUDNN_DATA_INT32).get(),
                        g.between(CUDNN_DATA_INT32, {batch, query_heads, query_length, kv_length}),
                        CUDNN_DATA_INT32);
      row = g.pointwise(CUDNN_POINTWISE_SUB, *row, g.value(kLq, CUDNN_DATA_INT32).get(),
                        g.between(CUDNN_DATA_INT32, {batch, query_heads, query_length, kv_length}),
                        CUDNN_DATA_INT32);
    }
    const auto seen = g.pointwise(CUDNN_POINTWISE_CMP_GE, *row, column.get(),
                                  g.between(CUDNN_DATA_BOOLEAN, {batch, query_heads, query_length, kv_length}),
                                  CUDNN_DATA_BOOLEAN);
    s = g.pointwise(CUDNN_POINTWISE_BINARY_SELECT, *s, g.value(kInfinity, CUDNN_DATA_FLOAT).get(), g.scores(),
                    CUDNN_DATA_FLOAT, seen.get());
  }
  const auto top = g.reduce(CUDNN_REDUCE_TENSOR_MAX, *s);
  s = g.pointwise(CUDNN_POINTWISE_SUB, *s, top.get(), g.scores());
  s = g.pointwise(CUDNN_POINTWISE_EXP, *s, nullptr, g.scores());
  const auto sum = g.reduce(CUDNN_REDUCE_TENSOR_ADD, *s);
  if (key.has_stats) {
    const Sizes rows{batch, query_heads, query_length, 1};
    const auto log = g.pointwise(CUDNN_POINTWISE_LOG, *sum, nullptr, g.between(CUDNN_DATA_FLOAT, rows));
    g.pointwise(CUDNN_POINTWISE_ADD, *top, log.get(),
                g.tensor(kStats, CUDNN_DATA_FLOAT, rows, key.stats, Kind::memory));
  }
  const auto weights = g.pointwise(CUDNN_POINTWISE_DIV, *s, sum.get(), g.weights());
  g.multiply(*weights, *v, o);
  return g.finished(handle);
}

EnginePlan engine_plan(const Key& key) {
  const Cudnn& cudnn = Cudnn::get();
  EnginePlan result;
  try {
    const detail::CudaDeviceGuard guard(key.device);
    const Handle handle(key.device);
    const cudnnHandle_t raw_handle = handle;
    const Descriptor graph = graph_of(key, raw_handle);
    Descriptor heuristics(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
    const cudnnBackendHeurMode_t mode = CUDNN_HEUR_MODE_A;
    heuristics.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph)
        .set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, &mode)
        .finalize();
    std::int64_t count = 0;
    cudnn.check(cudnn.get_attribute(heuristics.raw(), CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                    CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, &count, nullptr),
                "cudnnBackendGetAttribute");
    std::vector<Descriptor> engines;
    std::vector<cudnnBackendDescriptor_t> raw;
    for (std::int64_t i = 0; i < count; ++i)
      raw.push_back(engines.emplace_back(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR).raw());
    if (count > 0) {
      cudnn.check(cudnn.get_attribute(heuristics.raw(), CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                      CUDNN_TYPE_BACKEND_DESCRIPTOR, count, &count, raw.data()),
                  "cudnnBackendGetAttribute");
    }
    for (std::int64_t i = 0; i < count; ++i) {  // best first
      auto plan = std::make_unique<Descriptor>(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
      plan->set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, &raw_handle)
          .set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, engines[static_cast<std::size_t>(i)]);
      if (plan->try_finalize() != CUDNN_STATUS_SUCCESS) continue;
      std::int64_t got = 0;
      cudnn.check(cudnn.get_attribute(plan->raw(), CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64,
                                      1, &got, &result.workspace_bytes),
                  "cudnnBackendGetAttribute");
      result.plan = std::move(plan);
      return result;
    }
    result.refusal =
        "cuDNN " + std::to_string(cudnn.version()) + " has no fused engine for this problem on this device";
  } catch (const Error& e) {
    result.refusal = std::string("cuDNN does not take this problem: ") + e.what();
  }
  return result;
}

/// Made once for each key and kept.
const EnginePlan& plan_for(const Key& key) {
  static auto& mutex = *new std::mutex;
  static auto& plans = *new std::map<Key, EnginePlan>;
  const std::lock_guard lock(mutex);
  const auto found = plans.find(key);
  return found != plans.end() ? found->second : plans.emplace(key, engine_plan(key)).first->second;
}

bool aligned(const TensorView& view, std::int64_t bytes) {
  bool ok = reinterpret_cast<std::uintptr_t>(view.data) % 16 == 0 && view.strides[3] == 1;
  for (int i = 0; i < 3; ++i) ok = ok && (view.shape[i] == 1 || view.strides[i] * bytes % 16 == 0);
  return ok;
}

std::string_view declines(const AttentionProblem& p) {
  if (p.device.type != DeviceType::cuda) return "cuDNN runs on NVIDIA GPUs only";
  if (p.dtype != DType::f16 && p.dtype != DType::bf16) return "cuDNN's fused attention takes f16 and bf16";
  if (p.empty() || p.kv_length == 0) return "cuDNN takes no empty problems";
  if (p.head_dim % 8 != 0 || p.value_dim % 8 != 0) return "cuDNN needs head sizes in multiples of 8";
  if (!aligned(p.q, 2) || !aligned(p.k, 2) || !aligned(p.v, 2)) return "cuDNN needs rows aligned to 16 bytes";
  if (p.causal() && p.band.offset < 0) return "cuDNN has no causal mask that hides every key from a query";
  if (p.mask) {
    const TensorView& m = p.mask->view;
    if (p.mask->kind != MaskKind::additive) return "cuDNN takes additive masks only";
    if (m.dtype != p.dtype && m.dtype != DType::f32) return "cuDNN takes masks of the type of q or f32";
    if (m.strides[3] != 1 || (m.strides[2] == 0 && p.query_length > 1))
      return "cuDNN takes no masks that repeat along queries or keys";
    if (!aligned(m, bits(m.dtype) / 8)) return "cuDNN needs mask rows aligned to 16 bytes";
  }
  if (const std::string& missing = Cudnn::get().library.missing(); !missing.empty()) return missing;
  return plan_for(key_of(p, nullptr)).refusal;
}

std::size_t workspace_bytes(const AttentionProblem& p) {
  return static_cast<std::size_t>(plan_for(key_of(p, nullptr)).workspace_bytes);
}

std::string kernel(const AttentionProblem&) { return "cuDNN " + std::to_string(Cudnn::get().version()); }

void run(const AttentionProblem& p, const AttentionBuffers& buffers, std::span<std::byte> workspace,
         const Queue& queue) {
  if (!aligned(buffers.out, 2))
    throw Error(ErrorCode::unsupported, "attention: cuDNN needs rows of out aligned to 16 bytes");
  const EnginePlan& engine = plan_for(key_of(p, &buffers));
  if (!engine.refusal.empty()) throw Error(ErrorCode::unsupported, "attention: " + engine.refusal);
  std::shared_ptr<void> taken;  // other strides of out may need more room than was planned for
  void* room = workspace.data();
  if (static_cast<std::int64_t>(workspace.size()) < engine.workspace_bytes) {
    taken = backend::of(p.device.type).allocate_for(queue, static_cast<std::size_t>(engine.workspace_bytes));
    room = taken.get();
  }

  const Cudnn& cudnn = Cudnn::get();
  float scale = p.scale;
  // Before 9.10 the lowest number stood for -inf.
  float infinity =
      cudnn.version() < 91000 ? std::numeric_limits<float>::lowest() : -std::numeric_limits<float>::infinity();
  auto query_length = static_cast<std::int32_t>(p.query_length),
       kv_length = static_cast<std::int32_t>(p.kv_length);
  std::vector<std::int64_t> names{kQ, kK, kV, kO, kScale};
  std::vector<void*> data{p.q.data, p.k.data, p.v.data, buffers.out.data, &scale};
  const auto give = [&](Name name, void* memory) { names.push_back(name), data.push_back(memory); };
  if (p.mask) give(kBias, p.mask->view.data);
  if (p.causal()) give(kInfinity, &infinity);
  if (p.causal() && p.band.offset != 0) give(kLkv, &kv_length), give(kLq, &query_length);
  if (p.wants_lse) give(kStats, buffers.lse->data);

  const detail::CudaDeviceGuard guard(p.device.index);
  const Handle handle(p.device.index);
  cudnn.check(cudnn.set_stream(handle, static_cast<cudaStream_t>(queue.native_stream())), "cudnnSetStream");
  Descriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  const auto count = static_cast<std::int64_t>(names.size());
  pack.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, names.data(), count)
      .set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, data.data(), count)
      .set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, &room)
      .finalize();
  cudnn.check(cudnn.execute(handle, engine.plan->raw(), pack.raw()), "cudnnBackendExecute");
}

#else

std::string_view declines(const AttentionProblem&) { return "this build of flashtile has no cuDNN"; }
std::size_t workspace_bytes(const AttentionProblem&) { return 0; }
std::string kernel(const AttentionProblem&) { return {}; }
void run(const AttentionProblem&, const AttentionBuffers&, std::span<std::byte>, const Queue&) {}

#endif

}  // namespace

const AttentionWay kAttentionCudnn = {
    .name = "vendor.cudnn",
    .about = "cuDNN's fused attention; f16, bf16",
    .built = FLASHTILE_HAS_CUDNN != 0,
    .declines = declines,
    .preferred = always_preferred<AttentionProblem>,
    .workspace_bytes = workspace_bytes,
    .kernel = kernel,
    .run = run,
};

}  // namespace flashtile::ops
