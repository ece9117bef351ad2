// Tiles in threadgroup (shared) memory in the layout that the matrix units read, and their asynchronous, clipped loads; the
// protocol stands in common/tile_stages_contract.h. Included by the CUDA primitives.
//
// A tile of 16-bit elements that a product reads is stored as panels of 64 columns: rows of 128 bytes whose
// eight 16-byte chunks are permuted by the row, chunk c of row r lying at c ^ (r % 8). That is the 128-byte
// swizzle of the warpgroup instructions, and it lets ldmatrix read eight rows without bank conflicts. Other
// tiles are plain rows with 16 bytes of padding.
#pragma once

#include <cstdint>

#include "flashtile/primitives/common/tensor.h"
#include "flashtile/primitives/common/tile_stages_contract.h"
#include "flashtile/primitives/cuda/cooperative_tensor.h"
#include "flashtile/primitives/cuda/execution.h"

namespace flashtile::inline v0_2::primitives {
inline namespace FLASHTILE_BACKEND {
namespace detail {

FT_FUNCTION std::uint32_t shared_address(const void* p) {
  return static_cast<std::uint32_t>(__cvta_generic_to_shared(p));
}

/// Rows of Columns elements and padding: element (r, c) lies at r * kElementsPerRow + c. Both sizes are rounded
/// up to 16, the step of a product.
template <class T, int Rows, int Columns>
struct padded_rows {
  static constexpr int kChunk = 16 / static_cast<int>(sizeof(T));  // elements in 16 bytes
  static constexpr int kRows = divide_up(Rows, 16) * 16, kColumns = divide_up(Columns, 16) * 16;
  static constexpr int kElementsPerRow = kColumns + kChunk;
  static constexpr int kBytes = kRows * kElementsPerRow * static_cast<int>(sizeof(T));
  static constexpr int kAlignment = 16;
  static FT_FUNCTION constexpr int offset(int row, int column) {
    return (row * kElementsPerRow + column) * static_cast<int>(sizeof(T));
  }
};

/// Panels of 64 columns of 16-bit elements, 128-byte swizzle.
template <class T, int Rows, int Columns>
struct swizzled_panels {
  static_assert(sizeof(T) == 2, "swizzled_panels: 16-bit elements only");
  static constexpr int kChunk = 8;
  static constexpr int kRows = divide_up(Rows, 16) * 16, kColumns = divide_up(Columns, 64) * 64;
  static constexpr int kPanelBytes = kRows * 128;
  static constexpr int kBytes = kColumns / 64 * kPanelBytes;
  static constexpr int kAlignment = 1024;
  static FT_FUNCTION constexpr int offset(int row, int column) {
    return column / 64 * kPanelBytes + row * 128 + ((column / 8 % 8) ^ (row % 8)) * 16 + column % 8 * 2;
  }
  /// The offset before the permutation, which the descriptors of the warpgroup instructions use.
  static FT_FUNCTION constexpr int plain_offset(int row, int column) {
    return column / 64 * kPanelBytes + row * 128 + column % 64 * 2;
  }
};

}  // namespace detail

/// One stage of a tile, as matmul2d and simdgroup_load read it: Rows x Columns elements,
/// zeros outside the source.
template <class T, class Order, int Rows, int Columns>
struct threadgroup_tile {
  using element_type = T;
  using order = Order;
  static constexpr int kRows = Rows, kColumns = Columns;
  unsigned char* bytes;

  FT_FUNCTION T get(int row, int column) const {
    return *reinterpret_cast<const T*>(bytes + Order::offset(row, column));
  }
  /// Shared-memory address of an element; the columns of one 16-byte chunk are adjacent.
  FT_FUNCTION std::uint32_t address(int row, int column) const {
    return detail::shared_address(bytes) + static_cast<std::uint32_t>(Order::offset(row, column));
  }
  FT_FUNCTION std::uint32_t panel_address(int row, int column) const {
    return detail::shared_address(bytes) + static_cast<std::uint32_t>(Order::plain_offset(row, column));
  }
};

/// Threadgroup memory for Stages tiles of Rows x Columns elements, so that one can be loaded
/// while another is read.
template <class T, class Order, int Rows, int Columns, int Stages>
struct alignas(Order::kAlignment) tile_stages {
  using element_type = T;
  using order = Order;
  static constexpr int kRows = Rows, kColumns = Columns, kStages = Stages;
  static constexpr int kStageBytes = detail::divide_up(Order::kBytes, Order::kAlignment) * Order::kAlignment;
  static_assert(detail::stages_ok<Stages>());
  unsigned char bytes[Stages * kStageBytes];
};

/// Stages of a tile that simdgroup_load reads by rows, kElementsPerRow apart.
template <class T, int Rows, int Columns, int Stages>
struct row_tile_stages : tile_stages<T, detail::padded_rows<T, Rows, Columns>, Rows, Columns, Stages> {
  static constexpr int kElementsPerRow = detail::padded_rows<T, Rows, Columns>::kElementsPerRow;
};

/// Stage i, as an operand of matmul2d.
template <class T, class Order, int Rows, int Columns, int Stages>
FT_FUNCTION threadgroup_tile<T, Order, Rows, Columns> tile(tile_stages<T, Order, Rows, Columns, Stages>& stages,
                                                           int i) {
  return {stages.bytes + i * stages.kStageBytes};
}
/// Stage i, as the source of simdgroup_load.
template <class T, int Rows, int Columns, int Stages>
FT_FUNCTION auto row_tile(row_tile_stages<T, Rows, Columns, Stages>& stages, int i) {
  return tile(stages, i);
}

namespace detail {
/// 16 bytes from global to shared memory, the last 16 - `bytes` of them zeros; not ordered before wait_tiles.
FT_FUNCTION void copy_chunk_async(std::uint32_t to, const void* from, int bytes) {
  asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16, %2;" ::"r"(to),
               "l"(__cvta_generic_to_global(from)), "r"(bytes)
               : "memory");
}
FT_FUNCTION void commit_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int Pending>
FT_FUNCTION void wait_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(Pending) : "memory");
}
/// Makes this thread's writes to shared memory visible to the warpgroup instructions, which
/// read through the async proxy.
FT_FUNCTION void publish_to_matrix_unit() {
#if __CUDA_ARCH__ >= 900
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
#endif
}
}  // namespace detail

/// Starts copying the tensor's elements from its origin on into stage i, with zeros outside the tensor. Counts
/// as one load for wait_tiles, however much it copies.
///
/// Scope     All threads of the scope call it. No thread may still be reading the stage (wait_tiles ensures that).
template <class Scope, class T, class Order, int Rows, int Columns, int Stages, class Tensor>
FT_FUNCTION void load_tile_async(tile_stages<T, Order, Rows, Columns, Stages>& stages, int i,
                                 const Tensor& source) {
  detail::check_scope<Scope>();
  using E = std::remove_cv_t<typename Tensor::element_type>;
  detail::check_tile_source<Tensor::kRank, std::is_same_v<detail::register_type_t<E>, T>>();
  constexpr int kChunk = Order::kChunk, kChunksPerRow = Order::kColumns / kChunk;
  constexpr int kChunks = Order::kRows * kChunksPerRow, kThreads = detail::scope_threads<Scope>;
  const int source_columns = static_cast<int>(source.get_extent(0)),
            source_rows = static_cast<int>(source.get_extent(1));
  const int columns = source_columns < Columns ? source_columns : Columns,
            rows = source_rows < Rows ? source_rows : Rows;
  const std::int64_t stride = source.get_stride(1);
  const E* data = source.data();
  const int thread = detail::scope_thread<Scope>();
  auto to = tile(stages, i);
  const bool aligned =
      reinterpret_cast<std::uintptr_t>(data) % 16 == 0 && stride * static_cast<int>(sizeof(T)) % 16 == 0;
  if (detail::packing<E>::elements == 1 && aligned) {
    const auto bytes_left = [=](int column) {
      const int left = columns - column;
      return (left <= 0 ? 0 : left >= kChunk ? kChunk : left) * static_cast<int>(sizeof(T));
    };
    if constexpr (kThreads % kChunksPerRow == 0) {
      // Each thread copies the same chunk of its rows. Where no byte of one is there, nothing is read.
      constexpr int kRowsAtOnce = kThreads / kChunksPerRow;
      const int own_row = thread / kChunksPerRow, column = thread % kChunksPerRow * kChunk;
      const int bytes = bytes_left(column);
      const E* from = data + own_row * stride + column;
      FT_UNROLL for (int row = own_row; row < Order::kRows + own_row; row += kRowsAtOnce) {
        if (Order::kRows % kRowsAtOnce != 0 && row >= Order::kRows) break;
        detail::copy_chunk_async(to.address(row, column), from, row < rows ? bytes : 0);
        from += kRowsAtOnce * stride;
      }
    } else {
      FT_UNROLL for (int first = 0; first < kChunks; first += kThreads) {
        const int chunk = first + thread;
        if (kChunks % kThreads != 0 && chunk >= kChunks) break;
        const int row = chunk / kChunksPerRow, column = chunk % kChunksPerRow * kChunk;
        const int bytes = row < rows ? bytes_left(column) : 0;
        detail::copy_chunk_async(to.address(row, column), bytes > 0 ? data + row * stride + column : data,
                                 bytes);
      }
    }
  } else {
    for (int chunk = thread; chunk < kChunks; chunk += kThreads) {
      const int row = chunk / kChunksPerRow, column = chunk % kChunksPerRow * kChunk;
      alignas(16) T elements[kChunk];
      FT_UNROLL for (int e = 0; e < kChunk; ++e) {
        elements[e] =
            row < rows && column + e < columns ? detail::read_element(data, row * stride + column + e) : T{};
      }
      *reinterpret_cast<uint4*>(to.bytes + Order::offset(row, column)) =
          *reinterpret_cast<const uint4*>(elements);
    }
  }
  detail::commit_copies();
}

/// The same for rows that each lie anywhere: row r < rows of the tile begins at row_at(r) and has `columns` elements;
/// zeros elsewhere.
template <class Scope, class T, class Order, int Rows, int Columns, int Stages, class F>
FT_FUNCTION void load_rows_async(tile_stages<T, Order, Rows, Columns, Stages>& stages, int i, int rows,
                                 int columns, F row_at) {
  detail::check_scope<Scope>();
  constexpr int kChunk = Order::kChunk, kChunksPerRow = Order::kColumns / kChunk;
  constexpr int kChunks = Order::kRows * kChunksPerRow;
  if (rows > Rows) rows = Rows;
  if (columns > Columns) columns = Columns;
  auto to = tile(stages, i);
  FT_NO_UNROLL for (int chunk = detail::scope_thread<Scope>(); chunk < kChunks;
                    chunk += detail::scope_threads<Scope>) {
    const int row = chunk / kChunksPerRow, column = chunk % kChunksPerRow * kChunk;
    const int left = row < rows ? columns - column : 0;
    const T* from = left > 0 ? row_at(row) + column : nullptr;
    if (left >= kChunk && reinterpret_cast<std::uintptr_t>(from) % 16 == 0) {
      detail::copy_chunk_async(to.address(row, column), from, 16);
    } else {
      alignas(16) T elements[kChunk];
      FT_UNROLL for (int e = 0; e < kChunk; ++e) elements[e] = e < left ? from[e] : T{};
      *reinterpret_cast<uint4*>(to.bytes + Order::offset(row, column)) =
          *reinterpret_cast<const uint4*>(elements);
    }
  }
  detail::commit_copies();
}

/// Can fill_tile() compute tiles in place of a load, because products read copies of them?
inline constexpr bool kFillsTiles = true;

/// The half that is stored as these 16 bits, as a float.
FT_FUNCTION float half_of_bits(std::uint16_t bits) { return half::to_float(bits); }

/// Fills a stage: `rows` rows of `columns` elements, as far as the tile has room, and zeros elsewhere; f(row, column, count,
/// to) stores elements column ... column + count - 1 of a row at `to`. Counts as one load for wait_tiles.
template <class Scope, class T, class Order, int Rows, int Columns, int Stages, class F>
FT_FUNCTION void fill_tile(tile_stages<T, Order, Rows, Columns, Stages>& stages, int i, std::int64_t rows,
                           int columns, F f) {
  detail::check_scope<Scope>();
  constexpr int kChunk = Order::kChunk, kChunksPerRow = Order::kColumns / kChunk;
  constexpr int kChunks = Order::kRows * kChunksPerRow;
  const int count = rows < Rows ? static_cast<int>(rows) : Rows;
  if (columns > Columns) columns = Columns;
  auto to = tile(stages, i);
  FT_NO_UNROLL for (int chunk = detail::scope_thread<Scope>(); chunk < kChunks;
                    chunk += detail::scope_threads<Scope>) {
    const int row = chunk / kChunksPerRow, column = chunk % kChunksPerRow * kChunk;
    const int left = row < count ? columns - column : 0;
    alignas(16) T elements[kChunk] = {};
    if (left > 0) f(row, column, left < kChunk ? left : kChunk, elements);
    *reinterpret_cast<uint4*>(to.bytes + Order::offset(row, column)) =
        *reinterpret_cast<const uint4*>(elements);
  }
  detail::commit_copies();
}

/// Waits until at most the Pending loads started last are unfinished in every thread of the scope. What the
/// others loaded can then be read, and every thread is done with what it read before.
template <class Scope, int Pending>
FT_FUNCTION void wait_tiles() {
  detail::check_pending<Pending>();
  detail::wait_copies<Pending>();
  detail::publish_to_matrix_unit();
  detail::scope_barrier<Scope>();
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::primitives
