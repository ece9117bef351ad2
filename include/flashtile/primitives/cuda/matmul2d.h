// matmul2d on NVIDIA GPUs: one product of tiles by all threads of a scope, on mma.sync (every GPU and type) or
// on the warpgroup instructions (Hopper, 16-bit types, right operand in right_tile_stages). Included by
// cuda/primitives.h. What it computes, its extents, types and limits, stands in common/matmul2d_contract.h.
#pragma once

#include <cstdint>
#include <type_traits>

#include "flashtile/primitives/common/descriptor.h"
#include "flashtile/primitives/common/matmul2d_contract.h"
#include "flashtile/primitives/common/tensor.h"
#include "flashtile/primitives/cuda/cooperative_tensor.h"
#include "flashtile/primitives/cuda/engine/operand_fragments.h"
#include "flashtile/primitives/cuda/engine/warpgroup_product.h"
#include "flashtile/primitives/cuda/maps.h"
#include "flashtile/primitives/cuda/tile_factory.h"
#include "flashtile/primitives/cuda/tile_stages.h"

namespace flashtile::inline v0_2::primitives {
inline namespace FLASHTILE_BACKEND {
namespace detail {

/// The element type of an operand, which may be an element type itself.
template <class T>
struct operand_element_of {
  using type = T;
};
template <class T>
  requires requires { typename T::element_type; }
struct operand_element_of<T> {
  using type = std::remove_cv_t<typename T::element_type>;
};
template <class T>
using operand_element = typename operand_element_of<T>::type;

/// Keeps the compiler from moving uses of sums that are still being computed across this point.
template <class T, int N>
FT_FUNCTION void pin(element_slots<T, N>& sums) {
  if constexpr (std::is_same_v<T, float>) {
    FT_UNROLL for (int i = 0; i < N; ++i) asm volatile("" : "+f"(sums.element[i])::"memory");
  }
}

/// Where the threads of a scope hold the tiles of a product.
template <matmul2d_descriptor Descriptor, class Scope>
struct product_layouts : scope_layouts<Descriptor.m, Descriptor.n, Scope> {
  static constexpr int kM = Descriptor.m, kN = Descriptor.n;
  static constexpr int kDepth =
      Descriptor.has_static_k() ? Descriptor.k : 1;  // cooperative inputs need a static k
  static constexpr bool kThread = Scope::simdgroups == 0;
  using left = turned_if<std::conditional_t<kThread, thread_layout<kM, kDepth>,
                                            left_layout<typename scope_layouts<kM, kN, Scope>::rows, kDepth>>,
                         Descriptor.transpose_left>;
  using right = turned_if<std::conditional_t<kThread, thread_layout<kDepth, kN>, column_layout<kDepth, kN>>,
                          Descriptor.transpose_right>;
};

/// Ours: the types of what matmul2d's factories make. Left and Right are the operands: element types of tiles in stages,
/// or types of tensors or tiles. Of a base whose parameters hold a descriptor, nvcc 13.0 gives these aliases to the host's
/// compiler in names that nothing declares.
template <class Contract, class Destination, class RowEntries, class LeftInput>
struct tiles_of_product : Contract {
  template <class D, class Left, class Right = Left>
  using result_tile = cooperative_tensor<D, Destination>;
  template <class D, class Left, class Right = Left>
  using row_entries = cooperative_tensor<D, RowEntries>;
  /// A left input of T made from a result of float.
  template <class T>
  using left_tile = cooperative_tensor<T, LeftInput>;
};

template <matmul2d_descriptor Descriptor, class Scope>
using tiles_of = tiles_of_product<matmul2d_contract<Descriptor.m, Descriptor.n, Descriptor.k, Scope>,
                                  typename product_layouts<Descriptor, Scope>::destination,
                                  typename product_layouts<Descriptor, Scope>::row_entries,
                                  typename product_layouts<Descriptor, Scope>::left>;

}  // namespace detail

/// D = A B or D += A B for one tile, by all threads of the scope.
///
/// Numerics  float32 operands are split into parts that the matrix unit multiplies, unless relaxed_precision is set.
/// Errors    A static k beyond a tensor's extent is not refused: elements outside count as 0.
template <matmul2d_descriptor Descriptor, class Scope>
class matmul2d : public detail::tiles_of<Descriptor, Scope> {
 public:
  static constexpr matmul2d_descriptor descriptor = Descriptor;
  using scope = Scope;

 private:
  using Contract = detail::matmul2d_contract<Descriptor.m, Descriptor.n, Descriptor.k, Scope>;
  static constexpr int kM = Descriptor.m, kN = Descriptor.n, kK = Descriptor.has_static_k() ? Descriptor.k : 0;
  static constexpr bool kThread = Scope::simdgroups == 0;
  static constexpr bool kTransposeLeft = Descriptor.transpose_left,
                        kTransposeRight = Descriptor.transpose_right;

  using Layouts = detail::product_layouts<Descriptor, Scope>;
  using Rows = typename Layouts::rows;
  static constexpr int kDepth = Layouts::kDepth;
  using LeftLayout = typename Layouts::left;
  using RightLayout = typename Layouts::right;
  using DestinationLayout = typename Layouts::destination;

  template <class T, int R, int C>
  using Order =
      typename std::conditional_t<sizeof(T) == 2, std::type_identity<detail::swizzled_panels<T, R, C>>,
                                  std::type_identity<detail::padded_rows<T, R, C>>>::type;
  template <class T, int R, int C, int StageCount>
  using Stages = tile_stages<T, Order<T, R, C>, R, C, StageCount>;

 public:
  /// Ours: stages in threadgroup memory of the right operand (k x n, or n x k if transposed), in the matrix
  /// unit's layout. Left is the element type of the left operand.
  template <class T, int StageCount, class Left = T>
  using right_tile_stages = Stages<detail::register_type_t<T>, kTransposeRight ? kN : kDepth,
                                   kTransposeRight ? kDepth : kN, StageCount>;
  /// The same for the left operand (m x k, or k x m if transposed).
  template <class T, int StageCount, class Right = T>
  using left_tile_stages = Stages<detail::register_type_t<T>, kTransposeLeft ? kDepth : kM,
                                  kTransposeLeft ? kM : kDepth, StageCount>;

  /// Ours: a fresh result.
  template <class D, class Left, class Right = Left>
  static FT_FUNCTION auto make_result_tile() {
    check_types<Left, Right, D>();
    return detail::fresh_tile<Scope, D, DestinationLayout>();
  }

  template <class Left, class Right, class T, class Coord = int>
  static FT_FUNCTION auto get_destination_cooperative_tensor() {
    check_types<Left, Right, T>();
    return detail::fresh_tile<Scope, T, DestinationLayout>();
  }
  template <class Left, class Right, class T, class Coord = int>
  static FT_FUNCTION auto get_row_reduction_destination_cooperative_tensor() {
    check_types<Left, Right, T>();
    return detail::fresh_tile<Scope, T, typename Layouts::row_entries>();
  }
  template <class Left, class Right, class T, class Coord = int>
  static FT_FUNCTION auto get_column_reduction_destination_cooperative_tensor() {
    check_types<Left, Right, T>();
    Contract::check_column_scope();
    return detail::fresh_tile<Scope, T, typename Layouts::column_entries>();
  }
  template <class Left, class Right, class T, class Coord = int>
  static FT_FUNCTION auto get_left_input_cooperative_tensor() {
    check_input_types<Left, Right, T>();
    return detail::fresh_tile<Scope, Left, LeftLayout>();
  }
  template <class Left, class Right, class T, class Coord = int>
  static FT_FUNCTION auto get_right_input_cooperative_tensor() {
    check_input_types<Left, Right, T>();
    return detail::fresh_tile<Scope, Right, RightLayout>();
  }

  /// An input made from another product's result, converted in registers.
  template <class Left, class Right, class T, class Coord = int, class U, class Layout>
  static FT_FUNCTION auto get_left_input_cooperative_tensor(const cooperative_tensor<U, Layout>& source) {
    static_assert(fits_left<Layout>(),
                  "matmul2d: these results lie in other threads than the left input needs; ask "
                  "is_compatible_as_left_input");
    auto left = get_left_input_cooperative_tensor<Left, Right, T>();
    if constexpr (kThread) {
      FT_UNROLL for (int i = 0; i < Layout::kCapacity; ++i) {
        left.set(i, detail::convert_element<Left>(source.get(i)));
      }
    } else {
      FT_UNROLL for (int b = 0; b < Rows::kBlocks; ++b) {
        FT_UNROLL for (int j = 0; j < Layout::kColumnBlocks; ++j) {
          FT_UNROLL for (int h = 0; h < Rows::kHalves; ++h) {
            left.slots.set_pair(LeftLayout::slot(b, j, h),
                                detail::convert_pair<Left>(source.slots.pair(Layout::slot(b, j, h))));
          }
        }
      }
    }
    return left;
  }
  /// Ours: threadgroup memory that a left input made from a result passes through where registers cannot hand it
  /// over. Here they can.
  template <class Left>
  struct left_input_room {};
  template <class Left, class Right, class T, class Coord = int, class U, class Layout>
  static FT_FUNCTION auto get_left_input_cooperative_tensor(const cooperative_tensor<U, Layout>& source,
                                                            left_input_room<Left>&) {
    return get_left_input_cooperative_tensor<Left, Right, T>(source);
  }
  template <class Left, class Right, class T, class Coord = int, class U, class Layout>
  static FT_FUNCTION auto get_right_input_cooperative_tensor(const cooperative_tensor<U, Layout>& source) {
    static_assert(fits_right<Layout>(),
                  "matmul2d: these results lie in other threads than the right input needs; ask "
                  "is_compatible_as_right_input");
    auto right = get_right_input_cooperative_tensor<Left, Right, T>();
    if constexpr (kThread) {
      FT_UNROLL for (int i = 0; i < Layout::kCapacity; ++i) {
        right.set(i, detail::convert_element<Right>(source.get(i)));
      }
    } else {
      FT_UNROLL for (int block = 0; block < Layout::rows::kBlocks; ++block) {
        FT_UNROLL for (int j = 0; j < Layout::kColumnBlocks; ++j) {
          FT_UNROLL for (int h = 0; h < Layout::rows::kHalves; ++h) {
            const auto pair = detail::convert_pair<Right>(source.slots.pair(Layout::slot(block, j, h)));
            right.slots.set_pair(RightLayout::slot(block, j, h), detail::transpose_matrix(pair));
          }
        }
      }
    }
    return right;
  }
  /// Can the overloads above be used? Results are spread by rows over the simdgroups, and a right
  /// input is held whole by each: a single simdgroup can turn one into the other by exchanges
  /// between its lanes, several cannot.
  template <class Left, class Right, class T, class Source>
  static FT_FUNCTION constexpr bool is_compatible_as_left_input() {
    return fits_left<typename Source::layout>();
  }
  template <class Left, class Right, class T, class Source>
  static FT_FUNCTION constexpr bool is_compatible_as_left_input(const Source&) {
    return fits_left<typename Source::layout>();
  }
  template <class Left, class Right, class T, class Source>
  static FT_FUNCTION constexpr bool is_compatible_as_right_input() {
    return fits_right<typename Source::layout>();
  }
  template <class Left, class Right, class T, class Source>
  static FT_FUNCTION constexpr bool is_compatible_as_right_input(const Source&) {
    return fits_right<typename Source::layout>();
  }

  /// Computes the product, which is done on return.
  template <class Left, class Right, class Destination>
  FT_FUNCTION void run(Left& left, Right& right, Destination& destination) const {
    if constexpr (kThread) {
      run_alone(left, right, destination);
    } else if constexpr (detail::is_cooperative<Destination>) {
      start(left, right, destination);
      finish<Left, Right>(destination);
    } else {
      using T = std::remove_cv_t<typename Destination::element_type>;
      check_rank<Destination>();
      auto result = get_destination_cooperative_tensor<Left, Right, T>();
      if constexpr (Descriptor.accumulates()) load(result, destination);
      start(left, right, result);
      finish<Left, Right>(result);
      store(result, destination);
    }
  }

  /// Ours: D += A B, where A B is summed from 0 and then added to D, so that rounding errors grow less with the
  /// number of such products than in one chain. For mode multiply and destinations of float or int32_t.
  template <class Left, class Right, class T, class Layout>
  FT_FUNCTION void add(Left& left, Right& right, cooperative_tensor<T, Layout>& destination) const {
    Contract::template check_add<!Descriptor.accumulates() && sizeof(T) == 4>();
    auto part = get_destination_cooperative_tensor<Left, Right, T>();
    run(left, right, part);
    map_elements(destination, part, [](T sum, T more) { return sum + more; });
  }

  /// Ours: starts the product. Until wait_products, the operands must not change and the result must not be
  /// touched. On hardware without asynchronous products it is done on return.
  template <class Left, class Right, class T, class Layout>
  FT_FUNCTION void start(Left& left, Right& right, cooperative_tensor<T, Layout>& destination) const {
    Contract::template check_destination<std::is_same_v<Layout, DestinationLayout>>();
    check_types<Left, Right, T>();
#if FLASHTILE_HAS_WARPGROUP_PRODUCTS
    if constexpr (on_warpgroups<Left, Right, T>()) {
      start_on_warpgroups(left, right, destination);
      return;
    } else
#endif
        if constexpr (std::is_same_v<T, float> || std::is_same_v<T, std::int32_t>) {
      run_on_simdgroups(left, right, destination.slots.element);
    } else {  // 16-bit results: sums in float32, rounded once
      float sums[Layout::kCapacity];
      FT_UNROLL for (int i = 0; i < Layout::kCapacity; ++i) sums[i] = detail::to_float(destination.get(i));
      run_on_simdgroups(left, right, sums);
      FT_UNROLL for (int i = 0; i < Layout::kCapacity; i += 2) {
        destination.slots.set_pair(i,
                                   detail::convert_pair<T>(detail::element_pair<float>{sums[i], sums[i + 1]}));
      }
    }
  }

 private:
  /// Left and Right as in result_tile.
  template <class Left, class Right, class D>
  static FT_FUNCTION constexpr void check_types() {
    check_rank<Left>();
    check_rank<Right>();
    Contract::template check_table<
        detail::types_are_supported<detail::operand_element<Left>, detail::operand_element<Right>, D>()>();
  }
  template <class Operand>
  static FT_FUNCTION constexpr void check_rank() {
    if constexpr (requires { Operand::kRank; }) Contract::template check_rank<Operand::kRank>();
  }
  template <class L, class R, class D>
  static FT_FUNCTION constexpr void check_input_types() {
    check_types<L, R, D>();
    Contract::check_static_k();
  }
  template <class Layout>
  static FLASHTILE_HOST_DEVICE constexpr bool fits_left() {
    if constexpr (kTransposeLeft || Layout::kRank != 2 || Layout::kRowCount != kM || Layout::kColumnCount != kK)
      return false;
    else if constexpr (kThread)
      return std::is_same_v<Layout, LeftLayout>;
    else
      return std::is_same_v<Layout, detail::result_layout<Rows, kK>>;
  }
  template <class Layout>
  static FLASHTILE_HOST_DEVICE constexpr bool fits_right() {
    if constexpr (kThread)
      return std::is_same_v<Layout, RightLayout>;
    else
      return !kTransposeRight && Scope::simdgroups == 1 &&
             std::is_same_v<Layout, detail::result_layout<detail::row_spread<kDepth, 1>, kN>>;
  }

  /// Contraction length, from whichever operand knows it.
  template <class Left, class Right>
  static FT_FUNCTION int depth(const Left& left, const Right& right) {
    if constexpr (Descriptor.has_static_k()) {
      return kK;
    } else if constexpr (!detail::is_cooperative<Left> && !detail::is_tile<Left>) {
      return static_cast<int>(left.get_extent(kTransposeLeft ? 1 : 0));
    } else {
      return static_cast<int>(right.get_extent(kTransposeRight ? 0 : 1));
    }
  }

  /// sums (slots of the destination) = or += left right, on mma.sync, 16 deep at a time.
  template <class Left, class Right, class Sum, int N>
  static FT_FUNCTION void run_on_simdgroups(const Left& left, const Right& right, Sum (&sums)[N]) {
    using L = detail::value_type_of<Left>;
    using R = detail::value_type_of<Right>;
    using D = DestinationLayout;
    constexpr int kBlocks = Rows::kBlocks, kColumnBlocks = D::kColumnBlocks,
                  kPair = kColumnBlocks % 2 == 0 ? 2 : 1;
    if constexpr (!Descriptor.accumulates()) {
      FT_UNROLL for (int i = 0; i < N; ++i) sums[i] = Sum(0);
    }
    constexpr int kEnd = kK % 16 == 0 ? 0 : kK;  // set if the last step of 16 goes past a static k
    const auto step = [&](int k) {
      detail::left_fragment<L> a[kBlocks];
      FT_UNROLL for (int b = 0; b < kBlocks; ++b) {
        constexpr int kLeftBlocks =
            detail::divide_up(kK, 16) * 2;  // matrices in a row of a cooperative operand
        // A simdgroup past the tile's rows reads the first ones; its results are not used.
        const int row = Rows::kFull || Rows::first_row(b) < kM ? Rows::first_row(b) : 0;
        a[b] = detail::left_fragment_of<kTransposeLeft, kEnd>(
            left, (b * kLeftBlocks + k / 8) * Rows::kHalves * 2, row, k);
      }
      FT_UNROLL for (int j = 0; j < kColumnBlocks; j += kPair) {
        detail::right_fragment<R> right_fragments[kPair];
        detail::right_fragments_of<kTransposeRight, kEnd>(right_fragments, right,
                                                          (k / 16 * kColumnBlocks + j) * 4, k, j * 8);
        FT_UNROLL for (int pair = 0; pair < kPair; ++pair) {
          FT_UNROLL for (int b = 0; b < kBlocks; ++b) {
            Sum c[4] = {Sum(0), Sum(0), Sum(0), Sum(0)};
            const int slot = D::slot(b, j + pair, 0);
            FT_UNROLL for (int i = 0; i < 2 * Rows::kHalves; ++i) c[i] = sums[slot + i];
            detail::multiply_fragments<Descriptor.relaxed_precision>(c, a[b], right_fragments[pair]);
            FT_UNROLL for (int i = 0; i < 2 * Rows::kHalves; ++i) sums[slot + i] = c[i];
          }
        }
      }
    };
    if constexpr (Descriptor.has_static_k()) {
      // Registers need indices known at compile time. Loads from memory do not, and fully unrolled code is
      // slow to compile and to fetch.
      constexpr int kUnroll = detail::is_cooperative<Left> || detail::is_cooperative<Right> || kK <= 64
                                  ? detail::divide_up(kK, 16)
                                  : 2;
#pragma unroll kUnroll
      for (int k = 0; k < kK; k += 16) step(k);
    } else {
      const int end = depth(left, right);
      for (int k = 0; k < end; k += 16) step(k);
    }
  }

  /// One thread's own product, element by element.
  template <class Left, class Right, class Destination>
  static FT_FUNCTION void run_alone(Left& left, Right& right, Destination& destination) {
    using D = detail::value_type_of<Destination>;
    check_types<Left, Right, D>();
    using Sum = std::conditional_t<std::is_same_v<D, std::int32_t>, std::int32_t, float>;
    const int end = depth(left, right);
    for (int m = 0; m < kM; ++m) {
      for (int n = 0; n < kN; ++n) {
        Sum sum(0);
        if constexpr (Descriptor.accumulates()) {
          if constexpr (detail::is_cooperative<Destination>)
            sum = detail::convert_element<Sum>(destination.get(m * kN + n));
          else
            sum = detail::convert_element<Sum>(detail::clipped<false>(destination, m, n));
        }
        for (int k = 0; k < end; ++k) {
          const Sum a = detail::convert_element<Sum>(element<kTransposeLeft>(left, m, k, kK));
          const Sum b = detail::convert_element<Sum>(element<kTransposeRight>(right, k, n, kN));
          if constexpr (std::is_same_v<Sum, float>)
            sum = __fmaf_rn(a, b, sum);
          else
            sum = static_cast<Sum>(static_cast<std::uint32_t>(sum) + static_cast<std::uint32_t>(a * b));
        }
        if constexpr (detail::is_cooperative<Destination>) {
          destination.set(m * kN + n, detail::convert_element<D>(sum));
        } else if (n < static_cast<int>(destination.get_extent(0)) &&
                   m < static_cast<int>(destination.get_extent(1))) {
          destination.data()[n + m * destination.get_stride(1)] = detail::convert_element<D>(sum);
        }
      }
    }
  }
  template <bool Transposed, class Operand>
  static FT_FUNCTION auto element(const Operand& operand, int row, int column, int columns) {
    if constexpr (detail::is_cooperative<Operand>)
      return operand.get(row * columns + column);
    else
      return detail::clipped<Transposed>(operand, row, column);
  }

  template <class Left, class Right, class T>
  static FLASHTILE_HOST_DEVICE constexpr bool on_warpgroups() {
    using L = detail::value_type_of<Left>;
    constexpr bool kRightFits =
        detail::is_swizzled_tile<Right> && std::is_same_v<L, detail::value_type_of<Right>>;
    constexpr bool kLeftFits = detail::is_cooperative<Left> || detail::is_swizzled_tile<Left>;
    return !kThread && Rows::kWarpgroups && kM % 64 == 0 && kK % 16 == 0 && kK > 0 && sizeof(L) == 2 &&
           kRightFits && kLeftFits && detail::warpgroup_fits(kN) && std::is_same_v<T, float>;
  }

  template <class Left, class Right, class T, class Layout>
  static FT_FUNCTION void finish(cooperative_tensor<T, Layout>& destination) {
#if FLASHTILE_HAS_WARPGROUP_PRODUCTS
    if constexpr (on_warpgroups<Left, Right, T>()) {
      detail::warpgroup_wait<0>();
      detail::pin(destination.slots);
    }
#endif
  }

#if FLASHTILE_HAS_WARPGROUP_PRODUCTS
  template <class Left, class Right, class Layout>
  static FT_FUNCTION void start_on_warpgroups(Left& left, Right& right,
                                              cooperative_tensor<float, Layout>& destination) {
    using T = detail::value_type_of<Left>;
    float* sums = destination.slots.element;
    const std::uint64_t right_start =
        detail::panel_descriptor(right.panel_address(0, 0), Right::order::kPanelBytes);
    detail::warpgroup_fence();
    FT_UNROLL for (int b = 0; b < Rows::kBlocks; ++b) {
      std::uint64_t left_start = 0;
      if constexpr (!detail::is_cooperative<Left>) {
        const int row = Rows::first_row(b) / 64 * 64;
        left_start = detail::panel_descriptor(
            kTransposeLeft ? left.panel_address(0, row) : left.panel_address(row, 0), Left::order::kPanelBytes);
      }
      FT_UNROLL for (int k = 0; k < kK; k += 16) {
        multiply_columns<T, 0>(left, left_start, right, right_start, sums + Layout::slot(b, 0, 0), b, k);
      }
    }
    detail::warpgroup_commit();
  }

  /// Sums of columns n ... = or += the products at depth k, by the widest instructions that fit. The operands'
  /// descriptors are those of depth 0.
  template <class T, int n, class Left, class Right>
  static FT_FUNCTION void multiply_columns(Left& left, std::uint64_t left_start, Right& right,
                                           std::uint64_t right_start, float* sums, int b, int k) {
    if constexpr (n < kN) {
      constexpr int kWidth = detail::warpgroup_width(kN - n);
      constexpr bool kRightRowsAreK = !kTransposeRight;
      using RightOrder = typename Right::order;
      const int accumulate = Descriptor.accumulates() || k > 0 ? 1 : 0;
      const std::uint64_t right_descriptor = detail::panel_descriptor_at(
          right_start, kTransposeRight ? RightOrder::plain_offset(n, k) : RightOrder::plain_offset(k, n));
      using Product = detail::warpgroup_product<T, kWidth>;
      if constexpr (detail::is_cooperative<Left>) {
        Product::template from_registers<kRightRowsAreK>(
            sums + n / 2, left.slots.word + (b * (kK / 8) + k / 8) * 2, right_descriptor, accumulate);
      } else {
        using LeftOrder = typename Left::order;
        const std::uint64_t left_descriptor = detail::panel_descriptor_at(
            left_start, kTransposeLeft ? LeftOrder::plain_offset(k, 0) : LeftOrder::plain_offset(0, k));
        Product::template from_memory<kTransposeLeft, kRightRowsAreK>(sums + n / 2, left_descriptor,
                                                                      right_descriptor, accumulate);
      }
      multiply_columns<T, n + kWidth>(left, left_start, right, right_start, sums, b, k);
    }
  }
#endif
};

/// Ours: waits until at most the Pending products started last are unfinished. The results of the others, which
/// are the arguments, can then be used and their operands changed.
template <int Pending, class... Tensors>
FT_FUNCTION void wait_products(Tensors&... finished) {
#if FLASHTILE_HAS_WARPGROUP_PRODUCTS
  detail::warpgroup_wait<Pending>();
  (detail::pin(finished.slots), ...);
#endif
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::primitives
