// The way `vendor.cudnn`: NVIDIA's cuDNN 9, found at run time. Attention is given to it as a graph of products,
// element-wise operations and reductions, which cuDNN knows as one fused kernel. It takes milliseconds to find
// the kernel of a problem; plans are kept.
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
#include <optional>
#include <vector>

#include "flashtile/detail/cuda_calls.h"
#include "flashtile/error.h"
#include "src/backends/cuda/vendor_library.h"
#else
#define FLASHTILE_HAS_CUDNN 0
#endif

namespace flashtile::ops {
namespace {

#if FLASHTILE_HAS_CUDNN

/// cuDNN, opened on first use.
struct Cudnn {
  backend::VendorLibrary library{"libcudnn.so.9"};
  decltype(cudnnCreate)* create = nullptr;
  decltype(cudnnGetVersion)* get_version = nullptr;
  decltype(cudnnGetErrorString)* error_string = nullptr;
  decltype(cudnnSetStream)* set_stream = nullptr;
  decltype(cudnnBackendCreateDescriptor)* create_descriptor = nullptr;
  decltype(cudnnBackendDestroyDescriptor)* destroy_descriptor = nullptr;
  decltype(cudnnBackendSetAttribute)* set_attribute = nullptr;
  decltype(cudnnBackendGetAttribute)* get_attribute = nullptr;
  decltype(cudnnBackendFinalize)* finalize = nullptr;
  decltype(cudnnBackendExecute)* execute = nullptr;

  Cudnn() {
    library.find("cudnnCreate", create);
    library.find("cudnnGetVersion", get_version);
    library.find("cudnnGetErrorString", error_string);
    library.find("cudnnSetStream", set_stream);
    library.find("cudnnBackendCreateDescriptor", create_descriptor);
    library.find("cudnnBackendDestroyDescriptor", destroy_descriptor);
    library.find("cudnnBackendSetAttribute", set_attribute);
    library.find("cudnnBackendGetAttribute", get_attribute);
    library.find("cudnnBackendFinalize", finalize);
    library.find("cudnnBackendExecute", execute);
  }
  static const Cudnn& get() {
    static const Cudnn& cudnn = *new Cudnn;  // never destroyed: calls may come while the process exits
    return cudnn;
  }
  void check(cudnnStatus_t status, const char* call) const {
    if (status == CUDNN_STATUS_SUCCESS) return;
    throw Error(status == CUDNN_STATUS_ALLOC_FAILED ? ErrorCode::out_of_memory : ErrorCode::device_failure,
                std::string("attention: ") + call + ": " + error_string(status));
  }
};

/// A backend descriptor: attributes are set, then it is finalized.
class Descriptor {
 public:
  explicit Descriptor(cudnnBackendDescriptorType_t type) {
    cudnnBackendDescriptor_t raw = nullptr;
    Cudnn::get().check(Cudnn::get().create_descriptor(type, &raw), "cudnnBackendCreateDescriptor");
    raw_ = {raw, Cudnn::get().destroy_descriptor};
  }

  Descriptor& set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, const void* values,
                  std::int64_t count = 1) {
    Cudnn::get().check(Cudnn::get().set_attribute(raw(), name, type, count, values),
                       "cudnnBackendSetAttribute");
    return *this;
  }
  Descriptor& set(cudnnBackendAttributeName_t name, const Descriptor& other) {
    const cudnnBackendDescriptor_t raw_other = other.raw();
    return set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, &raw_other);
  }
  Descriptor& set(cudnnBackendAttributeName_t name, cudnnDataType_t type) {
    return set(name, CUDNN_TYPE_DATA_TYPE, &type);
  }
  Descriptor& set(cudnnBackendAttributeName_t name, const std::array<std::int64_t, 4>& values) {
    return set(name, CUDNN_TYPE_INT64, values.data(), 4);
  }

  /// False when cuDNN cannot do what the attributes say.
  bool try_finalize() { return Cudnn::get().finalize(raw()) == CUDNN_STATUS_SUCCESS; }
  Descriptor& finalize() {
    Cudnn::get().check(Cudnn::get().finalize(raw()), "cudnnBackendFinalize");
    return *this;
  }
  cudnnBackendDescriptor_t raw() const { return raw_.get(); }

 private:
  std::shared_ptr<std::remove_pointer_t<cudnnBackendDescriptor_t>> raw_;
};

cudnnDataType_t type_of(DType dtype) {
  switch (dtype) {
    case DType::f16: return CUDNN_DATA_HALF;
    case DType::bf16: return CUDNN_DATA_BFLOAT16;
    default: return CUDNN_DATA_FLOAT;
  }
}

using Sizes = std::array<std::int64_t, 4>;

/// Which memory a tensor of the graph is bound to at each call.
enum Uid : std::int64_t {
  kQ = 1,
  kK,
  kV,
  kOut,
  kLse,
  kBias,
  kScale,
  kMasked,
  kQueryLength,
  kKvLength,
  kFirstVirtual
};

/// The attention graph: cuDNN recognises this chain of operations, in this order.
class Graph {
 public:
  explicit Graph(const AttentionProblem& p)
      : scores_{p.batch, p.query_heads, p.query_length, p.kv_length},
        rows_{p.batch, p.query_heads, p.query_length, 1} {
    const cudnnDataType_t type = type_of(p.dtype);
    const Sizes value_shape{p.batch, p.kv_heads, p.kv_length, p.value_dim};
    const Descriptor q = bound(kQ, type, {p.batch, p.query_heads, p.query_length, p.head_dim}, p.q.strides);
    const Descriptor k = bound(kK, type, {p.batch, p.kv_heads, p.head_dim, p.kv_length},
                               {p.k.strides[0], p.k.strides[1], p.k.strides[3], p.k.strides[2]});
    const Descriptor v = bound(kV, type, value_shape, p.v.strides);
    const Descriptor out =
        bound(kOut, type, {p.batch, p.query_heads, p.query_length, p.value_dim}, p.out.strides);

    Descriptor scores = product(q, k, temporary(scores_));
    scores = pointwise(CUDNN_POINTWISE_MUL, scores, scalar(kScale, CUDNN_DATA_FLOAT), temporary(scores_));
    if (p.mask) scores = pointwise(CUDNN_POINTWISE_ADD, scores, bias_of(*p.mask), temporary(scores_));
    if (p.causal()) scores = under_diagonal(scores, p.band.offset != 0);

    const Descriptor top = reduction(CUDNN_REDUCE_TENSOR_MAX, scores);
    const Descriptor below = pointwise(CUDNN_POINTWISE_SUB, scores, top, temporary(scores_));
    const Descriptor exponentials = pointwise(CUDNN_POINTWISE_EXP, below, {}, temporary(scores_));
    const Descriptor sum = reduction(CUDNN_REDUCE_TENSOR_ADD, exponentials);
    // cuDNN knows the chain only with lse in it, also where that reaches no memory.
    const Descriptor logarithm = pointwise(CUDNN_POINTWISE_LOG, sum, {}, temporary(rows_));
    pointwise(CUDNN_POINTWISE_ADD, top, logarithm, p.lse ? lse_of(*p.lse) : temporary(rows_));
    const Descriptor weights = pointwise(CUDNN_POINTWISE_DIV, exponentials, sum, temporary(scores_, type));
    product(weights, v, out);
  }

  /// The operations as one descriptor, for a device's handle.
  Descriptor operations(cudnnHandle_t handle) const {
    std::vector<cudnnBackendDescriptor_t> raw;
    for (const Descriptor& operation : operations_) raw.push_back(operation.raw());
    Descriptor graph(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
    graph.set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, &handle);
    graph.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, raw.data(),
              static_cast<std::int64_t>(raw.size()));
    return graph;
  }

 private:
  /// Keeps scores of keys 0 ... row (+ Lkv - Lq).
  Descriptor under_diagonal(const Descriptor& scores, bool shifted) {
    const auto index = [&](std::int64_t axis) {
      return pointwise(CUDNN_POINTWISE_GEN_INDEX, scores, {}, temporary(scores_, CUDNN_DATA_INT32),
                       CUDNN_DATA_FLOAT, axis);
    };
    Descriptor row = index(2);
    const Descriptor column = index(3);
    if (shifted) {
      row = pointwise(CUDNN_POINTWISE_ADD, row, scalar(kKvLength, CUDNN_DATA_INT32),
                      temporary(scores_, CUDNN_DATA_INT32), CUDNN_DATA_INT32);
      row = pointwise(CUDNN_POINTWISE_SUB, row, scalar(kQueryLength, CUDNN_DATA_INT32),
                      temporary(scores_, CUDNN_DATA_INT32), CUDNN_DATA_INT32);
    }
    const Descriptor sees = pointwise(CUDNN_POINTWISE_CMP_GE, row, column,
                                      temporary(scores_, CUDNN_DATA_BOOLEAN), CUDNN_DATA_BOOLEAN);
    return pointwise(CUDNN_POINTWISE_BINARY_SELECT, scores, scalar(kMasked, CUDNN_DATA_FLOAT),
                     temporary(scores_), CUDNN_DATA_FLOAT, {}, sees);
  }

  Descriptor lse_of(const TensorView& lse) {
    return bound(kLse, CUDNN_DATA_FLOAT, rows_, {lse.strides[0], lse.strides[1], lse.strides[2], 1});
  }

  Descriptor bias_of(const MaskTensor& mask) {
    Sizes shape = scores_;
    for (int i = 0; i < 4; ++i) {
      if (mask.view.strides[i] == 0) shape[static_cast<std::size_t>(i)] = 1;
    }
    return bound(kBias, type_of(mask.view.dtype), shape, mask.view.strides);
  }

  /// Where a size is 1 its stride means nothing to us, but something to cuDNN: it gets that of packed memory.
  static Descriptor tensor(std::int64_t uid, cudnnDataType_t type, const Sizes& shape, Sizes strides,
                           std::int64_t alignment = 16) {
    for (std::size_t i = 4, packed = 1; i-- > 0; packed *= static_cast<std::size_t>(shape[i])) {
      if (shape[i] == 1) strides[i] = static_cast<std::int64_t>(packed);
    }
    Descriptor result(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
    result.set(CUDNN_ATTR_TENSOR_DATA_TYPE, type)
        .set(CUDNN_ATTR_TENSOR_DIMENSIONS, shape)
        .set(CUDNN_ATTR_TENSOR_STRIDES, strides)
        .set(CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, &uid)
        .set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, &alignment);
    return result;
  }
  static Descriptor bound(Uid uid, cudnnDataType_t type, const Sizes& shape, const Dims& strides) {
    return tensor(uid, type, shape, {strides[0], strides[1], strides[2], strides[3]}).finalize();
  }
  static Descriptor scalar(Uid uid, cudnnDataType_t type) {
    const bool yes = true;
    return tensor(uid, type, {1, 1, 1, 1}, {1, 1, 1, 1})
        .set(CUDNN_ATTR_TENSOR_IS_BY_VALUE, CUDNN_TYPE_BOOLEAN, &yes)
        .finalize();
  }
  Descriptor temporary(const Sizes& s, cudnnDataType_t type = CUDNN_DATA_FLOAT) {
    const bool yes = true;
    return tensor(next_uid_++, type, s, {s[1] * s[2] * s[3], s[2] * s[3], s[3], 1})
        .set(CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, &yes)
        .finalize();
  }

  Descriptor product(const Descriptor& a, const Descriptor& b, const Descriptor& c) {
    Descriptor kind(CUDNN_BACKEND_MATMUL_DESCRIPTOR);
    kind.set(CUDNN_ATTR_MATMUL_COMP_TYPE, CUDNN_DATA_FLOAT).finalize();
    Descriptor operation(CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR);
    operation.set(CUDNN_ATTR_OPERATION_MATMUL_DESC, kind)
        .set(CUDNN_ATTR_OPERATION_MATMUL_ADESC, a)
        .set(CUDNN_ATTR_OPERATION_MATMUL_BDESC, b)
        .set(CUDNN_ATTR_OPERATION_MATMUL_CDESC, c);
    operations_.push_back(operation.finalize());
    return c;
  }

  /// y = mode(x, b), or b where `condition` does not hold.
  Descriptor pointwise(cudnnPointwiseMode_t mode, const Descriptor& x, const std::optional<Descriptor>& b,
                       const Descriptor& y, cudnnDataType_t arithmetic = CUDNN_DATA_FLOAT,
                       std::optional<std::int64_t> axis = {}, const std::optional<Descriptor>& condition = {}) {
    Descriptor kind(CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
    kind.set(CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, &mode)
        .set(CUDNN_ATTR_POINTWISE_MATH_PREC, arithmetic);
    if (axis) kind.set(CUDNN_ATTR_POINTWISE_AXIS, CUDNN_TYPE_INT64, &*axis);
    Descriptor operation(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
    operation.set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, kind.finalize())
        .set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, x)
        .set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, y);
    if (b) operation.set(CUDNN_ATTR_OPERATION_POINTWISE_BDESC, *b);
    if (condition) operation.set(CUDNN_ATTR_OPERATION_POINTWISE_TDESC, *condition);
    operations_.push_back(operation.finalize());
    return y;
  }

  /// Of each row of scores.
  Descriptor reduction(cudnnReduceTensorOp_t by, const Descriptor& x) {
    const Descriptor y = temporary(rows_);
    Descriptor kind(CUDNN_BACKEND_REDUCTION_DESCRIPTOR);
    kind.set(CUDNN_ATTR_REDUCTION_OPERATOR, CUDNN_TYPE_REDUCTION_OPERATOR_TYPE, &by)
        .set(CUDNN_ATTR_REDUCTION_COMP_TYPE, CUDNN_DATA_FLOAT);
    Descriptor operation(CUDNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR);
    operation.set(CUDNN_ATTR_OPERATION_REDUCTION_DESC, kind.finalize())
        .set(CUDNN_ATTR_OPERATION_REDUCTION_XDESC, x)
        .set(CUDNN_ATTR_OPERATION_REDUCTION_YDESC, y);
    operations_.push_back(operation.finalize());
    return y;
  }

  Sizes scores_, rows_;
  std::int64_t next_uid_ = kFirstVirtual;
  std::vector<Descriptor> operations_;
};

/// What the best of cuDNN's kernels for a problem is, or why there is none.
struct Plan {
  std::optional<Descriptor> plan;
  std::size_t workspace_bytes = 0;
  std::string reason;

  Plan(const AttentionProblem& problem, cudnnHandle_t handle) {
    try {
      choose(Graph(problem).operations(handle), handle);
      if (!plan) reason = "cuDNN has no kernel for this problem on this device";
    } catch (const Error& error) {
      reason = std::string("cuDNN refuses this problem: ") + error.what();
    }
  }

 private:
  /// The first of the heuristic's suggestions that works.
  void choose(Descriptor graph, cudnnHandle_t handle) {
    const Cudnn& cudnn = Cudnn::get();
    graph.finalize();
    const cudnnBackendHeurMode_t mode = CUDNN_HEUR_MODE_A;
    Descriptor heuristic(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
    heuristic.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph)
        .set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, &mode)
        .finalize();
    std::int64_t count = 0;
    cudnn.check(cudnn.get_attribute(heuristic.raw(), CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                    CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, &count, nullptr),
                "cudnnBackendGetAttribute");
    std::vector<Descriptor> configs;
    std::vector<cudnnBackendDescriptor_t> raw;
    for (std::int64_t i = 0; i < count; ++i) {
      configs.emplace_back(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
      raw.push_back(configs.back().raw());
    }
    cudnn.check(cudnn.get_attribute(heuristic.raw(), CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                    CUDNN_TYPE_BACKEND_DESCRIPTOR, count, &count, raw.data()),
                "cudnnBackendGetAttribute");
    for (std::int64_t i = 0; i < count && !plan; ++i) {
      Descriptor candidate(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
      candidate.set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, &handle)
          .set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, configs[static_cast<std::size_t>(i)]);
      if (candidate.try_finalize()) plan = candidate;
    }
    if (!plan) return;
    std::int64_t bytes = 0, found = 0;
    cudnn.check(cudnn.get_attribute(plan->raw(), CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1,
                                    &found, &bytes),
                "cudnnBackendGetAttribute");
    workspace_bytes = static_cast<std::size_t>(bytes);
  }
};

/// What a plan is made for: everything but the scale and the addresses.
using Key = std::vector<std::int64_t>;

Key key_of(const AttentionProblem& p) {
  Key key{p.device.index, static_cast<std::int64_t>(p.dtype),
          p.batch,        p.query_heads,
          p.kv_heads,     p.query_length,
          p.kv_length,    p.head_dim,
          p.value_dim,    p.band.offset};
  const auto add = [&](const TensorView* view) {
    key.push_back(view == nullptr ? -1 : static_cast<std::int64_t>(view->dtype));
    if (view != nullptr) key.insert(key.end(), view->strides.begin(), view->strides.end());
  };
  for (const TensorView* view : {&p.q, &p.k, &p.v, &p.out}) add(view);
  add(p.lse ? &*p.lse : nullptr);
  add(p.mask ? &p.mask->view : nullptr);
  return key;
}

/// One handle a device, and the plans of this process.
class Plans {
 public:
  static Plans& instance() {
    static Plans& plans = *new Plans;  // never destroyed: calls may come while the process exits
    return plans;
  }

  /// Lives as long as the caller holds it, even when the table is emptied meanwhile.
  std::shared_ptr<const Plan> find(const AttentionProblem& problem) {
    constexpr std::size_t kMost = 256;
    const std::lock_guard lock(mutex_);
    if (kept_.size() > kMost) kept_.clear();
    std::shared_ptr<const Plan>& found = kept_[key_of(problem)];
    if (!found) {
      const detail::CudaDeviceGuard guard(problem.device.index);
      found = std::make_shared<const Plan>(problem, handle_of(problem.device.index));
    }
    return found;
  }

  void execute(const Plan& plan, const Descriptor& pack, const Queue& queue) {
    const Cudnn& cudnn = Cudnn::get();
    const int device = queue.device().index;
    const detail::CudaDeviceGuard guard(device);
    const std::lock_guard lock(mutex_);  // a handle has one stream at a time
    const cudnnHandle_t handle = handle_of(device);
    cudnn.check(cudnn.set_stream(handle, static_cast<cudaStream_t>(queue.native_stream())), "cudnnSetStream");
    cudnn.check(cudnn.execute(handle, plan.plan->raw(), pack.raw()), "cudnnBackendExecute");
  }

 private:
  cudnnHandle_t handle_of(int device) {
    cudnnHandle_t& handle = handles_[device];
    if (handle == nullptr) Cudnn::get().check(Cudnn::get().create(&handle), "cudnnCreate");
    return handle;
  }

  std::mutex mutex_;
  std::map<int, cudnnHandle_t> handles_;
  std::map<Key, std::shared_ptr<const Plan>> kept_;
};

/// cuDNN loads rows in 16 bytes at a time, and does not look where they begin.
bool in_vectors(const TensorView& view) {
  const std::int64_t elements = 128 / bits(view.dtype);
  if (reinterpret_cast<std::uintptr_t>(view.data) % 16 != 0 || view.shape[3] % elements != 0) return false;
  for (int i = 0; i < 3; ++i) {
    if (view.shape[i] > 1 && view.strides[i] % elements != 0) return false;
  }
  return true;
}

bool strides_ascend(const TensorView& view) {
  for (int i = 0; i < view.rank(); ++i) {
    if (view.shape[i] > 1 && view.strides[i] <= 0) return false;
  }
  return true;
}

std::string_view declines(const AttentionProblem& p) {
  if (p.device.type != DeviceType::cuda) return "cuDNN runs on NVIDIA GPUs only";
  if (p.dtype == DType::f32) return "cuDNN computes attention for f16 and bf16 only";
  if (p.empty() || p.kv_length == 0) return "cuDNN takes no empty tensors";
  if (p.mask && p.mask->kind == MaskKind::boolean) return "cuDNN takes additive masks only";
  if (p.mask && p.mask->view.strides[3] == 0 && p.kv_length > 1)
    return "cuDNN takes no mask that repeats over the keys";
  if (p.mask && p.causal()) return "cuDNN is not given an additive and a causal mask together";
  if (p.causal() && p.band.offset < 0) return "cuDNN takes no queries before the first key";
  if (!(p.scale > 0.0f)) return "cuDNN is given positive scales only";
  for (const TensorView* view : {&p.q, &p.k, &p.v, &p.out}) {
    if (!strides_ascend(*view)) return "cuDNN takes no repeated and no reversed dimensions";
    if (!in_vectors(*view)) return "cuDNN takes rows of whole multiples of 16 bytes, aligned to them";
  }
  if (p.mask && !in_vectors(p.mask->view))
    return "cuDNN takes mask rows of whole multiples of 16 bytes, aligned to them";
  if (p.lse && !strides_ascend(*p.lse)) return "cuDNN takes no repeated and no reversed dimensions";
  if (!Cudnn::get().library.missing().empty()) return Cudnn::get().library.missing();
  if (const std::size_t version = Cudnn::get().get_version(); version == 91000 || version == 91001) {
    return "cuDNN 9.10.0 and 9.10.1 have errors in their attention, says NVIDIA";
  }
  const std::shared_ptr<const Plan> plan = Plans::instance().find(p);
  if (plan->plan) return {};
  thread_local std::string reason;
  return reason = plan->reason;
}

std::size_t workspace_bytes(const AttentionProblem& problem) {
  return Plans::instance().find(problem)->workspace_bytes;
}

std::string kernel(const AttentionProblem&) {
  const std::size_t version = Cudnn::get().get_version();
  return "cuDNN " + std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) + "." +
         std::to_string(version % 100);
}

void run(const AttentionProblem& problem, const AttentionBuffers& buffers, std::span<std::byte> workspace,
         const Queue& queue) {
  const std::shared_ptr<const Plan> plan = Plans::instance().find(problem);
  const bool old = Cudnn::get().get_version() < 91000;  // then the lowest number stood for -inf
  float scale = problem.scale,
        masked = old ? std::numeric_limits<float>::lowest() : -std::numeric_limits<float>::infinity();
  auto query_length = static_cast<std::int32_t>(problem.query_length),
       kv_length = static_cast<std::int32_t>(problem.kv_length);

  std::vector<std::int64_t> uids;
  std::vector<const void*> data;
  const auto bind = [&](Uid uid, const void* address) {
    uids.push_back(uid);
    data.push_back(address);
  };
  bind(kQ, problem.q.data);
  bind(kK, problem.k.data);
  bind(kV, problem.v.data);
  bind(kOut, buffers.out.data);
  bind(kScale, &scale);
  if (buffers.lse) bind(kLse, buffers.lse->data);
  if (problem.mask) bind(kBias, problem.mask->view.data);
  if (problem.causal()) bind(kMasked, &masked);
  if (problem.causal() && problem.band.offset != 0) {
    bind(kQueryLength, &query_length);
    bind(kKvLength, &kv_length);
  }
  const auto count = static_cast<std::int64_t>(uids.size());
  void* const scratch = workspace.data();
  Descriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  pack.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, uids.data(), count)
      .set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, data.data(), count)
      .set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, &scratch)
      .finalize();
  Plans::instance().execute(*plan, pack, queue);
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
    .about = "NVIDIA's cuDNN 9 scaled dot-product attention; f16, bf16",
    .built = FLASHTILE_HAS_CUDNN != 0,
    .declines = declines,
    .preferred = always_preferred<AttentionProblem>,
    .workspace_bytes = workspace_bytes,
    .kernel = kernel,
    .run = run,
};

}  // namespace flashtile::ops
