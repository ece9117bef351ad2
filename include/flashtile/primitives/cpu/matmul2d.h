// matmul2d: the product of two matrices by the threads of a scope, D = A B or D += A B.
//
// Extents of the operands (extent 0 = columns = contiguous):
//
//   transposes      left     right    destination
//   none            (K, M)   (N, K)   (N, M)
//   right           (K, M)   (K, N)   (N, M)
//   left            (M, K)   (N, K)   (N, M)
//   both            (M, K)   (K, N)   (N, M)
//
// Element types (the table of Metal 4):
//
//   left, right                                              destination
//   half, half                                               half, float
//   bfloat, bfloat                                           bfloat, float
//   half and bfloat, either way                              half, bfloat, float
//   half or bfloat with int8_t or uint8_t, either way        the 16-bit type, float
//   float with float, half, bfloat, int8_t, uint8_t, either way    float
//   int8_t, int8_t; uint8_t, uint8_t                         int32_t
//   half or bfloat with int4b_format or uint4b_format        the 16-bit type, float
//   int8_t with int4b_format; uint8_t with uint4b_format     int32_t
#pragma once

#include "flashtile/primitives/cpu/tile_stages.h"

namespace flashtile::primitives {
inline namespace FLASHTILE_BACKEND {

namespace detail {

template <class T, class... Set>
inline constexpr bool is_one_of = (std::is_same_v<T, Set> || ...);
template <class T>
inline constexpr bool is_8_bit = is_one_of<T, std::int8_t, std::uint8_t>;
template <class T>
inline constexpr bool is_4_bit = is_one_of<T, int4b_format, uint4b_format>;

/// One row of the table above.
template <class L, class R, class D>
constexpr bool types_are_supported() {
  constexpr bool l16 = is_16_bit_float<L>, r16 = is_16_bit_float<R>;
  if (l16 && r16) return is_one_of<D, L, R, float>;
  if (l16 && (is_8_bit<R> || is_4_bit<R>)) return is_one_of<D, L, float>;
  if (r16 && is_8_bit<L>) return is_one_of<D, R, float>;
  if (std::is_same_v<L, float> && (std::is_same_v<R, float> || r16 || is_8_bit<R>))
    return std::is_same_v<D, float>;
  if (std::is_same_v<R, float> && (l16 || is_8_bit<L>)) return std::is_same_v<D, float>;
  if (is_8_bit<L> && std::is_same_v<L, R>) return std::is_same_v<D, std::int32_t>;
  if (std::is_same_v<L, std::int8_t> && std::is_same_v<R, int4b_format>) return std::is_same_v<D, std::int32_t>;
  if (std::is_same_v<L, std::uint8_t> && std::is_same_v<R, uint4b_format>)
    return std::is_same_v<D, std::int32_t>;
  return false;
}

template <class T>
concept right_tile_like = requires {
  typename T::right_tile_storage;
};
template <class T>
inline constexpr bool is_operand = is_tensor<T> || is_cooperative<T> || right_tile_like<T>;
template <class T>
using element_of = std::remove_cv_t<typename std::remove_cv_t<T>::element_type>;

constexpr bool scope_dimension_ok(int simdgroups, int m, int n) {
  if (simdgroups > 0) return m > 0 && n > 0 && m % 8 == 0 && n % 8 == 0 && (m % 16 == 0 || n % 16 == 0);
  const auto ok = [](int size) { return size == 1 || size == 2 || size == 4 || (size > 0 && size % 8 == 0); };
  return ok(m) && ok(n);
}
template <class>
inline constexpr bool is_scope = false;
template <>
inline constexpr bool is_scope<execution_thread> = true;
template <int N>
inline constexpr bool is_scope<execution_simdgroups<N>> = true;

}  // namespace detail

/// One product of the shape, transposes and mode of Descriptor, computed by the threads of Scope together.
///
/// Operands  tensors in device or threadgroup memory, cooperative tensors, stages of right_tile_stages (right
/// only).
///           All threads of the scope call run with the same arguments.
/// Edges     what a tensor lacks of a tile counts as 0 and is not read, what its destination lacks is dropped.
/// A static k
///           that passes a tensor's extent is refused: leave k dynamic for a ragged K.
/// Numerics  float sums are chains of fused multiply-adds, k ascending, from the old D or 0; 16-bit
/// destinations are
///           rounded once, at the end; integers wrap mod 2^32. Mode multiply never reads D.
/// Sync      a barrier of the scope is needed before others read a destination in device or threadgroup memory.
template <matmul2d_descriptor Descriptor, class Scope>
class matmul2d {
  static_assert(detail::is_scope<Scope>,
                "matmul2d: the scope must be execution_thread or execution_simdgroups<N>");
  static_assert(detail::scope_dimension_ok(Scope::simdgroups, Descriptor.m, Descriptor.n),
                "matmul2d: m and n must be multiples of 8, one of them of 16 (for execution_thread: 1, 2, 4 or "
                "multiples of 8)");
  static_assert(!Descriptor.has_static_k() || Descriptor.k % 8 == 0,
                "matmul2d: a static k must be a multiple of 8");
  static_assert(std::int64_t{Descriptor.m} * Descriptor.n <= 128 * 1024,
                "matmul2d: a tile of D must not pass 131072 elements");

  static constexpr int kM = Descriptor.m, kN = Descriptor.n, kK = Descriptor.has_static_k() ? Descriptor.k : 0;
  static constexpr int kParts = Scope::simdgroups > 1 ? Scope::simdgroups : 1;
  static constexpr bool kLeftTurned = Descriptor.transpose_left, kRightTurned = Descriptor.transpose_right;
  static constexpr int kLocalRows = (kM + kParts - 1) / kParts;
  static constexpr int kPitch = (kLocalRows + kLanes - 1) / kLanes * kLanes;

  template <class D>
  using storage_for = std::conditional_t<std::is_same_v<D, std::int32_t>, std::int32_t, float>;

  template <class T, class D, class Coord, bool Borrowed = false>
  using left_tile = cooperative_tensor<
      T, extents<Coord, std::size_t{kLeftTurned ? kM : kK}, std::size_t{kLeftTurned ? kK : kM}>,
      lane_layout<storage_for<D>, tile_role::left_input, kLeftTurned ? 1 : kParts, Borrowed>>;
  template <class T, class D, class Coord, bool Borrowed = false>
  using right_tile = cooperative_tensor<
      T, extents<Coord, std::size_t{kRightTurned ? kK : kN}, std::size_t{kRightTurned ? kN : kK}>,
      lane_layout<storage_for<D>, tile_role::right_input, 1, Borrowed>>;

 public:
  static constexpr matmul2d_descriptor descriptor = Descriptor;
  using scope = Scope;

  /// Stages of the right operand (ours): T elements in threadgroup memory, for a left operand of type Left.
  template <class T, int Stages, class Left = T>
  using right_tile_stages = detail::right_tile_stages<
      T,
      std::conditional_t<detail::is_8_bit<Left> && !detail::is_16_bit_float<T> && !std::is_same_v<T, float>,
                         std::int32_t, float>,
      kRightTurned ? kN : kK, kRightTurned ? kK : kN, kRightTurned, Stages>;

  /// Stages of the left operand (ours): T elements in threadgroup memory, for a right operand of type Right.
  template <class T, int Stages, class Right = T>
  using left_tile_stages = detail::left_tile_stages<
      left_tile<T,
                std::conditional_t<detail::is_8_bit<T> && !detail::is_16_bit_float<Right> &&
                                       !std::is_same_v<Right, float>,
                                   std::int32_t, float>,
                int, true>,
      kParts, Stages>;

  // ---- factories of cooperative tensors
  // --------------------------------------------------------------------------------

  /// D of run(left, right, ...) for operands of these types; fresh tiles hold 0.
  template <class Left, class Right, class Element, class Coord = int>
  static auto get_destination_cooperative_tensor() {
    check_types<Left, Right, Element>();
    return cooperative_tensor<Element, extents<Coord, std::size_t{kN}, std::size_t{kM}>,
                              lane_layout<storage_for<Element>, tile_role::destination, kParts>>();
  }

  /// One entry for each row, or each column, of such a D.
  template <class Left, class Right, class Element, class Coord = int>
  static auto get_row_reduction_destination_cooperative_tensor() {
    check_types<Left, Right, Element>();
    return cooperative_tensor<Element, extents<Coord, std::size_t{kM}>,
                              lane_layout<storage_for<Element>, tile_role::row_reduction, kParts>>();
  }
  template <class Left, class Right, class Element, class Coord = int>
  static auto get_column_reduction_destination_cooperative_tensor() {
    check_types<Left, Right, Element>();
    static_assert(kParts == 1, "matmul2d: column reductions need a scope of one simdgroup");
    return cooperative_tensor<Element, extents<Coord, std::size_t{kN}>,
                              lane_layout<storage_for<Element>, tile_role::column_reduction, 1>>();
  }

  /// A, or B, as a tile; the arguments are the element types of A, B and D.
  template <class Left, class Right, class Destination, class Coord = int>
  static auto get_left_input_cooperative_tensor() {
    check_input_types<Left, Right, Destination>();
    return left_tile<Left, Destination, Coord>();
  }
  template <class Left, class Right, class Destination, class Coord = int>
  static auto get_right_input_cooperative_tensor() {
    check_input_types<Left, Right, Destination>();
    return right_tile<Right, Destination, Coord>();
  }

  /// A, or B, from another tile, such as an earlier D, its elements rounded to the new type. The result may
  /// share the memory of `source`, which must not change while the result is in use.
  template <class Left, class Right, class Destination, class Coord = int, class Source>
  static auto get_left_input_cooperative_tensor(Source& source) {
    static_assert(is_compatible_as_left_input<Left, Right, Destination, Source>(),
                  "matmul2d: this tile has not the shape of the left operand; store and load it");
    return converted<left_tile<Left, Destination, Coord>, left_tile<Left, Destination, Coord, true>>(source);
  }
  template <class Left, class Right, class Destination, class Coord = int, class Source>
  static auto get_right_input_cooperative_tensor(Source& source) {
    static_assert(is_compatible_as_right_input<Left, Right, Destination, Source>(),
                  "matmul2d: this tile has not the shape of the right operand; store and load it");
    return converted<right_tile<Right, Destination, Coord>, right_tile<Right, Destination, Coord, true>>(
        source);
  }

  /// Can the overload above be used, without a trip through memory?
  template <class Left, class Right, class Destination, class Source>
  static constexpr bool is_compatible_as_left_input() {
    check_input_types<Left, Right, Destination>();
    return has_shape_of<left_tile<Left, Destination, int>, Source>();
  }
  template <class Left, class Right, class Destination, class Source>
  static constexpr bool is_compatible_as_left_input(const Source&) {
    return is_compatible_as_left_input<Left, Right, Destination, Source>();
  }
  template <class Left, class Right, class Destination, class Source>
  static constexpr bool is_compatible_as_right_input() {
    check_input_types<Left, Right, Destination>();
    return has_shape_of<right_tile<Right, Destination, int>, Source>();
  }
  template <class Left, class Right, class Destination, class Source>
  static constexpr bool is_compatible_as_right_input(const Source&) {
    return is_compatible_as_right_input<Left, Right, Destination, Source>();
  }

  // ---- the product
  // -----------------------------------------------------------------------------------------------------

  template <class Left, class Right, class Destination>
  void run(Left& left, Right& right, Destination& destination) const {
    using D = detail::element_of<Destination>;
    using S = storage_for<D>;
    check_types<Left, Right, D>();
    static_assert(detail::is_tensor<Destination> || detail::is_cooperative<Destination>,
                  "matmul2d: the destination is a tensor or a cooperative tensor");
    if constexpr (detail::is_cooperative<Destination>) {
      static_assert(Destination::kRole == tile_role::destination && Destination::kRows == kM &&
                        Destination::kColumns == kN && Destination::kSimdgroups == kParts,
                    "matmul2d: the destination tile was made for another shape, scope or role");
      multiply<S>(left, right, destination.data());
      destination.written_everywhere();
      detail::round_all<D>(destination.data(), Destination::get_capacity());
    } else {
      static_assert(Destination::kRank == 2, "matmul2d: operands are matrices; give tensors of rank 2");
      const auto out = detail::matrix_of(destination).from(first_row(), 0);
      const int rows = out.rows < kLocalRows ? out.rows : kLocalRows,
                columns = out.columns < kN ? out.columns : kN;
      alignas(64) S sums[kN * kPitch];
      if constexpr (Descriptor.accumulates())
        detail::copy_columns<S, D>(sums, kPitch, out.data, out.stride, kPitch, kN, rows, columns);
      multiply<S>(left, right, sums);
      detail::write_columns<S, D>(out.data, out.stride, sums, kPitch, rows, columns);
    }
  }

  /// run, on hardware that can, in the background: the operands and D are not to be touched before
  /// wait_products. Ours.
  template <class Left, class Right, class Destination>
  void start(Left& left, Right& right, Destination& destination) const {
    run(left, right, destination);
  }

 private:
  static int first_row() { return kParts == 1 ? 0 : simdgroup_index_in_threadgroup() * kLocalRows; }

  template <class Left, class Right, class D>
  static constexpr void check_input_types() {
    static_assert(std::is_same_v<Left, std::remove_cv_t<Left>> &&
                      std::is_same_v<Right, std::remove_cv_t<Right>> && std::is_same_v<D, std::remove_cv_t<D>>,
                  "matmul2d: name element types without const or volatile");
    static_assert(detail::types_are_supported<Left, Right, D>(),
                  "matmul2d: no product of these element types; see the table in matmul2d.h");
    static_assert(Descriptor.has_static_k(), "matmul2d: cooperative inputs need a static k");
  }
  template <class Left, class Right, class D>
  static constexpr void check_types() {
    static_assert(detail::is_operand<std::remove_cv_t<Left>> && detail::is_operand<std::remove_cv_t<Right>>,
                  "matmul2d: operands are tensors, cooperative tensors or tiles of right_tile_stages");
    static_assert(detail::types_are_supported<detail::element_of<Left>, detail::element_of<Right>, D>(),
                  "matmul2d: no product of these element types; see the table in matmul2d.h");
  }

  template <class Wanted, class Source>
  static constexpr bool has_shape_of() {
    static_assert(detail::is_cooperative<Source>, "matmul2d: only a cooperative tensor becomes an input tile");
    if constexpr (!detail::is_cooperative<Source>)
      return false;
    else
      return Source::kRank == 2 && Source::kColumns == Wanted::kColumns && Source::kRows == Wanted::kRows &&
             Source::kSimdgroups == Wanted::kSimdgroups;
  }

  template <class Own, class Borrowed, class Source>
  static auto converted(Source& source) {
    using S = typename Own::lane_tile_storage;
    using T = typename Own::element_type;
    static_assert(!detail::is_4_bit<T>, "matmul2d: a 4-bit tile is loaded, not converted");
    if constexpr (std::is_same_v<S, typename Source::lane_tile_storage> &&
                  (std::is_same_v<T, typename Source::element_type> || std::is_same_v<T, S>)) {
      Borrowed result(source.data());
      result.used_rows = source.used_rows, result.used_columns = source.used_columns;
      return result;
    } else {
      Own result;
      for (int i = 0; i < Own::get_capacity(); i += kLanes) {
        const auto x = detail::lanes<S>(detail::lanes_of<Source>::load(source.data() + i));
        if constexpr (detail::is_8_bit<T>) {
          for (int j = 0; j < kLanes; ++j) result.data()[i + j] = static_cast<S>(static_cast<T>(x[j]));
        } else {
          detail::rounded_to<T>(x).store(result.data() + i);
        }
      }
      result.used_rows = source.used_rows, result.used_columns = source.used_columns;
      return result;
    }
  }

  // ---- operands as product() reads them
  // --------------------------------------------------------------------------------

  // What has to be turned or converted is so in panels of kPanelDepth, and kPanelColumns of the right operand.
  static constexpr int kPanelDepth = kK > 0 && kK < 128 ? (kK + kLanes - 1) / kLanes* kLanes : 128;
  static constexpr int kPanelColumns = kN < 64 ? (kN + kLanes - 1) / kLanes * kLanes : 64;

  template <class Left>
  static constexpr bool left_in_place() {
    return detail::is_cooperative<Left> && !kLeftTurned;
  }
  template <class S, class Right>
  static constexpr bool right_in_place() {
    return !detail::is_tensor<Right> || std::is_same_v<detail::element_of<Right>, S>;
  }

  /// K as far as the operand knows it.
  template <bool Turned, class Operand>
  static int depth_of_left(const Operand& left) {
    if constexpr (detail::is_cooperative<Operand>)
      return kK;
    else
      return static_cast<int>(left.get_extent(Turned ? 1 : 0));
  }
  template <bool Turned, class Operand>
  static int depth_of_right(const Operand& right) {
    if constexpr (!detail::is_tensor<Operand>)
      return kK;
    else
      return static_cast<int>(right.get_extent(Turned ? 0 : 1));
  }

  template <class S, class Left>
  static detail::left_view<S> left_panel(Left& left, int k, int depth, S* buffer) {
    using E = detail::element_of<Left>;
    if constexpr (detail::is_cooperative<Left>) {
      static_assert(Left::kRole == tile_role::left_input && Left::kColumns == (kLeftTurned ? kM : kK) &&
                        Left::kRows == (kLeftTurned ? kK : kM) &&
                        Left::kSimdgroups == (kLeftTurned ? 1 : kParts) &&
                        std::is_same_v<typename Left::lane_tile_storage, S>,
                    "matmul2d: the left tile was made for another product or role");
      if constexpr (!kLeftTurned) {
        return {left.data() + std::int64_t{k} * Left::kPitch, Left::kPitch, left.used_rows,
                left.used_columns - k};
      } else {  // columns of the tile are rows of A: a row-major matrix of rows m
        const detail::matrix<const S> m =
            detail::matrix<const S>{left.data(), Left::kPitch, left.used_columns, left.used_rows}.from(
                first_row(), k);
        return packed<S, S, false>(m, depth, buffer);
      }
    } else {
      static_assert(Left::kRank == 2, "matmul2d: operands are matrices; give tensors of rank 2");
      static_assert(std::is_same_v<typename Left::index_type, int>, "matmul2d: tensors must be indexed by int");
      const auto all = detail::matrix_of(left);
      const auto m = kLeftTurned ? all.from(k, first_row()) : all.from(first_row(), k);
      return packed<S, E, kLeftTurned>({m.data, m.stride, m.rows, m.columns}, depth, buffer);
    }
  }

  /// Rows of A (columns, where Turned) into the layout of tiles.
  template <class S, class E, bool Turned>
  static detail::left_view<S> packed(detail::matrix<const E> m, int depth, S* buffer) {
    const int all_rows = Turned ? m.columns : m.rows, all_depth = Turned ? m.rows : m.columns;
    const int rows = all_rows < kLocalRows ? all_rows : kLocalRows;
    const int some = all_depth < depth ? all_depth : depth;
    if constexpr (Turned)
      detail::copy_rows<S, E>(buffer, kPitch, m.data, m.stride, some, kPitch, rows);
    else
      detail::copy_columns<S, E>(buffer, kPitch, m.data, m.stride, kPitch, some, rows, some);
    return {buffer, kPitch, rows, some};
  }

  template <class S, class Right>
  static detail::right_view<S> right_panel(Right& right, int k, int depth, int n, int columns, S* buffer) {
    using E = detail::element_of<Right>;
    if constexpr (detail::right_tile_like<Right>) {
      static_assert(
          Right::kDepth == kK && Right::kColumns == kN && std::is_same_v<typename Right::right_tile_storage, S>,
          "matmul2d: the right tile was made for another product");
      const auto& v = right.view;
      return {v.data + k * v.depth_stride + n * v.column_stride, v.depth_stride, v.column_stride, v.depth - k,
              v.columns - n};
    } else if constexpr (detail::is_cooperative<Right>) {
      static_assert(Right::kRole == tile_role::right_input && Right::kColumns == (kRightTurned ? kK : kN) &&
                        Right::kRows == (kRightTurned ? kN : kK) &&
                        std::is_same_v<typename Right::lane_tile_storage, S>,
                    "matmul2d: the right tile was made for another product or role");
      constexpr std::int64_t kDown = kRightTurned ? Right::kPitch : 1,
                             kAcross = kRightTurned ? 1 : Right::kPitch;
      const int used_depth = kRightTurned ? right.used_columns : right.used_rows,
                used = kRightTurned ? right.used_rows : right.used_columns;
      return {right.data() + k * kDown + n * kAcross, kDown, kAcross, used_depth - k, used - n};
    } else {
      static_assert(Right::kRank == 2, "matmul2d: operands are matrices; give tensors of rank 2");
      static_assert(std::is_same_v<typename Right::index_type, int>,
                    "matmul2d: tensors must be indexed by int");
      const auto m = kRightTurned ? detail::matrix_of(right).from(n, k) : detail::matrix_of(right).from(k, n);
      const int some_depth = kRightTurned ? m.columns : m.rows, some = kRightTurned ? m.rows : m.columns;
      if constexpr (std::is_same_v<E, S>) {
        if constexpr (kRightTurned)
          return {m.data, 1, m.stride, some_depth, some};
        else
          return {m.data, m.stride, 1, some_depth, some};
      } else {
        const int used_depth = some_depth < depth ? some_depth : depth, used = some < columns ? some : columns;
        constexpr int kRowPitch = kRightTurned ? kPanelDepth : kPanelColumns;
        const int memory_rows = kRightTurned ? used : used_depth,
                  memory_columns = kRightTurned ? used_depth : used;
        detail::copy_rows<S, E>(buffer, kRowPitch, m.data, m.stride, memory_rows,
                                (memory_columns + kLanes - 1) / kLanes * kLanes, memory_columns);
        if constexpr (kRightTurned)
          return {buffer, 1, kRowPitch, used_depth, used};
        else
          return {buffer, kRowPitch, 1, used_depth, used};
      }
    }
  }

  template <class S, class Left, class Right>
  static void multiply(Left& left, Right& right, S* sums) {
    const int left_depth = depth_of_left<kLeftTurned>(left), right_depth = depth_of_right<kRightTurned>(right);
    FT_REFUSE_IF(kK > left_depth || kK > right_depth,
                 "matmul2d: the static k passes the K extent of an operand; leave k dynamic for a ragged K");
    const int depth = kK > 0 ? kK : left_depth;
    constexpr bool kLeftInPlace = left_in_place<Left>(), kRightInPlace = right_in_place<S, Right>();
    if constexpr (kLeftInPlace && kRightInPlace) {
      detail::product<S>(left_panel<S>(left, 0, depth, nullptr),
                         right_panel<S>(right, 0, depth, 0, kN, nullptr), sums, kPitch, kPitch, kN,
                         Descriptor.accumulates());
    } else {
      alignas(64) S left_buffer[kLeftInPlace ? 1 : kPanelDepth * kPitch];
      alignas(64) S right_buffer[kRightInPlace ? 1 : kPanelDepth * kPanelColumns];
      constexpr int kColumnStep = kRightInPlace ? kN : kPanelColumns;
      int k = 0;
      do {
        const int panel_depth = depth - k < kPanelDepth ? depth - k : kPanelDepth;
        auto a = left_panel<S>(left, k, panel_depth, left_buffer);
        if (a.depth > panel_depth) a.depth = panel_depth;
        for (int n = 0; n < kN; n += kColumnStep) {
          const int columns = kN - n < kColumnStep ? kN - n : kColumnStep;
          detail::product<S>(a, right_panel<S>(right, k, panel_depth, n, columns, right_buffer),
                             sums + n * kPitch, kPitch, kPitch, columns, Descriptor.accumulates() || k > 0);
        }
        k += kPanelDepth;
      } while (k < depth);
    }
  }
};

/// Returns when all but the last Pending products that this scope has started are done; their results are to be
/// named. Ours; at once on a CPU.
template <int Pending, class... Tiles>
inline void wait_products(Tiles&...) {}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::primitives
