// Runs the kernels of words_kernel.h on a device, and compares with float64.
#pragma once

#include <algorithm>

#include "tests/primitives/harness.h"
#include "tests/primitives/words_kernel.h"

namespace flashtile::test {

enum class Words { linear, softmax, matrices, inputs, thread, results };

/// Values in a device's memory, and back.
template <class T>
Tensor words_on(Device device, const std::vector<T>& values) {
  return copy_to(packed_view(values.data(), DType::i8, {static_cast<std::int64_t>(values.size() * sizeof(T))}),
                 device);
}
inline std::vector<float> words_of(const Tensor& tensor) {
  const Tensor here = copy_to(tensor, Device::cpu());
  const auto* data = static_cast<const float*>(here.data());
  return {data, data + here.size() / static_cast<std::int64_t>(sizeof(float))};
}

/// launch(words, params) runs one of the kernels.
template <class Launch>
void check_words(Device device, Launch launch) {
  constexpr int kDepth = 24, kRows = kWordRows, kColumns = kWordColumns, kValidRows = 13, kValidColumns = 29;
  const auto a = random_values<half>(kRows * kDepth, 1), b = random_values<half>(kDepth * kColumns, 2);
  const auto bias = random_values<float>(kColumns, 3);
  const float untouched = 77.0f;
  const Tensor inputs[] = {words_on(device, a), words_on(device, b), words_on(device, bias)},
               out = words_on(device, std::vector<float>(kRows * kColumns, untouched)),
               rows = words_on(device, std::vector<float>(kRows, untouched)),
               columns = words_on(device, std::vector<float>(kColumns, untouched));
  const WordParams params{static_cast<const half*>(inputs[0].data()),
                          static_cast<const half*>(inputs[1].data()),
                          static_cast<const float*>(inputs[2].data()),
                          static_cast<float*>(out.data()),
                          static_cast<float*>(rows.data()),
                          static_cast<float*>(columns.data()),
                          kDepth,
                          kValidRows,
                          kValidColumns};
  const auto at = [](int i) { return static_cast<std::size_t>(i); };
  const auto product = [&](int r, int c, int depth) {
    double sum = 0;
    for (int k = 0; k < depth; ++k)
      sum += as_double(a[at(r * kDepth + k)]) * as_double(b[at(k * kColumns + c)]);
    return sum;
  };

  launch(Words::linear, params);
  const std::vector<float> linear = words_of(out);
  for (int i = 0; i < kRows * kColumns; ++i) {
    const int r = i / kColumns, c = i % kColumns;
    const double sum = product(r, c, kDepth) + (c < kValidColumns ? as_double(bias[at(c)]) : 0.0);
    ASSERT_NEAR(as_double(linear[at(i)]), r < kValidRows ? std::fmax(sum, 0.0) : as_double(untouched), 1e-4)
        << i;
  }

  launch(Words::softmax, params);
  const std::vector<float> weights = words_of(out), tops = words_of(rows), sums = words_of(columns);
  for (int r = 0; r < kRows; ++r) {
    const auto* row = &linear[at(r * kColumns)];
    const float top = *std::max_element(row, row + kColumns);
    double total = 0;
    for (int c = 0; c < kColumns; ++c) total += std::exp(as_double(row[c]) - as_double(top));
    ASSERT_EQ(tops[at(r)], top);
    for (int c = 0; c < kColumns; ++c) {
      const double expected = std::exp(as_double(row[c]) - as_double(top)) / total;
      ASSERT_NEAR(as_double(weights[at(r * kColumns + c)]), expected, 1e-6);
    }
  }
  for (int c = 0; c < kColumns; ++c) {
    double sum = 0;
    for (int r = 0; r < kRows; ++r) sum += as_double(linear[at(r * kColumns + c)]);
    ASSERT_NEAR(as_double(sums[at(c)]), c < kValidColumns ? sum : as_double(untouched), 1e-3);
  }

  launch(Words::matrices, params);
  const std::vector<float> matrices = words_of(out), set = words_of(rows);
  for (int i = 0; i < kRows * kColumns; ++i)
    ASSERT_NEAR(as_double(matrices[at(i)]), product(i / kColumns, i % kColumns, 16), 1e-4) << i;
  for (int i = 0; i < 4; ++i) ASSERT_EQ(set[at(i)], i < 3 ? bias[at(i)] + 1.0f : tops[at(i)]);

  launch(Words::inputs, params);
  const std::vector<float> doubled = words_of(out);
  for (int i = 0; i < kRows * kColumns; ++i) {
    const int r = i / kColumns;
    ASSERT_NEAR(as_double(doubled[at(i)]), r < kValidRows ? 2.0 * product(r, i % kColumns, kDepth) : 0.0, 1e-4)
        << i;
  }

  launch(Words::thread, params);
  const std::vector<float> three = words_of(out), row_sums = words_of(rows);
  for (int r = 0; r < 8; ++r) {
    double sum = 0;
    for (int c = 0; c < 8; ++c) {
      const double found[] = {as_double(three[at(r * kColumns + c)]),
                              as_double(three[at(r * kColumns + 8 + c)]),
                              as_double(three[at(r * kColumns + 16 + c)])};
      const double before = as_double(doubled[at(r * kColumns + c)]);
      sum += product(r, c, 16);
      ASSERT_NEAR(found[0], r < 4 ? product(r, c, 16) : before, 1e-4) << r << ", " << c;
      ASSERT_NEAR(found[1], r < 4 ? product(r, c, 16) : as_double(doubled[at(r * kColumns + 8 + c)]), 1e-4)
          << r << ", " << c;
      ASSERT_NEAR(found[2], product(r, c, 8) + 1.0, 1e-4) << r << ", " << c;
    }
    if (r < 4) {
      ASSERT_NEAR(as_double(row_sums[at(r)]), sum, 1e-3) << r;
    }
  }

  launch(Words::results, params);
  const std::vector<float> results = words_of(out);
  for (int r = 0; r < kRows; ++r) {
    double top = product(r, 0, 16);
    for (int k = 1; k < kColumns; ++k) top = std::fmax(top, product(r, k, 16));
    for (int c = 0; c < kColumns; ++c) {
      double sum = 0, weight = 0;
      for (int k = 0; k < kDepth; ++k) {
        const double term = (product(r, k, 16) - top) * top * as_double(b[at(k * kColumns + c)]);
        sum += term, weight += std::fabs(term);
      }
      ASSERT_NEAR(as_double(results[at(r * kColumns + c)]), sum, weight * 0x1p-10 + 1e-5) << r << ", " << c;
    }
  }
}

}  // namespace flashtile::test
