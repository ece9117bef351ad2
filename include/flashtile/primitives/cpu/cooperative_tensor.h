// cooperative_tensor on CPUs; what it is everywhere stands in common/cooperative_tensor_contract.h. Each simdgroup holds a run of whole rows, stored by columns, so that lanes are rows:
// element (row, column) of the simdgroup is in slot column * kPitch + row. Kernel text must not rely
// on that: other backends differ.
#pragma once

#include "flashtile/primitives/common/cooperative_tensor_contract.h"
#include "flashtile/primitives/cpu/engine/product.h"
#include "flashtile/primitives/cpu/execution.h"
#include "flashtile/primitives/cpu/maps.h"
#include "flashtile/primitives/cpu/math.h"

namespace flashtile::inline v0_2::primitives {
inline namespace FLASHTILE_BACKEND {

enum class tile_role : int { destination, left_input, right_input, row_reduction, column_reduction };

/// How a CPU stores a tile: its elements as Storage (float for every float type), its rows divided among
/// Simdgroups, in memory of its own or, if Borrowed, of the tile that it was made from.
template <class Storage, tile_role Role, int Simdgroups, bool Borrowed = false>
struct lane_layout {
  using storage = Storage;
  static constexpr tile_role kRole = Role;
  static constexpr int kSimdgroups = Simdgroups;
  static constexpr bool kBorrowed = Borrowed;
};

namespace detail {

/// The elements of a fresh tile: 0, or NaN with FLASHTILE_POISON, which reveals reads of
/// tiles that were never written.
template <class S>
constexpr S fresh() {
#if defined(FLASHTILE_POISON)
  if constexpr (std::is_same_v<S, float>)
    return __builtin_nanf("");
  else
    return 0x7fc00000;
#else
  return S{0};
#endif
}

/// One element of a tile whose storage is wider than its type: reads convert, writes round.
template <class T, class S>
class element_reference {
 public:
  using value = std::conditional_t<is_16_bit_float<T>, float, T>;
  explicit element_reference(S* at) : at_(at) {}
  operator value() const { return static_cast<value>(*at_); }
  const element_reference& operator=(value x) const {  // NOLINT: it assigns to the element
    *at_ = static_cast<S>(static_cast<T>(x));
    return *this;
  }
  const element_reference& operator=(const element_reference& other) const {  // NOLINT: likewise
    return *this = static_cast<value>(other);
  }
  const element_reference& operator+=(value x) const { return *this = static_cast<value>(*this + x); }
  const element_reference& operator-=(value x) const { return *this = static_cast<value>(*this - x); }
  const element_reference& operator*=(value x) const { return *this = static_cast<value>(*this * x); }
  const element_reference& operator/=(value x) const { return *this = static_cast<value>(*this / x); }

 private:
  S* at_;
};

/// A slot of a tile; Tile may be const.
template <class Tile>
class slot_iterator {
 public:
  slot_iterator(Tile& tile, int slot) : tile_(&tile), slot_(slot) {}
  decltype(auto) operator*() const { return (*tile_)[slot_]; }
  slot_iterator& operator++() {
    ++slot_;
    return *this;
  }
  slot_iterator operator++(int) {
    slot_iterator old = *this;
    ++slot_;
    return old;
  }
  friend bool operator==(const slot_iterator& a, const slot_iterator& b) { return a.slot_ == b.slot_; }
  bool is_valid_element() const { return tile_->is_valid_element(slot_); }
  auto get_multidimensional_index() const { return tile_->get_multidimensional_index(slot_); }

 private:
  Tile* tile_;
  int slot_;
};

}  // namespace detail

/// A tile, divided among the simdgroups of a scope: slots are those of this simdgroup, and of one thread.
template <class ElementType, class Extents, class Layout>
class cooperative_tensor {
 public:
  using element_type = ElementType;
  using extents_type = Extents;
  using layout_type = Layout;
  using index_type = typename Extents::index_type;
  using lane_tile_storage = typename Layout::storage;

  static constexpr int kRank = static_cast<int>(Extents::rank());
  static constexpr int kColumns = kRank == 2 ? static_cast<int>(Extents::static_extent(0)) : 1;
  static constexpr int kRows = static_cast<int>(Extents::static_extent(kRank - 1));
  static constexpr tile_role kRole = Layout::kRole;
  static constexpr int kSimdgroups = Layout::kSimdgroups;
  static constexpr int kLocalRows = (kRows + kSimdgroups - 1) / kSimdgroups;  ///< rows of one simdgroup
  static constexpr int kPitch = (kLocalRows + kLanes - 1) / kLanes * kLanes;
  static constexpr bool kWidened = !std::is_same_v<ElementType, lane_tile_storage>;

  cooperative_tensor() {
    static_assert(!Layout::kBorrowed);
    detail::check_scope<execution_simdgroups<kSimdgroups>>();
    for (int i = 0; i < kColumns * kPitch; i += kLanes)
      detail::lanes_of<cooperative_tensor>(detail::fresh<lane_tile_storage>()).store(memory_ + i);
  }
  explicit cooperative_tensor(lane_tile_storage* borrowed) : memory_(borrowed) {}

  static constexpr int get_rank() { return kRank; }
  static constexpr int get_capacity() { return kColumns * kPitch; }

  decltype(auto) operator[](int slot) {
    written_everywhere();
    if constexpr (kWidened)
      return detail::element_reference<value_type, lane_tile_storage>(data() + slot);
    else
      return (data()[slot]);
  }
  auto operator[](int slot) const { return get(slot); }
  auto get(int slot) const { return static_cast<value_type>(data()[slot]); }
  template <class Value>
  void set(int slot, Value value) {
    written_everywhere();
    data()[slot] = static_cast<lane_tile_storage>(static_cast<value_type>(value));
  }

  /// False for a slot of padding, which holds no element of the tile and must be neither used nor reduced.
  bool is_valid_element(int slot) const { return slot % kPitch < local_rows(); }
  bool get_mask(int slot) const { return is_valid_element(slot); }
  /// [0] = column, [1] = row, from the tile's origin; rank 1: [0] = row (or column).
  array<index_type, static_cast<std::size_t>(kRank)> get_multidimensional_index(int slot) const {
    const auto row = static_cast<index_type>(first_row() + slot % kPitch);
    if constexpr (kRank == 2)
      return {{static_cast<index_type>(slot / kPitch), row}};
    else
      return {{row}};
  }

  using iterator = detail::slot_iterator<cooperative_tensor>;
  using const_iterator = detail::slot_iterator<const cooperative_tensor>;
  iterator begin() { return {*this, 0}; }
  iterator end() { return {*this, get_capacity()}; }
  const_iterator begin() const { return {*this, 0}; }
  const_iterator end() const { return {*this, get_capacity()}; }
  iterator get_iterator(int slot) { return {*this, slot}; }
  iterator get_iterator(const lane_tile_storage* element) {
    return {*this, static_cast<int>(element - data())};
  }

  /// On a reduction tile: the entry of the row (or column) of the element that `it` points to.
  template <class Iterator>
  iterator map_iterator(const Iterator& it) {
    static_assert(kRole == tile_role::row_reduction || kRole == tile_role::column_reduction,
                  "map_iterator: call it on a reduction tile");
    const auto index = it.get_multidimensional_index();
    return {*this, static_cast<int>(kRole == tile_role::row_reduction ? index[1] - first_row() : index[0])};
  }

  /// See the free functions.
  template <class Tensor>
  void load(const Tensor& source);
  template <class Tensor>
  void store(const Tensor& destination) const;

  // For this backend only: the memory, the rows of this simdgroup, and how many rows and columns may be
  // nonzero, so that products skip what a clipped load left at 0.
  lane_tile_storage* data() { return memory_; }
  const lane_tile_storage* data() const { return memory_; }
  static int first_row() { return kSimdgroups == 1 ? 0 : simdgroup_index_in_threadgroup() * kLocalRows; }
  static int local_rows() {
    if constexpr (kRows % kSimdgroups == 0) return kLocalRows;
    const int rest = kRows - first_row();
    return rest < 0 ? 0 : rest < kLocalRows ? rest : kLocalRows;
  }
  void written_everywhere() { used_rows = kLocalRows, used_columns = kColumns; }
  int used_rows = kLocalRows, used_columns = kColumns;

 private:
  using value_type = typename detail::packing<ElementType>::value;
  std::conditional_t<Layout::kBorrowed, lane_tile_storage*, lane_tile_storage[kColumns * kPitch]>
      memory_ alignas(Layout::kBorrowed ? 8 : 64);
};

namespace detail {
template <class>
inline constexpr bool is_cooperative = false;
template <class T, class X, class L>
inline constexpr bool is_cooperative<cooperative_tensor<T, X, L>> = true;

/// A tensor of rank 1 or 2 as a matrix of rows: a rank-1 tensor is one row.
template <class E>
struct matrix {
  E* data;
  std::int64_t stride;
  int rows, columns;

  /// From (row, column) on.
  matrix from(std::int64_t row, std::int64_t column) const {
    const auto left = [](std::int64_t size) { return size > 0 ? static_cast<int>(size) : 0; };
    return {data + (row * stride + column) / packing<std::remove_cv_t<E>>::elements, stride, left(rows - row),
            left(columns - column)};
  }
};

template <class T, class X, class D>
inline matrix<T> matrix_of(const tensor<T, X, D>& t) {
  static_assert(X::rank() <= 2, "tile loads and stores take tensors of rank 1 or 2");
  FT_REFUSE_IF(t.get_stride(0) != 1 && t.get_extent(0) > 1, "tensor: dimension 0 must have stride 1");
  if constexpr (X::rank() == 1) {
    return {t.data(), 0, 1, static_cast<int>(t.get_extent(0))};
  } else {
    if constexpr (packing<std::remove_cv_t<T>>::elements == 2) {
      FT_REFUSE_IF(t.get_stride(1) % 2 != 0 && t.get_extent(1) > 1,
                   "tensor: rows of 4-bit elements must start at whole bytes");
    }
    return {t.data(), t.get_stride(1), static_cast<int>(t.get_extent(1)), static_cast<int>(t.get_extent(0))};
  }
}
}  // namespace detail

namespace detail {
/// Reads the tile's rows from a matrix; one with a single row or column is repeated along that dimension.
template <class Tile, class E>
inline void load_repeated(storage_of<Tile>* data, matrix<E> all, int first_row) {
  using S = storage_of<Tile>;
  const bool row_repeats = all.rows == 1, column_repeats = all.columns == 1;
  const auto rest = all.from(row_repeats ? 0 : first_row, 0);
  const int columns = column_repeats ? 1 : Tile::kColumns;
  const int valid = rest.columns < columns ? rest.columns : columns;
  copy_columns<S, std::remove_cv_t<E>>(data, Tile::kPitch, rest.data, row_repeats ? 0 : rest.stride,
                                       Tile::kPitch, columns, row_repeats ? Tile::kPitch : rest.rows, valid);
  for (int c = 1; c < Tile::kColumns && column_repeats; ++c) {
    for (int r = 0; r < Tile::kPitch; r += kLanes) lanes<S>::load(data + r).store(data + c * Tile::kPitch + r);
  }
  if constexpr (!std::is_same_v<typename Tile::element_type, std::remove_cv_t<E>>)
    round_all<typename Tile::element_type>(data, Tile::kColumns * Tile::kPitch);
}

/// Do a tensor's static extents ask for repetition?
template <class Extents>
inline constexpr bool is_repeated =
    Extents::rank() == 1 || Extents::static_extent(0) == 1 || Extents::static_extent(Extents::rank() - 1) == 1;
}  // namespace detail

/// Ours: load for a mask or a bias. A tensor with an extent of 1 is repeated along it, one of rank 1 (columns)
/// in every row. Not for slices: a ragged last one with a single row or column would be repeated too.
template <class T, class X, class L, class E, class Y, class D>
inline void load_repeated(cooperative_tensor<T, X, L>& tile, const tensor<E, Y, D>& source) {
  static_assert(cooperative_tensor<T, X, L>::kRank == 2, "load_repeated: give a tile of rank 2");
  detail::load_repeated<cooperative_tensor<T, X, L>>(tile.data(), detail::matrix_of(source), tile.first_row());
  tile.written_everywhere();
}

/// Fills a tile from a tensor, whose element (0, 0) is the tile's; element types are converted. Elements
/// outside the tensor become 0.
///
/// A tensor of rank 1 (columns) is repeated in every row, one with a static extent of 1 along it.
/// Metal repeats dynamic extents of 1 too, which makes a ragged last slice of one row or column wrong;
/// here load_repeated does that.
template <class T, class X, class L, class E, class Y, class D>
inline void load(cooperative_tensor<T, X, L>& tile, const tensor<E, Y, D>& source) {
  using Tile = cooperative_tensor<T, X, L>;
  using S = typename L::storage;
  if constexpr (Tile::kRank == 1) {
    static_assert(Y::rank() == 1, "load: a reduction tile is loaded from a tensor of rank 1");
    const auto all = detail::matrix_of(source).from(0, tile.first_row());
    detail::copy_rows<S, std::remove_cv_t<E>>(tile.data(), 0, all.data, 0, 1, Tile::kPitch, all.columns);
  } else if constexpr (detail::is_repeated<Y>) {
    return load_repeated(tile, source);
  } else {
    const auto rest = detail::matrix_of(source).from(tile.first_row(), 0);
    const int local = tile.local_rows();
    tile.used_rows = rest.rows < local ? rest.rows : local;
    tile.used_columns = rest.columns < Tile::kColumns ? rest.columns : Tile::kColumns;
    detail::copy_columns<S, std::remove_cv_t<E>>(tile.data(), Tile::kPitch, rest.data, rest.stride,
                                                 Tile::kPitch, Tile::kColumns, tile.used_rows,
                                                 tile.used_columns);
  }
  if constexpr (!std::is_same_v<T, std::remove_cv_t<E>>)
    detail::round_all<T>(tile.data(), Tile::get_capacity());
}

/// Writes a tile to a tensor; elements outside the tensor are dropped, types are converted.
template <class T, class X, class L, class E, class Y, class D>
inline void store(const cooperative_tensor<T, X, L>& tile, const tensor<E, Y, D>& destination) {
  using Tile = cooperative_tensor<T, X, L>;
  using S = typename L::storage;
  static_assert(static_cast<int>(Y::rank()) == Tile::kRank, "store: tile and tensor differ in rank");
  const auto all = detail::matrix_of(destination);
  const int first = tile.first_row(), local = tile.local_rows();
  if constexpr (Tile::kRank == 1) {
    const int rest = all.columns - first;
    detail::write_rows<S, E>(all.from(0, first).data, 0, tile.data(), 0, 1, rest < local ? rest : local);
  } else {
    const auto rest = all.from(first, 0);
    detail::write_columns<S, E>(rest.data, rest.stride, tile.data(), Tile::kPitch,
                                rest.rows < local ? rest.rows : local,
                                rest.columns < Tile::kColumns ? rest.columns : Tile::kColumns);
  }
}

template <class T, class X, class L>
template <class Tensor>
inline void cooperative_tensor<T, X, L>::load(const Tensor& source) {
  static_assert(std::is_same_v<std::remove_cv_t<typename Tensor::element_type>, T>,
                "load: the member takes a tensor of the tile's element type; the free function load converts");
  primitives::load(*this, source);
}
template <class T, class X, class L>
template <class Tensor>
inline void cooperative_tensor<T, X, L>::store(const Tensor& destination) const {
  static_assert(
      std::is_same_v<std::remove_cv_t<typename Tensor::element_type>, T>,
      "store: the member takes a tensor of the tile's element type; the free function store converts");
  primitives::store(*this, destination);
}

/// dst[column] = identity op the column's elements. For one simdgroup only, since several would each
/// hold a part of a column's rows.
template <class T, class X, class L, class Y, class M>
inline void reduce_columns(cooperative_tensor<T, X, L>& src, cooperative_tensor<T, Y, M>& dst,
                           reduction_operation op = reduction_operation::sum, T identity = static_cast<T>(0)) {
  using Tile = cooperative_tensor<T, X, L>;
  using S = typename L::storage;
  detail::check_column_reduction<L::kSimdgroups>();
  static_assert(
      M::kRole == tile_role::column_reduction && static_cast<int>(Y::static_extent(0)) == Tile::kColumns,
      "reduce_columns: the destination has not one entry for each column");
  for (int c = 0; c < Tile::kColumns; ++c) {
    S total = static_cast<S>(identity);
    for (int r = 0; r < Tile::kRows; ++r) {
      const S x = src.data()[c * Tile::kPitch + r];
      switch (op) {
        case reduction_operation::sum:
          if constexpr (std::is_same_v<S, float>)
            total += x;
          else
            total = static_cast<S>(static_cast<std::uint32_t>(total) + static_cast<std::uint32_t>(x));
          break;
        case reduction_operation::max: total = max(total, x); break;
        case reduction_operation::min: total = min(total, x); break;
      }
    }
    dst.set(c, total);
  }
}

/// Does map_iterator of `dst` work on iterators of `src`?
template <class Source, class Destination>
constexpr bool is_iterator_compatible(const Source&, const Destination&) {
  static_assert(detail::is_cooperative<Source> && detail::is_cooperative<Destination>,
                "is_iterator_compatible: give two cooperative tensors");
  if constexpr (Source::kRank != 2 || Destination::kRank != 1)
    return false;
  else if constexpr (Destination::kRole == tile_role::row_reduction)
    return Source::kRows == Destination::kRows && Source::kSimdgroups == Destination::kSimdgroups;
  else
    return Destination::kRole == tile_role::column_reduction && Source::kColumns == Destination::kRows;
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::primitives
