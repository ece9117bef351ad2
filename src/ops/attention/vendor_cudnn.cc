// The way `vendor.cudnn`: NVIDIA's cuDNN 9, found at run time. Finding the kernel of a problem takes
// milliseconds, so plans are kept.
#include <string>

#include "src/ops/attention/vendor_cudnn_graph.h"
#include "src/ops/attention/ways.h"

#if FLASHTILE_HAS_CUDNN
#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "flashtile/detail/cuda_calls.h"
#include "flashtile/error.h"
#include "src/ops/common/kept.h"
#endif

namespace flashtile::inline v0_2::ops {

constexpr std::string_view kName = "vendor.cudnn",
                           kAbout = "NVIDIA's cuDNN 9 scaled dot-product attention; f16, bf16";

#if FLASHTILE_HAS_CUDNN
namespace {

using namespace cudnn;

/// The best of cuDNN's kernels for a problem, or why there is none.
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

/// What a plan depends on: everything but the scale and the addresses.
using Key = std::vector<std::int64_t>;

Key key_of(const AttentionProblem& p) {
  Key key{p.device.index, static_cast<std::int64_t>(p.dtype),
          p.batch,        p.query_heads,
          p.kv_heads,     p.query_length,
          p.kv_length,    p.head_dim,
          p.value_dim,    p.query_offset,
          p.window.right};
  const auto add = [&](const TensorLayout* view) {
    key.push_back(view == nullptr ? -1 : static_cast<std::int64_t>(view->dtype));
    if (view != nullptr) key.insert(key.end(), view->strides.begin(), view->strides.end());
  };
  for (const TensorLayout* view : {&p.q, &p.k, &p.v, &p.out}) add(view);
  add(p.lse ? &*p.lse : nullptr);
  add(p.bias ? &*p.bias : nullptr);
  return key;
}

/// One handle a device, used by one thread at a time.
class Handles {
 public:
  static Handles& instance() {
    static Handles& handles = *new Handles;  // never destroyed: calls may come while the process exits
    return handles;
  }

  /// Calls use(handle) with the device's.
  template <class Use>
  void with(int device, const Use& use) {
    const detail::CudaDeviceGuard guard(device);
    const std::lock_guard lock(mutex_);
    cudnnHandle_t& handle = handles_[device];
    if (handle == nullptr) Cudnn::get().check(Cudnn::get().create(&handle), "cudnnCreate");
    use(handle);
  }

 private:
  std::mutex mutex_;
  std::map<int, cudnnHandle_t> handles_;
};

std::shared_ptr<const Plan> plan_of(const AttentionProblem& problem) {
  static auto& plans = *new Kept<Key, Plan>(256);
  return plans.find(key_of(problem), [&] {
    std::optional<Plan> plan;
    Handles::instance().with(problem.device.index,
                             [&](cudnnHandle_t handle) { plan.emplace(problem, handle); });
    return *std::move(plan);
  });
}

void execute(const Plan& plan, const Descriptor& pack, const Queue& queue) {
  Handles::instance().with(queue.device().index, [&](cudnnHandle_t handle) {
    const Cudnn& cudnn = Cudnn::get();
    cudnn.check(cudnn.set_stream(handle, static_cast<cudaStream_t>(queue.native_stream())), "cudnnSetStream");
    cudnn.check(cudnn.execute(handle, plan.plan->raw(), pack.raw()), "cudnnBackendExecute");
  });
}

/// cuDNN loads rows 16 bytes at a time without checking their alignment.
bool in_vectors(const TensorLayout& view) {
  const std::int64_t elements = 128 / bits(view.dtype);
  if (!view.aligned || view.shape[3] % elements != 0) return false;
  for (int i = 0; i < 3; ++i) {
    if (view.shape[i] > 1 && view.strides[i] % elements != 0) return false;
  }
  return true;
}

bool is_causal(const AttentionProblem& p) { return p.window.right == 0; }

std::string_view declines(const AttentionProblem& p) {
  if (p.dtype == DType::f32) return "cuDNN computes attention for f16 and bf16 only";
  if (p.empty() || p.kv_length == 0) return "cuDNN takes no empty tensors";
  if (p.bias && p.bias->strides[3] == 0 && p.kv_length > 1)
    return "cuDNN takes no mask that repeats over the keys";
  if (p.bias && is_causal(p)) return "cuDNN is not given an additive and a causal mask together";
  if (is_causal(p) && p.query_offset != 0 && p.query_offset != p.kv_length - p.query_length)
    return "cuDNN's diagonal ends in a corner";
  if (is_causal(p) && p.query_offset < 0) return "cuDNN takes no queries before the first key";
  if (!(p.scale > 0.0f)) return "cuDNN is given positive scales only";
  for (const TensorLayout* view : {&p.q, &p.k, &p.v, &p.out}) {
    if (!view->ascends()) return "cuDNN takes no repeated and no reversed dimensions";
    if (!in_vectors(*view)) return "cuDNN takes rows of whole multiples of 16 bytes, aligned to them";
  }
  if (p.bias && !in_vectors(*p.bias))
    return "cuDNN takes mask rows of whole multiples of 16 bytes, aligned to them";
  if (p.lse && !p.lse->ascends()) return "cuDNN takes no repeated and no reversed dimensions";
  if (!Cudnn::get().library.missing().empty()) return Cudnn::get().library.missing();
  if (const std::size_t version = Cudnn::get().get_version(); version == 91000 || version == 91001) {
    return "cuDNN 9.10.0 and 9.10.1 have errors in their attention, says NVIDIA";
  }
  const std::shared_ptr<const Plan> plan = plan_of(p);
  if (plan->plan) return {};
  thread_local std::string reason;
  return reason = plan->reason;
}

std::size_t workspace_bytes(const AttentionProblem& problem) { return plan_of(problem)->workspace_bytes; }

std::string kernel(const AttentionProblem&) {
  const std::size_t version = Cudnn::get().get_version();
  return "cuDNN " + std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) + "." +
         std::to_string(version % 100);
}

void run(const AttentionProblem& problem, const AttentionArguments& arguments, Workspace& workspace,
         const Queue& queue) {
  const std::shared_ptr<const Plan> plan = plan_of(problem);
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
  bind(kQ, arguments.q);
  bind(kK, arguments.k);
  bind(kV, arguments.v);
  bind(kOut, arguments.out);
  bind(kScale, &scale);
  if (problem.lse) bind(kLse, arguments.lse);
  if (problem.bias) bind(kBias, arguments.bias);
  if (is_causal(problem)) bind(kMasked, &masked);
  if (is_causal(problem) && problem.query_offset != 0) {
    bind(kQueryLength, &query_length);
    bind(kKvLength, &kv_length);
  }
  const auto count = static_cast<std::int64_t>(uids.size());
  void* const scratch = workspace.take(plan->workspace_bytes);
  Descriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  pack.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, uids.data(), count)
      .set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, data.data(), count)
      .set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, &scratch)
      .finalize();
  execute(*plan, pack, queue);
}

}  // namespace

const AttentionWay kAttentionCudnn = {
    .name = kName,
    .about = kAbout,
    .device = DeviceType::cuda,
    .knows =
        [](DeviceType) {
          return Features{Feature::bias, Feature::causal, Feature::query_offset, Feature::lse};
        },
    .declines = declines,
    .workspace_bytes = workspace_bytes,
    .kernel = kernel,
    .run = run,
};
#else
const AttentionWay kAttentionCudnn = {
    .name = kName, .about = kAbout, .missing = "this build of flashtile has no cuDNN"};
#endif

}  // namespace flashtile::inline v0_2::ops
