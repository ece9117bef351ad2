// Tiles between device and threadgroup memory by the copy engine of Hopper and later (TMA): one thread asks for
// a whole tile, clipped and in the matrix unit's layout, and goes on. Ours. Included by cuda/primitives.h.
#pragma once

#include <cuda.h>
#include <cuda_runtime.h>

#include <cstdint>
#include <string>

#include "flashtile/detail/cuda_calls.h"
#include "flashtile/error.h"
#include "flashtile/primitives/cuda/maps.h"
#include "flashtile/primitives/cuda/stage_ring.h"
#include "flashtile/primitives/cuda/tile_stages.h"

namespace flashtile::inline v0_2::primitives {
inline namespace FLASHTILE_BACKEND {

/// How the copy engine finds a tensor of rank 4 in device memory, and the box that it moves at a time. Made on
/// the host by make_tensor_map; a kernel has it among its Params.
struct tensor_map {
  CUtensorMap encoded;
};

/// Where a tensor of rank 4 lies: extents (columns, rows, heads, batches) and the strides of the last three in
/// elements. Columns lie side by side.
struct tensor_map_shape {
  std::int64_t extents[4], strides[3];
};

namespace detail {
using EncodeTensorMap = CUresult (*)(CUtensorMap*, CUtensorMapDataType, cuuint32_t, void*, const cuuint64_t*,
                                     const cuuint64_t*, const cuuint32_t*, const cuuint32_t*,
                                     CUtensorMapInterleave, CUtensorMapSwizzle, CUtensorMapL2promotion,
                                     CUtensorMapFloatOOBfill);

/// The driver's function, asked of the runtime, so that nothing links against the driver.
inline EncodeTensorMap find_tensor_map_encoder() {
  void* function = nullptr;
  cudaDriverEntryPointQueryResult found;
  flashtile::detail::check_cuda(
      cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &function, 12000, cudaEnableDefault, &found),
      "cudaGetDriverEntryPointByVersion");
  if (function == nullptr || found != cudaDriverEntryPointSuccess)
    throw Error(ErrorCode::unsupported, "tensor_map: the NVIDIA driver has no cuTensorMapEncodeTiled");
  return reinterpret_cast<EncodeTensorMap>(function);
}
template <class T>
inline constexpr CUtensorMapDataType tensor_map_type = T::no_such_type;
template <>
inline constexpr CUtensorMapDataType tensor_map_type<half> = CU_TENSOR_MAP_DATA_TYPE_FLOAT16;
template <>
inline constexpr CUtensorMapDataType tensor_map_type<bfloat> = CU_TENSOR_MAP_DATA_TYPE_BFLOAT16;
}  // namespace detail

/// The map of a tensor of half or bfloat that is moved in tiles of box_rows rows, 64 columns at a time.
///
/// Shapes   box_rows 1 ... 256. `data` is a multiple of 16 bytes, and so are the strides; those of extents of 1
///          are not
///          used. Any number of columns.
/// Errors   unsupported where the driver has no such maps or refuses this one, with the driver's number.
template <class T>
tensor_map make_tensor_map(const T* data, const tensor_map_shape& shape, int box_rows) {
  static const detail::EncodeTensorMap encode = detail::find_tensor_map_encoder();
  cuuint64_t extents[4], strides[3];
  for (int i = 0; i < 4; ++i) extents[i] = static_cast<cuuint64_t>(shape.extents[i]);
  for (int i = 0; i < 3; ++i) {
    const bool used = shape.extents[i + 1] > 1;
    strides[i] = used ? static_cast<cuuint64_t>(shape.strides[i]) * sizeof(T) : 16;
  }
  const cuuint32_t box[4] = {64, static_cast<cuuint32_t>(box_rows), 1, 1}, steps[4] = {1, 1, 1, 1};
  tensor_map map;
  const CUresult result = encode(&map.encoded, detail::tensor_map_type<T>, 4, const_cast<T*>(data), extents,
                                 strides, box, steps, CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
                                 CU_TENSOR_MAP_L2_PROMOTION_L2_128B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (result != CUDA_SUCCESS) {
    throw Error(ErrorCode::unsupported, "tensor_map: cuTensorMapEncodeTiled refuses this tensor (CUresult " +
                                            std::to_string(static_cast<int>(result)) + ")");
  }
  return map;
}

/// Where a tile starts in the tensor of a map.
struct tile_place {
  int row, head, batch;
};

/// The bytes that load_tile_async brings into one stage, whatever it clips.
template <class T, int Rows, int Columns, int Stages>
FT_FUNCTION constexpr int tile_bytes(
    const tile_stages<T, detail::swizzled_panels<T, Rows, Columns>, Rows, Columns, Stages>&) {
  return Rows * detail::swizzled_panels<T, Rows, Columns>::kColumns * static_cast<int>(sizeof(T));
}

/// Starts copying BoxRows rows from `place` on into stage i, from its row `row` on, a multiple of 8; outside the tensor lie
/// zeros. `done`, which has been promised box_bytes<BoxRows>(stages), hears of every byte. The map's boxes have BoxRows rows.
///
/// Scope    one thread; nobody may still read what was there
template <int BoxRows, class T, int Rows, int Columns, int Stages>
FT_FUNCTION void load_box_async(
    tile_stages<T, detail::swizzled_panels<T, Rows, Columns>, Rows, Columns, Stages>& stages, int i, int row,
    const tensor_map& map, tile_place place, arrival_barrier& done) {
  using Order = detail::swizzled_panels<T, Rows, Columns>;
  static_assert(BoxRows <= Rows && BoxRows <= 256 && BoxRows % 16 == 0,
                "load_box_async: a box has 16, 32, ... 256 rows");
  std::uint32_t to = tile(stages, i).panel_address(row, 0);
  // A loop, since the thread that loads has few registers.
  FT_NO_UNROLL for (int column = 0; column < Columns; column += 64, to += Order::kPanelBytes) {
    asm volatile(
        "cp.async.bulk.tensor.4d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4, %5, "
        "%6}], [%2];" ::"r"(to),
        "l"(&map.encoded), "r"(done.address()), "r"(column), "r"(place.row), "r"(place.head), "r"(place.batch)
        : "memory");
  }
}
template <int BoxRows, class T, int Rows, int Columns, int Stages>
FT_FUNCTION constexpr int box_bytes(
    const tile_stages<T, detail::swizzled_panels<T, Rows, Columns>, Rows, Columns, Stages>&) {
  return BoxRows * detail::swizzled_panels<T, Rows, Columns>::kColumns * static_cast<int>(sizeof(T));
}

/// The same for a whole stage, of Rows rows.
template <class T, int Rows, int Columns, int Stages>
FT_FUNCTION void load_tile_async(
    tile_stages<T, detail::swizzled_panels<T, Rows, Columns>, Rows, Columns, Stages>& stages, int i,
    const tensor_map& map, tile_place place, arrival_barrier& done) {
  load_box_async<Rows>(stages, i, 0, map, place, done);
}

/// Brings a map itself near, ahead of its first use. One thread.
FT_FUNCTION void prefetch(const tensor_map& map) {
  asm volatile("prefetch.tensormap [%0];" ::"l"(&map.encoded) : "memory");
}

/// The tile's elements from (0, 0) on <- the cooperative tensor, converted. What others write or read there
/// needs a barrier; the copy engine and the matrix unit need publish_tiles() as well.
template <class U, class Spread, int N, int Multiple, class T, int Rows, int Columns, int TileRows,
          int TileColumns>
FT_FUNCTION void store(
    const cooperative_tensor<U, detail::row_layout<Spread, N, Multiple>>& from,
    const threadgroup_tile<T, detail::swizzled_panels<T, Rows, Columns>, TileRows, TileColumns>& to) {
  using Layout = detail::row_layout<Spread, N, Multiple>;
  static_assert(Layout::kFull && Spread::kHalves == 2 && N % 16 == 0,
                "store: only whole blocks of 16 rows and columns go into threadgroup tiles");
  static_assert(Spread::kRows <= TileRows && N <= TileColumns, "store: the threadgroup tile is too small");
  const int lane = thread_index_in_simdgroup();
  FT_UNROLL for (int b = 0; b < Spread::kBlocks; ++b) {
    FT_UNROLL for (int j = 0; j < N / 8; j += 2) {
      std::uint32_t word[4];  // of the 8x8 matrices top left, bottom left, top right, bottom right
      FT_UNROLL for (int i = 0; i < 4; ++i) word[i] =
          detail::convert_pair<T>(from.slots.pair(Layout::slot(b, j + i / 2, i % 2))).word;
      asm volatile("stmatrix.sync.aligned.m8n8.x4.shared::cta.b16 [%0], {%1, %2, %3, %4};" ::"r"(
                       to.address(Spread::first_row(b) + lane % 16, j * 8 + lane / 16 * 8)),
                   "r"(word[0]), "r"(word[1]), "r"(word[2]), "r"(word[3])
                   : "memory");
    }
  }
}

/// What this thread wrote into threadgroup tiles can be seen by the copy engine and the matrix unit, once those
/// who start them have met this thread at a barrier.
FT_FUNCTION void publish_tiles() { detail::publish_to_matrix_unit(); }

/// The rows of stage i from row `first` on <- 0. The matrix unit sees it after publish_tiles() and a barrier.
///
/// Scope    all threads of the scope; the stage's load is done
template <class Scope, class T, int Rows, int Columns, int Stages>
FT_FUNCTION void clear_rows(
    tile_stages<T, detail::swizzled_panels<T, Rows, Columns>, Rows, Columns, Stages>& stages, int i,
    int first) {
  detail::check_scope<Scope>();
  using Order = detail::swizzled_panels<T, Rows, Columns>;
  constexpr int kChunksPerRow = Order::kColumns / Order::kChunk, kThreads = detail::scope_threads<Scope>;
  const auto to = tile(stages, i);
  FT_NO_UNROLL for (int chunk = first * kChunksPerRow + detail::scope_thread<Scope>();
                    chunk < Rows * kChunksPerRow; chunk += kThreads) {
    const int row = chunk / kChunksPerRow, column = chunk % kChunksPerRow * Order::kChunk;
    *reinterpret_cast<uint4*>(to.bytes + Order::offset(row, column)) = make_uint4(0, 0, 0, 0);
  }
}

/// Rows on their way from a tile in threadgroup memory to device memory. Each simdgroup of a team of N carries
/// its own 16 rows of a tile of 16 N rows, those that `store` of a cooperative tensor gave it.
class tile_store {
 public:
  /// Starts copying this simdgroup's rows, of Columns columns, to `place` (of the tile's first row), clipped to
  /// the tensor, but not within 16 bytes: the tensor's columns are a multiple of 8. The map's boxes have 16
  /// rows. All lanes call, after publish_tiles() and a simdgroup_barrier.
  template <int Columns, int N, class T, int Rows, int PanelColumns, int TileRows, int TileColumns>
  FT_FUNCTION void start(
      const tensor_map& map,
      const threadgroup_tile<T, detail::swizzled_panels<T, Rows, PanelColumns>, TileRows, TileColumns>& from,
      tile_place place) {
    static_assert(TileRows == 16 * N && Columns <= TileColumns,
                  "tile_store: 16 rows a simdgroup, within the tile");
    under_way_ = simd_is_first();
    if (!under_way_) return;
    const int row = simdgroup_index_in_threadgroup() % N * 16;
    FT_UNROLL for (int column = 0; column < Columns; column += 64) {
      asm volatile("cp.async.bulk.tensor.4d.global.shared::cta.bulk_group [%0, {%2, %3, %4, %5}], [%1];" ::"l"(
                       &map.encoded),
                   "r"(from.panel_address(row, column)), "r"(column), "r"(place.row + row), "r"(place.head),
                   "r"(place.batch)
                   : "memory");
    }
    asm volatile("cp.async.bulk.commit_group;" ::: "memory");
  }
  /// Waits until the rows have been read, where some are under way, and then calls f once a simdgroup: its part
  /// of the tile is free.
  template <class F>
  FT_FUNCTION void when_read(F f) {
    if (!under_way_) return;
    asm volatile("cp.async.bulk.wait_group.read 0;" ::: "memory");
    under_way_ = false;
    f();
  }

 private:
  bool under_way_ = false;  ///< in the one lane that started it
};

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::primitives
