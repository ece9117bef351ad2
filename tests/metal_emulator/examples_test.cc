// The kernels of examples/metal against the float64 oracle, under every layout of cooperative tensors.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "flashtile/dtype.h"
#include "reference/attention.h"
#include "reference/bounds.h"
#include "tests/metal_emulator/run_kernel.h"

namespace flashtile::metal_emulator {
namespace {

Module& example(const std::string& name) { return module_of("../../examples/metal/" + name); }

std::vector<half> normal_numbers(std::size_t size, unsigned seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal;
  std::vector<half> values;
  for (std::size_t i = 0; i < size; ++i) values.push_back(half(normal(engine)));
  return values;
}

std::vector<double> doubles(const std::vector<half>& values) {
  std::vector<double> result;
  for (const half value : values) result.push_back(static_cast<double>(static_cast<float>(value)));
  return result;
}

/// q, k, v and o (batch, heads, length, dim); every element of o within the oracle's bound.
void expect_attention(const std::string& name, std::int64_t batch, std::int64_t heads, std::int64_t length,
                      std::int64_t dim, Layout layout) {
  const auto size = static_cast<std::size_t>(batch * heads * length * dim);
  std::vector<half> q = normal_numbers(size, 1), k = normal_numbers(size, 2), v = normal_numbers(size, 3),
                    o(size);
  std::vector<float> scale{1.0f / std::sqrt(static_cast<float>(dim))};
  example(name).run(
      {.kernel = name,
       .buffers =
           {{0, bytes_of(q)}, {1, bytes_of(k)}, {2, bytes_of(v)}, {3, bytes_of(o)}, {4, bytes_of(scale)}},
       .threads = {32},
       .threadgroups = {static_cast<std::uint32_t>(heads), static_cast<std::uint32_t>(batch)},
       .layout = layout});
  const std::vector<double> dq = doubles(q), dk = doubles(k), dv = doubles(v);
  reference::AttentionCase a;
  a.batch = batch, a.query_heads = a.kv_heads = heads, a.query_length = a.kv_length = length,
  a.head_dim = a.value_dim = dim;
  a.scale = static_cast<double>(scale[0]);
  const std::array<std::int64_t, 4> strides{heads * length * dim, length * dim, dim, 1};
  a.q = {dq.data(), strides}, a.k = {dk.data(), strides}, a.v = {dv.data(), strides};
  for (std::int64_t b = 0; b < batch; ++b) {
    for (std::int64_t h = 0; h < heads; ++h) {
      for (std::int64_t i = 0; i < length; ++i) {
        const reference::AttentionRow row = reference::attention_row(a, b, h, i);
        const reference::AttentionBounds bounds = reference::attention_bounds(a, row, reference::kFloat16);
        for (std::int64_t d = 0; d < dim; ++d) {
          const auto at = static_cast<std::size_t>(((b * heads + h) * length + i) * dim + d);
          const auto column = static_cast<std::size_t>(d);
          ASSERT_NEAR(static_cast<double>(static_cast<float>(o[at])), row.out[column], bounds.out[column])
              << name << ", batch " << b << ", head " << h << ", row " << i << ", column " << d;
        }
      }
    }
  }
}

const Layout kLayouts[] = {Layout::before_m5, Layout::m5, Layout::os26_0, Layout::os26_2};

TEST(MetalExamples, AttentionBySimdgroupMatricesMeetsTheBound) {
  expect_attention("attention_simdgroup", 1, 1, 8, 8, Layout::before_m5);
}

TEST(MetalExamples, AttentionByTensorOpsMeetsTheBoundUnderEveryLayout) {
  for (const Layout layout : kLayouts) expect_attention("attention_tensor_ops", 1, 2, 64, 64, layout);
}

TEST(MetalExamples, AttentionByTensorOpsOfEightHeads) {
  expect_attention("attention_tensor_ops", 2, 4, 64, 64, Layout::before_m5);
}

template <class T>
void expect_matmul(const std::string& kernel, int m, int n, int k, Layout layout) {
  std::mt19937 engine(5);
  std::normal_distribution<float> normal;
  const auto size = [](int rows, int columns) {
    return static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns);
  };
  std::vector<T> a, b;
  for (std::size_t i = 0; i < size(m, k); ++i) a.push_back(T(normal(engine)));
  for (std::size_t i = 0; i < size(k, n); ++i) b.push_back(T(normal(engine)));
  std::vector<float> c(size(m, n));
  std::vector<std::int32_t> mnk{m, n, k, 0};
  example("matmul").run(
      {.kernel = kernel,
       .buffers = {{0, bytes_of(a)}, {1, bytes_of(b)}, {2, bytes_of(c)}, {3, bytes_of(mnk)}},
       .threads = {128},
       .threadgroups = {static_cast<std::uint32_t>((n + 31) / 32), static_cast<std::uint32_t>((m + 63) / 64)},
       .layout = layout});
  for (int i = 0; i < m; ++i) {
    for (int j = 0; j < n; ++j) {
      double sum = 0, magnitude = 0;
      for (int l = 0; l < k; ++l) {
        const double product =
            static_cast<double>(static_cast<float>(a[size(i, k) + static_cast<std::size_t>(l)])) *
            static_cast<double>(static_cast<float>(b[size(l, n) + static_cast<std::size_t>(j)]));
        sum += product;
        magnitude += std::fabs(product);
      }
      ASSERT_NEAR(static_cast<double>(c[size(i, n) + static_cast<std::size_t>(j)]), sum,
                  reference::gemm_bound(k, sum, magnitude, reference::kFloat32))
          << kernel << " " << i << ", " << j;
    }
  }
}

TEST(MetalExamples, MatmulMeetsTheBoundForRaggedSizes) {
  for (const Layout layout : kLayouts) expect_matmul<half>("matmul_half", 70, 45, 100, layout);
  expect_matmul<float>("matmul_float", 64, 32, 128, Layout::before_m5);
  expect_matmul<float>("matmul_float", 1, 33, 7, Layout::m5);
}

}  // namespace
}  // namespace flashtile::metal_emulator
