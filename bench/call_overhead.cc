// What a call costs from C over one from C++: attention of one element, in turns, each the fastest of some rounds. Prints the
// microseconds of both; bench/call_overhead.py adds Python's.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>

#include "flashtile/attention.h"
#include "flashtile/flashtile.h"

namespace {

constexpr int kRounds = 1000, kCalls = 100;

template <class F>
double microseconds(F&& call) {
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < kCalls; ++i) call();
  const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - start;
  return took.count() / kCalls;
}

}  // namespace

int main() {
  using namespace flashtile;
  const Tensor q(DType::f32, {1, 1, 1, 1}), out(DType::f32, {1, 1, 1, 1});
  q.as<float>()[0] = 1.0f;

  flashtile_tensor c_q, c_out;
  const std::int64_t shape[] = {1, 1, 1, 1};
  flashtile_packed_tensor(&c_q, q.data(), FLASHTILE_F32, 4, shape);
  flashtile_packed_tensor(&c_out, out.data(), FLASHTILE_F32, 4, shape);
  flashtile_attention_outputs outputs;
  FLASHTILE_INIT(outputs);
  outputs.out = &c_out;

  double cpp = 1e9, c = 1e9;
  for (int round = 0; round < kRounds; ++round) {
    cpp = std::min(cpp, microseconds([&] { attention_into({.out = out}, q, q, q); }));
    c = std::min(c, microseconds([&] { flashtile_attention(&outputs, &c_q, &c_q, &c_q, nullptr); }));
  }
  std::printf("%.3f %.3f\n", cpp, c);
  return 0;
}
