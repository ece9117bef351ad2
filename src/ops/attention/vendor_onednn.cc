// The way `vendor.onednn`: oneDNN's own attention, through its Graph API. oneDNN compiles a partition for each
// problem, which takes milliseconds and is kept.
#include <span>
#include <string>

#include "src/ops/attention/ways.h"

#if FLASHTILE_HAS_ONEDNN
#include <algorithm>
#include <array>
#include <memory>
#include <oneapi/dnnl/dnnl_graph.hpp>
#include <optional>
#include <vector>

#include "flashtile/error.h"
#include "src/ops/common/kept.h"
#endif

namespace flashtile::inline v0_2::ops {

constexpr std::string_view kName = "vendor.onednn",
                           kAbout = "oneDNN Graph scaled dot-product attention; with oneTBB it stores scores";

#if FLASHTILE_HAS_ONEDNN
namespace {

using dnnl::graph::logical_tensor;
using dnnl::graph::op;

/// What a partition is compiled for: element type, sizes, and the strides of q, k, v and out.
using Key = std::array<std::int64_t, 24>;

Key key_of(const AttentionProblem& p) {
  Key key{static_cast<std::int64_t>(p.dtype),
          p.batch,
          p.query_heads,
          p.kv_heads,
          p.query_length,
          p.kv_length,
          p.head_dim,
          p.value_dim};
  std::size_t at = 8;
  for (const Dims* strides : {&p.q.strides, &p.k.strides, &p.v.strides, &p.out.strides}) {
    for (const std::int64_t stride : *strides) key[at++] = stride;
  }
  return key;
}

logical_tensor::data_type type_of(DType dtype) {
  switch (dtype) {
    case DType::f16: return logical_tensor::data_type::f16;
    case DType::bf16: return logical_tensor::data_type::bf16;
    default: return logical_tensor::data_type::f32;
  }
}

/// The attention graph, compiled. Query heads are split into (KV head, group), so that K and
/// V repeat over a group.
class Partition {
 public:
  Partition(const AttentionProblem& p, const dnnl::engine& engine)
      : q_(tensor_of(0, p, {p.query_length, p.head_dim}, group(p), p.q.strides)),
        k_(tensor_of(1, p, {p.kv_length, p.head_dim}, 1, p.k.strides)),
        v_(tensor_of(2, p, {p.kv_length, p.value_dim}, 1, p.v.strides)),
        scale_(3, logical_tensor::data_type::f32, logical_tensor::dims(5, 1),
               logical_tensor::layout_type::strided),
        out_(tensor_of(4, p, {p.query_length, p.value_dim}, group(p), p.out.strides)) {
    const logical_tensor::dims score_dims{p.batch, p.kv_heads, group(p), p.query_length, p.kv_length};
    const auto scores = [&](std::size_t id, logical_tensor::data_type type) {
      return logical_tensor(id, type, score_dims, logical_tensor::layout_type::strided);
    };
    const logical_tensor dots = scores(5, logical_tensor::data_type::f32),
                         scaled = scores(6, logical_tensor::data_type::f32);
    const logical_tensor weights = scores(7, type_of(p.dtype));
    op dot(0, op::kind::MatMul, {q_, k_}, {dots}, "scores");
    dot.set_attr<bool>(op::attr::transpose_b, true);
    op multiply(1, op::kind::Multiply, {dots, scale_}, {scaled}, "scale");
    op softmax(2, op::kind::SoftMax, {scaled}, {weights}, "softmax");
    softmax.set_attr<std::int64_t>(op::attr::axis, -1);
    const op sum(3, op::kind::MatMul, {weights, v_}, {out_}, "output");

    dnnl::graph::graph graph(dnnl::engine::kind::cpu);
    for (const op& each : {dot, multiply, softmax, sum}) graph.add_op(each);
    graph.finalize();
    const auto partitions = graph.get_partitions();
    if (partitions.size() != 1 || !partitions[0].is_supported()) return;
    inputs_ = partitions[0].get_input_ports();
    try {
      compiled_ = partitions[0].compile(inputs_, partitions[0].get_output_ports(), engine);
    } catch (const dnnl::error&) {  // this oneDNN has no kernel for the types or the machine
    }
  }

  bool usable() const { return compiled_.has_value(); }

  void run(const AttentionProblem& p, const AttentionArguments& arguments, const dnnl::engine& engine) const {
    float scale = p.scale;
    void* const data[] = {arguments.q, arguments.k, arguments.v, &scale};
    std::vector<dnnl::graph::tensor> inputs;
    for (const logical_tensor& input : inputs_) inputs.emplace_back(input, engine, data[input.get_id()]);
    dnnl::stream stream(engine);
    compiled_->execute(stream, inputs, {dnnl::graph::tensor(out_, engine, arguments.out)});
    stream.wait();
  }

 private:
  static std::int64_t group(const AttentionProblem& p) { return p.query_heads / p.kv_heads; }

  static logical_tensor tensor_of(std::size_t id, const AttentionProblem& p, std::array<std::int64_t, 2> rows,
                                  std::int64_t heads, const Dims& strides) {
    const logical_tensor::dims dims{p.batch, p.kv_heads, heads, rows[0], rows[1]};
    return logical_tensor(id, type_of(p.dtype), dims,
                          logical_tensor::dims{strides[0], strides[1] * heads, strides[1], strides[2], 1});
  }

  logical_tensor q_, k_, v_, scale_, out_;
  std::vector<logical_tensor> inputs_;
  std::optional<dnnl::graph::compiled_partition> compiled_;
};

/// Errors: dnnl::error where oneDNN finds no CPU.
const dnnl::engine& engine() {
  static const auto& engine = *new dnnl::engine(dnnl::engine::kind::cpu, 0);  // never destroyed, as all here:
  return engine;  // calls may come while the process exits
}

std::shared_ptr<const Partition> partition_of(const AttentionProblem& problem) {
  static auto& partitions = *new Kept<Key, Partition>(64);
  return partitions.find(key_of(problem), [&] { return Partition(problem, engine()); });
}

std::string_view declines(const AttentionProblem& problem) {
  if (problem.empty() || problem.kv_length == 0) return "oneDNN takes no empty tensors";
  for (const TensorLayout* tensor : {&problem.q, &problem.k, &problem.v, &problem.out}) {
    if (!tensor->ascends()) return "oneDNN takes no repeated and no reversed dimensions";
  }
  static const int all_threads = Queue::cpu().threads();
  if (problem.threads < all_threads) return "oneDNN brings its own threads, and more than this queue may use";
  try {
    if (!partition_of(problem)->usable())
      return "oneDNN has no attention for this element type and layout on this processor";
  } catch (const dnnl::error&) {
    return "oneDNN finds no CPU device";
  }
  return {};
}

std::string kernel(const AttentionProblem&) {
  const dnnl_version_t* version = dnnl_version();
  return "oneDNN " + std::to_string(version->major) + "." + std::to_string(version->minor) + "." +
         std::to_string(version->patch);
}

void run(const AttentionProblem& problem, const AttentionArguments& arguments, Workspace&, const Queue&) {
  try {
    partition_of(problem)->run(problem, arguments, engine());
  } catch (const dnnl::error& e) {
    throw Error(ErrorCode::device_failure, std::string("attention: oneDNN: ") + e.what());
  }
}

}  // namespace

const AttentionWay kAttentionOneDnn = {
    .name = kName,
    .about = kAbout,
    .device = DeviceType::cpu,
    .knows = [](DeviceType) { return Features{}; },  // it is given no masks: rows without a key would not be 0
    .stores_scores = true,
    .declines = declines,
    .workspace_bytes = no_workspace<AttentionProblem>,
    .kernel = kernel,
    .run = run,
};
#else
const AttentionWay kAttentionOneDnn = {
    .name = kName, .about = kAbout, .missing = "this build of flashtile has no oneDNN"};
#endif

}  // namespace flashtile::inline v0_2::ops
