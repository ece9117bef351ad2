// One product by matmul2d against a float64 (integers: wrapping) oracle: check<...>() of the tests of matmul2d.
#pragma once

#include "tests/primitives/harness.h"

namespace flashtile::test {

using mode = matmul2d_descriptor::mode;
using i8 = std::int8_t;
using u8 = std::uint8_t;
using i4 = int4b_format;
using u4 = uint4b_format;

/// Where the operands of a check are when they meet.
enum class Where { tensors, tile_destination, tile_left, tile_both, staged_right, staged_both };

/// One problem D = A B or D += A B: extents of the whole, and row strides of the three
/// matrices as they lie in memory.
struct Problem {
  int m, n, k;
  std::int64_t left_stride, right_stride, stride;
};

template <class L, class R, class D, matmul2d_descriptor Descriptor, class Scope, Where Kind>
struct Multiply {
  using Product = matmul2d<Descriptor, Scope>;
  struct Params {
    const L* left;
    const R* right;
    D* destination;
    Problem problem;
  };
  struct Staged {
    typename Product::template right_tile_stages<R, 1, L> right;
  };
  struct BothStaged {
    typename Product::template left_tile_stages<L, 1, R> left;
    typename Product::template right_tile_stages<R, 1, L> right;
  };
  struct Nothing {};
  using Threadgroup = std::conditional_t<Kind == Where::staged_right, Staged,
                                         std::conditional_t<Kind == Where::staged_both, BothStaged, Nothing>>;
  static constexpr int kSimdgroups = Scope::simdgroups > 1 ? Scope::simdgroups : 1;

  static FT_FUNCTION void run(const Params& p, Threadgroup& memory, GridPosition at) {
    using Index = dextents<int, 2>;
    const Problem& s = p.problem;
    constexpr bool tl = Descriptor.transpose_left, tr = Descriptor.transpose_right;
    tensor<const L, Index, tensor_inline> a(p.left, tl ? Index(s.m, s.k) : Index(s.k, s.m),
                                            {std::int64_t{1}, s.left_stride});
    tensor<const R, Index, tensor_inline> b(p.right, tr ? Index(s.k, s.n) : Index(s.n, s.k),
                                            {std::int64_t{1}, s.right_stride});
    tensor<D, Index, tensor_inline> c(p.destination, Index(s.n, s.m), {std::int64_t{1}, s.stride});
    const int row = static_cast<int>(at.y) * Descriptor.m, column = static_cast<int>(at.x) * Descriptor.n;
    auto left = tl ? a.slice(row, 0) : a.slice(0, row);
    auto right = tr ? b.slice(0, column) : b.slice(column, 0);
    auto out = c.slice(column, row);

    Product product;
    if constexpr (Kind == Where::tensors) {
      product.run(left, right, out);
    } else if constexpr (Kind == Where::tile_destination) {
      auto d = product.template get_destination_cooperative_tensor<decltype(left), decltype(right), D>();
      if constexpr (Descriptor.accumulates()) d.load(out);
      product.run(left, right, d);
      d.store(out);
    } else if constexpr (Kind == Where::staged_both) {
      load_tile_async<Scope>(memory.left, 0, left);
      load_tile_async<Scope>(memory.right, 0, right);
      wait_tiles<Scope, 0>();
      auto lt = tile(memory.left, 0);
      auto rt = tile(memory.right, 0);
      auto d = product.template get_destination_cooperative_tensor<decltype(lt), decltype(rt), D>();
      if constexpr (Descriptor.accumulates()) d.load(out);
      product.run(lt, rt, d);
      d.store(out);
    } else {
      auto lt = product.template get_left_input_cooperative_tensor<L, R, D>();
      lt.load(left);
      if constexpr (Kind == Where::tile_left) {
        auto d = product.template get_destination_cooperative_tensor<decltype(lt), decltype(right), D>();
        if constexpr (Descriptor.accumulates()) d.load(out);
        product.run(lt, right, d);
        d.store(out);
      } else if constexpr (Kind == Where::tile_both) {
        auto rt = product.template get_right_input_cooperative_tensor<L, R, D>();
        rt.load(right);
        auto d = product.template get_destination_cooperative_tensor<decltype(lt), decltype(rt), D>();
        if constexpr (Descriptor.accumulates()) d.load(out);
        product.start(lt, rt, d);
        wait_products<0>();
        d.store(out);
      } else {
        load_tile_async<Scope>(memory.right, 0, right);
        wait_tiles<Scope, 0>();
        auto rt = tile(memory.right, 0);
        auto d = product.template get_destination_cooperative_tensor<decltype(lt), decltype(rt), D>();
        if constexpr (Descriptor.accumulates()) d.load(out);
        product.run(lt, rt, d);
        d.store(out);
      }
    }
  }
};

template <class T>
inline constexpr int per_byte = std::is_same_v<T, int4b_format> || std::is_same_v<T, uint4b_format> ? 2 : 1;

template <class T>
std::vector<T> operand(std::size_t elements, unsigned seed) {
  if constexpr (per_byte<T> == 2) {
    std::mt19937 random(seed);
    std::vector<T> pairs((elements + 1) / 2);
    for (T& p : pairs) p.pair = static_cast<std::uint8_t>(random());
    return pairs;
  } else {
    return random_values<T>(elements, seed);
  }
}
template <class T>
double element(const std::vector<T>& values, std::int64_t i) {
  if constexpr (per_byte<T> == 2) {
    const int nibble = values[static_cast<std::size_t>(i / 2)].pair >> (i % 2 * 4) & 15;
    return std::is_same_v<T, int4b_format> && nibble > 7 ? nibble - 16 : nibble;
  } else {
    return as_double(values[static_cast<std::size_t>(i)]);
  }
}

/// What lies in D beyond the columns of the problem, and in D before a product that must not read it.
template <class D>
D untouched() {
  if constexpr (std::is_same_v<D, std::int32_t>)
    return 0x7a7a7a7a;
  else
    return static_cast<D>(std::numeric_limits<float>::quiet_NaN());
}

/// A matrix that lies in an operand's memory, row by row.
template <class T>
std::vector<double> matrix(const std::vector<T>& memory, int rows, int columns, std::int64_t row_stride,
                           std::int64_t column_stride) {
  std::vector<double> result;
  result.reserve(static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns));
  for (int r = 0; r < rows; ++r) {
    for (int c = 0; c < columns; ++c) result.push_back(element(memory, r * row_stride + c * column_stride));
  }
  return result;
}

/// The oracle: how many elements are not A B, or D + A B, within the bound, and how many beyond D's columns are not what was
/// there before. Apart from check(), which is compiled for every pair of types and every descriptor.
///
/// A float sum of k terms in any order errs by at most k unit roundoffs of sum |a b| + |c|, a 16-bit result by its own
/// roundoff more; integers are exact.
template <class D>
int wrong_elements(const std::vector<D>& found, const std::vector<D>& before, bool accumulate,
                   const std::vector<double>& left, const std::vector<double>& right, const Problem& s) {
  int wrong = 0;
  for (int i = 0; i < s.m; ++i) {
    for (int j = 0; j < s.stride; ++j) {
      const auto at = static_cast<std::size_t>(i * s.stride + j);
      if (j >= s.n) {
        wrong += std::memcmp(&found[at], &before[at], sizeof(D)) != 0;
        continue;
      }
      double sum = accumulate ? as_double(before[at]) : 0.0, magnitude = std::abs(sum);
      for (int x = 0; x < s.k; ++x) {
        const double term =
            left[static_cast<std::size_t>(i * s.k + x)] * right[static_cast<std::size_t>(x * s.n + j)];
        sum += term;
        magnitude += std::abs(term);
      }
      if constexpr (std::is_same_v<D, std::int32_t>) {
        wrong +=
            found[at] != static_cast<std::int32_t>(static_cast<std::uint32_t>(static_cast<std::int64_t>(sum)));
      } else {
        const double in_float = (s.k + 1) * 0x1p-24 * magnitude;
        const double rounding = std::is_same_v<D, float>
                                    ? 0.0
                                    : unit_roundoff<D> * std::max(std::abs(sum) + in_float, smallest_normal<D>);
        wrong += !(std::abs(static_cast<double>(static_cast<float>(found[at])) - sum) <= in_float + rounding);
      }
    }
  }
  return wrong;
}

/// Runs one problem and compares each element with the oracle.
template <class L, class R, class D, matmul2d_descriptor Descriptor, class Scope, Where Kind>
void check(int m, int n, int k, int padding = 2) {
  constexpr bool tl = Descriptor.transpose_left, tr = Descriptor.transpose_right,
                 accumulate = Descriptor.accumulates();
  const auto even = [](int size) { return size + size % 2; };
  const Problem s{m, n, k, (tl ? m : k) + padding, even(tr ? k : n) + padding, n + padding};
  const auto left = operand<L>(static_cast<std::size_t>(s.left_stride * (tl ? k : m)), 1);
  const auto right = operand<R>(static_cast<std::size_t>(s.right_stride * (tr ? n : k)), 2);
  auto before = accumulate ? random_values<D>(static_cast<std::size_t>(s.stride * m), 3)
                           : std::vector<D>(static_cast<std::size_t>(s.stride * m), untouched<D>());
  for (int i = 0; i < m; ++i) {
    for (int j = n; j < s.stride; ++j) before[static_cast<std::size_t>(i * s.stride + j)] = untouched<D>();
  }
  const Array<L> a(left);
  const Array<R> b(right);
  const Array<D> d(before);
  run<Multiply<L, R, D, Descriptor, Scope, Kind>>(
      {a.data(), b.data(), d.data(), s},
      {(n + Descriptor.n - 1) / Descriptor.n, (m + Descriptor.m - 1) / Descriptor.m, 1});
  const int wrong = wrong_elements(d.read(), before, accumulate,
                                   matrix(left, m, k, tl ? 1 : s.left_stride, tl ? s.left_stride : 1),
                                   matrix(right, k, n, tr ? 1 : s.right_stride, tr ? s.right_stride : 1), s);
  EXPECT_EQ(wrong, 0) << "wrong elements of " << m << " x " << n << ", k = " << k;
}

}  // namespace flashtile::test
