// The plug-in for ggml against ggml's own CPU backend, in what ggml's tests of the op leave out: plugin_test PLUGIN
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <random>
#include <vector>

#include "ggml-alloc.h"
#include "ggml-backend.h"
#include "ggml.h"

namespace {

struct Case {
  const char* name;
  std::int64_t heads, entries;            // of q
  std::int64_t mask_heads, mask_entries;  // 0: no mask
  float max_bias;
  std::int64_t more_rows = 0;  // of the mask, than queries
  std::int64_t kv_heads = 1;
};

constexpr Case kCases[] = {
    {"a mask for all", 4, 2, 1, 1, 0.0f},
    {"a mask of each head", 4, 2, 4, 1, 0.0f},
    {"a mask of each entry", 4, 2, 1, 2, 0.0f},
    {"masks that heads take in turns", 6, 1, 2, 1, 0.0f},
    {"masks that heads take in turns, of each entry", 6, 2, 3, 2, 0.0f},
    {"masks that entries take in turns", 2, 4, 1, 2, 0.0f},
    {"masks that heads and entries take in turns", 4, 4, 2, 2, 0.0f, 5},
    {"ALiBi, and masks that heads take in turns", 6, 2, 2, 1, 8.0f, 3},
    {"ALiBi of a number of heads that is no power of 2, grouped", 12, 1, 1, 1, 8.0f, 0, 4},
    {"a negative max_bias, which ggml ignores", 4, 1, 1, 1, -8.0f},
    {"no mask", 4, 2, 0, 0, 0.0f},
    {"more masks' elements than one bias holds", 64, 2, 32, 1, 0.0f, 0, 8},
};

/// The op's result on a backend, or nothing where it declines.
std::vector<float> result_on(ggml_backend_t backend, const Case& c, ggml_type type) {
  constexpr std::int64_t kHead = 64, kQueries = 37, kKeys = 1100;
  ggml_context* context = ggml_init({.mem_size = 32 * ggml_tensor_overhead() + ggml_graph_overhead(),
                                     .mem_buffer = nullptr,
                                     .no_alloc = true});
  ggml_tensor* q = ggml_new_tensor_4d(context, GGML_TYPE_F32, kHead, kQueries, c.heads, c.entries);
  ggml_tensor* k = ggml_new_tensor_4d(context, type, kHead, kKeys, c.kv_heads, c.entries);
  ggml_tensor* v = ggml_new_tensor_4d(context, type, kHead, kKeys, c.kv_heads, c.entries);
  ggml_tensor* mask = c.mask_heads == 0
                          ? nullptr
                          : ggml_new_tensor_4d(context, GGML_TYPE_F16, kKeys, kQueries + c.more_rows,
                                               c.mask_heads, c.mask_entries);
  ggml_tensor* out = ggml_flash_attn_ext(context, q, k, v, mask, 0.125f, std::max(c.max_bias, 0.0f), 0.0f);
  std::memcpy(&out->op_params[1], &c.max_bias, sizeof(float));
  ggml_cgraph* graph = ggml_new_graph(context);
  ggml_build_forward_expand(graph, out);
  ggml_backend_buffer_t memory = ggml_backend_alloc_ctx_tensors(context, backend);

  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  for (ggml_tensor* tensor : {q, k, v, mask}) {
    if (tensor == nullptr) continue;
    std::vector<float> values(static_cast<std::size_t>(ggml_nelements(tensor)));
    for (float& value : values) {
      value = normal(random);
      if (tensor == mask && value > 1.0f) value = -INFINITY;
    }
    std::vector<char> bytes(ggml_nbytes(tensor));
    ggml_quantize_chunk(tensor->type, values.data(), bytes.data(), 0, ggml_nrows(tensor), tensor->ne[0],
                        nullptr);
    ggml_backend_tensor_set(tensor, bytes.data(), 0, bytes.size());
  }
  std::vector<float> result;
  if (ggml_backend_supports_op(backend, out) &&
      ggml_backend_graph_compute(backend, graph) == GGML_STATUS_SUCCESS) {
    result.resize(static_cast<std::size_t>(ggml_nelements(out)));
    ggml_backend_tensor_get(out, result.data(), 0, ggml_nbytes(out));
  }
  ggml_backend_buffer_free(memory);
  ggml_free(context);
  return result;
}

/// The square of the difference over that of what is expected, as ggml's tests judge.
double difference(const std::vector<float>& found, const std::vector<float>& expected) {
  double square = 0, whole = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    square += std::pow(found[i] - expected[i], 2);
    whole += std::pow(expected[i], 2);
  }
  return square / whole;
}

}  // namespace

int main(int count, char** arguments) {
  const ggml_backend_reg_t plugin = count == 2 ? ggml_backend_load(arguments[1]) : nullptr;
  if (plugin == nullptr) {
    std::fprintf(stderr, "usage: plugin_test PLUGIN, a plug-in of this ggml\n");
    return 2;
  }
  const ggml_backend_t cpu = ggml_backend_init_by_type(GGML_BACKEND_DEVICE_TYPE_CPU, nullptr);
  const ggml_backend_t ours = ggml_backend_dev_init(ggml_backend_reg_dev_get(plugin, 0), nullptr);
  int passed = 0, failed = 0;
  for (const Case& c : kCases)
    for (const ggml_type type : {GGML_TYPE_F16, GGML_TYPE_Q8_0}) {
      const std::vector<float> expected = result_on(cpu, c, type), found = result_on(ours, c, type);
      const bool taken = !found.empty();
      const double off = taken ? difference(found, expected) : 0.0;
      const bool good = taken && off < 5e-4;  // the bound of ggml's own tests
      ++(good ? passed : failed);
      if (!good)
        std::printf("FAILED %s, %s: %s, NMSE %.1e\n", c.name, ggml_type_name(type),
                    taken ? "taken" : "declined", off);
    }
  std::printf("%d passed, %d failed\n", passed, failed);
  return failed == 0 ? 0 : 1;
}
