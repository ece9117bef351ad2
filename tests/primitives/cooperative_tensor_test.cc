// cooperative_tensor: slots and indices, fresh tiles, loads and stores that clip, convert and repeat.
#include "tests/primitives/cooperative_tensor_kernel.h"

namespace flashtile::test {
namespace {

// ---- slots --------------------------------------------------------------------------------------------------

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

// ---- fresh tiles --------------------------------------------------------------------------------------------

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

// ---- load and store -----------------------------------------------------------------------------------------

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

/// 32 x 32 tiles of ragged tensors: zeros outside of what was loaded, nothing written
/// outside of what is stored into.
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

}  // namespace
}  // namespace flashtile::test
