// Maps over tiles, reductions of rows and columns, map_iterator.
#include "tests/primitives/cooperative_tensor_kernel.h"

namespace flashtile::test {
namespace {

template <int M, int N, class Element = float, class Scope = execution_simdgroup>
FT_FUNCTION auto row_entries() {
  using Product = matmul2d<matmul2d_descriptor{M, N, 16}, Scope>;
  using Input = std::conditional_t<std::is_same_v<Element, std::int32_t>, std::int8_t, Element>;
  return Product::template get_row_reduction_destination_cooperative_tensor<Matrix<const Input>,
                                                                            Matrix<const Input>, Element>();
}
template <int M, int N, class Element = float>
FT_FUNCTION auto column_entries() {
  using Product = matmul2d<matmul2d_descriptor{M, N, 16}, execution_simdgroup>;
  using Input = std::conditional_t<std::is_same_v<Element, std::int32_t>, std::int8_t, Element>;
  return Product::template get_column_reduction_destination_cooperative_tensor<Matrix<const Input>,
                                                                               Matrix<const Input>, Element>();
}

template <class T>
struct Reduce {
  const T* in;
  T* rows;     // sum, max, min: 3 x M, then the sum with the identity 100
  T* columns;  // 3 x N
};
template <class T, int M, int N, class Scope>
struct ReduceRows {
  static FT_FUNCTION void run(const Reduce<T>& p) {
    auto t = destination<M, N, T, Scope>();
    Matrix<const T> in(p.in, dextents<int, 2>(N, M));
    t.load(in);
    auto row = row_entries<M, N, T, Scope>();
    static_assert(decltype(row)::get_rank() == 1);
    const auto keep = [&](int i) {
      tensor<T, dextents<int, 1>, tensor_inline> out(p.rows + i * M, dextents<int, 1>(M));
      row.store(out);
    };
    reduce_rows(t, row);
    keep(0);
    reduce_rows(t, row, reduction_operation::max, reduction_operation_identity<T>::max_identity);
    keep(1);
    reduce_rows(t, row, reduction_operation::min, reduction_operation_identity<T>::min_identity);
    keep(2);
    reduce_rows(t, row, reduction_operation::sum, static_cast<T>(100));
    keep(3);
  }
};
template <class T, int M, int N>
struct ReduceColumns {
  static FT_FUNCTION void run(const Reduce<T>& p) {
    auto t = destination<M, N, T>();
    Matrix<const T> in(p.in, dextents<int, 2>(N, M));
    t.load(in);
    auto column = column_entries<M, N, T>();
    const auto keep = [&](int i) {
      tensor<T, dextents<int, 1>, tensor_inline> out(p.columns + i * N, dextents<int, 1>(N));
      column.store(out);
    };
    reduce_columns(t, column);
    keep(0);
    reduce_columns(t, column, reduction_operation::max, reduction_operation_identity<T>::max_identity);
    keep(1);
    reduce_columns(t, column, reduction_operation::min, reduction_operation_identity<T>::min_identity);
    keep(2);
  }
};
/// Small integers, so that sums are exact in any order.
template <class T, int M, int N, class Scope>
void check_row_reduction() {
  std::vector<T> values(M * N);
  std::mt19937 random(19);
  for (auto& v : values) v = static_cast<T>(static_cast<int>(random() % 201) - 100);
  const Array<T> in(values), rows(4 * M, T(-9)), columns(3 * N, T(-9));
  run<Body<ReduceRows<T, M, N, Scope>, Reduce<T>, Scope::simdgroups>>({in.data(), rows.data(), columns.data()});
  const auto found = rows.read();
  for (std::size_t m = 0; m < M; ++m) {
    T sum = T(0), top = values[m * N], bottom = top;
    for (std::size_t n = 0; n < N; ++n) {
      sum += values[m * N + n];
      top = std::max(top, values[m * N + n]);
      bottom = std::min(bottom, values[m * N + n]);
    }
    EXPECT_EQ(found[m], sum);
    EXPECT_EQ(found[M + m], top);
    EXPECT_EQ(found[2 * M + m], bottom);
    EXPECT_EQ(found[3 * M + m], sum + T(100));
  }
  if constexpr (Scope::simdgroups == 1) {
    run<Body<ReduceColumns<T, M, N>, Reduce<T>>>({in.data(), rows.data(), columns.data()});
    const auto found_columns = columns.read();
    for (std::size_t n = 0; n < N; ++n) {
      T sum = T(0), top = values[n], bottom = top;
      for (std::size_t m = 0; m < M; ++m) {
        sum += values[m * N + n];
        top = std::max(top, values[m * N + n]);
        bottom = std::min(bottom, values[m * N + n]);
      }
      EXPECT_EQ(found_columns[n], sum);
      EXPECT_EQ(found_columns[N + n], top);
      EXPECT_EQ(found_columns[2 * N + n], bottom);
    }
  }
}
TEST(CooperativeTensor, ReducesRowsAndColumns) {
  check_row_reduction<float, 64, 48, execution_simdgroup>();
  check_row_reduction<float, 8, 16, execution_simdgroup>();
  check_row_reduction<float, 80, 8, execution_simdgroup>();
  check_row_reduction<std::int32_t, 16, 40, execution_simdgroup>();
}
TEST(CooperativeTensor, ReducesRowsOfSeveralSimdgroups) {
  check_row_reduction<float, 64, 48, execution_simdgroups<4>>();
  check_row_reduction<std::int32_t, 48, 32, execution_simdgroups<4>>();
}

/// The footgun, kept: without an identity a maximum of negative numbers is 0.
struct Footgun {
  static FT_FUNCTION void run(const InOut& p) {
    auto t = destination<16, 16, float>();
    map_elements(t, [](auto) { return -3.0f; });
    auto row = row_entries<16, 16>();
    reduce_rows(t, row, reduction_operation::max);
    tensor<float, dextents<int, 1>, tensor_inline> out(p.out, dextents<int, 1>(16));
    row.store(out);
  }
};
TEST(CooperativeTensor, TheDefaultIdentityIsThatOfASum) {
  const Array<float> out(16, -1.0f);
  run<Body<Footgun, InOut>>({nullptr, out.data()});
  EXPECT_EQ(out.read(), std::vector<float>(16, 0.0f));
}

/// t - its row maximum, once by map_iterator and once by map_rows; then the column's sum by map_iterator.
struct MapIterator {
  static FT_FUNCTION void run(const InOut& p) {
    auto t = destination<16, 32, float>();
    Matrix<const float> in(p.in, dextents<int, 2>(32, 16));
    t.load(in);
    auto row = row_entries<16, 32>();
    auto column = column_entries<16, 32>();
    if (!is_iterator_compatible(t, row) || !is_iterator_compatible(t, column) || is_iterator_compatible(row, t))
      return;
    reduce_rows(t, row, reduction_operation::max, reduction_operation_identity<float>::max_identity);
    reduce_columns(t, column);
    auto u = t;
    for (auto it = t.begin(); it != t.end(); ++it) {
      if (it.is_valid_element()) *it -= *row.map_iterator(it);
    }
    map_rows(u, row, [](auto x, auto top) { return x - top; });
    Matrix<float> out(p.out, dextents<int, 2>(32, 16)), out2(p.out + 512, dextents<int, 2>(32, 16)),
        out3(p.out + 1024, dextents<int, 2>(32, 16));
    t.store(out);
    u.store(out2);
    for (auto it = u.begin(); it != u.end(); ++it) {
      if (it.is_valid_element()) *it = *column.map_iterator(it);
    }
    u.store(out3);
  }
};
TEST(CooperativeTensor, MapIteratorFindsTheRowAndTheColumn) {
  const auto values = random_values<float>(512, 23, small_value<float>);
  const Array<float> in(values), out(3 * 512, -1.0f);
  run<Body<MapIterator, InOut>>({in.data(), out.data()});
  const auto found = out.read();
  for (std::size_t r = 0; r < 16; ++r) {
    float top = values[r * 32];
    for (std::size_t c = 0; c < 32; ++c) top = std::max(top, values[r * 32 + c]);
    for (std::size_t c = 0; c < 32; ++c) {
      float sum = 0.0f;
      for (std::size_t i = 0; i < 16; ++i) sum += values[i * 32 + c];
      EXPECT_EQ(found[r * 32 + c], values[r * 32 + c] - top);
      EXPECT_EQ(found[512 + r * 32 + c], values[r * 32 + c] - top);
      EXPECT_EQ(found[1024 + r * 32 + c], sum);
    }
  }
}

/// Rows and columns that map_indexed passes are the tile's own, over all simdgroups;
/// for_each_element names the rows.
template <class Scope>
struct Indexed {
  static FT_FUNCTION void run(const InOut& p) {
    auto t = destination<48, 32, float, Scope>();
    map_elements(t, [](auto) { return 0.0f; });
    map_indexed(t, [](auto value, auto r, auto c) {
      return select(select(value, 1.0f, c <= r), 2.0f, (r >= 20) & (c < 5));
    });
    Matrix<float> out(p.out, dextents<int, 2>(32, 48));
    map_elements(t, [](auto x) { return x + 1.0f; });
    t.store(out);
    auto row = row_entries<48, 32, float, Scope>();
    reduce_rows(t, row);
    for_each_element(row, [&](float value, int r) { p.out[48 * 32 + r] = value; });
  }
};
template <class Scope>
void check_indexed() {
  const Array<float> out(48 * 33, -1.0f);
  run<Body<Indexed<Scope>, InOut, Scope::simdgroups>>({nullptr, out.data()});
  const auto found = out.read();
  for (int r = 0; r < 48; ++r) {
    float sum = 0.0f;
    for (int c = 0; c < 32; ++c) {
      const float x = found[static_cast<std::size_t>(r * 32 + c)];
      EXPECT_EQ(x, r >= 20 && c < 5 ? 3.0f : c <= r ? 2.0f : 1.0f) << r << ' ' << c;
      sum += x;
    }
    const float reduced = found[static_cast<std::size_t>(48 * 32 + r)];
    EXPECT_EQ(reduced, sum) << r;
  }
}
TEST(CooperativeTensor, MapIndexedPassesRowAndColumn) {
  check_indexed<execution_simdgroup>();
  check_indexed<execution_simdgroups<3>>();
}

/// Tiles without a product: M x N elements of T on the threads of Scope, with entries for their rows and columns.
template <class T, int M, int N, class Scope>
struct OwnTiles {
  static FT_FUNCTION void run(const InOut& p) {
    Matrix<const float> in(p.in, dextents<int, 2>(N, M));
    auto tile = make_tile<T, M, N, Scope>();
    auto squares = make_tile<float, M, N, Scope>();
    auto sums = make_row_entries<float, M, N, Scope>();
    auto tops = make_row_entries<float, M, N, Scope>();
    auto gain = make_column_entries<float, M, N, Scope>();
    load(tile, in);
    load(gain, tensor<const float, dextents<int, 1>, tensor_inline>(p.in + M * N, dextents<int, 1>(N)));
    map_elements(squares, tile, [](auto, auto e) { return e * e; });
    reduce_rows(squares, sums);
    reduce_rows(squares, tops, reduction_operation::max, 0.0f);
    map_columns(tile, gain, [](auto e, auto g) { return e * g; });
    load(squares, in);
    map_rows(squares, sums, tops, [](auto e, auto sum, auto top) { return e + 2.0f * sum - top; });
    store(tile, Matrix<float>(p.out, dextents<int, 2>(N, M)));
    store(squares, Matrix<float>(p.out + M * N, dextents<int, 2>(N, M)));
  }
};
template <class T, int M, int N, class Scope>
void check_own_tiles() {
  std::vector<float> in(M * N + N);
  std::mt19937 random(23);
  for (float& v : in) v = small_value<float>(random);
  const Array<float> from(in), to(2 * M * N, -9.0f);
  run<Body<OwnTiles<T, M, N, Scope>, InOut, Scope::simdgroups == 0 ? 1 : Scope::simdgroups>>(
      {from.data(), to.data()});
  const auto found = to.read();
  for (std::size_t m = 0; m < M; ++m) {
    float sum = 0.0f, top = 0.0f;
    for (std::size_t n = 0; n < N; ++n) {
      const float e = in[m * N + n];
      sum += e * e;
      top = std::max(top, e * e);
    }
    for (std::size_t n = 0; n < N; ++n) {
      EXPECT_EQ(found[m * N + n], in[m * N + n] * in[M * N + n]);
      EXPECT_EQ(found[M * N + m * N + n], in[m * N + n] + 2.0f * sum - top);
    }
  }
}
TEST(CooperativeTensor, IsMadeWithoutAProduct) {
  check_own_tiles<float, 32, 64, execution_simdgroup>();
  check_own_tiles<half, 16, 24, execution_simdgroup>();
  check_own_tiles<bfloat, 8, 16, execution_simdgroup>();
  check_own_tiles<float, 64, 32, execution_simdgroups<4>>();
  check_own_tiles<half, 48, 16, execution_simdgroups<2>>();
}

/// Such a tile is a product's destination, and its left operand.
struct OwnOperands {
  static FT_FUNCTION void run(const InOut& p) {
    using Product = matmul2d<matmul2d_descriptor{16, 16, 16}, execution_simdgroup>;
    auto a = make_tile<half, 16, 16, execution_simdgroup>();
    auto d = make_tile<float, 16, 16, execution_simdgroup>();
    Matrix<const float> in(p.in, dextents<int, 2>(16, 16));
    load(a, in);
    auto left = Product::template get_left_input_cooperative_tensor<half, half, float>(a);
    auto right = Product::template get_right_input_cooperative_tensor<half, half, float>();
    load(right, in);
    Product().run(left, right, d);
    store(d, Matrix<float>(p.out, dextents<int, 2>(16, 16)));
  }
};
TEST(CooperativeTensor, MadeWithoutAProductServesOne) {
  const auto in = random_values<float>(256, 29, small_value<float>);
  const Array<float> from(in), to(256, -9.0f);
  run<Body<OwnOperands, InOut>>({from.data(), to.data()});
  const auto found = to.read();
  for (std::size_t m = 0; m < 16; ++m) {
    for (std::size_t n = 0; n < 16; ++n) {
      float sum = 0.0f;
      for (std::size_t k = 0; k < 16; ++k) sum += in[m * 16 + k] * in[k * 16 + n];
      EXPECT_EQ(found[m * 16 + n], sum);
    }
  }
}

}  // namespace
}  // namespace flashtile::test
