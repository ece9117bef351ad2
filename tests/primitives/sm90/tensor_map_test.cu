// Tiles by the copy engine: what lies where in threadgroup memory, what is zero, and what is left alone on the
// way back.
#include "tests/primitives/sm90/harness.h"

namespace flashtile::test {
namespace {

/// Loads one tile and writes it out row by row.
template <class T, int kRows, int kColumns>
struct LoadsTile {
  using Product = matmul2d<matmul2d_descriptor{kRows, 64, kColumns, false, true}, execution_simdgroups<4>>;
  struct Params {
    tensor_map map;
    tile_place place;
    T* out;  // (kRows, kColumns)
  };
  struct Threadgroup {
    typename Product::template left_tile_stages<T, 2> tiles;
    arrival_barrier arrived;
  };
  static constexpr int kSimdgroups = 4;
  static FT_FUNCTION void run(const Params& p, Threadgroup& memory, GridPosition) {
    if (threadIdx.x == 0) {
      memory.arrived.init(1);
      publish_barriers();
      prefetch(p.map);
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (threadIdx.x == 0) {
      memory.arrived.arrive_expecting(tile_bytes(memory.tiles));
      load_tile_async(memory.tiles, 1, p.map, p.place, memory.arrived);
    }
    memory.arrived.wait(0);
    const auto loaded = tile(memory.tiles, 1);
    for_each_index(execution_simdgroups<4>{}, kRows * kColumns,
                   [&](int i) { p.out[i] = loaded.get(i / kColumns, i % kColumns); });
  }
};

/// A tensor (batch, heads, rows, columns) with its rows apart.
struct Shape {
  std::int64_t columns, rows, heads, batch, row_stride;
  std::int64_t head_stride() const { return rows * row_stride; }
  std::int64_t batch_stride() const { return heads * head_stride(); }
  tensor_map_shape map() const {
    return {{columns, rows, heads, batch}, {row_stride, head_stride(), batch_stride()}};
  }
};

template <class T, int kRows, int kColumns>
void expect_tiles(const Shape& shape, unsigned seed) {
  const auto values = random_values<T>(static_cast<std::size_t>(shape.batch * shape.batch_stride()), seed);
  const Array<T> memory(values), out(kRows * kColumns, T(77.0f));
  const tensor_map map = make_tensor_map(memory.data(), shape.map(), kRows);
  for (const int row : {0, 5, static_cast<int>(shape.rows) - 1}) {
    const tile_place place{row, static_cast<int>(shape.heads) - 1, static_cast<int>(shape.batch) - 1};
    run<LoadsTile<T, kRows, kColumns>>({map, place, out.data()});
    const auto found = out.read();
    for (int r = 0; r < kRows; ++r) {
      for (int c = 0; c < kColumns; ++c) {
        const bool inside = row + r < shape.rows && c < shape.columns;
        const auto at =
            static_cast<std::size_t>(place.batch * shape.batch_stride() + place.head * shape.head_stride() +
                                     (row + r) * shape.row_stride + c);
        ASSERT_EQ(found[static_cast<std::size_t>(r * kColumns + c)].bits, inside ? values[at].bits : 0)
            << "row " << row << " + " << r << ", column " << c;
      }
    }
  }
}
TEST(TensorMap, LoadsTilesAndZerosOutside) {
  SKIP_WITHOUT_HOPPER();
  expect_tiles<half, 64, 64>({64, 100, 2, 3, 64}, 1);
  expect_tiles<bfloat, 64, 128>({128, 100, 3, 2, 136}, 2);
  expect_tiles<bfloat, 64, 96>({96, 70, 2, 2, 96}, 3);
  expect_tiles<half, 128, 256>({200, 130, 1, 1, 200}, 4);
  expect_tiles<half, 64, 128>({41, 9, 2, 1, 48},
                              5);  // columns that are no multiple of 8; a whole panel outside
  expect_tiles<bfloat, 256, 64>({1, 1, 1, 1, 8}, 6);
}

/// Loads a tile of 64 rows as boxes of 16 that lie anywhere, and clears its rows from `first` on, as a team.
template <class T, int kColumns>
struct LoadsBoxes {
  static constexpr int kRows = 64, kBox = 16;
  using Product = matmul2d<matmul2d_descriptor{kRows, 64, kColumns, false, true}, execution_team<4>>;
  struct Params {
    tensor_map map;
    int rows[kRows / kBox];  // where the boxes begin
    int first;
    T* out;  // (kRows, kColumns)
  };
  struct Threadgroup {
    typename Product::template left_tile_stages<T, 2> tiles;
    stage_ring<2> ring;
  };
  static constexpr int kSimdgroups = 8;
  static FT_FUNCTION void run(const Params& p, Threadgroup& memory, GridPosition) {
    if (threadIdx.x == 0) {
      memory.ring.init(1, 1);
      publish_barriers();
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (team_index_in_threadgroup<4>() == 0) {
      if (!team_is_first<4>()) return;
      memory.ring.expect(1, kRows / kBox * box_bytes<kBox>(memory.tiles));
      for (int box = 0; box < kRows / kBox; ++box)
        load_box_async<kBox>(memory.tiles, 1, box * kBox, p.map, {p.rows[box], 0, 0},
                             memory.ring.barrier_of(1));
      return;
    }
    const named_barrier<4> team{1};
    memory.ring.wait_filled(1);
    clear_rows<execution_team<4>>(memory.tiles, 1, p.first);
    publish_tiles();
    team.wait();
    const auto loaded = tile(memory.tiles, 1);
    for_each_index(execution_team<4>{}, kRows * kColumns,
                   [&](int i) { p.out[i] = loaded.get(i / kColumns, i % kColumns); });
  }
};
template <class T, int kColumns>
void expect_boxes(const Shape& shape, int first, unsigned seed) {
  const auto values = random_values<T>(static_cast<std::size_t>(shape.batch_stride()), seed);
  const Array<T> memory(values), out(64 * kColumns, T(77.0f));
  const tensor_map map = make_tensor_map(memory.data(), shape.map(), 16);
  const int rows[4] = {32, 3, static_cast<int>(shape.rows) - 5, 0};
  run<LoadsBoxes<T, kColumns>>({map, {rows[0], rows[1], rows[2], rows[3]}, first, out.data()});
  const auto found = out.read();
  for (int r = 0; r < 64; ++r) {
    for (int c = 0; c < kColumns; ++c) {
      const int row = rows[r / 16] + r % 16;
      const bool there = r < first && row < shape.rows && c < shape.columns;
      const auto at = static_cast<std::size_t>(row * shape.row_stride + c);
      ASSERT_EQ(found[static_cast<std::size_t>(r * kColumns + c)].bits, there ? values[at].bits : 0)
          << "row " << r << ", column " << c;
    }
  }
}
TEST(TensorMap, LoadsBoxesAndClearsRows) {
  SKIP_WITHOUT_HOPPER();
  for (const int first : {0, 1, 17, 63, 64}) {
    expect_boxes<half, 64>({64, 100, 1, 1, 64}, first, 1);
    expect_boxes<bfloat, 128>({120, 100, 1, 1, 136}, first, 2);
  }
}

/// One tile from device memory into registers, from there into a threadgroup tile, and by the copy engine out
/// again.
template <class T, int kColumns>
struct StoresTile {
  using Product = matmul2d<matmul2d_descriptor{64, kColumns, 64}, execution_team<4>>;
  using Holder = matmul2d<matmul2d_descriptor{64, 64, kColumns, false, true}, execution_team<4>>;
  using Matrix = tensor<float, dextents<int, 2>, tensor_inline>;
  struct Params {
    tensor_map map;
    float* from;  // of each team (64, kColumns)
    int rows;     // of a tile that is stored twice, the second time further down
  };
  struct Threadgroup {
    typename Holder::template left_tile_stages<T, 2> tiles;
    int released[8];
  };
  static constexpr int kSimdgroups = 8;
  static FT_FUNCTION void run(const Params& p, Threadgroup& memory, GridPosition) {
    const int team = team_index_in_threadgroup<4>();
    auto o = Product::template get_destination_cooperative_tensor<Matrix, Matrix, float>();
    o.load(Matrix(p.from + team * 64 * kColumns, dextents<int, 2>(kColumns, 64)));
    auto to = tile(memory.tiles, team);
    const named_barrier<4> meet{1 + team};
    int released = 0;
    tile_store output;
    for (int copy = 0; copy < 2; ++copy) {
      output.when_read([&]() { ++released; });
      meet.wait();
      store(o, to);
      publish_tiles();
      simdgroup_barrier(mem_flags::mem_threadgroup);
      output.template start<kColumns, 4>(p.map, to, {copy * p.rows + team * 64, 1, 0});
      map_elements(o, [](float x) { return -x; });
    }
    output.when_read([&]() { ++released; });
    const int all = simd_sum(released);
    if (simd_is_first()) memory.released[simdgroup_index_in_threadgroup()] = all;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    for (int i = 0; i < 8; ++i) FT_REFUSE_IF(memory.released[i] != 2, "when_read calls once a simdgroup");
  }
};
template <class T, int kColumns>
void expect_stored(int rows, int columns) {
  constexpr float kCanary = 77.0f;
  const int stride = (kColumns + 15) / 8 * 8;  // canaries behind each row
  const auto values = random_values<float>(128 * kColumns, 7);
  const Array<float> from(values);
  const Array<T> out(static_cast<std::size_t>(2 * rows * stride), T(kCanary));
  const std::int64_t head = rows * stride;
  const tensor_map map = make_tensor_map(out.data(), {{columns, rows, 2, 1}, {stride, head, 2 * head}}, 16);
  run<StoresTile<T, kColumns>>({map, from.data(), 128});
  const auto found = out.read();
  for (int r = 0; r < 2 * rows; ++r) {
    for (int c = 0; c < stride; ++c) {
      const int row = r - rows;  // of head 1; head 0 stays as it was
      T expected(kCanary);
      if (row >= 0 && c < columns) {
        const float x = values[static_cast<std::size_t>(row % 128 * kColumns + c)];
        expected = T(row < 128 ? x : -x);
      }
      ASSERT_EQ(found[static_cast<std::size_t>(r * stride + c)].bits, expected.bits)
          << "row " << row << ", column " << c;
    }
  }
}
TEST(TensorMap, StoresRowsAndLeavesTheRestAlone) {
  SKIP_WITHOUT_HOPPER();
  expect_stored<half, 64>(256, 64);
  expect_stored<bfloat, 128>(200, 128);
  expect_stored<bfloat, 96>(129, 96);
  expect_stored<half, 256>(250, 200);
  expect_stored<half, 128>(3, 40);
}

TEST(TensorMap, ThatCannotBeIsRefused) {
  SKIP_WITHOUT_HOPPER();
  const Array<half> memory(4096, half(0.0f));
  const tensor_map_shape crooked{{64, 4, 1, 1}, {65, 0, 0}};  // rows 130 bytes apart
  try {
    make_tensor_map(memory.data(), crooked, 64);
    FAIL() << "made";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::unsupported);
    EXPECT_NE(std::string(e.what()).find("cuTensorMapEncodeTiled refuses"), std::string::npos) << e.what();
  }
}

}  // namespace
}  // namespace flashtile::test
