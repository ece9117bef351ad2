// matmul2d: Apple's, with operands that say where a tile lies; what it computes, its extents, types and limits, stands in
// common/matmul2d_contract.h. Included by metal/primitives.h from Metal 4 on.
//
// Apple's matrix unit reads device memory by itself, so that a stage of a tile is an address, and nothing is copied. The depth
// of a product is what its operands have: a static one must not exceed them, which the last tile of a ragged K does.
#pragma once

#include "flashtile/primitives/common/matmul2d_contract.h"
#include "flashtile/primitives/metal/cooperative_tensor.h"
#include "flashtile/primitives/metal/execution.h"
#include "flashtile/primitives/metal/tensor.h"

namespace flashtile::inline v0_2::primitives {
inline namespace FLASHTILE_BACKEND {

using ::mpp::tensor_ops::matmul2d_descriptor;

/// Take k from the operands' extents at run time.
constexpr constant int dynamic_length = -1;

namespace detail {

/// Apple's name of an element type.
template <class T>
struct apple {
  using type = T;
  using pointer = device T*;
};
template <>
struct apple<int4b_format> {
  using type = ::metal::int4b_format;
  using pointer = device uchar*;
};
template <>
struct apple<uint4b_format> {
  using type = ::metal::uint4b_format;
  using pointer = device uchar*;
};

using apple_extents = ::metal::dextents<int32_t, 2>;
template <class T>
using apple_tensor = ::metal::tensor<device typename apple<T>::type, apple_extents, ::metal::tensor_inline>;
template <class T>
using apple_shared_tensor = ::metal::tensor<threadgroup T, apple_extents, ::metal::tensor_inline>;

}  // namespace detail

/// A tile in device memory: `rows` rows of `columns` elements, `stride` apart.
template <class T>
struct device_tile {
  typename detail::apple<T>::pointer data;
  int columns, rows, stride;

  using apple = detail::apple_tensor<T>;
  /// The first `depth` rows or columns of it.
  apple rows_of(int depth) const {
    return apple(data, detail::apple_extents(columns, depth), ::metal::array<int32_t, 2>{1, stride});
  }
  apple columns_of(int depth) const {
    return apple(data, detail::apple_extents(depth, rows), ::metal::array<int32_t, 2>{1, stride});
  }
  apple whole() const { return columns_of(columns); }
};

/// A left operand that was a result, in threadgroup memory.
template <class T, int Rows, int Columns>
struct left_input {
  threadgroup T* data;
  static constexpr constant int columns = Columns, rows = Rows;

  using apple = detail::apple_shared_tensor<T>;
  apple columns_of(int depth) const {
    return apple(data, detail::apple_extents(depth, Rows), ::metal::array<int32_t, 2>{1, Columns});
  }
};

namespace detail {

/// What an operand is to Apple's product: a tensor is a tile, as large as it is.
template <class T, class X>
inline auto as_tile(thread const tensor<T, X>& t) {
  using E = typename tensor<T, X>::element_type;
  return device_tile<E>{(typename apple<E>::pointer)t.data(), t.get_extent(0), t.get_extent(1),
                        static_cast<int>(t.get_stride(1))};
}
template <class T>
inline device_tile<T> as_tile(thread const device_tile<T>& tile) {
  return tile;
}
template <class T, int Rows, int Columns>
inline left_input<T, Rows, Columns> as_tile(thread const left_input<T, Rows, Columns>& tile) {
  return tile;
}

/// Apple's type of an operand; an element type stands for tiles in device memory.
template <class Operand>
struct tile_of {
  using element = Operand;
  using apple = apple_tensor<Operand>;
};
template <class T>
struct tile_of<device_tile<T>> {
  using element = T;
  using apple = apple_tensor<T>;
};
template <class T, int Rows, int Columns>
struct tile_of<left_input<T, Rows, Columns>> {
  using element = T;
  using apple = apple_shared_tensor<T>;
};
template <class T, class X>
struct tile_of<tensor<T, X>> {
  using element = typename tensor<T, X>::element_type;
  using apple = apple_tensor<typename tensor<T, X>::element_type>;
};
template <class T, class... Rest>
struct tile_of<cooperative_tensor<T, Rest...>> {
  using element = T;
  using apple = cooperative_tensor<T, Rest...>;
};

template <class Operand>
struct is_cooperative {
  static constexpr constant bool value = false;
};
template <class T, class... Rest>
struct is_cooperative<cooperative_tensor<T, Rest...>> {
  static constexpr constant bool value = true;
};

/// One of two types.
template <bool First, class A, class B>
struct either {
  using type = A;
};
template <class A, class B>
struct either<false, A, B> {
  using type = B;
};

}  // namespace detail

/// Which tiles of at most Rows x Columns a kernel works on.
template <class T, int Rows, int Columns, int Stages>
struct device_tile_stages {
  static_assert(detail::stages_ok<Stages>(), "device_tile_stages: at least one stage");
  device_tile<T> stage[Stages];
};

/// Stage i, as an operand of matmul2d.
template <class T, int Rows, int Columns, int Stages>
inline device_tile<T> tile(threadgroup const device_tile_stages<T, Rows, Columns, Stages>& stages, int i) {
  return {stages.stage[i].data, stages.stage[i].columns, stages.stage[i].rows, stages.stage[i].stride};
}

/// Stage i is the tensor's elements from its origin on.
template <class Scope, class T, int Rows, int Columns, int Stages, class E, class X>
inline void load_tile_async(threadgroup device_tile_stages<T, Rows, Columns, Stages>& stages, int i,
                            thread const tensor<E, X>& source) {
  static_assert(detail::is_one_simdgroup<Scope>::value,
                "load_tile_async: a threadgroup has one simdgroup here");
  detail::check_tile_source<tensor<E, X>::kRank,
                            detail::same_type<typename tensor<E, X>::element_type, T>::value>();
  if (detail::lane() != 0) return;
  stages.stage[i].data = (typename detail::apple<T>::pointer)source.data();
  stages.stage[i].columns = min(source.get_extent(0), Columns);
  stages.stage[i].rows = min(source.get_extent(1), Rows);
  stages.stage[i].stride = static_cast<int>(source.get_stride(1));
}

namespace detail {

/// The product of Apple's that computes one of ours at a depth.
template <matmul2d_descriptor Descriptor, class Scope, int K>
using op_of_depth =
    ::mpp::tensor_ops::matmul2d<matmul2d_descriptor(Descriptor.m, Descriptor.n, K, Descriptor.transpose_left,
                                                    Descriptor.transpose_right, Descriptor.relaxed_precision,
                                                    Descriptor.matmul_mode),
                                Scope>;
/// Input tiles have the static depth, other operands what they have at run time.
template <matmul2d_descriptor Descriptor, class Scope, class Left, class Right>
using op_of = typename either<is_cooperative<Left>::value || is_cooperative<Right>::value,
                              op_of_depth<Descriptor, Scope, Descriptor.k>,
                              op_of_depth<Descriptor, Scope, dynamic_length>>::type;

/// Ours: the types of what matmul2d's factories make. Left and Right are the operands: element types of tiles in stages,
/// or types of tensors or tiles.
template <matmul2d_descriptor Descriptor, class Scope>
struct tiles_of_product : matmul2d_contract<Descriptor.m, Descriptor.n, Descriptor.k, Scope> {
  template <class D, class Left, class Right = Left>
  using result_tile =
      decltype(op_of<Descriptor, Scope, Left, Right>()
                   .template get_destination_cooperative_tensor<typename tile_of<Left>::apple,
                                                                typename tile_of<Right>::apple, D>());
  template <class D, class Left, class Right = Left>
  using row_entries =
      primitives::row_entries<op_of<Descriptor, Scope, Left, Right>, typename tile_of<Left>::apple,
                              typename tile_of<Right>::apple, D, Descriptor.m>;
  /// A left input of T made from a result of float.
  template <class T>
  using left_tile = left_input<T, Descriptor.m, Descriptor.k>;
};

}  // namespace detail

/// D = A B or D += A B for one tile, by all threads of the scope. Operands are tensors in device memory, tiles of
/// left_tile_stages and right_tile_stages, left inputs made of results, and input tiles, which need a static k; the result is
/// cooperative, or a tensor in device memory.
template <matmul2d_descriptor Descriptor, class Scope>
class matmul2d : public detail::tiles_of_product<Descriptor, Scope> {
  using Contract = detail::matmul2d_contract<Descriptor.m, Descriptor.n, Descriptor.k, Scope>;
  static constexpr constant int kM = Descriptor.m, kN = Descriptor.n, kK = Descriptor.k;
  static constexpr constant bool kTransposeLeft = Descriptor.transpose_left,
                                 kTransposeRight = Descriptor.transpose_right;
  using Op = detail::op_of_depth<Descriptor, Scope, dynamic_length>;
  using StaticOp = detail::op_of_depth<Descriptor, Scope, kK>;  // of input tiles
  template <class Left, class Right>
  using OpOf = detail::op_of<Descriptor, Scope, Left, Right>;

 public:
  template <class T, int StageCount, class Right = T>
  using left_tile_stages =
      device_tile_stages<T, kTransposeLeft ? kK : kM, kTransposeLeft ? kM : kK, StageCount>;
  template <class T, int StageCount, class Left = T>
  using right_tile_stages =
      device_tile_stages<T, kTransposeRight ? kN : kK, kTransposeRight ? kK : kN, StageCount>;

  /// Ours: a fresh result.
  template <class D, class Left, class Right = Left>
  static auto make_result_tile() {
    return get_destination_cooperative_tensor<Left, Right, D>();
  }

  template <class Left, class Right, class T>
  static auto get_destination_cooperative_tensor() {
    check_types<Left, Right, T>();
    return OpOf<Left, Right>()
        .template get_destination_cooperative_tensor<typename detail::tile_of<Left>::apple,
                                                     typename detail::tile_of<Right>::apple, T>();
  }
  template <class Left, class Right, class T>
  static row_entries<OpOf<Left, Right>, typename detail::tile_of<Left>::apple,
                     typename detail::tile_of<Right>::apple, T, kM>
  get_row_reduction_destination_cooperative_tensor() {
    return {};
  }

  /// A tile for A, or for B, to be loaded. The template arguments are the element types of A, B and D.
  template <class Left, class Right, class T>
  static auto get_left_input_cooperative_tensor() {
    Contract::check_static_k();
    check_types<Left, Right, T>();
    return StaticOp().template get_left_input_cooperative_tensor<Left, Right, T>();
  }
  template <class Left, class Right, class T>
  static auto get_right_input_cooperative_tensor() {
    Contract::check_static_k();
    check_types<Left, Right, T>();
    return StaticOp().template get_right_input_cooperative_tensor<Left, Right, T>();
  }

  /// Threadgroup memory that a result passes through on its way to a left input.
  template <class Left>
  struct left_input_room {
    Left elements[kM * kK];
  };
  template <class Left, class Right, class T, class Source>
  static left_input<Left, kM, kK> get_left_input_cooperative_tensor(thread Source& source,
                                                                    threadgroup left_input_room<Left>& room) {
    static_assert(detail::is_one_simdgroup<Scope>::value, "matmul2d: left inputs are for one simdgroup here");
    simdgroup_barrier(mem_flags::mem_threadgroup);  // the product before has read it
    for (int i = 0; i < source.get_capacity(); ++i) {
      if (!source.is_valid_element(i)) continue;
      const auto at = source.get_multidimensional_index(i);
      room.elements[at[1] * kK + at[0]] = static_cast<Left>(source[i]);
    }
    simdgroup_barrier(mem_flags::mem_threadgroup);
    return {room.elements};
  }

  template <class Left, class Right, class Destination>
  void run(thread const Left& left, thread const Right& right, thread Destination& destination) const {
    check_types<Left, Right, typename detail::tile_of<Destination>::element>();
    const auto l = detail::as_tile(left);
    const auto r = detail::as_tile(right);
    const int all = min(kTransposeLeft ? l.rows : l.columns, kTransposeRight ? r.columns : r.rows);
    const int depth = kK > 0 && kK < all ? kK : all;
    auto a = left_operand(l, depth);
    auto b = right_operand(r, depth);
    if constexpr (detail::is_cooperative<Destination>::value) {
      Op().run(a, b, destination);
    } else {
      auto d = detail::as_tile(destination).whole();
      Op().run(a, b, d);
    }
  }
  template <class T, class... Rest, class U, class... More, class Destination>
  void run(thread cooperative_tensor<T, Rest...>& left, thread cooperative_tensor<U, More...>& right,
           thread Destination& destination) const {
    StaticOp().run(left, right, destination);
  }
  template <class Left, class U, class... More, class Destination>
  void run(thread const Left& left, thread cooperative_tensor<U, More...>& right,
           thread Destination& destination) const {
    auto a = left_operand(detail::as_tile(left), kK);
    StaticOp().run(a, right, destination);
  }
  template <class T, class... Rest, class Right, class Destination>
  void run(thread cooperative_tensor<T, Rest...>& left, thread const Right& right,
           thread Destination& destination) const {
    auto b = right_operand(detail::as_tile(right), kK);
    StaticOp().run(left, b, destination);
  }
  /// Ours: D += A B, where A B is summed from 0 and then added to D.
  template <class Left, class Right, class T, class... Rest>
  void add(thread const Left& left, thread const Right& right,
           thread ::metal::cooperative_tensor<T, Rest...>& destination) const {
    Contract::template check_add<Descriptor.matmul_mode == matmul2d_descriptor::mode::multiply &&
                                 sizeof(T) == 4>();
    auto part = get_destination_cooperative_tensor<Left, Right, T>();
    run(left, right, part);
    for (int i = 0; i < destination.get_capacity(); ++i) {
      if (destination.is_valid_element(i)) destination[i] += part[i];
    }
  }
  /// Ours: run, since products are not asynchronous here.
  template <class Left, class Right, class Destination>
  void start(thread const Left& left, thread const Right& right, thread Destination& destination) const {
    run(left, right, destination);
  }

 private:
  template <class Left, class Right, class D>
  static void check_types() {
    Contract::template check_table<detail::types_are_supported<
        typename detail::tile_of<Left>::element, typename detail::tile_of<Right>::element, D>()>();
  }
  template <class Left>
  static auto left_operand(thread const Left& left, int depth) {
    if constexpr (kTransposeLeft) {
      return left.rows_of(depth);
    } else {
      return left.columns_of(depth);
    }
  }
  template <class Right>
  static auto right_operand(thread const Right& right, int depth) {
    if constexpr (kTransposeRight) {
      return right.columns_of(depth);
    } else {
      return right.rows_of(depth);
    }
  }
};

template <int Pending, class... Tiles>
inline void wait_products(thread Tiles&...) {}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::primitives
