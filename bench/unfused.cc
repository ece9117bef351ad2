// The mark of the way `unfused`: the same work with the two matrix products of each head made by direct calls
// of cblas_sgemm, and the same softmax pass between them; and `tensor_ops` beside both.
//
// OpenBLAS runs with threads of its own. The three take turns, after a rest in which the threads of the one
// before fall asleep.
#include <cblas.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <thread>
#include <vector>

#include "bench/stopwatch.h"
#include "src/ops/attention/kernels.h"

namespace {
using namespace flashtile;

constexpr int kHeads = 16, kLength = 2048, kDim = 64, kRounds = 15;
constexpr int kScoresStride = kLength + 16;  // rows a multiple of a page apart would share few sets of a cache

Tensor random_tensor(unsigned seed) {
  const Tensor tensor(DType::f32, {1, kHeads, kLength, kDim});
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  std::generate_n(tensor.as<float>(), tensor.size(), [&] { return normal(generator); });
  return tensor;
}

float largest_difference(const Tensor& a, const Tensor& b) {
  float largest = 0;
  for (std::int64_t i = 0; i < a.size(); ++i)
    largest = std::max(largest, std::fabs(a.as<float>()[i] - b.as<float>()[i]));
  return largest;
}

struct Seconds {
  double products = 1e9, softmax = 1e9;
  double all() const { return products + softmax; }
};

/// Attention from direct calls of cblas_sgemm and the softmax pass of `unfused`.
class Direct {
 public:
  Direct(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& out, const Queue& queue)
      : q_(q), k_(k), v_(v), out_(out), queue_(queue), scores_(DType::f32, {kLength, kScoresStride}) {
    const auto [problem, arguments] =
        ops::validated({.out = out}, q.view(), k.view(), v.view(), {.queue = queue}, ops::Data::needed);
    softmax_ = ops::find_kernel(ops::AttentionText::softmax_rows, problem);
    params_ = ops::params_of(problem, arguments);
    params_.scores = scores_.as<float>(), params_.scores_stride = kScoresStride;
    params_.batch = params_.query_heads = params_.kv_heads = 1;
  }

  Seconds run(const bench::Stopwatch& stopwatch) const {
    Seconds seconds{0, 0};
    float* const scores = scores_.as<float>();
    for (int head = 0; head < kHeads; ++head) {
      const auto matrix = [&](const Tensor& tensor) { return tensor.as<float>() + head * kLength * kDim; };
      seconds.products += stopwatch([&] {
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, kLength, kLength, kDim, 1, matrix(q_), kDim,
                    matrix(k_), kDim, 0, scores, kScoresStride);
      });
      seconds.softmax += stopwatch([&] { softmax_->launch(queue_, params_); });
      seconds.products += stopwatch([&] {
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, kLength, kDim, kLength, 1, scores, kScoresStride,
                    matrix(v_), kDim, 0, matrix(out_), kDim);
      });
    }
    return seconds;
  }

 private:
  const Tensor &q_, &k_, &v_, &out_;
  const Queue& queue_;
  Tensor scores_;
  const kernels::AttentionKernel* softmax_;
  kernels::AttentionParams params_;
};

void measure(int threads) {
  const Queue queue = Queue::cpu({.threads = threads});
  const bench::Stopwatch stopwatch = bench::stopwatch_of(queue);
  const Tensor q = random_tensor(1), k = random_tensor(2), v = random_tensor(3);
  const Tensor expected(DType::f32, q.shape()), out(DType::f32, q.shape());
  const Direct direct(q, k, v, expected, queue);
  openblas_set_num_threads(threads);

  float difference = 0;
  const auto rest = [] { std::this_thread::sleep_for(std::chrono::milliseconds(150)); };
  const auto way = [&](const char* name, double& least) {
    rest();
    least = std::min(least,
                     stopwatch([&] { attention_into({.out = out}, q, k, v, {.way = name, .queue = queue}); }));
    difference = std::max(difference, largest_difference(out, expected));
  };
  Seconds blas;
  double unfused = 1e9, tensor_ops = 1e9;
  for (int round = 0; round < kRounds; ++round) {
    rest();
    if (const Seconds now = direct.run(stopwatch); now.all() < blas.all()) blas = now;
    way("unfused", unfused);
    way("tensor_ops", tensor_ops);
  }
  std::printf("%d thread%s, least of %d rounds\n", threads, threads == 1 ? "" : "s", kRounds);
  std::printf("  direct      %7.1f ms   cblas_sgemm %.1f ms, softmax pass %.1f ms\n", blas.all() * 1e3,
              blas.products * 1e3, blas.softmax * 1e3);
  std::printf("  unfused     %7.1f ms   %.2f of direct, %.2f of cblas_sgemm alone\n", unfused * 1e3,
              unfused / blas.all(), unfused / blas.products);
  std::printf("  tensor_ops  %7.1f ms   %.2f of unfused\n", tensor_ops * 1e3, tensor_ops / unfused);
  std::printf("  largest difference between results %.1e\n", static_cast<double>(difference));
}
}  // namespace

/// Arguments: thread counts; without any, 1 and 2.
int main(int count, char** arguments) {
  std::printf("B=1, H=%d, S=%d, D=%d, f32; %s\n", kHeads, kLength, kDim, openblas_get_config());
  if (count == 1) measure(1), measure(2);
  for (int i = 1; i < count; ++i) measure(std::atoi(arguments[i]));
  return 0;
}
