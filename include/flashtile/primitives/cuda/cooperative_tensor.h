// Tiles in the registers of the threads of a scope: access to their elements, loads and stores. Made by the
// factories of matmul2d; blocks of simdgroup matrices are cooperative tensors too. Included by
// cuda/primitives.h; maps and reductions are in maps.h.
#pragma once

#include <cstdint>
#include <type_traits>

#include "flashtile/primitives/common/tensor.h"
#include "flashtile/primitives/cuda/engine/fragment.h"
#include "flashtile/primitives/cuda/engine/tile_layout.h"

namespace flashtile::inline v0_2::primitives {
inline namespace FLASHTILE_BACKEND {
namespace detail {

/// The type of an element in registers: 4-bit elements are kept as 8-bit integers.
template <class T>
using register_type_t = typename packing<std::remove_cv_t<T>>::value;

/// One element of a tensor in memory.
template <class T>
FT_FUNCTION register_type_t<T> read_element(const T* data, std::int64_t offset) {
  if constexpr (packing<T>::elements == 2)
    return nibble(data, offset);
  else
    return data[offset];
}

/// Registers of N elements with pairs adjacent; 16-bit elements are packed as the matrix units read them.
template <class T, int N, int Bytes = sizeof(T)>
struct element_slots {
  T element[N] = {};
  FT_FUNCTION T& at(int i) { return element[i]; }
  FT_FUNCTION T get(int i) const { return element[i]; }
  FT_FUNCTION void set(int i, T value) { element[i] = value; }
  FT_FUNCTION element_pair<T> pair(int i) const { return {element[i], element[i + 1]}; }
  FT_FUNCTION void set_pair(int i, element_pair<T> p) { element[i] = p.x, element[i + 1] = p.y; }
};
template <class T, int N>
struct element_slots<T, N, 2> {
  using element_type = T;
  std::uint32_t word[(N + 1) / 2] = {};
  FT_FUNCTION T get(int i) const {
    return T::from_bits(static_cast<std::uint16_t>(word[i / 2] >> (i % 2 * 16)));
  }
  FT_FUNCTION void set(int i, T value) {
    word[i / 2] = __byte_perm(word[i / 2], value.bits, i % 2 == 0 ? 0x3254 : 0x5410);
  }
  FT_FUNCTION element_pair<T> pair(int i) const { return {word[i / 2]}; }
  FT_FUNCTION void set_pair(int i, element_pair<T> p) { word[i / 2] = p.word; }
};

/// The type of an element in arithmetic: float for 16-bit floats, its own type otherwise.
template <class T>
FT_FUNCTION auto operand(T x) {
  if constexpr (sizeof(T) == 2)
    return to_float(x);
  else
    return x;
}

/// Reference to a packed 16-bit element: reads give a float, writes round.
template <class Slots>
class element_reference {
 public:
  FT_FUNCTION element_reference(Slots& slots, int slot) : slots_(&slots), slot_(slot) {}
  FT_FUNCTION operator float() const { return to_float(slots_->get(slot_)); }
  FT_FUNCTION const element_reference& operator=(float x) const {
    slots_->set(slot_, convert_element<typename Slots::element_type>(x));
    return *this;
  }
  FT_FUNCTION const element_reference& operator=(const element_reference& other) const {
    return *this = static_cast<float>(other);
  }
  FT_FUNCTION const element_reference& operator+=(float x) const { return *this = *this + x; }
  FT_FUNCTION const element_reference& operator-=(float x) const { return *this = *this - x; }
  FT_FUNCTION const element_reference& operator*=(float x) const { return *this = *this * x; }
  FT_FUNCTION const element_reference& operator/=(float x) const { return *this = *this / x; }

 private:
  Slots* slots_;
  int slot_;
};

}  // namespace detail

/// A tile spread over the registers of a scope's threads (common/cooperative_tensor_contract.h). Starts as zeros. Slots that
/// hold no element of the tile may hold anything. Load, store and the reductions need all threads of the scope.
///
/// Lifetime  plain data: copies are copies
template <class T, class Layout>
class cooperative_tensor {
 public:
  using element_type = T;
  using value_type = detail::register_type_t<T>;
  using layout = Layout;
  static constexpr int kRank = Layout::kRank;
  static constexpr int kCapacity = Layout::kCapacity;

  static FT_FUNCTION constexpr int get_rank() { return kRank; }
  static FT_FUNCTION constexpr std::uint16_t get_capacity() { return kCapacity; }
  FT_FUNCTION decltype(auto) operator[](int slot) {
    if constexpr (sizeof(value_type) == 2)
      return detail::element_reference(slots, slot);
    else
      return (slots.at(slot));
  }
  FT_FUNCTION value_type get(int slot) const { return slots.get(slot); }
  template <class Value>
  FT_FUNCTION void set(int slot, Value value) {
    slots.set(slot, detail::convert_element<value_type>(value));
  }
  static FT_FUNCTION bool is_valid_element(int slot) { return Layout::valid(slot); }
  static FT_FUNCTION bool get_mask(int slot) { return Layout::valid(slot); }
  /// Position of a slot's element in the tile: [0] its column, [1] its row; in a tile of rank 1, [0] its index.
  static FT_FUNCTION array<int, kRank> get_multidimensional_index(int slot) {
    if constexpr (kRank == 1)
      return {{Layout::index(slot)}};
    else
      return {{Layout::column(slot), Layout::row(slot)}};
  }

  /// Points to a slot of one tensor.
  class iterator {
   public:
    using layout = Layout;
    FT_FUNCTION iterator(cooperative_tensor& tensor, int slot) : tensor_(&tensor), slot_(slot) {}
    FT_FUNCTION decltype(auto) operator*() const { return (*tensor_)[slot_]; }
    FT_FUNCTION iterator& operator++() { return ++slot_, *this; }
    FT_FUNCTION bool operator!=(const iterator& other) const { return slot_ != other.slot_; }
    FT_FUNCTION bool operator==(const iterator& other) const { return slot_ == other.slot_; }
    FT_FUNCTION bool is_valid_element() const { return Layout::valid(slot_); }
    FT_FUNCTION array<int, kRank> get_multidimensional_index() const {
      return cooperative_tensor::get_multidimensional_index(slot_);
    }
    FT_FUNCTION int slot() const { return slot_; }

   private:
    cooperative_tensor* tensor_;
    int slot_;
  };
  FT_FUNCTION iterator begin() { return {*this, 0}; }
  FT_FUNCTION iterator end() { return {*this, kCapacity}; }
  FT_FUNCTION iterator get_iterator(int slot) { return {*this, slot}; }

  /// On a tile made by reduce_rows (or reduce_columns): the entry of the row (column) that an element lies in.
  template <class Iterator>
  FT_FUNCTION iterator map_iterator(const Iterator& element);

  template <class Tensor>
  FT_FUNCTION void load(const Tensor& source);
  template <class Tensor>
  FT_FUNCTION void store(const Tensor& target) const;

  detail::element_slots<value_type, kCapacity> slots;
};

namespace detail {
/// Cooperative tensors and the blocks of matrices that derive from them.
template <class T>
inline constexpr bool is_cooperative = requires { typename T::layout; };

/// Two adjacent elements in one access; `data` is aligned to their size.
template <class T>
FT_FUNCTION element_pair<T> read_pair(const T* data) {
  struct alignas(2 * sizeof(T)) word {
    T x, y;
  };
  const word w = *reinterpret_cast<const word*>(data);
  return make_pair(w.x, w.y);
}
template <class T>
FT_FUNCTION void write_pair(T* data, element_pair<T> p) {
  if constexpr (sizeof(T) == 2) {
    *reinterpret_cast<std::uint32_t*>(data) = p.word;
  } else {
    struct alignas(2 * sizeof(T)) word {
      T x, y;
    };
    *reinterpret_cast<word*>(data) = word{p.x, p.y};
  }
}
/// Are pairs that start at even columns aligned to their size in every row?
template <class T>
FT_FUNCTION bool pairs_aligned(const T* data, std::int64_t row_stride) {
  return reinterpret_cast<std::uintptr_t>(data) % (2 * sizeof(T)) == 0 && row_stride % 2 == 0;
}

/// Do a tensor's static extents ask for repetition?
template <class Extents>
inline constexpr bool is_repeated =
    Extents::rank() == 1 || Extents::static_extent(0) == 1 || Extents::static_extent(Extents::rank() - 1) == 1;

/// tile <- the tensor's first rows and columns, converted, zeros outside. If Repeat, an
/// extent of 1 is repeated.
template <bool Repeat, class T, class Layout, class Tensor>
FT_FUNCTION void fill(cooperative_tensor<T, Layout>& tile, const Tensor& source) {
  using E = std::remove_cv_t<typename Tensor::element_type>;
  using V = register_type_t<T>;
  constexpr int kLast = Tensor::kRank - 1;  // a tensor of rank 1 is one row
  const E* data = source.data();
  const int columns = static_cast<int>(source.get_extent(0));
  const int rows = kLast == 0 ? 1 : static_cast<int>(source.get_extent(kLast));
  const std::int64_t stride = kLast == 0 ? 0 : source.get_stride(kLast);
  const bool repeat_row = Repeat && rows == 1, repeat_column = Repeat && columns == 1;
  if constexpr (Layout::kPairsInRow && packing<E>::elements == 1) {
    const bool aligned = pairs_aligned(data, stride);
    FT_UNROLL for (int i = 0; i < Layout::kCapacity; i += 2) {
      const int row = Layout::row(i), column = Layout::column(i);
      element_pair<E> p = make_pair(E{}, E{});
      if (Layout::valid(i) && (repeat_row || row < rows)) {
        const E* at = data + (repeat_row ? 0 : row) * stride;
        const bool second = Layout::valid(i + 1) && column + 1 < columns;
        if (repeat_column)
          p = make_pair<E>(at[0], at[0]);
        else if (aligned && second)
          p = read_pair(at + column);
        else if (column < columns)
          p = make_pair<E>(at[column], second ? at[column + 1] : E{});
      }
      tile.slots.set_pair(i, convert_pair<V>(p));
    }
  } else {
    FT_UNROLL for (int i = 0; i < Layout::kCapacity; ++i) {
      const int row = Layout::row(i), column = Layout::column(i);
      V value{};
      if (Layout::valid(i) && (repeat_row || row < rows) && (repeat_column || column < columns)) {
        const std::int64_t at = (repeat_row ? 0 : row) * stride + (repeat_column ? 0 : column);
        value = convert_element<V>(read_element(data, at));
      }
      tile.set(i, value);
    }
  }
}
}  // namespace detail

/// Ours: load for a mask or a bias. A tensor with an extent of 1 is repeated along it, one of rank 1 (columns)
/// in every row. Not for slices: a ragged last one with a single row or column would be repeated too.
template <class T, class Layout, class Tensor>
FT_FUNCTION void load_repeated(cooperative_tensor<T, Layout>& tile, const Tensor& source) {
  static_assert(Layout::kRank == 2, "load_repeated: give a tile of rank 2");
  detail::fill<true>(tile, source);
}

/// tile <- the tensor's first rows and columns, converted; zeros outside the tensor.
///
/// A tensor of rank 1 (columns) is repeated in every row, one with a static extent of 1 along it; for dynamic
/// extents of 1, load_repeated does that.
template <class T, class Layout, class Tensor>
FT_FUNCTION void load(cooperative_tensor<T, Layout>& tile, const Tensor& source) {
  using V = detail::register_type_t<T>;
  if constexpr (Layout::kRank == 1) {
    FT_UNROLL for (int i = 0; i < Layout::kCapacity; ++i) {
      const int at = Layout::index(i);
      tile.set(i, at < static_cast<int>(source.get_extent(0))
                      ? detail::convert_element<V>(detail::read_element(source.data(), at))
                      : V{});
    }
  } else {
    detail::fill<detail::is_repeated<typename Tensor::extents_type>>(tile, source);
  }
}

namespace detail {
/// Can four lanes that hold a row's pairs of 32 columns exchange them, so that each stores 8 columns side by side?
template <class E, class Layout>
inline constexpr bool stores_chunks = false;
template <class E, class Rows, int Columns, int Multiple>
inline constexpr bool stores_chunks<E, row_layout<Rows, Columns, Multiple>> =
    sizeof(E) == 2 && row_layout<Rows, Columns, Multiple>::kFull && Columns % 32 == 0;

template <class T>
FT_FUNCTION bool chunks_aligned(const T* data, std::int64_t row_stride) {
  return reinterpret_cast<std::uintptr_t>(data) % 16 == 0 && row_stride % 8 == 0;
}

/// word[k] of lane l of four <- word[l] of lane k.
FT_FUNCTION void transpose_in_fours(std::uint32_t (&word)[4]) {
  const int lane = thread_index_in_simdgroup();
  FT_UNROLL for (int distance = 1; distance <= 2; distance *= 2) {
    const bool upper = (lane & distance) != 0;
    FT_UNROLL for (int k = 0; k < 4; ++k) {
      if ((k & distance) != 0) continue;
      const std::uint32_t given = upper ? word[k] : word[k + distance];
      const std::uint32_t taken = __shfl_xor_sync(0xffffffffu, given, distance);
      (upper ? word[k] : word[k + distance]) = taken;
    }
  }
}

/// The tile's first `rows` rows, all columns, in accesses of 16 bytes.
template <class T, class Layout, class E>
FT_FUNCTION void store_chunks(const cooperative_tensor<T, Layout>& tile, E* data, std::int64_t stride,
                              int rows) {
  const int lane = thread_index_in_simdgroup() % 4;
  FT_UNROLL for (int r = 0; r < Layout::rows::kSlots; ++r) {
    const int row = Layout::rows::row(r), block = r / Layout::rows::kHalves, half = r % Layout::rows::kHalves;
    E* to = data + row * stride + lane * 8;
    FT_UNROLL for (int j = 0; j < Layout::kColumnBlocks; j += 4) {
      std::uint32_t word[4];
      FT_UNROLL for (int k = 0; k < 4; ++k) word[k] =
          convert_pair<E>(tile.slots.pair(Layout::slot(block, j + k, half))).word;
      transpose_in_fours(word);
      if (row < rows) *reinterpret_cast<uint4*>(to + j * 8) = make_uint4(word[0], word[1], word[2], word[3]);
    }
  }
}
}  // namespace detail

/// Writes the tile, converted, to the tensor's elements from its origin on; elements outside the tensor are
/// dropped. Before other threads read them, a barrier is needed.
template <class T, class Layout, class Tensor>
FT_FUNCTION void store(const cooperative_tensor<T, Layout>& tile, const Tensor& target) {
  using E = typename Tensor::element_type;
  if constexpr (Layout::kRank == 1) {
    if (!Layout::owner()) return;
    FT_UNROLL for (int i = 0; i < Layout::kCapacity; ++i) {
      const int at = Layout::index(i);
      if (Layout::valid(i) && at < target.get_extent(0))
        target.data()[at] = detail::convert_element<E>(tile.get(i));
    }
  } else {
    const int columns = static_cast<int>(target.get_extent(0)), rows = static_cast<int>(target.get_extent(1));
    const std::int64_t stride = target.get_stride(1);
    E* data = target.data();
    if constexpr (detail::stores_chunks<E, Layout>) {
      if (detail::chunks_aligned(data, stride) && columns >= Layout::kColumnCount)
        return detail::store_chunks(tile, data, stride, rows);
    }
    if constexpr (Layout::kPairsInRow) {
      const bool aligned = detail::pairs_aligned(data, stride);
      FT_UNROLL for (int i = 0; i < Layout::kCapacity; i += 2) {
        const int row = Layout::row(i), column = Layout::column(i);
        if (!Layout::valid(i) || row >= rows || column >= columns) continue;
        const detail::element_pair<E> p = detail::convert_pair<E>(tile.slots.pair(i));
        E* at = data + row * stride + column;
        const bool second = Layout::valid(i + 1) && column + 1 < columns;
        if (aligned && second) {
          detail::write_pair(at, p);
        } else {
          at[0] = detail::first_of(p);
          if (second) at[1] = detail::second_of(p);
        }
      }
    } else {
      FT_UNROLL for (int i = 0; i < Layout::kCapacity; ++i) {
        const int row = Layout::row(i), column = Layout::column(i);
        if (Layout::valid(i) && row < rows && column < columns) {
          data[row * stride + column] = detail::convert_element<E>(tile.get(i));
        }
      }
    }
  }
}

template <class T, class Layout>
template <class Tensor>
FT_FUNCTION void cooperative_tensor<T, Layout>::load(const Tensor& source) {
  primitives::load(*this, source);
}
template <class T, class Layout>
template <class Tensor>
FT_FUNCTION void cooperative_tensor<T, Layout>::store(const Tensor& target) const {
  primitives::store(*this, target);
}

template <class T, class Layout>
template <class Iterator>
FT_FUNCTION typename cooperative_tensor<T, Layout>::iterator cooperative_tensor<T, Layout>::map_iterator(
    const Iterator& element) {
  using Source = typename Iterator::layout;
  if constexpr (detail::holds_rows_of<Layout, Source>) {
    return {*this, Source::row_slot(element.slot())};
  } else {
    static_assert(
        detail::holds_columns_of<Layout, Source>,
        "map_iterator: the tile has no entries for this element's layout; ask is_iterator_compatible first");
    return {*this, Source::column_slot(element.slot())};
  }
}

/// Can target.map_iterator be used with iterators of source?
template <class T, class Layout, class U, class Entries>
FT_FUNCTION constexpr bool is_iterator_compatible(const cooperative_tensor<T, Layout>&,
                                                  const cooperative_tensor<U, Entries>&) {
  return detail::holds_rows_of<Entries, Layout> || detail::holds_columns_of<Entries, Layout>;
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::primitives
