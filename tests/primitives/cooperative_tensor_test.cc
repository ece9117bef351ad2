// cooperative_tensor: slots and indices, loads and stores that clip, convert and repeat, reductions, maps,
// reuse as an operand.
#include "tests/primitives/harness.h"

namespace flashtile::test {
namespace {

using mode = matmul2d_descriptor::mode;
template <class T>
using Matrix = tensor<T, dextents<int, 2>, tensor_inline>;

/// Launches F::run, a kernel body with P as its parameters, on F::kSimdgroups simdgroups.
template <class F, class P, int Simdgroups = 1>
struct Body {
  using Params = P;
  struct Threadgroup {};
  static constexpr int kSimdgroups = Simdgroups;
  static FT_FUNCTION void run(const P& p, Threadgroup&, GridPosition) { F::run(p); }
};

template <int M, int N, class Element, class Scope = execution_simdgroup>
FT_FUNCTION auto destination() {
  using Product = matmul2d<matmul2d_descriptor{M, N, 16}, Scope>;
  if constexpr (std::is_same_v<Element, std::int32_t>) {
    return Product::template get_destination_cooperative_tensor<Matrix<const std::int8_t>,
                                                                Matrix<const std::int8_t>, Element>();
  } else {
    using Input = std::conditional_t<std::is_same_v<Element, float>, float, Element>;
    return Product::template get_destination_cooperative_tensor<Matrix<const Input>, Matrix<const Input>,
                                                                Element>();
  }
}
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

// ---- slots
// ------------------------------------------------------------------------------------------------------------

struct Counts {
  std::int32_t* visits;  // M x N: how often an index was met
  std::int32_t* capacity;
};

/// Each valid slot names one element; together, over all simdgroups, each element of the tile once.
template <int M, int N, class Scope>
struct VisitSlots {
  static FT_FUNCTION void run(const Counts& p) {
    auto t = destination<M, N, float, Scope>();
    static_assert(decltype(t)::get_rank() == 2);
    for (int i = 0; i < t.get_capacity(); ++i) {
      if (!t.is_valid_element(i)) continue;
      const auto at = t.get_multidimensional_index(i);
      p.visits[at[1] * N + at[0]] += 1;
    }
    int slots = 0;
    for (auto it = t.begin(); it != t.end(); ++it) slots += it.is_valid_element() ? 1 : 0;
    if (simdgroup_index_in_threadgroup() == 0) *p.capacity = t.get_capacity() - slots;
  }
};
template <int M, int N, class Scope>
void check_slots() {
  const Array<std::int32_t> visits(M * N, 0), padding(1, -1);
  run < Body<VisitSlots<M, N, Scope>, Counts, Scope::simdgroups<1 ? 1 : Scope::simdgroups>>(
            {visits.data(), padding.data()});
  EXPECT_EQ(visits.read(), std::vector<std::int32_t>(M * N, 1));
  EXPECT_GE(padding.read()[0], 0);
}
TEST(CooperativeTensor, SlotsNameEachElementOnce) {
  check_slots<16, 32, execution_simdgroup>();
  check_slots<64, 8, execution_simdgroup>();
  check_slots<8, 16, execution_simdgroup>();
  check_slots<64, 64, execution_simdgroups<4>>();
  check_slots<48, 16, execution_simdgroups<4>>();
  check_slots<24, 16, execution_simdgroups<4>>();
  check_slots<2, 8, execution_thread>();
}

struct InOut {
  const float* in;
  float* out;
};

/// operator[], get, set and iterators see the same slots; a tile written slot by slot stores what it was given.
struct WriteSlots {
  static FT_FUNCTION void run(const InOut& p) {
    auto t = destination<16, 16, float>();
    for (int i = 0; i < t.get_capacity(); ++i) {
      const auto at = t.get_multidimensional_index(i);
      t[i] = static_cast<float>(at[1] * 16 + at[0]);
      if (at[0] == 3) t.set(i, t.get(i) + 1000.0f);
    }
    for (auto it = t.begin(); it != t.end(); ++it) {
      const auto at = it.get_multidimensional_index();
      if (at[1] == 5) *it *= 2.0f;
    }
    Matrix<float> out(p.out, dextents<int, 2>(16, 16));
    t.store(out);
  }
};
TEST(CooperativeTensor, SlotsAreReadAndWritten) {
  const Array<float> out(256, -1.0f);
  run<Body<WriteSlots, InOut>>({nullptr, out.data()});
  const auto found = out.read();
  for (int r = 0; r < 16; ++r) {
    for (int c = 0; c < 16; ++c) {
      const float value = static_cast<float>(r * 16 + c) + (c == 3 ? 1000.0f : 0.0f);
      EXPECT_EQ(found[static_cast<std::size_t>(r * 16 + c)], r == 5 ? 2.0f * value : value) << r << ' ' << c;
    }
  }
}

struct HalfInOut {
  const half* in;
  half* out;
};
/// A slot of a 16-bit tile rounds what is written to it.
struct RoundSlots {
  static FT_FUNCTION void run(const HalfInOut& p) {
    auto t = destination<16, 16, half>();
    Matrix<const half> in(p.in, dextents<int, 2>(16, 16));
    t.load(in);
    for (int i = 0; i < t.get_capacity(); ++i) t[i] += 2048.0f;
    map_elements(t, [](auto x) { return x - 2048.0f; });
    Matrix<half> out(p.out, dextents<int, 2>(16, 16));
    t.store(out);
  }
};
TEST(CooperativeTensor, SlotsOfSixteenBitsRound) {
  const auto values = random_values<half>(256, 5);
  const Array<half> in(values), out(256, half(-1.0f));
  run<Body<RoundSlots, HalfInOut>>({in.data(), out.data()});
  const auto found = out.read();
  for (std::size_t i = 0; i < 256; ++i) {
    const float expected =
        static_cast<float>(half(static_cast<float>(half(static_cast<float>(values[i]) + 2048.0f)) - 2048.0f));
    EXPECT_EQ(static_cast<float>(found[i]), expected);
  }
}

// ---- fresh tiles
// ------------------------------------------------------------------------------------------------------

struct Fresh {
  static FT_FUNCTION void run(const InOut& p) {
    auto t = destination<16, 32, float>();
    Matrix<float> out(p.out, dextents<int, 2>(32, 16));
    t.store(out);
  }
};
TEST(CooperativeTensor, StartsAsZeroOrPoison) {
  const Array<float> out(16 * 32, 5.0f);
  run<Body<Fresh, InOut>>({nullptr, out.data()});
  for (const float x : out.read()) {
#if defined(FLASHTILE_POISON)
    EXPECT_TRUE(std::isnan(x));
#else
    EXPECT_EQ(x, 0.0f);
#endif
  }
}

// ---- load and store
// ---------------------------------------------------------------------------------------------------

struct Clip {
  const float* in;
  float* out;
  int in_rows, in_columns, out_rows, out_columns;
};
template <bool Repeat, class Tile>
FT_FUNCTION void load_and_store(const Clip& p, Tile&& t) {
  Matrix<const float> in(p.in, dextents<int, 2>(p.in_columns, p.in_rows));
  Matrix<float> out(p.out, dextents<int, 2>(p.out_columns, p.out_rows), {1, 40});
  if constexpr (Repeat)
    load_repeated(t, in);
  else
    load(t, in);
  store(t, out);
}
template <class Scope, bool Repeat>
struct ClipDestination {
  static FT_FUNCTION void run(const Clip& p) { load_and_store<Repeat>(p, destination<32, 32, float, Scope>()); }
};
struct ClipLeft {
  static FT_FUNCTION void run(const Clip& p) {
    using Product = matmul2d<matmul2d_descriptor{32, 16, 32}, execution_simdgroup>;
    load_and_store<false>(p, Product::get_left_input_cooperative_tensor<float, float, float>());
  }
};

/// 32 x 32 tiles of ragged tensors: zeros outside of what was loaded, nothing written outside of what is stored
/// into.
template <class F, int Simdgroups>
void check_clipping(bool repeats) {
  for (const int rows : {1, 7, 8, 9, 17, 31, 32, 40}) {
    for (const int columns : {1, 7, 9, 16, 17, 32, 39}) {
      const auto values = random_values<float>(static_cast<std::size_t>(rows * columns), 7);
      const Array<float> in(values), out(40 * 40, -5.0f);
      run<Body<F, Clip, Simdgroups>>({in.data(), out.data(), rows, columns, columns, rows});
      const auto found = out.read();
      int wrong = 0;
      for (int r = 0; r < 40; ++r) {
        for (int c = 0; c < 40; ++c) {
          float expected = -5.0f;
          if (r < 32 && c < 32 && r < columns && c < rows) {
            const int from_r = repeats && rows == 1 ? 0 : r, from_c = repeats && columns == 1 ? 0 : c;
            const bool inside = from_r < rows && from_c < columns;
            expected = inside ? values[static_cast<std::size_t>(from_r * columns + from_c)] : 0.0f;
          }
          wrong += found[static_cast<std::size_t>(r * 40 + c)] != expected;
        }
      }
      EXPECT_EQ(wrong, 0) << rows << " x " << columns;
    }
  }
}
TEST(CooperativeTensor, LoadsAndStoresClip) {
  check_clipping<ClipDestination<execution_simdgroup, false>, 1>(false);
  check_clipping<ClipDestination<execution_simdgroups<4>, false>, 4>(false);
  check_clipping<ClipLeft, 1>(false);
}
TEST(CooperativeTensor, RepeatedLoadsSpreadExtentsOfOne) {
  check_clipping<ClipDestination<execution_simdgroup, true>, 1>(true);
  check_clipping<ClipDestination<execution_simdgroups<4>, true>, 4>(true);
}

/// One column of 12 elements that the type says is one: repeated along each row.
struct LoadStaticColumn {
  static FT_FUNCTION void run(const InOut& p) {
    auto t = destination<16, 32, float>();
    const std::int64_t strides[2] = {1, 3};
    tensor<const float, extents<int, 1, dynamic_extent>, tensor_inline> column(
        p.in, extents<int, 1, dynamic_extent>(12), strides);
    t.load(column);
    Matrix<float> out(p.out, dextents<int, 2>(32, 16));
    t.store(out);
  }
};
TEST(CooperativeTensor, AStaticExtentOfOneRepeats) {
  const auto values = random_values<float>(36, 11);
  const Array<float> in(values), out(16 * 32, -1.0f);
  run<Body<LoadStaticColumn, InOut>>({in.data(), out.data()});
  const auto found = out.read();
  for (std::size_t i = 0; i < 16 * 32; ++i) EXPECT_EQ(found[i], i / 32 < 12 ? values[i / 32 * 3] : 0.0f);
}

struct Bias {
  const float* bias;
  float* out;
};
struct LoadRankOne {
  static FT_FUNCTION void run(const Bias& p) {
    auto t = destination<16, 32, float>();
    tensor<const float, dextents<int, 1>, tensor_inline> bias(p.bias, dextents<int, 1>(20));
    t.load(bias);
    Matrix<float> out(p.out, dextents<int, 2>(32, 16));
    t.store(out);
  }
};
TEST(CooperativeTensor, ARankOneTensorRepeatsDownTheRows) {
  const auto values = random_values<float>(20, 11);
  const Array<float> in(values), out(16 * 32, -1.0f);
  run<Body<LoadRankOne, Bias>>({in.data(), out.data()});
  const auto found = out.read();
  for (std::size_t i = 0; i < 16 * 32; ++i) EXPECT_EQ(found[i], i % 32 < 20 ? values[i % 32] : 0.0f);
}

template <class E>
struct Converted {
  const E* in;
  float* out;
  half* out_half;
};
template <class E>
struct LoadConverted {
  static FT_FUNCTION void run(const Converted<E>& p) {
    auto t = destination<16, 32, float>();
    Matrix<const E> in(p.in, dextents<int, 2>(32, 16));
    load(t, in);
    Matrix<float> out(p.out, dextents<int, 2>(32, 16));
    store(t, out);
    Matrix<half> out_half(p.out_half, dextents<int, 2>(32, 16));
    store(t, out_half);
  }
};
template <class E>
void check_conversion() {
  const auto values = random_values<E>(16 * 32, 13);
  const Array<E> in(values);
  const Array<float> out(16 * 32, -1.0f);
  const Array<half> out_half(16 * 32, half(-1.0f));
  run<Body<LoadConverted<E>, Converted<E>>>({in.data(), out.data(), out_half.data()});
  const auto found = out.read();
  const auto found_half = out_half.read();
  for (std::size_t i = 0; i < values.size(); ++i) {
    EXPECT_EQ(found[i], static_cast<float>(as_double(values[i])));
    EXPECT_EQ(found_half[i].bits, half(static_cast<float>(as_double(values[i]))).bits);
  }
}
TEST(CooperativeTensor, FreeLoadsAndStoresConvert) {
  check_conversion<float>();
  check_conversion<half>();
  check_conversion<bfloat>();
  check_conversion<std::uint8_t>();
  check_conversion<std::int8_t>();
}

struct AllHalves {
  const half* in;
  half* out;
  const float* floats_in;
  half* rounded;
  bfloat* rounded_b;
};
struct EveryHalf {
  static FT_FUNCTION void run(const AllHalves& p) {
    auto t = destination<16, 32, float>();
    for (int i = 0; i < 128; ++i) {
      Matrix<const half> in(p.in + i * 512, dextents<int, 2>(32, 16));
      Matrix<half> out(p.out + i * 512, dextents<int, 2>(32, 16));
      load(t, in);
      store(t, out);
    }
    for (int i = 0; i < 64; ++i) {
      Matrix<const float> in(p.floats_in + i * 512, dextents<int, 2>(32, 16));
      Matrix<half> out(p.rounded + i * 512, dextents<int, 2>(32, 16));
      Matrix<bfloat> out_b(p.rounded_b + i * 512, dextents<int, 2>(32, 16));
      load(t, in);
      store(t, out);
      store(t, out_b);
    }
  }
};
TEST(CooperativeTensor, ConversionsOfHalfAndBfloatAreThoseOfDtype) {
  std::vector<half> all(65536);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = half::from_bits(static_cast<std::uint16_t>(i));
  std::mt19937 random(17);
  std::vector<float> x(64 * 512);
  for (std::size_t i = 0; i < x.size(); ++i) {  // any bits; then halfway points, and the ends of half's range
    const std::uint32_t b = i % 4 == 0   ? random()
                            : i % 4 == 1 ? (random() & 0x1fffe000u) + 0x2f001000u
                            : i % 4 == 2 ? 0x477fe000u + random() % 0x4000u
                                         : random() % 0x0a000000u + 0x32000000u;
    std::memcpy(&x[i], &b, sizeof b);
  }
  const Array<half> in(all), out(all.size(), half(0.0f)), rounded(x.size(), half(0.0f));
  const Array<bfloat> rounded_b(x.size(), bfloat(0.0f));
  const Array<float> floats_in(x);
  run<Body<EveryHalf, AllHalves>>({in.data(), out.data(), floats_in.data(), rounded.data(), rounded_b.data()});
  const auto found = out.read();
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (std::isnan(static_cast<float>(all[i])))
      EXPECT_TRUE(std::isnan(static_cast<float>(found[i]))) << i;
    else
      EXPECT_EQ(found[i].bits, all[i].bits) << i;
  }
  const auto found_half = rounded.read();
  const auto found_b = rounded_b.read();
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (std::isnan(x[i])) {
      EXPECT_TRUE(std::isnan(static_cast<float>(found_half[i])) && std::isnan(static_cast<float>(found_b[i])));
    } else {
      EXPECT_EQ(found_half[i].bits, half(x[i]).bits) << x[i];
      EXPECT_EQ(found_b[i].bits, bfloat(x[i]).bits) << x[i];
    }
  }
}

// ---- reductions and maps
// ----------------------------------------------------------------------------------------------

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

/// Rows and columns that map_indexed passes are the tile's own, over all simdgroups; for_each_element names the
/// rows.
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

// ---- reuse as an operand
// ----------------------------------------------------------------------------------------------

template <class T>
struct Chain {
  const T* a;  // 32 x 16
  const T* b;  // 16 x 48
  const T* c;  // 48 x 16
  float* out;  // 32 x 16
};
/// (A B) C without a trip to memory: the first product's tile becomes the second one's left operand, as
/// elements of T.
template <class T, class Scope>
struct ChainLeft {
  static FT_FUNCTION void run(const Chain<T>& p) {
    using First = matmul2d<matmul2d_descriptor{32, 48, 16}, Scope>;
    using Second =
        matmul2d<matmul2d_descriptor{32, 16, 48, false, false, false, mode::multiply_accumulate}, Scope>;
    Matrix<const T> a(p.a, dextents<int, 2>(16, 32)), b(p.b, dextents<int, 2>(48, 16)),
        c(p.c, dextents<int, 2>(16, 48));
    First first;
    Second second;
    auto s = first.template get_destination_cooperative_tensor<decltype(a), decltype(b), float>();
    first.run(a, b, s);
    static_assert(Second::template is_compatible_as_left_input<T, T, float, decltype(s)>());
    auto left = second.template get_left_input_cooperative_tensor<T, T, float>(s);
    auto d = second.template get_destination_cooperative_tensor<decltype(left), decltype(c), float>();
    map_elements(d, [](auto) { return 1.0f; });
    second.run(left, c, d);
    Matrix<float> out(p.out, dextents<int, 2>(16, 32));
    d.store(out);
  }
};
/// C^T's product as the right operand: A (B C).
template <class T>
struct ChainRight {
  static FT_FUNCTION void run(const Chain<T>& p) {
    using First = matmul2d<matmul2d_descriptor{16, 16, 48}, execution_simdgroup>;
    using Second = matmul2d<matmul2d_descriptor{32, 16, 16}, execution_simdgroup>;
    Matrix<const T> a(p.a, dextents<int, 2>(16, 32)), b(p.b, dextents<int, 2>(48, 16)),
        c(p.c, dextents<int, 2>(16, 48));
    First first;
    Second second;
    auto s = first.template get_destination_cooperative_tensor<decltype(b), decltype(c), float>();
    first.run(b, c, s);
    static_assert(Second::template is_compatible_as_right_input<T, T, float, decltype(s)>());
    auto right = second.template get_right_input_cooperative_tensor<T, T, float>(s);
    auto d = second.template get_destination_cooperative_tensor<decltype(a), decltype(right), float>();
    second.run(a, right, d);
    Matrix<float> out(p.out, dextents<int, 2>(16, 32));
    d.store(out);
  }
};
/// Small integers keep every step exact but the rounding of the inner product to T.
template <class T>
void check_chain(bool left, int simdgroups) {
  const auto a = random_values<T>(32 * 16, 29, small_value<T>),
             b = random_values<T>(16 * 48, 31, small_value<T>),
             c = random_values<T>(48 * 16, 37, small_value<T>);
  const Array<T> da(a), db(b), dc(c);
  const Array<float> out(32 * 16, -1.0f);
  const Chain<T> p{da.data(), db.data(), dc.data(), out.data()};
  if (!left)
    run<Body<ChainRight<T>, Chain<T>>>(p);
  else if (simdgroups == 1)
    run<Body<ChainLeft<T, execution_simdgroup>, Chain<T>>>(p);
  else
    run<Body<ChainLeft<T, execution_simdgroups<4>>, Chain<T>, 4>>(p);
  const auto found = out.read();
  const auto inner = [](const std::vector<T>& x, const std::vector<T>& y, int i, int j, int k, int xs, int ys) {
    float sum = 0.0f;
    for (int t = 0; t < k; ++t)
      sum += static_cast<float>(x[static_cast<std::size_t>(i * xs + t)]) *
             static_cast<float>(y[static_cast<std::size_t>(t * ys + j)]);
    return static_cast<float>(static_cast<T>(sum));
  };
  for (int i = 0; i < 32; ++i) {
    for (int j = 0; j < 16; ++j) {
      float expected = left ? 1.0f : 0.0f;
      if (left) {
        for (int t = 0; t < 48; ++t)
          expected +=
              inner(a, b, i, t, 16, 16, 48) * static_cast<float>(c[static_cast<std::size_t>(t * 16 + j)]);
      } else {
        for (int t = 0; t < 16; ++t)
          expected +=
              static_cast<float>(a[static_cast<std::size_t>(i * 16 + t)]) * inner(b, c, t, j, 48, 48, 16);
      }
      EXPECT_EQ(found[static_cast<std::size_t>(i * 16 + j)], expected) << i << ' ' << j;
    }
  }
}
TEST(CooperativeTensor, ADestinationBecomesALeftInput) {
  check_chain<float>(true, 1);
  check_chain<half>(true, 1);
  check_chain<bfloat>(true, 1);
  check_chain<half>(true, 4);
}
TEST(CooperativeTensor, ADestinationBecomesARightInput) {
  check_chain<float>(false, 1);
  check_chain<half>(false, 1);
}

// A left tile that was clipped when loaded leaves out what it lacks: NaN in the right operand's matching rows
// is not met.
struct Clipped {
  const float* a;  // 16 x 5
  const float* b;  // 16 x 16, NaN from row 5 on
  float* out;
};
struct SkipPadding {
  static FT_FUNCTION void run(const Clipped& p) {
    using Product = matmul2d<matmul2d_descriptor{16, 16, 16}, execution_simdgroup>;
    Product product;
    Matrix<const float> a(p.a, dextents<int, 2>(5, 16)), b(p.b, dextents<int, 2>(16, 16));
    auto left = product.get_left_input_cooperative_tensor<float, float, float>();
    left.load(a);
    auto d = product.get_destination_cooperative_tensor<decltype(left), decltype(b), float>();
    product.run(left, b, d);
    Matrix<float> out(p.out, dextents<int, 2>(16, 16));
    d.store(out);
  }
};
#if !defined(__CUDACC__)  // a promise of the CPU: elsewhere the padding is multiplied
TEST(CooperativeTensor, ProductsSkipWhatAClippedLoadLeftEmpty) {
  const auto a = random_values<float>(16 * 5, 41, small_value<float>);
  auto b = random_values<float>(16 * 16, 43, small_value<float>);
  for (std::size_t i = 5 * 16; i < b.size(); ++i) b[i] = NAN;
  const Array<float> da(a), db(b), out(256, -1.0f);
  run<Body<SkipPadding, Clipped>>({da.data(), db.data(), out.data()});
  const auto found = out.read();
  for (std::size_t i = 0; i < 256; ++i) {
    float expected = 0.0f;
    for (std::size_t t = 0; t < 5; ++t) expected += a[i / 16 * 5 + t] * b[t * 16 + i % 16];
    EXPECT_EQ(found[i], expected);
  }
}
#endif

}  // namespace
}  // namespace flashtile::test
