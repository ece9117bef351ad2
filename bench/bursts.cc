// Times attention on a GPU as a burst and at the power limit: `bursts WAY DTYPE CAUSAL SHAPE...` prints a JSON
// line for each shape B,Hq,Hkv,Lq,Lkv,D,Dv. Called by bench/hopper.py; bench/peers/flash_attn_4.py times the
// same way.
//
// burst      the GPU idles 100 ms, runs one call to warm up, then calls of about 8 ms together between two
// events sustained  120 ms of the same calls first, then calls of about 12 ms: the clock is what the power
// limit leaves
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <random>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "bench/flops.h"
#include "bench/stopwatch.h"
#include "flashtile/attention.h"
#include "flashtile/error.h"

namespace flashtile::bench {
namespace {

constexpr double kIdle = 0.1, kBurst = 8e-3, kHeat = 0.12, kSample = 12e-3;
constexpr int kRounds = 5;

/// Normal values, (B, L, H, D) in memory as (B, H, L, D). A pool of random ones is repeated.
Tensor random_rows(DType dtype, std::int64_t batch, std::int64_t heads, std::int64_t length, std::int64_t dim,
                   unsigned seed, Device device) {
  constexpr std::size_t kPool = (std::size_t{1} << 20) + 7;
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> pool(kPool);
  for (float& x : pool) x = normal(random);
  Tensor rows(DType::f32, {batch, length, heads, dim});
  for (std::int64_t i = 0; i < rows.size(); ++i)
    rows.as<float>()[i] = pool[static_cast<std::size_t>(i) % kPool];
  return copy_to(convert(rows, dtype), device);
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// Seconds of one call as a burst, and sustained.
struct Seconds {
  double burst, sustained;
};
template <class Call>
Seconds time(const Queue& queue, const Call& call) {
  const Stopwatch stopwatch = stopwatch_of(queue);
  const auto many = [&](int count) {
    return stopwatch([&] {
             for (int i = 0; i < count; ++i) call();
           }) /
           count;
  };
  const double one = std::min(many(3), many(3));
  const auto count_for = [&](double seconds) { return std::max(2, static_cast<int>(seconds / one)); };
  std::vector<double> burst, sustained;
  for (int round = 0; round < kRounds; ++round) {
    queue.synchronize();
    std::this_thread::sleep_for(std::chrono::duration<double>(kIdle));
    call();
    burst.push_back(many(count_for(kBurst)));
  }
  for (int round = 0; round < 2; ++round) {
    many(count_for(kHeat));
    for (int sample = 0; sample < kRounds; ++sample) sustained.push_back(many(count_for(kSample)));
  }
  return {median(burst), median(sustained)};
}

AttentionSizes parse_shape(const std::string& text) {
  std::int64_t size[7] = {};
  std::istringstream words(text);
  std::string word;
  for (std::int64_t& s : size) {
    if (!std::getline(words, word, ',')) throw std::runtime_error("a shape is B,Hq,Hkv,Lq,Lkv,D,Dv: " + text);
    s = std::stoll(word);
  }
  return {size[0], size[1], size[2], size[3], size[4], size[5], size[6]};
}

void report(const std::string& way, DType dtype, bool causal, const std::string& shape) {
  const AttentionSizes s = parse_shape(shape);
  const Queue queue = Queue::cuda();
  const Device device = queue.device();
  AttentionOptions options{.way = way, .queue = queue};
  if (causal) options.mask.causal = CausalCorner::top_left;
  const auto rows = [&](std::int64_t heads, std::int64_t length, std::int64_t dim, unsigned seed) {
    return random_rows(dtype, s.batch, heads, length, dim, seed, device);
  };
  const Tensor q = rows(s.query_heads, s.query_length, s.head_dim, 1),
               k = rows(s.kv_heads, s.kv_length, s.head_dim, 2),
               v = rows(s.kv_heads, s.kv_length, s.value_dim, 3),
               out(dtype, {s.batch, s.query_length, s.query_heads, s.value_dim}, device);
  const auto bhsd = [](const Tensor& t) { return t.view().permuted({0, 2, 1, 3}); };
  const TensorView q_view = bhsd(q), k_view = bhsd(k), v_view = bhsd(v);
  AttentionOutputs outputs{.out = bhsd(out)};
  const Tensor workspace(DType::u8,
                         {static_cast<std::int64_t>(
                             plan_attention_into(outputs, q_view, k_view, v_view, options).workspace_bytes)},
                         device);
  outputs.workspace = {static_cast<std::byte*>(workspace.data()), workspace.size_bytes()};
  const Seconds seconds = time(queue, [&] { attention_into(outputs, q_view, k_view, v_view, options); });
  // What is usual to count: half of the pairs where the mask is causal.
  const double pairs =
      static_cast<double>(s.query_length) * static_cast<double>(s.kv_length) * (causal ? 0.5 : 1.0);
  const double flops = 2.0 * static_cast<double>(s.batch * s.query_heads * (s.head_dim + s.value_dim)) * pairs;
  std::printf(
      "{\"way\": \"%s\", \"dtype\": \"%s\", \"causal\": %s, \"shape\": \"%s\", \"burst\": %.1f, \"sustained\": "
      "%.1f, "
      "\"burst_us\": %.1f}\n",
      way.c_str(), name(dtype), causal ? "true" : "false", shape.c_str(), flops / seconds.burst * 1e-12,
      flops / seconds.sustained * 1e-12, seconds.burst * 1e6);
  std::fflush(stdout);
}

int run(int count, char** words) {
  if (count < 5) {
    std::fprintf(stderr, "usage: %s WAY bf16|f16 full|causal B,Hq,Hkv,Lq,Lkv,D,Dv...\n", words[0]);
    return 2;
  }
  for (int i = 4; i < count; ++i) {
    report(words[1], std::string_view(words[2]) == "f16" ? DType::f16 : DType::bf16,
           std::string_view(words[3]) == "causal", words[i]);
  }
  return 0;
}

}  // namespace
}  // namespace flashtile::bench

int main(int count, char** words) {
  try {
    return flashtile::bench::run(count, words);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "bursts: %s\n", e.what());
    return 1;
  }
}
