// Times attention of few queries on long keys on a GPU: `decode WAY DTYPE SHAPE...` prints a JSON line for each shape
// B,Hq,Hkv,Lq,Lkv,D,Dv. Called by bench/hopper.py; bench/peers/flash_attn_4.py --rotate times peers the same way.
//
// Such calls are over in some ten microseconds and read each byte once. So 20 calls run back to back, as one graph, and
// take their keys and values from sets of more than 200 MB in turn, which no cache holds. `share` is of the rate of a
// copy within the GPU in the same run, bytes read and written.
#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "bench/random_rows.h"
#include "bench/stopwatch.h"
#include "flashtile/attention.h"
#include "flashtile/detail/cuda_calls.h"
#include "flashtile/error.h"

namespace flashtile::bench {
namespace {

using flashtile::detail::check_cuda;

constexpr int kCalls = 20, kRounds = 15;
constexpr std::size_t kColdBytes = 200'000'000;

/// A stream of the benchmark's own, since the default one cannot be recorded.
class Stream {
 public:
  Stream() { check_cuda(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreate"); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  ~Stream() { cudaStreamDestroy(stream_); }
  cudaStream_t get() const { return stream_; }

 private:
  cudaStream_t stream_ = nullptr;
};

/// Seconds of one of the calls of which `all` queues kCalls: as one graph, and queued one by one.
struct Seconds {
  double graph, calls;
};
template <class All>
Seconds time(const Queue& queue, const All& all) {
  const auto stream = static_cast<cudaStream_t>(queue.native_stream());
  const Stopwatch stopwatch = stopwatch_of(queue);
  const auto median = [&](const auto& work) {
    std::vector<double> seconds;
    for (int round = 0; round < kRounds; ++round) seconds.push_back(stopwatch(work) / kCalls);
    std::nth_element(seconds.begin(), seconds.begin() + kRounds / 2, seconds.end());
    return seconds[kRounds / 2];
  };
  all();
  queue.synchronize();
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  check_cuda(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed), "cudaStreamBeginCapture");
  all();
  check_cuda(cudaStreamEndCapture(stream, &graph), "cudaStreamEndCapture");
  check_cuda(cudaGraphInstantiate(&executable, graph, 0), "cudaGraphInstantiate");
  const auto launch = [&] { check_cuda(cudaGraphLaunch(executable, stream), "cudaGraphLaunch"); };
  launch();
  const Seconds result{median(launch), median(all)};
  cudaGraphExecDestroy(executable);
  cudaGraphDestroy(graph);
  return result;
}

void report(const std::string& way, DType dtype, const std::string& shape, const Queue& queue,
            double copy_bytes) {
  std::int64_t s[7] = {};
  std::istringstream words(shape);
  std::string word;
  for (std::int64_t& size : s) {
    if (!std::getline(words, word, ',')) throw std::runtime_error("a shape is B,Hq,Hkv,Lq,Lkv,D,Dv: " + shape);
    size = std::stoll(word);
  }
  const auto& [batch, query_heads, kv_heads, query_length, kv_length, head_dim, value_dim] = s;
  const Device device = queue.device();
  const Tensor q = random_rows(dtype, {batch, query_heads, query_length, head_dim}, 1, device),
               out(dtype, {batch, query_heads, query_length, value_dim}, device);
  std::vector<Tensor> keys, values;
  std::size_t bytes = 0;
  while (keys.size() < 2 || bytes < 2 * kColdBytes) {
    const auto seed = static_cast<unsigned>(2 + 2 * keys.size());
    keys.push_back(random_rows(dtype, {batch, kv_heads, kv_length, head_dim}, seed, device));
    values.push_back(random_rows(dtype, {batch, kv_heads, kv_length, value_dim}, seed + 1, device));
    bytes += keys.back().size_bytes() + values.back().size_bytes();
  }
  const AttentionOptions options{.way = way, .queue = queue};
  AttentionOutputs outputs{.out = out.view()};
  const Plan plan = plan_attention_into(outputs, q, keys[0], values[0], options);
  const Tensor workspace(DType::u8, {static_cast<std::int64_t>(plan.workspace_bytes)}, device);
  outputs.workspace = {static_cast<std::byte*>(workspace.data()), workspace.size_bytes()};
  const Seconds seconds = time(queue, [&] {
    for (std::size_t i = 0; i < kCalls; ++i)
      attention_into(outputs, q, keys[i % keys.size()], values[i % values.size()], options);
  });
  const double rate = static_cast<double>(bytes) / static_cast<double>(keys.size()) / seconds.graph;
  std::printf(
      "{\"way\": \"%s\", \"dtype\": \"%s\", \"decode\": true, \"shape\": \"%s\", \"us\": %.2f, \"call_us\": "
      "%.2f, "
      "\"gb_per_s\": %.0f, \"copy_gb_per_s\": %.0f, \"share\": %.3f, \"kernel\": \"%s\"}\n",
      plan.way.c_str(), name(dtype), shape.c_str(), seconds.graph * 1e6, seconds.calls * 1e6, rate * 1e-9,
      copy_bytes * 1e-9, rate / copy_bytes, plan.kernel.c_str());
  std::fflush(stdout);
}

int run(int count, char** words) {
  if (count < 4) {
    std::fprintf(stderr, "usage: %s WAY f32|f16|bf16 B,Hq,Hkv,Lq,Lkv,D,Dv...\n", words[0]);
    return 2;
  }
  const std::string_view type = words[2];
  const DType dtype = type == "f32" ? DType::f32 : type == "f16" ? DType::f16 : DType::bf16;
  const Stream stream;
  const Queue queue = Queue::cuda(0, stream.get());
  const double copy_bytes = gpu_copy_bytes(queue);
  for (int i = 3; i < count; ++i) {
    try {
      report(words[1], dtype, words[i], queue, copy_bytes);
    } catch (const Error& e) {  // a way that cannot is a result, not a failure of the run
      std::printf(
          "{\"way\": \"%s\", \"dtype\": \"%s\", \"decode\": true, \"shape\": \"%s\", \"reason\": \"%s\"}\n",
          words[1], name(dtype), words[i], std::string(e.what()).substr(0, 200).c_str());
    }
  }
  return 0;
}

}  // namespace
}  // namespace flashtile::bench

int main(int count, char** words) {
  try {
    return flashtile::bench::run(count, words);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "decode: %s\n", e.what());
    return 1;
  }
}
