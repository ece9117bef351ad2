// The way `unfused`: a matrix product, a softmax pass over the stored scores, and another matrix product, head
// by head. Its workspace holds the whole score matrix of one head.
#include <algorithm>
#include <span>
#include <string>

#include "flashtile/gemm.h"
#include "src/core/checked.h"
#include "src/ops/attention/kernel/entry.h"
#include "src/ops/attention/kernels.h"
#include "src/ops/attention/ways.h"

namespace flashtile::inline v0_2::ops {
namespace {

/// Elements from one row of scores to the next: whole cache lines, and never a multiple of a page, whose rows
/// would all fall into the same few sets of a cache.
std::int64_t score_stride(const AttentionProblem& problem) {
  const std::int64_t stride = (problem.kv_length + 15) / 16 * 16;
  return stride % 1024 == 0 ? stride + 16 : stride;
}

std::string_view declines(const AttentionProblem& problem) {
  if (find_kernel(AttentionText::softmax_rows, problem) != nullptr) return {};
  return "no softmax pass is compiled for this device and element type";
}

std::int64_t scores_count(const AttentionProblem& problem) {
  return core::checked_multiply(problem.query_length, score_stride(problem), "attention: scores of unfused");
}

/// Are keys so many that their weighted values are summed in chains? Libraries for GPUs do so by themselves.
bool sums_in_chains(const AttentionProblem& problem) {
  return problem.device.type == DeviceType::cpu && problem.kv_length > kernels::kKeysOfChain;
}
/// Elements of the float32 sums of one head's chains; an output of float32 holds them itself.
std::int64_t sums_count(const AttentionProblem& problem) {
  const bool needed = sums_in_chains(problem) && problem.out.dtype != DType::f32;
  return needed ? core::checked_multiply(problem.query_length, problem.value_dim, "attention: sums of unfused")
                : 0;
}

std::size_t workspace_bytes(const AttentionProblem& problem) {
  const std::int64_t floats =
      core::checked_add(scores_count(problem), sums_count(problem), "attention: scores of unfused");
  return static_cast<std::size_t>(
      core::checked_multiply(floats, sizeof(float), "attention: scores of unfused"));
}

/// The first element of one head.
void* head_at(const TensorLayout& layout, void* data, std::int64_t batch, std::int64_t head) {
  const std::int64_t offset = batch * layout.strides[0] + head * layout.strides[1];
  return static_cast<std::byte*>(data) + offset * bits(layout.dtype) / 8;
}

/// One head's rows as a matrix.
TensorView matrix_of(const TensorLayout& layout, void* head, Device device) {
  return {
      head, layout.dtype, {layout.shape[2], layout.shape[3]}, {layout.strides[2], layout.strides[3]}, device};
}

TensorView scores_view(const AttentionProblem& problem, void* data) {
  return {
      data, DType::f32, {problem.query_length, problem.kv_length}, {score_stride(problem), 1}, problem.device};
}

/// Weights of float16 are stored this many times larger, and their product with V is divided by it: those below 2^-14
/// would lose digits, though a long row is made of nothing else.
float weights_scale(DType dtype) { return dtype == DType::f16 ? 0x1p14f : 1.0f; }

/// The weights lie where the scores were, each row in the first bytes of its row.
TensorView weights_view(const AttentionProblem& problem, void* data) {
  TensorView view = scores_view(problem, data);
  view.dtype = problem.dtype;
  view.strides[0] *= 32 / bits(problem.dtype);
  return view;
}

template <class T>
void round_rows(const TensorView& out, const TensorView& sums) {
  for (std::int64_t i = 0; i < out.shape[0]; ++i) {
    T* const to = static_cast<T*>(out.data) + i * out.strides[0];
    const float* const from = static_cast<const float*>(sums.data) + i * sums.strides[0];
    for (std::int64_t d = 0; d < out.shape[1]; ++d) to[d] = T(from[d]);
  }
}

/// out = weights v, where each chain of keys is a product of its own that is added to those before.
void multiply_in_chains(const TensorView& out, const TensorView& weights, const TensorView& v,
                        float* sums_memory, GemmOptions options) {
  const bool rounds = out.dtype != DType::f32;
  TensorView sums = out;
  if (rounds) sums = {sums_memory, DType::f32, out.shape, {out.shape[1], 1}, out.device};
  const std::int64_t keys = weights.shape[1];
  for (std::int64_t begin = 0; begin < keys; begin += kernels::kKeysOfChain) {
    const std::int64_t end = std::min<std::int64_t>(begin + kernels::kKeysOfChain, keys);
    gemm(sums, weights.sliced(1, begin, end), v.sliced(0, begin, end), options);
    options.beta = 1.0f;
  }
  if (!rounds) return;
  out.dtype == DType::f16 ? round_rows<half>(out, sums) : round_rows<bfloat>(out, sums);
}

/// "gemm by panels (panels f32 x f32 avx512), softmax_rows ...".
std::string kernel(const AttentionProblem& problem) {
  const TensorView scores = scores_view(problem, nullptr);
  const Plan product = plan_gemm(scores, matrix_of(problem.q, nullptr, problem.device),
                                 matrix_of(problem.k, nullptr, problem.device).permuted({1, 0}));
  return "gemm by " + product.way + " (" + product.kernel + "), " +
         describe(*find_kernel(AttentionText::softmax_rows, problem), problem);
}

/// The parameters of one head, as if it were the only one.
kernels::AttentionParams params_of_head(const AttentionProblem& problem, const AttentionArguments& arguments,
                                        std::int64_t b, std::int64_t h) {
  kernels::AttentionParams p = params_of(problem, arguments);
  p.batch = p.query_heads = p.kv_heads = 1;
  if (problem.boolean) p.rule.mask.boolean.data = head_at(*problem.boolean, arguments.boolean, b, h);
  if (problem.bias) p.rule.mask.bias.data = head_at(*problem.bias, arguments.bias, b, h);
  for (kernels::RowIds* ids : {&p.rule.segments.q, &p.rule.segments.kv})
    if (ids->data != nullptr) ids->data = ids->of(b);
  if (kernels::BlockMap& map = p.rule.blocks; map.given())
    map.data += b * map.strides.batch + h * map.strides.head;
  if (problem.lse) p.lse = static_cast<float*>(head_at(*problem.lse, arguments.lse, b, h));
  for (kernels::HeadNumbers* numbers : {&p.rule.slopes, &p.sinks}) {
    if (numbers->given()) numbers->data += b * numbers->batch + h * numbers->head;
  }
  const auto entry_at = [&](kernels::EntryNumbers& numbers) {
    const std::int64_t bytes = numbers.type == kernels::NumberType::i64 ? 8 : 4;
    if (numbers.given())
      numbers.data = static_cast<const std::byte*>(numbers.data) + b * numbers.stride * bytes;
  };
  entry_at(p.query_lengths);
  entry_at(p.kv_lengths);
  entry_at(p.query_offsets);
  return p;
}

/// Writes the scores of one head that the call wants, from the stored q·k of the rows that are there.
void write_scores(const AttentionProblem& problem, const AttentionArguments& arguments, std::int64_t b,
                  std::int64_t h, kernels::AttentionParams params, const Queue& queue) {
  params.wanted = {head_at(*problem.scores, arguments.scores, b, h), problem.scores->strides[2],
                   problem.scores->dtype == DType::f32, problem.score_stage};
  params.rule.take_natural_units();
  find_kernel(AttentionText::score_stages, problem)->launch(queue, params);
}

void run(const AttentionProblem& problem, const AttentionArguments& arguments, Workspace& workspace,
         const Queue& queue) {
  const kernels::AttentionKernel& softmax = *find_kernel(AttentionText::softmax_rows, problem);
  GemmOptions of_scores, of_weights;
  of_scores.queue = of_weights.queue = queue;
  of_weights.alpha = 1.0f / weights_scale(problem.dtype);
  auto* const scores = reinterpret_cast<float*>(workspace.take(workspace_bytes(problem)));
  const TensorView all_scores = scores_view(problem, scores), all_weights = weights_view(problem, scores);

  for (std::int64_t b = 0; b < problem.batch; ++b) {
    for (std::int64_t h = 0; h < problem.query_heads; ++h) {
      kernels::AttentionParams params = params_of_head(problem, arguments, b, h);
      params.scores = scores;
      params.scores_stride = score_stride(problem);
      params.weights_scale = weights_scale(problem.dtype);
      // On a CPU only rows that are there are multiplied; exact_rows writes the others. A GPU's lengths are not here.
      std::int64_t queries = problem.query_length, keys = problem.kv_length;
      if (problem.device.type == DeviceType::cpu) {
        const kernels::Entry entry = kernels::entry_of(params, 0);
        queries = entry.query_length;
        keys = entry.kv_length;
      }
      const auto rows_of = [&](const TensorLayout& layout, void* data, std::int64_t head, std::int64_t count) {
        return matrix_of(layout, head_at(layout, data, b, head), problem.device).sliced(0, 0, count);
      };
      const std::int64_t kv_head = h / (problem.query_heads / problem.kv_heads);
      const TensorView q = rows_of(problem.q, arguments.q, h, queries),
                       out = rows_of(problem.out, arguments.out, h, queries),
                       k = rows_of(problem.k, arguments.k, kv_head, keys),
                       v = rows_of(problem.v, arguments.v, kv_head, keys);
      const bool none = queries == 0 || keys == 0;
      if (!none) gemm(all_scores.sliced(0, 0, queries).sliced(1, 0, keys), q, k.permuted({1, 0}), of_scores);
      if (problem.scores) write_scores(problem, arguments, b, h, params, queue);
      if (none) continue;
      params.query_length = static_cast<std::int32_t>(queries);
      softmax.launch(queue, params);
      const TensorView weights = all_weights.sliced(0, 0, queries).sliced(1, 0, keys);
      if (sums_in_chains(problem))
        multiply_in_chains(out, weights, v, params.scores + scores_count(problem), of_weights);
      else
        gemm(out, weights, v, of_weights);
    }
  }
}

}  // namespace

const AttentionWay kAttentionUnfused = {
    .name = "unfused",
    .about = "matrix product, softmax pass, matrix product; stores one head's scores",
    .knows =
        [](DeviceType) {
          return Features::all().without(Feature::quantised).without(Feature::packed).without(Feature::paged);
        },
    .stores_scores = true,
    .declines = declines,
    .workspace_bytes = workspace_bytes,
    .kernel = kernel,
    .run = run,
};

}  // namespace flashtile::inline v0_2::ops
