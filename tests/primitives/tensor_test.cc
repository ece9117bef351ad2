// Extents and inline tensors: shapes, strides, slices, bounds, 64-bit offsets.
#include "tests/primitives/harness.h"

#if defined(__linux__) && !defined(__CUDACC__)
#include <sys/mman.h>
#endif

namespace flashtile::test {
namespace {

struct NoMemory {};

// ---- extents ------------------------------------------------------------------------------------------------

static_assert(extents<int, 3, dynamic_extent, 5>::rank() == 3);
static_assert(extents<int, 3, dynamic_extent, 5>::rank_dynamic() == 1);
static_assert(extents<int, 3, dynamic_extent, 5>(7).extent(1) == 7);
static_assert(extents<int, 3, dynamic_extent, 5>(3, 7, 5).extent(1) == 7);
static_assert(extents<int, 3, dynamic_extent, 5>(7).extent(2) == 5);
static_assert(extents<int, 4, 6>().extent(0) == 4);
static_assert(std::is_same_v<dextents<int, 2>, extents<int, dynamic_extent, dynamic_extent>>);

TEST(Tensor, DeducesAnInlineTensorFromAPointer) {
  float data[6] = {};
  tensor packed(data, extents<int, 3, 2>());
  static_assert(std::is_same_v<decltype(packed), tensor<float, extents<int, 3, 2>, tensor_inline>>);
  static_assert(decltype(packed)::has_all_static_extent());
  const std::int64_t strides[2] = {1, 4};
  tensor strided(static_cast<const float*>(data), dextents<int, 2>(3, 2), strides);
  static_assert(std::is_same_v<decltype(strided), tensor<const float, dextents<int, 2>, tensor_inline>>);
  EXPECT_EQ(packed.get_stride(1), 3);
  EXPECT_EQ(strided.get_stride(1), 4);
}

// ---- reading and writing in a kernel ------------------------------------------------------------------------

/// Writes 100 * i1 + i0 through operator(), reads through operator[], get and set at and past the edges.
struct Access {
  struct Params {
    float* data;
    float* found;
  };
  using Threadgroup = NoMemory;
  static constexpr int kSimdgroups = 1;
  static FT_FUNCTION void run(const Params& p, Threadgroup&, GridPosition) {
    simd_for_each_index(1, [&](int) {
      tensor<float, dextents<int, 2>, tensor_inline> t(p.data, dextents<int, 2>(3, 2), {1, 5});
      for (int i1 = 0; i1 < 2; ++i1) {
        for (int i0 = 0; i0 < 3; ++i0) t(i0, i1) = static_cast<float>(100 * i1 + i0);
      }
      p.found[0] = t[array<int, 2>{{2, 1}}];
      p.found[1] = t.get(2, 1);
      p.found[2] = t.get(3, 1);
      p.found[3] = t.get(2, 2);
      p.found[4] = t.get(-1, 0);
      t.set(7.0f, 1, 1);
      t.set(8.0f, 3, 1);  // dropped: would be the element after row 1
      t.set(8.0f, 0, 2);  // dropped
      p.found[5] = t.get(1, 1);
      tensor<float, dextents<int, 2>, tensor_inline> row(p.data, dextents<int, 2>(3, 1));
      p.found[6] = row.get(2, 9);  // an extent of 1 repeats
    });
  }
};

TEST(Tensor, ReadsAndWritesInsideAndDropsOutside) {
  const Array<float> data(10, -1.0f), found(7, -2.0f);
  run<Access>({data.data(), found.data()});
  EXPECT_EQ(data.read(), (std::vector<float>{0, 1, 2, -1, -1, 100, 7, 102, -1, -1}));
  EXPECT_EQ(found.read(), (std::vector<float>{102, 102, 0, 0, 0, 7, 2}));
}

/// The sizes of slices: clipped, mixed with static extents, past the end.
struct Slices {
  struct Params {
    const float* data;
    std::int64_t* found;
  };
  using Threadgroup = NoMemory;
  static constexpr int kSimdgroups = 1;
  static FT_FUNCTION void run(const Params& p, Threadgroup&, GridPosition) {
    simd_for_each_index(1, [&](int) {
      const tensor<const float, dextents<int, 3>, tensor_inline> t(p.data, dextents<int, 3>(10, 7, 5),
                                                                   {1, 12, 90});
      const auto rest = t.slice(8, 2, 4);
      static_assert(!decltype(rest)::has_static_extent(0));
      std::int64_t* out = p.found;
      for (int r = 0; r < 3; ++r) *out++ = rest.get_extent(r);
      for (int r = 0; r < 3; ++r) *out++ = rest.get_stride(r);
      *out++ = rest.data() - p.data;
      const auto fixed = t.slice<4, dynamic_extent, 2>(1, 3, 0);
      static_assert(decltype(fixed)::get_static_extent(0) == 4 && !decltype(fixed)::has_static_extent(1));
      for (int r = 0; r < 3; ++r) *out++ = fixed.get_extent(r);
      const auto gone = t.slice(11, 0, 0).slice(1, 1, 1);
      for (int r = 0; r < 3; ++r) *out++ = gone.get_extent(r);
      const auto twice = t.slice(1, 1, 1).slice(2, 2, 2);
      *out++ = twice.data() - p.data;
      *out++ = twice.get_extent(0);
    });
  }
};

TEST(Tensor, SlicesClipAtTheEnd) {
  const Array<float> data(500, 0.0f);
  const Array<std::int64_t> found(15, -1);
  run<Slices>({data.data(), found.data()});
  EXPECT_EQ(found.read(),
            (std::vector<std::int64_t>{2, 5, 1, 1, 12, 90, 8 + 24 + 360, 4, 4, 2, 0, 6, 4, 3 + 36 + 270, 7}));
}

/// Rank 8: one element per dimension picked out of a packed tensor.
struct RankEight {
  struct Params {
    const std::int32_t* data;
    std::int32_t* found;
  };
  using Threadgroup = NoMemory;
  static constexpr int kSimdgroups = 1;
  static FT_FUNCTION void run(const Params& p, Threadgroup&, GridPosition) {
    simd_for_each_index(1, [&](int) {
      tensor<const std::int32_t, dextents<int, 8>, tensor_inline> t(p.data,
                                                                    dextents<int, 8>(2, 3, 2, 3, 2, 3, 2, 3));
      p.found[0] = t(1, 2, 0, 1, 1, 2, 1, 2);
      p.found[1] = t.slice(1, 0, 0, 0, 0, 0, 0, 1)(0, 2, 0, 1, 1, 2, 1, 1);
      tensor<const std::int32_t, dextents<int, 1>, tensor_inline> flat(p.data, dextents<int, 1>(1296));
      p.found[2] = flat.slice(1000).get(295);
      p.found[3] = flat.slice(1000).get(296);
    });
  }
};

TEST(Tensor, HasRanksOneToEight) {
  std::vector<std::int32_t> values(1296);
  for (int i = 0; i < 1296; ++i) values[static_cast<std::size_t>(i)] = i + 1;
  const Array<std::int32_t> data(values), found(4, 0);
  run<RankEight>({data.data(), found.data()});
  const int at = 1 + 2 * (2 + 3 * (0 + 2 * (1 + 3 * (1 + 2 * (2 + 3 * (1 + 2 * 2))))));
  EXPECT_EQ(found.read(), (std::vector<std::int32_t>{at + 1, at + 1, 1296, 0}));
}

/// 4-bit pairs: low nibble first, signed and unsigned.
struct Nibbles {
  struct Params {
    const int4b_format* signed_pairs;
    const uint4b_format* unsigned_pairs;
    std::int32_t* found;
  };
  using Threadgroup = NoMemory;
  static constexpr int kSimdgroups = 1;
  static FT_FUNCTION void run(const Params& p, Threadgroup&, GridPosition) {
    simd_for_each_index(1, [&](int) {
      tensor<const int4b_format, dextents<int, 2>, tensor_inline> s(p.signed_pairs, dextents<int, 2>(4, 2));
      tensor<const uint4b_format, dextents<int, 2>, tensor_inline> u(p.unsigned_pairs, dextents<int, 2>(4, 2));
      for (int i = 0; i < 8; ++i) {
        p.found[i] = s.get(i % 4, i / 4);
        p.found[8 + i] = u.slice(0, i / 4).get(i % 4, 0);
      }
      p.found[16] = s.slice(2, 1).get(1, 0);
    });
  }
};

TEST(Tensor, ReadsPackedFourBitElements) {
  const Array<int4b_format> s({{0x10}, {0x7f}, {0x89}, {0xc3}});
  const Array<uint4b_format> u({{0x10}, {0x7f}, {0x89}, {0xc3}});
  const Array<std::int32_t> found(17, 99);
  run<Nibbles>({s.data(), u.data(), found.data()});
  EXPECT_EQ(found.read(),
            (std::vector<std::int32_t>{0, 1, -1, 7, -7, -8, 3, -4, 0, 1, 15, 7, 9, 8, 3, 12, -4}));
}

#if defined(__linux__) && !defined(__CUDACC__)
// Offsets past 2^31 elements and 4 GiB, on memory of which only the pages that are touched exist.
TEST(Tensor, AddressesPastTwoGiB) {
  const std::int64_t stride = (std::int64_t{1} << 31) + 5;
  const std::size_t bytes = static_cast<std::size_t>(3 * stride + 100) * sizeof(float);
  void* memory =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  float* data = static_cast<float*>(memory);
  const tensor<float, dextents<int, 2>, tensor_inline> t(data, dextents<int, 2>(64, 4),
                                                         {std::int64_t{1}, stride});
  t(7, 3) = 42.0f;
  EXPECT_EQ(data[3 * stride + 7], 42.0f);
  EXPECT_EQ(t.slice(5, 2).get(2, 1), 42.0f);
  munmap(memory, bytes);
}
#endif

}  // namespace
}  // namespace flashtile::test
