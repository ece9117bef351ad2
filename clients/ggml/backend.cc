// The backend "flashtile" of ggml's dynamic interface: one device, which lies beside ggml's CPU backend as its BLAS does and
// takes the attention ops that it computes sooner.
#include <exception>
#include <optional>
#include <string_view>

#include "clients/ggml/flash_attention.h"
#include "clients/ggml/threads.h"
#include "ggml-backend-impl.h"
#include "ggml-impl.h"

namespace flashtile_ggml {
namespace {

constexpr int kDefaultThreads = GGML_DEFAULT_N_THREADS;

/// What one ggml_backend holds. Its functions are called by one thread at a time.
struct Context {
  Threads threads{kDefaultThreads};
  Scratch scratch{};
  ggml_abort_callback should_stop = nullptr;
  void* should_stop_data = nullptr;
};

Context& context_of(ggml_backend_t backend) { return *static_cast<Context*>(backend->context); }

/// Ops that compute nothing.
bool is_view(const ggml_tensor& op) {
  switch (op.op) {
    case GGML_OP_NONE:
    case GGML_OP_RESHAPE:
    case GGML_OP_VIEW:
    case GGML_OP_PERMUTE:
    case GGML_OP_TRANSPOSE: return true;
    default: return false;
  }
}

ggml_status compute_graph(ggml_backend_t backend, ggml_cgraph* graph) {
  Context& context = context_of(backend);
  for (int i = 0; i < graph->n_nodes; ++i) {
    const ggml_tensor& node = *graph->nodes[i];
    if (is_view(node) || (node.flags & GGML_TENSOR_FLAG_COMPUTE) == 0) continue;
    if (context.should_stop != nullptr && context.should_stop(context.should_stop_data))
      return GGML_STATUS_ABORTED;
    try {
      compute(node, context.threads, context.scratch);
    } catch (const std::exception& error) {  // none may reach ggml
      GGML_LOG_ERROR("flashtile: %s\n", error.what());
      return GGML_STATUS_FAILED;
    }
  }
  return GGML_STATUS_SUCCESS;
}

/// llama.cpp calls this before each graph.
void set_threads(ggml_backend_t backend, int threads) {
  if (Context& context = context_of(backend); context.threads.count() != threads)
    context.threads = Threads(threads);
}

void set_abort_callback(ggml_backend_t backend, ggml_abort_callback should_stop, void* data) {
  context_of(backend).should_stop = should_stop;
  context_of(backend).should_stop_data = data;
}

constexpr const char* kName = "flashtile";
constexpr const char* kDescription = "flashtile " FLASHTILE_VERSION ", attention on this CPU";

void properties_of(ggml_backend_dev_t, ggml_backend_dev_props* properties) {
  *properties = {};
  properties->name = kName;
  properties->description = kDescription;
  properties->type = GGML_BACKEND_DEVICE_TYPE_ACCEL;
  properties->caps.buffer_from_host_ptr = true;
}

ggml_backend_t make_backend(ggml_backend_dev_t device, const char*) {
  static ggml_guid guid = {0x5c, 0x0e, 0x93, 0x1f, 0x77, 0x2a, 0x4d, 0x68,
                           0xb1, 0x06, 0xfd, 0x42, 0x8e, 0x39, 0xa0, 0x57};
  ggml_backend_i calls{};
  calls.get_name = [](ggml_backend_t) { return kName; };
  calls.free = [](ggml_backend_t backend) {
    delete &context_of(backend);
    delete backend;
  };
  calls.graph_compute = compute_graph;
  return new ggml_backend{&guid, calls, device, new Context};
}

ggml_backend_device_i device_calls() {
  ggml_backend_device_i calls{};
  calls.get_name = [](ggml_backend_dev_t) { return kName; };
  calls.get_description = [](ggml_backend_dev_t) { return kDescription; };
  calls.get_memory = [](ggml_backend_dev_t, size_t* free, size_t* total) {
    *free = *total = 0;
  };  // it has none of its own
  calls.get_type = [](ggml_backend_dev_t) { return GGML_BACKEND_DEVICE_TYPE_ACCEL; };
  calls.get_props = properties_of;
  calls.init_backend = make_backend;
  calls.get_buffer_type = [](ggml_backend_dev_t) { return ggml_backend_cpu_buffer_type(); };
  calls.buffer_from_host_ptr = [](ggml_backend_dev_t, void* memory, size_t bytes, size_t) {
    return ggml_backend_cpu_buffer_from_ptr(memory, bytes);
  };
  calls.supports_op = [](ggml_backend_dev_t, const ggml_tensor* op) {
    return is_view(*op) || (op->op == GGML_OP_FLASH_ATTN_EXT && takes(*op));
  };
  calls.supports_buft = [](ggml_backend_dev_t, ggml_backend_buffer_type_t type) {
    return ggml_backend_buft_is_host(type);
  };
  return calls;
}

void* function_named(ggml_backend_reg_t, const char* name) {
  if (name == std::string_view("ggml_backend_set_n_threads")) return reinterpret_cast<void*>(set_threads);
  if (name == std::string_view("ggml_backend_set_abort_callback"))
    return reinterpret_cast<void*>(set_abort_callback);
  return nullptr;
}

ggml_backend_reg_i registry_calls() {
  ggml_backend_reg_i calls{};
  calls.get_name = [](ggml_backend_reg_t) { return kName; };
  calls.get_device_count = [](ggml_backend_reg_t) { return size_t{1}; };
  calls.get_device = [](ggml_backend_reg_t registry, size_t) {
    static ggml_backend_device device{device_calls(), registry, nullptr};
    return &device;
  };
  calls.get_proc_address = function_named;
  return calls;
}

/// ggml counts a version of the interface, and not one of its tensors and its list of ops. Is the host's ggml the one whose
/// headers this was compiled with, as far as it matters here?
bool host_is_ours() {
  constexpr size_t kObjectSize = 32;  // what ggml keeps of each tensor beside the tensor
  return ggml_op_name(GGML_OP_FLASH_ATTN_EXT) == std::string_view("FLASH_ATTN_EXT") &&
         ggml_op_name(GGML_OP_TRANSPOSE) == std::string_view("TRANSPOSE") &&
         ggml_tensor_overhead() == GGML_TENSOR_SIZE + kObjectSize;
}

}  // namespace
}  // namespace flashtile_ggml

/// What the host calls after it has loaded this. Null where the host's ggml is another version.
extern "C" __attribute__((visibility("default"))) ggml_backend_reg_t ggml_backend_init() {
  using namespace flashtile_ggml;
  if (!host_is_ours()) {
    GGML_LOG_ERROR(
        "flashtile: this plug-in was built with the headers of another ggml; build it with this one's\n");
    return nullptr;
  }
  static ggml_backend_reg registry{GGML_BACKEND_API_VERSION, registry_calls(), nullptr};
  return &registry;
}
