// convolution2d as products of tiles: the descriptor, the result's tile, and the loop over the window. Included by
// the convolution2d.h of the CPU and CUDA backends, which bring what it calls: copies between a tile and rows that lie
// anywhere.
#pragma once

#include "flashtile/primitives.h"

namespace flashtile::inline v0_2::primitives {
inline namespace FLASHTILE_BACKEND {

#if defined(__CUDACC__)
using ::int2, ::int4;
#else
struct int2 {
  int x, y;
};
struct int4 {
  int x, y, z, w;
};
#endif

enum class convolution2d_activation_layout { nhwc };
enum class convolution2d_weights_layout { hwio };

/// Shape and mode of one convolution D = A * W or D += A * W; sizes have dimension 0 first.
///
/// destination_dimensions   O, W, H, N of the tile that one run computes, for the whole threadgroup: output channels, places along
///                          x and y, images
/// source_dimensions        C, W, H, N of what it reads; only C, the input channels, matters
/// kernel_dimensions        width and height of the window
/// strides, dilations       between windows, and between the taps of a window
/// groups                   1: every output channel reads all input channels
/// relaxed_precision        as in matmul2d_descriptor
struct convolution2d_descriptor {
  enum class mode { multiply, multiply_accumulate };

  int4 destination_dimensions, source_dimensions;
  int2 kernel_dimensions;
  convolution2d_activation_layout activation_layout;
  convolution2d_weights_layout weights_layout;
  int2 strides, dilations;
  int groups;
  bool relaxed_precision;
  mode conv2d_mode;

  FLASHTILE_HOST_DEVICE constexpr convolution2d_descriptor(
      int4 destination, int4 source, int2 kernel,
      convolution2d_activation_layout activations = convolution2d_activation_layout::nhwc,
      convolution2d_weights_layout weights = convolution2d_weights_layout::hwio, int2 strides_ = int2{1, 1},
      int2 dilations_ = int2{1, 1}, int groups_ = 1, bool relaxed_precision_ = false,
      mode mode_ = mode::multiply)
      : destination_dimensions(destination),
        source_dimensions(source),
        kernel_dimensions(kernel),
        activation_layout(activations),
        weights_layout(weights),
        strides(strides_),
        dilations(dilations_),
        groups(groups_),
        relaxed_precision(relaxed_precision_),
        conv2d_mode(mode_) {}

  FLASHTILE_HOST_DEVICE constexpr bool accumulates() const { return conv2d_mode == mode::multiply_accumulate; }
};

/// The result of a convolution: a result of matmul2d, for maps and reductions, whose columns are the O channels
/// and whose row x + W (y + H n) is place (x, y) of image n. Loaded from and stored to tensors (O, W, H, N);
/// what lies outside is 0 and is dropped.
template <class Matrix, int W, int H, int N>
class convolution_tile : public Matrix {
 public:
  using matrix = Matrix;

  static FT_FUNCTION constexpr int get_rank() { return 4; }
  /// [0] = channel, [1] = x, [2] = y, [3] = image, from the tile's origin.
  FT_FUNCTION array<int, 4> get_multidimensional_index(int slot) const {
    const auto at = Matrix::get_multidimensional_index(slot);
    return {{at[0], at[1] % W, at[1] / W % H, at[1] / (W * H)}};
  }
  template <class Tensor>
  FT_FUNCTION void load(const Tensor& source) {
    primitives::load(*this, source);
  }
  template <class Tensor>
  FT_FUNCTION void store(const Tensor& target) const {
    primitives::store(*this, target);
  }
};

namespace detail {

template <class>
inline constexpr bool is_convolution_tile = false;
template <class Matrix, int W, int H, int N>
inline constexpr bool is_convolution_tile<convolution_tile<Matrix, W, H, N>> = true;

/// Where place (x, y) of image n lies in a tensor (C, W, H, N); null outside.
template <class Tensor>
FT_FUNCTION typename Tensor::element_type* place(const Tensor& t, int x, int y, int n) {
  const bool inside = static_cast<unsigned>(x) < static_cast<unsigned>(t.get_extent(1)) &&
                      static_cast<unsigned>(y) < static_cast<unsigned>(t.get_extent(2)) &&
                      n < static_cast<int>(t.get_extent(3));
  return inside ? t.data() + x * t.get_stride(1) + y * t.get_stride(2) + n * t.get_stride(3) : nullptr;
}

/// By row of a tile of W x H places and N images: its place in a tensor (C, W, H, N).
template <int W, int H, int N, class Tensor>
struct places_of {
  const Tensor& tensor;
  FT_FUNCTION typename Tensor::element_type* operator()(int row) const {
    return row < W * H * N ? place(tensor, row % W, row / W % H, row / (W * H)) : nullptr;
  }
};

}  // namespace detail

/// Fills a result, converted: from a tensor (O, W, H, N), or from one of rank 1 (O), which every place gets.
template <class Matrix, int W, int H, int N, class T, class X, class D>
FT_FUNCTION void load(convolution_tile<Matrix, W, H, N>& tile, const tensor<T, X, D>& source) {
  static_assert(X::rank() == 1 || X::rank() == 4,
                "load: a result of convolution2d is loaded from a tensor of rank 4 or 1");
  if constexpr (X::rank() == 1)
    load(static_cast<Matrix&>(tile), source);
  else
    detail::load_rows(static_cast<Matrix&>(tile), static_cast<int>(source.get_extent(0)),
                      detail::places_of<W, H, N, tensor<T, X, D>>{source});
}

/// Writes a result, converted, to a tensor (O, W, H, N) from its origin on.
template <class Matrix, int W, int H, int N, class T, class X, class D>
FT_FUNCTION void store(const convolution_tile<Matrix, W, H, N>& tile, const tensor<T, X, D>& target) {
  static_assert(X::rank() == 4, "store: a result of convolution2d is stored to a tensor of rank 4");
  detail::store_rows(static_cast<const Matrix&>(tile), static_cast<int>(target.get_extent(0)),
                     detail::places_of<W, H, N, tensor<T, X, D>>{target});
}

/// One convolution by all simdgroups of the threadgroup: D(o, x, y, n) = sum over taps (i, j) and channels c of
/// A(c, x sx + i dx + left, y sy + j dy + top, n) W(o, c, i, j).
///
/// Shapes    Tensors of rank 4: activations (C, W, H, N), weights (O, C, width, height), destination (O, W, H, N) or a
///           cooperative tensor of get_destination_cooperative_tensor. W H N and O of the tile are multiples of
///           8, one of them of 16.
/// Window    set_offsets says where the middle of the first window lies; left, top = offsets - ((size - 1) dilation + 1) / 2.
///           Offsets of 0 keep the size of an image whose window has an odd size.
/// Edges     What lies outside the activations or the weights counts as 0; results outside the destination are
///           dropped.
/// Numerics  The element types of matmul2d with float sums. Sums are chains over the rows of the window, its columns, and
///           channels, from 0 or from the old D; 16-bit results are rounded once.
/// Memory    On a GPU it has threadgroup memory of its own, up to 48 KiB.
/// Sync      All threads of the threadgroup call run. Before other threads read a destination in memory, it
///           needs a barrier.
template <convolution2d_descriptor Descriptor, class Scope>
class convolution2d {
  static constexpr int4 kSize = Descriptor.destination_dimensions;
  static constexpr int kColumns = kSize.x, kRows = kSize.y * kSize.z * kSize.w,
                       kChannels = Descriptor.source_dimensions.x;
  static constexpr int2 kWindow = Descriptor.kernel_dimensions, kStrides = Descriptor.strides,
                        kDilations = Descriptor.dilations;
  static_assert(Scope::simdgroups >= 1, "convolution2d: the scope must be execution_simdgroups<N>");
  static_assert(Descriptor.groups == 1, "convolution2d: there is one group only");
  static_assert(kChannels > 0 && kWindow.x > 0 && kWindow.y > 0 && kStrides.x > 0 && kStrides.y > 0 &&
                    kDilations.x > 0 && kDilations.y > 0,
                "convolution2d: channels, window, strides and dilations must be positive");
  static_assert(kRows > 0 && kColumns > 0 && kRows % 8 == 0 && kColumns % 8 == 0 &&
                    (kRows % 16 == 0 || kColumns % 16 == 0),
                "convolution2d: the tile's O and its W H N must be multiples of 8, one of them of 16");

  /// A step is one tap of the window and kDepth of the channels.
  template <class Activation>
  static constexpr int kDepth = kChannels > 32 && sizeof(Activation) < 4 ? 64
                                : kChannels > 16                         ? 32
                                                                         : 16;
  template <class Activation>
  using Product = matmul2d<matmul2d_descriptor(kRows, kColumns, kDepth<Activation>, false, false,
                                               Descriptor.relaxed_precision,
                                               matmul2d_descriptor::mode::multiply_accumulate),
                           Scope>;
  using Sharers = detail::room_scope<Scope>;
  template <class A, class W>
  struct Room {
    typename Product<A>::template left_tile_stages<A, 2, W> left;
    typename Product<A>::template right_tile_stages<W, 2, A> right;
  };
  template <class Tensor>
  using element = std::remove_cv_t<typename Tensor::element_type>;

 public:
  static constexpr convolution2d_descriptor descriptor = Descriptor;
  using scope = Scope;

  FT_FUNCTION void set_offsets(int2 offsets) { offsets_ = offsets; }

  /// A tile for D of run(activations, weights, D) with operands of these types. Fresh tiles hold 0.
  template <class Activations, class Weights, class T, class Coord = int>
  static FT_FUNCTION auto get_destination_cooperative_tensor() {
    static_assert(!std::is_integral_v<T>, "convolution2d: results are float, half or bfloat");
    using A = tensor<element<Activations>, dextents<int, 2>, tensor_inline>;
    using W = tensor<element<Weights>, dextents<int, 2>, tensor_inline>;
    using Matrix =
        decltype(Product<element<Activations>>::template get_destination_cooperative_tensor<A, W, T>());
    return convolution_tile<Matrix, kSize.y, kSize.z, kSize.w>();
  }

  template <class Activations, class Weights, class Destination>
  FT_FUNCTION void run(Activations& activations, Weights& weights, Destination& destination) const {
    static_assert(Activations::kRank == 4 && Weights::kRank == 4, "convolution2d: give tensors of rank 4");
    auto sums = get_destination_cooperative_tensor<Activations, Weights, float>();
    if constexpr (std::is_same_v<Destination, decltype(sums)>) {
      multiply(activations, weights, destination);
    } else if constexpr (detail::is_convolution_tile<Destination>) {
      map_elements(sums, destination, [](auto, auto old) { return old; });
      multiply(activations, weights, sums);
      map_elements(destination, sums, [](auto, auto sum) { return sum; });
    } else {
      static_assert(Destination::kRank == 4, "convolution2d: give tensors of rank 4");
      if constexpr (Descriptor.accumulates()) load(sums, destination);
      multiply(activations, weights, sums);
      store(sums, destination);
    }
  }

 private:
  template <class Activations, class Weights, class Tile>
  FT_FUNCTION void multiply(const Activations& activations, const Weights& weights, Tile& sums) const {
    using A = element<Activations>;
    constexpr int kParts = (kChannels + kDepth<A> - 1) / kDepth<A>, kSteps = kWindow.x * kWindow.y * kParts;
    detail::check_whole_threadgroup<Scope>();
    FLASHTILE_ROOM Room<A, element<Weights>> room;
    static_assert(sizeof room <= FLASHTILE_ROOM_BYTES,
                  "convolution2d: the tile is too large; take fewer places or channels");
    if constexpr (!Descriptor.accumulates()) zero(sums);

    const auto start_loading = [&](int step) {
      const int tap = step / kParts, channel = step % kParts * kDepth<A>;
      load_activations(room.left, step % 2, activations, tap % kWindow.x, tap / kWindow.x, channel);
      load_weights(room.right, step % 2, weights, tap % kWindow.x, tap / kWindow.x, channel);
    };
    start_loading(0);
    for (int step = 0; step < kSteps; ++step) {
      wait_tiles<Sharers, 0>();
      if (step + 1 < kSteps) start_loading(step + 1);
      auto left = tile(room.left, step % 2);
      auto right = tile(room.right, step % 2);
      Product<A>().run(left, right, static_cast<typename Tile::matrix&>(sums));
    }
    wait_tiles<Sharers, 0>();  // before another convolution loads into the room
  }

  /// Row r is what place r of the tile reads at tap (i, j), from a channel on.
  template <class Stages, class Activations>
  FT_FUNCTION void load_activations(Stages& stages, int stage, const Activations& activations, int i, int j,
                                    int channel) const {
    const int left = offsets_.x + i * kDilations.x - ((kWindow.x - 1) * kDilations.x + 1) / 2,
              top = offsets_.y + j * kDilations.y - ((kWindow.y - 1) * kDilations.y + 1) / 2;
    const auto at = [&](int row) -> typename Activations::element_type* {
      const int x = row % kSize.y, y = row / kSize.y % kSize.z, n = row / (kSize.y * kSize.z);
      auto* const there =
          row < kRows ? detail::place(activations, x * kStrides.x + left, y * kStrides.y + top, n) : nullptr;
      return there == nullptr ? nullptr : there + channel;
    };
    const int channels = min(static_cast<int>(activations.get_extent(0)), kChannels) - channel;
    const std::int64_t all_strides =
        activations.get_stride(1) | activations.get_stride(2) | activations.get_stride(3);
    const bool aligned = all_strides * static_cast<int>(sizeof(element<Activations>)) % 16 == 0;
    detail::load_rows_async<Scope>(stages, stage, activations.data(), max(channels, 0), aligned, at);
  }

  /// Row c is W(., c, i, j), from a channel on.
  template <class Stages, class Weights>
  static FT_FUNCTION void load_weights(Stages& stages, int stage, const Weights& weights, int i, int j,
                                       int channel) {
    const bool inside =
        i < static_cast<int>(weights.get_extent(2)) && j < static_cast<int>(weights.get_extent(3));
    const int channels = inside ? min(static_cast<int>(weights.get_extent(1)), kChannels) - channel : 0;
    const tensor<typename Weights::element_type, dextents<int, 2>, tensor_inline> tap(
        weights.data() + channel * weights.get_stride(1) + i * weights.get_stride(2) +
            j * weights.get_stride(3),
        dextents<int, 2>(min(static_cast<int>(weights.get_extent(0)), kColumns), max(channels, 0)),
        {std::int64_t{1}, weights.get_stride(1)});
    load_tile_async<Sharers>(stages, stage, tap);
  }

  int2 offsets_{0, 0};
};

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::primitives
