// matmul2d on CPUs; what it computes everywhere, its extents, types and limits, stands in common/matmul2d_contract.h.
#pragma once

#include "flashtile/primitives/common/matmul2d_contract.h"
#include "flashtile/primitives/cpu/tile_factory.h"
#include "flashtile/primitives/cpu/tile_stages.h"

namespace flashtile::inline v0_2::primitives {
inline namespace FLASHTILE_BACKEND {

namespace detail {

/// The table of the contract, and what CPUs multiply besides: bytes of either sign.
template <class L, class R, class D>
constexpr bool is_in_table() {
  return types_are_supported<L, R, D>() || (is_8_bit<L>() && is_8_bit<R>() && is_one_of<D, std::int32_t>());
}

template <class T>
concept left_tile_like = requires { typename T::left_tile_product; };
template <class T>
concept right_tile_like = requires { typename T::right_tile_product; };
template <class T>
using element_of = std::remove_cv_t<typename std::remove_cv_t<T>::element_type>;
/// The element type of an operand, which may be an element type itself.
template <class T>
struct operand_element_of {
  using type = T;
};
template <class T>
  requires requires { typename T::element_type; }
struct operand_element_of<T> {
  using type = element_of<T>;
};
template <class T>
using operand_element = typename operand_element_of<T>::type;
template <class Left, class Right>
using product_of_operands = product_of<element_of<Left>, element_of<Right>>;

/// k where it is static, else 0.
constexpr int static_depth(matmul2d_descriptor descriptor) {
  return descriptor.has_static_k() ? descriptor.k : 0;
}

/// A left input of a product, for a destination of D.
template <matmul2d_descriptor Descriptor, class Scope, class T, class D, class Coord, bool Borrowed>
using left_input_tile = cooperative_tensor<
    T,
    extents<Coord, std::size_t{Descriptor.transpose_left ? Descriptor.m : static_depth(Descriptor)},
            std::size_t{Descriptor.transpose_left ? static_depth(Descriptor) : Descriptor.m}>,
    lane_layout<tile_storage<D>, tile_role::left_input, Descriptor.transpose_left ? 1 : kScopeParts<Scope>,
                Borrowed>>;

/// Ours: the types of what matmul2d's factories make. Left and Right are the operands: element types of tiles in stages,
/// or types of tensors or tiles.
template <matmul2d_descriptor Descriptor, class Scope>
struct tiles_of_product : matmul2d_contract<Descriptor.m, Descriptor.n, Descriptor.k, Scope> {
  template <class D, class Left, class Right = Left>
  using result_tile = destination_tile<D, Descriptor.m, Descriptor.n, Scope>;
  template <class D, class Left, class Right = Left>
  using row_entries = row_tile_of<D, Descriptor.m, Scope>;
  /// A left input of T made from a result of float.
  template <class T>
  using left_tile = left_input_tile<Descriptor, Scope, T, float, int, std::is_same_v<T, float>>;
};

}  // namespace detail

/// One product of the shape, transposes and mode of Descriptor, computed by the threads of Scope together.
///
/// Numerics  Float sums are chains of fused multiply-adds, k ascending, from the old D or from 0. Where both operands are
///           bfloats and the target has dot products of them (AVX512-BF16; not with FLASHTILE_EXACT), the chain adds
///           products in pairs, k ascending, and operands and sums below 2^-126 count as 0.
/// Errors    A static k beyond a tensor's extent is refused when the kernel runs.
template <matmul2d_descriptor Descriptor, class Scope>
class matmul2d : public detail::tiles_of_product<Descriptor, Scope> {
  using Contract = detail::matmul2d_contract<Descriptor.m, Descriptor.n, Descriptor.k, Scope>;
  static constexpr int kM = Descriptor.m, kN = Descriptor.n, kK = detail::static_depth(Descriptor);
  static constexpr int kParts = detail::kScopeParts<Scope>;
  static constexpr bool kLeftTurned = Descriptor.transpose_left, kRightTurned = Descriptor.transpose_right;
  static constexpr int kLocalRows = (kM + kParts - 1) / kParts;
  static constexpr int kPitch = (kLocalRows + kLanes - 1) / kLanes * kLanes;

  template <class D>
  using storage_for = detail::tile_storage<D>;

  template <class T, class D, class Coord, bool Borrowed = false>
  using left_input_tile = detail::left_input_tile<Descriptor, Scope, T, D, Coord, Borrowed>;
  template <class T, class D, class Coord, bool Borrowed = false>
  using right_input_tile = cooperative_tensor<
      T, extents<Coord, std::size_t{kRightTurned ? kK : kN}, std::size_t{kRightTurned ? kN : kK}>,
      lane_layout<storage_for<D>, tile_role::right_input, 1, Borrowed>>;

 public:
  static constexpr matmul2d_descriptor descriptor = Descriptor;
  using scope = Scope;

  /// Ours: stages in threadgroup memory of a right operand of T, for a left operand of type Left.
  template <class T, int Stages, class Left = T>
  using right_tile_stages =
      detail::right_tile_stages<T, detail::product_of<Left, T>, kK, kN, kRightTurned, Stages>;

  /// Ours: stages in threadgroup memory of a left operand of T, for a right operand of type Right.
  template <class T, int Stages, class Right = T>
  using left_tile_stages =
      detail::left_tile_stages<T, detail::product_of<T, Right>, kLocalRows, kK, kLeftTurned, kParts, Stages>;

  /// Ours: a fresh result.
  template <class D, class Left, class Right = Left>
  static auto make_result_tile() {
    Contract::template check_table<
        detail::is_in_table<detail::operand_element<Left>, detail::operand_element<Right>, D>()>();
    return detail::destination_tile<D, kM, kN, Scope>();
  }

  // ---- factories of cooperative tensors ---------------------------------------------------------------------

  /// A tile for D of run(left, right, D) with operands of these types. Fresh tiles hold 0.
  template <class Left, class Right, class Element, class Coord = int>
  static auto get_destination_cooperative_tensor() {
    check_types<Left, Right, Element>();
    return detail::destination_tile<Element, kM, kN, Scope, Coord>();
  }

  /// A tile with one entry for each row, or each column, of such a D.
  template <class Left, class Right, class Element, class Coord = int>
  static auto get_row_reduction_destination_cooperative_tensor() {
    check_types<Left, Right, Element>();
    return detail::row_tile_of<Element, kM, Scope, Coord>();
  }
  template <class Left, class Right, class Element, class Coord = int>
  static auto get_column_reduction_destination_cooperative_tensor() {
    check_types<Left, Right, Element>();
    Contract::check_column_scope();
    return detail::column_tile_of<Element, kN, Coord>();
  }

  /// A tile for A, or for B. The template arguments are the element types of A, B and D.
  template <class Left, class Right, class Destination, class Coord = int>
  static auto get_left_input_cooperative_tensor() {
    check_input_types<Left, Right, Destination>();
    return left_input_tile<Left, Destination, Coord>();
  }
  template <class Left, class Right, class Destination, class Coord = int>
  static auto get_right_input_cooperative_tensor() {
    check_input_types<Left, Right, Destination>();
    return right_input_tile<Right, Destination, Coord>();
  }

  /// A tile for A, or for B, made from another tile, such as an earlier D, with elements rounded to the new
  /// type. The result may share the memory of `source`, which must not change while the result is in use.
  template <class Left, class Right, class Destination, class Coord = int, class Source>
  static auto get_left_input_cooperative_tensor(Source& source) {
    static_assert(is_compatible_as_left_input<Left, Right, Destination, Source>(),
                  "matmul2d: this tile has not the shape of the left operand; store and load it");
    return converted<left_input_tile<Left, Destination, Coord>,
                     left_input_tile<Left, Destination, Coord, true>>(source);
  }
  /// Ours: threadgroup memory that a left input made from a result passes through where registers cannot hand it
  /// over. Here they can.
  template <class Left>
  struct left_input_room {};
  template <class Left, class Right, class Destination, class Coord = int, class Source>
  static auto get_left_input_cooperative_tensor(Source& source, left_input_room<Left>&) {
    return get_left_input_cooperative_tensor<Left, Right, Destination, Coord>(source);
  }
  template <class Left, class Right, class Destination, class Coord = int, class Source>
  static auto get_right_input_cooperative_tensor(Source& source) {
    static_assert(is_compatible_as_right_input<Left, Right, Destination, Source>(),
                  "matmul2d: this tile has not the shape of the right operand; store and load it");
    return converted<right_input_tile<Right, Destination, Coord>,
                     right_input_tile<Right, Destination, Coord, true>>(source);
  }

  /// Can the overload above convert `source` without going through memory?
  template <class Left, class Right, class Destination, class Source>
  static constexpr bool is_compatible_as_left_input() {
    check_input_types<Left, Right, Destination>();
    return has_shape_of<left_input_tile<Left, Destination, int>, Source>();
  }
  template <class Left, class Right, class Destination, class Source>
  static constexpr bool is_compatible_as_left_input(const Source&) {
    return is_compatible_as_left_input<Left, Right, Destination, Source>();
  }
  template <class Left, class Right, class Destination, class Source>
  static constexpr bool is_compatible_as_right_input() {
    check_input_types<Left, Right, Destination>();
    return has_shape_of<right_input_tile<Right, Destination, int>, Source>();
  }
  template <class Left, class Right, class Destination, class Source>
  static constexpr bool is_compatible_as_right_input(const Source&) {
    return is_compatible_as_right_input<Left, Right, Destination, Source>();
  }

  // ---- the product ------------------------------------------------------------------------------------------

  template <class Left, class Right, class Destination>
  void run(Left& left, Right& right, Destination& destination) const {
    using D = detail::element_of<Destination>;
    using S = storage_for<D>;
    check_types<Left, Right, D>();
    static_assert(detail::is_tensor<Destination> || detail::is_cooperative<Destination>,
                  "matmul2d: the destination is a tensor or a cooperative tensor");
    if constexpr (detail::is_cooperative<Destination>) {
      Contract::template check_destination<Destination::kRole == tile_role::destination &&
                                           Destination::kRows == kM && Destination::kColumns == kN &&
                                           Destination::kSimdgroups == kParts>();
      multiply<false>(left, right, destination.data());
      destination.written_everywhere();
      detail::round_all<D>(destination.data(), Destination::get_capacity());
    } else {
      Contract::template check_rank<Destination::kRank>();
      detail::check_scope<Scope>();
      const auto out = detail::matrix_of(destination).from(first_row(), 0);
      const int rows = out.rows < kLocalRows ? out.rows : kLocalRows,
                columns = out.columns < kN ? out.columns : kN;
      alignas(64) S sums[kN * kPitch];
      if constexpr (Descriptor.accumulates())
        detail::copy_columns<S, D>(sums, kPitch, out.data, out.stride, kPitch, kN, rows, columns);
      multiply<false>(left, right, sums);
      detail::write_columns<S, D>(out.data, out.stride, sums, kPitch, rows, columns);
    }
  }

  /// Ours: D += A B, where A B is summed in chains from 0 that are then added to D, so that rounding
  /// errors grow less with K than in one chain. Chains of floats are 32 long. For mode multiply and
  /// destinations of float or int32_t.
  template <class Left, class Right, class D, class X, class L>
  void add(Left& left, Right& right, cooperative_tensor<D, X, L>& destination) const {
    Contract::template check_add<!Descriptor.accumulates() && std::is_same_v<D, storage_for<D>>>();
    check_types<Left, Right, D>();
    multiply<true>(left, right, destination.data());
    destination.written_everywhere();
  }

  /// Ours: run, in the background where the hardware can. The operands and D must not be
  /// touched before wait_products.
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
    Contract::template check_table<detail::is_in_table<Left, Right, D>()>();
    Contract::check_static_k();
  }
  template <class Left, class Right, class D>
  static constexpr void check_types() {
    using L = std::remove_cv_t<Left>;
    using R = std::remove_cv_t<Right>;
    static_assert((detail::is_tensor<L> || detail::is_cooperative<L> || detail::left_tile_like<L>) &&
                      (detail::is_tensor<R> || detail::is_cooperative<R> || detail::right_tile_like<R>),
                  "matmul2d: operands are tensors, cooperative tensors or tiles of left_ or right_tile_stages");
    Contract::template check_table<
        detail::is_in_table<detail::element_of<Left>, detail::element_of<Right>, D>()>();
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
    static_assert(!detail::is_4_bit<T>(), "matmul2d: a 4-bit tile is loaded, not converted");
    if constexpr (std::is_same_v<S, typename Source::lane_tile_storage> &&
                  (std::is_same_v<T, typename Source::element_type> || std::is_same_v<T, S>)) {
      Borrowed result(source.data());
      result.used_rows = source.used_rows, result.used_columns = source.used_columns;
      return result;
    } else {
      Own result;
      for (int i = 0; i < Own::get_capacity(); i += kLanes) {
        const auto x = detail::lanes<S>(detail::lanes_of<Source>::load(source.data() + i));
        if constexpr (detail::is_8_bit<T>()) {
          for (int j = 0; j < kLanes; ++j) result.data()[i + j] = static_cast<S>(static_cast<T>(x[j]));
        } else {
          detail::rounded_to<T>(x).store(result.data() + i);
        }
      }
      result.used_rows = source.used_rows, result.used_columns = source.used_columns;
      return result;
    }
  }

  // ---- operands as product() reads them ---------------------------------------------------------------------

  // Operands that have to be packed are packed in panels of kPanelSteps, the right one also of kPanelColumns.
  static constexpr int kMostPanelSteps = 128;
  template <class P>
  static constexpr int kPanelSteps = kK > 0 && P::steps(kK) < kMostPanelSteps
                                         ? panel::rounded_up(P::steps(kK), kLanes)
                                         : kMostPanelSteps;
  static constexpr int kPanelColumns = kN < 64 ? panel::rounded_up(kN, kLanes) : 64;

  template <class P, class Left>
  static constexpr bool left_in_place() {
    return detail::left_tile_like<Left> || (detail::is_cooperative<Left> && !kLeftTurned && !P::kDots);
  }
  template <class P, class Right>
  static constexpr bool right_in_place() {
    if constexpr (detail::is_tensor<Right>)
      return !P::kDots && std::is_same_v<detail::element_of<Right>, typename P::Sum>;
    else
      return detail::right_tile_like<Right> || !P::kDots;
  }

  struct Nothing {};

  /// The operand's extent in K, and how much of it may be nonzero.
  struct Depth {
    int known, used;
  };
  template <class Left>
  static Depth depth_of_left(const Left& left) {
    if constexpr (detail::left_tile_like<Left>) {
      return {kK, left.view.depth};
    } else if constexpr (detail::is_cooperative<Left>) {
      return {kK, kLeftTurned ? left.used_rows : left.used_columns};
    } else {
      const auto extent = static_cast<int>(left.get_extent(kLeftTurned ? 1 : 0));
      return {extent, extent};
    }
  }
  template <class Right>
  static Depth depth_of_right(const Right& right) {
    if constexpr (detail::right_tile_like<Right>) {
      return {kK, right.view.depth};
    } else if constexpr (detail::is_cooperative<Right>) {
      return {kK, kRightTurned ? right.used_columns : right.used_rows};
    } else {
      const auto extent = static_cast<int>(right.get_extent(kRightTurned ? 0 : 1));
      return {extent, extent};
    }
  }

  template <class P, class Left, class Room>
  static detail::left_view left_panel(Left& left, int k, int depth, [[maybe_unused]] Room& room) {
    using E = detail::element_of<Left>;
    using S = typename P::Sum;
    if constexpr (detail::left_tile_like<Left>) {
      static_assert(Left::kDepth == kK && Left::kRows == kLocalRows &&
                        std::is_same_v<typename Left::left_tile_product, P>,
                    "matmul2d: the left tile was made for another product or role");
      auto view = left.view.from(k / P::kPerStep);
      view.depth = depth;
      return view;
    } else if constexpr (detail::is_cooperative<Left>) {
      static_assert(Left::kRole == tile_role::left_input && Left::kColumns == (kLeftTurned ? kM : kK) &&
                        Left::kRows == (kLeftTurned ? kK : kM) &&
                        Left::kSimdgroups == (kLeftTurned ? 1 : kParts) &&
                        std::is_same_v<typename Left::lane_tile_storage, S>,
                    "matmul2d: the left tile was made for another product or role");
      if constexpr (kLeftTurned) {  // columns of the tile are rows of A: a row-major matrix
        const detail::matrix<const S> all{left.data(), Left::kPitch, left.used_columns, left.used_rows};
        const auto m = clipped(all.from(first_row(), k), kLocalRows, depth);
        if constexpr (P::kDots) {
          constexpr int kLength = kPanelSteps<P> * P::kPerStep;
          alignas(64) E elements[kLocalRows * kLength];
          return detail::pack_left<P, false>(room, detail::elements_of(m, elements, kLength), depth);
        } else {
          return detail::pack_left<P, false>(room, m, depth);
        }
      } else {
        const S* data = left.data() + std::int64_t{k} * Left::kPitch;
        if constexpr (P::kDots) {
          detail::pack_lanes<P, E>(room.steps, data, kPitch, depth);
          return {room.steps, kPitch, panel::kWidth, left.used_rows, depth};
        } else {
          return {data, kPitch, panel::kWidth, left.used_rows, depth};
        }
      }
    } else {
      const auto all = elements_in(left);
      if constexpr (kLeftTurned)
        return detail::pack_left<P, true>(room, clipped(all.from(k, first_row()), depth, kLocalRows), depth);
      else
        return detail::pack_left<P, false>(room, clipped(all.from(first_row(), k), kLocalRows, depth), depth);
    }
  }

  /// Memory for a panel of B, and for the elements of a B that comes from a tile.
  template <class P, class E>
  struct RightRoom {
    static constexpr int kDepth = kPanelSteps<P> * P::kPerStep;
    alignas(64) Word steps[kPanelSteps<P> * kPanelColumns];
    alignas(64) E elements[P::kDots ? kDepth * kPanelColumns : 1];
  };

  template <class P, class Right, class Room>
  static detail::right_view right_panel(Right& right, int k, int depth, int n, int columns,
                                        [[maybe_unused]] Room& room) {
    using S = typename P::Sum;
    if constexpr (detail::right_tile_like<Right>) {
      static_assert(
          Right::kDepth == kK && Right::kColumns == kN && std::is_same_v<typename Right::right_tile_product, P>,
          "matmul2d: the right tile was made for another product");
      return {right.view.at.from(n, k / P::kPerStep), depth, right.view.columns - n};
    } else if constexpr (detail::is_cooperative<Right>) {
      static_assert(Right::kRole == tile_role::right_input && Right::kColumns == (kRightTurned ? kK : kN) &&
                        Right::kRows == (kRightTurned ? kN : kK) &&
                        std::is_same_v<typename Right::lane_tile_storage, S>,
                    "matmul2d: the right tile was made for another product or role");
      // Columns of the tile are lines of k, or, Turned, of n.
      const auto all =
          detail::matrix<const S>{right.data(), Right::kPitch, right.used_columns, right.used_rows};
      const auto m = kRightTurned ? all.from(k, n) : all.from(n, k);
      if constexpr (P::kDots) {
        const auto elements =
            detail::elements_of(kRightTurned ? clipped(m, depth, columns) : clipped(m, columns, depth),
                                room.elements, kRightTurned ? kPanelColumns : Room::kDepth);
        return detail::pack_right<P, !kRightTurned>(room.steps, kRightTurned ? kPanelColumns : kPanelSteps<P>,
                                                    elements, depth, columns);
      } else {
        return detail::pack_right<P, !kRightTurned>(nullptr, 0, m, depth, columns);
      }
    } else {
      const auto all = elements_in(right);
      const auto m = kRightTurned ? all.from(n, k) : all.from(k, n);
      if constexpr (std::is_same_v<Room, Nothing>)
        return detail::pack_right<P, kRightTurned>(nullptr, 0, m, depth, columns);
      else
        return detail::pack_right<P, kRightTurned>(room.steps, kRightTurned ? kPanelSteps<P> : kPanelColumns, m,
                                                   depth, columns);
    }
  }

  template <class Tensor>
  static detail::matrix<const detail::element_of<Tensor>> elements_in(const Tensor& t) {
    Contract::template check_rank<Tensor::kRank>();
    static_assert(std::is_same_v<typename Tensor::index_type, int>, "matmul2d: tensors must be indexed by int");
    const auto m = detail::matrix_of(t);
    return {m.data, m.stride, m.rows, m.columns};
  }
  template <class S>
  static detail::matrix<const S> clipped(detail::matrix<const S> m, int rows, int columns) {
    return {m.data, m.stride, min(m.rows, rows), min(m.columns, columns)};
  }

  template <bool InParts, class Left, class Right, class S>
  static void multiply(Left& left, Right& right, S* sums) {
    using P = detail::product_of_operands<Left, Right>;
    const Depth left_depth = depth_of_left(left), right_depth = depth_of_right(right);
    FT_REFUSE_IF(
        kK > left_depth.known || kK > right_depth.known,
        "matmul2d: the static k passes the K extent of an operand; leave k dynamic for a ragged K, or, where "
        "the other operand is a cooperative tensor, load this one into an input tile, which clips");
    const int used = min(left_depth.used, right_depth.used);
    const int depth = kK > 0 ? min(kK, used) : used;
    constexpr bool kLeftInPlace = left_in_place<P, Left>(), kRightInPlace = right_in_place<P, Right>();
    if constexpr (kLeftInPlace && kRightInPlace) {
      Nothing nothing;
      detail::product<P, InParts>(left_panel<P>(left, 0, depth, nothing),
                                  right_panel<P>(right, 0, depth, 0, kN, nothing), sums, kPitch, kPitch, kN,
                                  InParts || Descriptor.accumulates());
    } else {
      constexpr int kPanelDepth = kPanelSteps<P> * P::kPerStep;
      constexpr int kColumnStep = kRightInPlace ? kN : kPanelColumns;
      std::conditional_t<kLeftInPlace, Nothing, detail::left_room<kPitch, kPanelSteps<P>>> left_room;
      std::conditional_t<kRightInPlace, Nothing, RightRoom<P, detail::element_of<Right>>> right_room;
      int k = 0;
      do {
        const int panel_depth = min(depth - k, kPanelDepth);
        const auto a = left_panel<P>(left, k, panel_depth, left_room);
        for (int n = 0; n < kN; n += kColumnStep) {
          const int columns = min(kN - n, kColumnStep);
          detail::product<P, InParts>(a, right_panel<P>(right, k, panel_depth, n, columns, right_room),
                                      sums + n * kPitch, kPitch, kPitch, columns,
                                      InParts || Descriptor.accumulates() || k > 0);
        }
        k += kPanelDepth;
      } while (k < depth);
    }
  }
};

/// Ours: returns when all but the last Pending products that this scope has started are done. The arguments are
/// the tiles of their results. On a CPU it returns at once.
template <int Pending, class... Tiles>
inline void wait_products(Tiles&...) {}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::primitives
