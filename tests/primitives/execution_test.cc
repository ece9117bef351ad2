// Who runs a kernel: grids, simdgroups, barriers, shared indices; tiles staged in threadgroup memory.
#include <limits>

#include "tests/primitives/harness.h"

namespace flashtile::test {
namespace {

template <class T>
using Matrix = tensor<T, dextents<int, 2>, tensor_inline>;

struct Visit {
  struct Params {
    std::int32_t* visits;
    std::int64_t x, y;
  };
  struct Threadgroup {};
  static constexpr int kSimdgroups = 1;
  static FT_FUNCTION void run(const Params& p, Threadgroup&, GridPosition at) {
    simd_for_each_index(1, [&](int) { p.visits[(at.z * p.y + at.y) * p.x + at.x] += 1; });
  }
};
TEST(Launch, RunsEachThreadgroupOnce) {
  const Array<std::int32_t> visits(7 * 5 * 3, 0);
  run<Visit>({visits.data(), 7, 5}, {7, 5, 3});
  EXPECT_EQ(visits.read(), std::vector<std::int32_t>(7 * 5 * 3, 1));
}
TEST(Launch, RunsNothingOnAnEmptyGrid) {
  const Array<std::int32_t> visits(1, 0);
  run<Visit>({visits.data(), 1, 1}, {0, 1, 1});
  run<Visit>({visits.data(), 1, 1}, {3, 2, 0});
  EXPECT_EQ(visits.read()[0], 0);
}
TEST(Launch, RefusesBadGrids) {
  const Array<std::int32_t> visits(1, 0);
  const auto code = [&](Grid grid) {
    try {
      run<Visit>({visits.data(), 1, 1}, grid);
    } catch (const Error& e) {
      EXPECT_NE(std::string(e.what()).find("launch: the grid is"), std::string::npos) << e.what();
      return e.code();
    }
    return ErrorCode::internal;
  };
  EXPECT_EQ(code({-1, 1, 1}), ErrorCode::invalid_argument);
  EXPECT_EQ(code({std::int64_t{1} << 40, std::int64_t{1} << 40, 1}), ErrorCode::invalid_argument);
}

/// Each simdgroup writes to threadgroup memory, all meet, each reads its neighbour's; three rounds.
struct Neighbours {
  struct Params {
    std::int32_t* out;  // threadgroups x 4
  };
  struct Threadgroup {
    std::int32_t value[4];
  };
  static constexpr int kSimdgroups = 4;
  static FT_FUNCTION void run(const Params& p, Threadgroup& memory, GridPosition at) {
    const int me = simdgroup_index_in_threadgroup();
    int mine = me + 1 + static_cast<int>(at.x) * 10;
    for (int round = 0; round < 3; ++round) {
      simd_for_each_index(1, [&](int) { memory.value[me] = mine; });
      threadgroup_barrier(mem_flags::mem_threadgroup);
      mine += memory.value[(me + 1) % 4];
      threadgroup_barrier(mem_flags::mem_threadgroup);
    }
    simd_for_each_index(1, [&](int) { p.out[at.x * 4 + me] = mine; });
  }
};
TEST(Simdgroups, MeetAtBarriers) {
  const Array<std::int32_t> out(40, -1);
  run<Neighbours>({out.data()}, {10, 1, 1});
  const auto found = out.read();
  for (int g = 0; g < 10; ++g) {
    int value[4];
    for (int i = 0; i < 4; ++i) value[i] = i + 1 + g * 10;
    for (int round = 0; round < 3; ++round) {
      const int old[4] = {value[0], value[1], value[2], value[3]};
      for (int i = 0; i < 4; ++i) value[i] += old[(i + 1) % 4];
    }
    for (int i = 0; i < 4; ++i) EXPECT_EQ(found[static_cast<std::size_t>(g * 4 + i)], value[i]);
  }
}

/// Indices shared among a scope's simdgroups are each met once; those of a single simdgroup by each of them.
struct Indices {
  struct Params {
    std::int32_t* shared;    // 50
    std::int32_t* own;       // 3 x 50
    std::uint32_t* answers;  // 3 x 2
    const float* values;     // 32 x 51
  };
  struct Threadgroup {};
  static constexpr int kSimdgroups = 3;
  static FT_FUNCTION void run(const Params& p, Threadgroup&, GridPosition) {
    const int me = simdgroup_index_in_threadgroup();
    for_each_index(execution_simdgroups<3>(), 50, [&](int i) { p.shared[i] += 1; });
    for_each_index(execution_simdgroup(), 50, [&](int i) { p.own[me * 50 + i] += i; });
    const auto none = simd_rows_not_finite<3>(p.values, 51, 2, 50);
    const auto some = simd_rows_not_finite<32>(p.values, 51, 32, 50);
    simd_for_each_index(1, [&](int) {
      p.answers[me * 2] = none;
      p.answers[me * 2 + 1] = some;
    });
  }
};
TEST(Simdgroups, ShareIndices) {
  const Array<std::int32_t> shared(50, 0), own(150, 0);
  const Array<std::uint32_t> answers(6, 1);
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  std::vector<float> values(32 * 51, 3.0e38f);
  for (std::size_t r = 0; r < 32; ++r) {
    values[r * 51 + 50] = kInfinity;  // behind the columns
    if (r % 5 == 2) values[r * 51 + r + 18] = r % 2 == 0 ? -kInfinity : std::numeric_limits<float>::quiet_NaN();
  }
  values[31 * 51 + 49] = kInfinity;
  const Array<float> in(values);
  run<Indices>({shared.data(), own.data(), answers.data(), in.data()});
  EXPECT_EQ(shared.read(), std::vector<std::int32_t>(50, 1));
  const auto found = own.read();
  for (int i = 0; i < 150; ++i) EXPECT_EQ(found[static_cast<std::size_t>(i)], i % 50);
  const std::uint32_t rows = 1u << 2 | 1u << 7 | 1u << 12 | 1u << 17 | 1u << 22 | 1u << 27 | 1u << 31;
  EXPECT_EQ(answers.read(), (std::vector<std::uint32_t>{0, rows, 0, rows, 0, rows}));
}

#if !defined(__CUDACC__)
struct Refuse {
  struct Params {
    int at;
  };
  struct Threadgroup {};
  static constexpr int kSimdgroups = 1;
  static FT_FUNCTION void run(const Params& p, Threadgroup&, GridPosition at) {
    FT_REFUSE_IF(at.x == p.at, "a kernel's own sentence");
  }
};
TEST(Launch, HandsARefusalToTheCaller) {
  try {
    run<Refuse>({5}, {9, 1, 1});
    FAIL() << "not refused";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::invalid_argument);
    EXPECT_STREQ(e.what(), "a kernel's own sentence");
  }
  run<Refuse>({-1}, {9, 1, 1});
}
#endif

#if defined(FLASHTILE_POISON)
struct ReadFresh {
  struct Params {
    float* out;
  };
  struct Threadgroup {
    float values[100];
  };
  static constexpr int kSimdgroups = 1;
  static FT_FUNCTION void run(const Params& p, Threadgroup& memory, GridPosition at) {
    for (int i = 0; i < 100; ++i) {
      p.out[at.x * 100 + i] = memory.values[i];
      memory.values[i] = 0.0f;
    }
  }
};
TEST(Launch, PoisonsTheMemoryOfEachThreadgroup) {
  const Array<float> out(1000, 0.0f);
  run<ReadFresh>({out.data()}, {10, 1, 1});
  for (const float x : out.read()) EXPECT_TRUE(std::isnan(x));
}
#endif

// ---- staged tiles -------------------------------------------------------------------------------------------

template <class T>
struct StageParams {
  const T* rows;
  T* out;
  int length, columns;
};
/// Copies a matrix of any length through tiles of 16 x 24 in two stages, the next one on its
/// way while this one is stored.
template <class T, int Simdgroups>
struct RowStages {
  using Params = StageParams<T>;
  struct Threadgroup {
    row_tile_stages<T, 16, 24, 2> tiles;
  };
  static constexpr int kSimdgroups = Simdgroups;
  using Scope = execution_simdgroups<Simdgroups>;
  static FT_FUNCTION void run(const Params& p, Threadgroup& memory, GridPosition) {
    Matrix<const T> in(p.rows, dextents<int, 2>(p.columns, p.length));
    auto first = in.slice(0, 0);
    load_tile_async<Scope>(memory.tiles, 0, first);
    int stage = 0;
    for (int row = 0; row < p.length; row += 16, stage = 1 - stage) {
      auto next = in.slice(0, row + 16);
      wait_tiles<Scope, 0>();
      load_tile_async<Scope>(memory.tiles, 1 - stage, next);
      for (int i = simdgroup_index_in_threadgroup(); i < 2 * 3; i += Simdgroups) {
        const int r = i / 3 * 8, c = i % 3 * 8;
        simdgroup_matrix<T, 8, 8> m;
        simdgroup_load(m, row_tile(memory.tiles, stage), memory.tiles.kElementsPerRow, matrix_origin{c, r},
                       false);
        simdgroup_store(m, p.out, 24, matrix_origin{c, row + r});  // the whole tile, zeros included
      }
      threadgroup_barrier(mem_flags::mem_threadgroup);
    }
  }
};
template <class T, int Simdgroups>
void check_row_stages() {
  for (const int length : {1, 15, 16, 17, 50}) {
    for (const int columns : {1, 8, 23, 24, 30}) {
      const auto values = random_values<T>(static_cast<std::size_t>(length * columns), 3);
      const auto tiles = static_cast<std::size_t>((length + 15) / 16);
      const Array<T> in(values), out(tiles * 16 * 24, static_cast<T>(-9.0f));
      run<RowStages<T, Simdgroups>>({in.data(), out.data(), length, columns});
      const auto found = out.read();
      int wrong = 0;
      for (std::size_t i = 0; i < found.size(); ++i) {
        const int r = static_cast<int>(i / 24), c = static_cast<int>(i % 24);
        wrong +=
            as_double(found[i]) !=
            (r < length && c < columns ? as_double(values[static_cast<std::size_t>(r * columns + c)]) : 0.0);
      }
      EXPECT_EQ(wrong, 0) << length << " x " << columns;
    }
  }
}
TEST(TileStages, RowTilesHoldWholeTilesWithZerosPastTheEnd) {
  check_row_stages<float, 1>();
  check_row_stages<half, 1>();
  check_row_stages<bfloat, 4>();
}

// On a GPU this is a trap, which tests/cuda/runtime_test.cu looks at.
#if !defined(__CUDACC__)
/// A kernel of Count simdgroups that uses a scope of four.
template <int Count, class What>
struct WrongScope {
  struct Params {
    float* out;
  };
  struct Threadgroup {
    row_tile_stages<float, 16, 16, 1> stages;
  };
  static constexpr int kSimdgroups = Count;
  static void run(const Params& p, Threadgroup& memory, GridPosition) { What::run(p.out, memory); }
};
using FourSimdgroups = execution_simdgroups<4>;
struct MakesADestination {
  template <class Memory>
  static void run(float*, Memory&) {
    using Product = matmul2d<matmul2d_descriptor{64, 16, 16}, FourSimdgroups>;
    auto d =
        Product::template get_destination_cooperative_tensor<Matrix<const float>, Matrix<const float>, float>();
    map_elements(d, [](auto x) { return x; });
  }
};
struct MakesATile {
  template <class Memory>
  static void run(float*, Memory&) {
    auto d = make_tile<float, 64, 16, FourSimdgroups>();
    map_elements(d, [](auto x) { return x; });
  }
};
struct RunsToMemory {
  template <class Memory>
  static void run(float* out, Memory&) {
    Matrix<float> d(out, dextents<int, 2>(16, 64));
    Matrix<const float> a(out, dextents<int, 2>(16, 64)), b(out, dextents<int, 2>(16, 16));
    matmul2d<matmul2d_descriptor{64, 16, 16}, FourSimdgroups>().run(a, b, d);
  }
};
struct SharesIndices {
  template <class Memory>
  static void run(float* out, Memory&) {
    for_each_index(FourSimdgroups(), 16, [&](int i) { out[i] = 1.0f; });
  }
};
struct LoadsATile {
  template <class Memory>
  static void run(float* out, Memory& memory) {
    load_tile_async<FourSimdgroups>(memory.stages, 0, Matrix<const float>(out, dextents<int, 2>(16, 16)));
  }
};
template <int Count, class What>
void expect_refused_scope() {
  std::vector<float> memory(64 * 16, 0.0f);
  try {
    run<WrongScope<Count, What>>({memory.data()});
    FAIL() << "not refused";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::invalid_argument);
    EXPECT_EQ(std::string(e.what()),
              "launch: the kernel uses the scope execution_simdgroups<4>, and its kSimdgroups is " +
                  std::to_string(Count) + "; a scope is one simdgroup or the whole threadgroup");
  }
}
TEST(Scope, ThatIsNotTheThreadgroupIsRefused) {
  expect_refused_scope<1, MakesADestination>();
  expect_refused_scope<2, MakesADestination>();
  expect_refused_scope<1, MakesATile>();
  expect_refused_scope<1, RunsToMemory>();
  expect_refused_scope<1, SharesIndices>();
  expect_refused_scope<1, LoadsATile>();
}

/// A kernel of one simdgroup, launched from inside a kernel of several, is not one of theirs.
struct Inner {
  struct Params {
    int* found;
  };
  struct Threadgroup {};
  static constexpr int kSimdgroups = 1;
  static void run(const Params& p, Threadgroup&, GridPosition) {
    *p.found = simdgroup_index_in_threadgroup();
    threadgroup_barrier();
  }
};
struct Outer {
  struct Params {
    int* found;
  };
  struct Threadgroup {};
  static constexpr int kSimdgroups = 2;
  static void run(const Params& p, Threadgroup&, GridPosition) {
    const int me = simdgroup_index_in_threadgroup();
    if (me == 1) launch<Inner>(Queue::cpu({.threads = 1}), {1, 1, 1}, {p.found});
    threadgroup_barrier();
    if (me == 1) p.found[1] = simdgroup_index_in_threadgroup();
  }
};
TEST(Scope, OfAKernelInsideAKernelIsItsOwn) {
  int found[] = {-1, -1};
  run<Outer>({found});
  EXPECT_EQ(found[0], 0);
  EXPECT_EQ(found[1], 1);
}
#endif

}  // namespace
}  // namespace flashtile::test
