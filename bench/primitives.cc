// How much of this core's multiply-add peak the vocabulary's product reaches on tiles that lie in the
// first-level cache, and what the softmax between two products costs. One program an instruction set; prints a
// line a measurement.
//
// Times are thread CPU time, each the least of many short runs taken in turns, so that neighbours on the
// machine and changes of its clock hit all lines alike.
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <vector>

#include "flashtile/primitives.h"

namespace {
using namespace flashtile;
using namespace flashtile::primitives;

double thread_seconds() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

volatile float sink;

/// Flops of one call: independent chains of multiply-adds that never leave the registers.
constexpr int kChains = 12, kChainLength = 2000;
[[gnu::noinline]] double peak() {
  floats sum[kChains];
  FT_UNROLL for (int i = 0; i < kChains; ++i) sum[i] = floats(static_cast<float>(i));
  floats a = 0.999f, b = 1e-3f;
  for (int k = 0; k < kChainLength; ++k) {
    FT_UNROLL for (int i = 0; i < kChains; ++i) sum[i] = fma(sum[i], a, b);
    __asm__ volatile("" : "+x"(a.v), "+x"(b.v));
  }
  floats total = 0.0f;
  FT_UNROLL for (int i = 0; i < kChains; ++i) total = total + sum[i];
  sink = total[0];
  return 2.0 * kChains * kChainLength * kLanes;
}

struct Measurement {
  const char* name;
  double (*work)();   // returns what it counts: flops or elements
  double best = 0.0;  // counts a second
};

alignas(64) float memory[3][256 * 256];

template <int M, int N, int K, bool TransposeRight>
double multiply() {
  using Product = matmul2d<matmul2d_descriptor{M, N, K, false, TransposeRight}, execution_simdgroup>;
  static auto left = Product::template get_left_input_cooperative_tensor<float, float, float>();
  tensor<float, dextents<int, 2>, tensor_inline> right(
      memory[1], TransposeRight ? dextents<int, 2>(K, N) : dextents<int, 2>(N, K));
  static auto d =
      Product::template get_destination_cooperative_tensor<decltype(left), decltype(right), float>();
  constexpr int kRepeat = 4;
  for (int i = 0; i < kRepeat; ++i) Product().run(left, right, d);
  sink = d.get(5);
  return 2.0 * M * N * K * kRepeat;
}

auto score_tile() {
  using Product = matmul2d<matmul2d_descriptor{64, 64, 64}, execution_simdgroup>;
  using Operand = tensor<float, dextents<int, 2>, tensor_inline>;
  return Product::get_destination_cooperative_tensor<Operand, Operand, float>();
}
auto row_tile_of_scores() {
  using Product = matmul2d<matmul2d_descriptor{64, 64, 64}, execution_simdgroup>;
  using Operand = tensor<float, dextents<int, 2>, tensor_inline>;
  return Product::get_row_reduction_destination_cooperative_tensor<Operand, Operand, float>();
}
double exponentials() {
  static auto s = score_tile();
  static auto rows = row_tile_of_scores();
  map_rows(s, rows, [](auto x, auto top) { return exp2(fma(x, 0.125f, -top)); });
  sink = s.get(3);
  return 64 * 64;
}
template <reduction_operation Op>
double reductions() {
  static auto s = score_tile();
  static auto rows = row_tile_of_scores();
  reduce_rows(s, rows, Op, 0.0f);
  sink = rows.get(3);
  return 64 * 64;
}
double scaling() {
  static auto s = score_tile();
  static auto rows = row_tile_of_scores();
  map_rows(s, rows, [](auto x, auto factor) { return x * factor; });
  sink = s.get(3);
  return 64 * 64;
}
template <class T>
double loads() {
  static auto s = score_tile();
  tensor<const T, dextents<int, 2>, tensor_inline> in(reinterpret_cast<const T*>(memory[0]),
                                                      dextents<int, 2>(64, 64));
  load(s, in);
  sink = s.get(3);
  return 64 * 64;
}
double stores() {
  static auto s = score_tile();
  tensor<float, dextents<int, 2>, tensor_inline> out(memory[2], dextents<int, 2>(64, 64));
  store(s, out);
  sink = memory[2][3];
  return 64 * 64;
}
template <class T>
double stages() {
  using Product = matmul2d<matmul2d_descriptor{64, 64, 64}, execution_simdgroup>;
  static Product::right_tile_stages<T, 1> staged;
  tensor<const T, dextents<int, 2>, tensor_inline> in(reinterpret_cast<const T*>(memory[0]),
                                                      dextents<int, 2>(64, 64));
  load_tile_async<execution_simdgroup>(staged, 0, in);
  sink = *static_cast<const float*>(tile(staged, 0).view.at.data);
  return 64 * 64;
}
double blocks() {
  static simdgroup_matrix_block<float, 8, 2> a(1.0f);
  static simdgroup_matrix_block<float, 2, 8> b(1.0f);
  static simdgroup_matrix_block<float, 8, 8> d(0.0f);
  for (int k = 0; k < 4; ++k) {
    simdgroup_load(b, memory[1], 64, matrix_origin{0, 16 * k}, false);
    simdgroup_multiply_accumulate(d, a, b, d);
  }
  sink = d.data()[3];
  return 2.0 * 64 * 64 * 64;
}
}  // namespace

int main() {
  for (auto& part : memory) std::fill_n(part, 256 * 256, 0.001f);
  Measurement peaks[] = {{"multiply-add in registers", peak}};
  Measurement products[] = {
      {"64 x 64 x 64, right operand by row", multiply<64, 64, 64, false>},
      {"64 x 64 x 64, right operand transposed", multiply<64, 64, 64, true>},
      {"64 x 128 x 64", multiply<64, 128, 64, false>},
      {"64 x 64 x 128, transposed", multiply<64, 64, 128, true>},
      {"16 x 64 x 64", multiply<16, 64, 64, false>},
      {"16 x 64 x 64, transposed", multiply<16, 64, 64, true>},
      {"blocks of matrices, 64 x 64 x 64", blocks},
  };
  Measurement tiles[] = {
      {"exp2(fma) of a 64 x 64 tile", exponentials},
      {"row maximum", reductions<reduction_operation::max>},
      {"row sum", reductions<reduction_operation::sum>},
      {"row scaling", scaling},
      {"load float", loads<float>},
      {"load half", loads<half>},
      {"store float", stores},
      {"stage half", stages<half>},
      {"stage bfloat", stages<bfloat>},
  };
  std::vector<Measurement*> all;
  for (auto& m : peaks) all.push_back(&m);
  for (auto& m : products) all.push_back(&m);
  for (auto& m : tiles) all.push_back(&m);
  for (int round = 0; round < 200; ++round) {
    for (Measurement* m : all) {
      const double start = thread_seconds();
      double count = 0.0;
      for (int i = 0; i < 20; ++i) count += m->work();
      m->best = std::max(m->best, count / (thread_seconds() - start));
    }
  }
  std::printf("%-42s %8.1f GFLOP/s\n", peaks[0].name, peaks[0].best * 1e-9);
  for (const auto& m : products)
    std::printf("%-42s %8.1f GFLOP/s  %5.1f %% of the peak\n", m.name, m.best * 1e-9,
                100.0 * m.best / peaks[0].best);
  for (const auto& m : tiles) std::printf("%-42s %8.2f G elements/s\n", m.name, m.best * 1e-9);
  return 0;
}
