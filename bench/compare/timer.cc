// Times one call after another for tools/bench-compare, which keeps one such program running for each library that it
// compares. Only what every version's public headers have is used.
//
// A line of standard input asks for one sample; the answer is a line with the milliseconds of the fastest call:
//   attention DTYPE THREADS SECONDS CAUSAL B Hq Hkv Lq Lkv D
//   gemm DTYPE THREADS SECONDS M N K
#include <flashtile/attention.h>
#include <flashtile/gemm.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <iostream>
#include <random>
#include <sstream>
#include <string>

namespace {
using namespace flashtile;

Tensor normal_tensor(DType dtype, const Dims& shape, unsigned seed) {
  const Tensor tensor(dtype, shape);
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  for (std::int64_t i = 0; i < tensor.size(); ++i) {
    const float x = normal(generator);
    if (dtype == DType::f32) {
      tensor.as<float>()[i] = x;
    } else if (dtype == DType::f16) {
      tensor.as<half>()[i] = half(x);
    } else {
      tensor.as<bfloat>()[i] = bfloat(x);
    }
  }
  return tensor;
}

using Call = std::function<void()>;

Call attention_call(DType dtype, const Queue& queue, std::istream& words) {
  int causal = 0;
  std::int64_t batch = 0, q_heads = 0, kv_heads = 0, q_length = 0, kv_length = 0, dim = 0;
  words >> causal >> batch >> q_heads >> kv_heads >> q_length >> kv_length >> dim;
  const Tensor q = normal_tensor(dtype, {batch, q_heads, q_length, dim}, 1);
  const Tensor k = normal_tensor(dtype, {batch, kv_heads, kv_length, dim}, 2);
  const Tensor v = normal_tensor(dtype, {batch, kv_heads, kv_length, dim}, 3);
  const Tensor out(dtype, q.shape());
  AttentionOptions options;
  if (causal != 0) options.mask.causal = CausalCorner::top_left;
  options.queue = queue;
  return [=] { attention_into({.out = out}, q, k, v, options); };
}

Call gemm_call(DType dtype, const Queue& queue, std::istream& words) {
  std::int64_t m = 0, n = 0, k = 0;
  words >> m >> n >> k;
  const Tensor a = normal_tensor(dtype, {m, k}, 1), b = normal_tensor(dtype, {k, n}, 2), c(dtype, {m, n});
  GemmOptions options;
  options.queue = queue;
  return [=] { gemm(c, a, b, options); };
}

double fastest_call(const Call& call, double seconds) {
  using Clock = std::chrono::steady_clock;
  call();  // what ran before has left other things in the caches
  double least = 1e9;
  const Clock::time_point start = Clock::now();
  for (int calls = 0; calls < 2 || std::chrono::duration<double>(Clock::now() - start).count() < seconds;
       ++calls) {
    const Clock::time_point before = Clock::now();
    call();
    least = std::min(least, std::chrono::duration<double, std::milli>(Clock::now() - before).count());
  }
  return least;
}
}  // namespace

int main() {
  std::string line, current;
  Call call;
  double seconds = 0;
  while (std::getline(std::cin, line)) {
    if (line != current) {  // a round asks for the same cell as the one before
      std::istringstream words(line);
      std::string op, type;
      int threads = 1;
      words >> op >> type >> threads >> seconds;
      const DType dtype = type == "f32" ? DType::f32 : type == "f16" ? DType::f16 : DType::bf16;
      const Queue queue = Queue::cpu({.threads = threads});
      call = op == "gemm" ? gemm_call(dtype, queue, words) : attention_call(dtype, queue, words);
      current = line;
    }
    std::printf("%.6f\n", fastest_call(call, seconds));
    std::fflush(stdout);
  }
  return 0;
}
