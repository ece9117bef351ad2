// mpp::tensor_ops::convolution2d: activations (C, W, H, N), weights (O, C, kW, kH), results (O, W, H, N), dimension 0 first.
#pragma once

#include "matmul2d.h"

namespace mpp::tensor_ops {

enum class convolution2d_activation_layout { nhwc };
enum class convolution2d_weights_layout { hwio };

struct convolution2d_descriptor {
  enum class mode { multiply, multiply_accumulate };
  /// int4 as a template argument may hold it.
  struct Sizes {
    int x, y, z, w;
  };

  constexpr convolution2d_descriptor(
      int4 destination, int4 source, int2 kernel,
      convolution2d_activation_layout activations = convolution2d_activation_layout::nhwc,
      convolution2d_weights_layout weights = convolution2d_weights_layout::hwio, int2 steps = int2(1, 1),
      int2 spread = int2(1, 1), int group_count = 1, bool relaxed = false, mode how = mode::multiply)
      : destination_dimensions{destination.s[0], destination.s[1], destination.s[2], destination.s[3]},
        source_dimensions{source.s[0], source.s[1], source.s[2], source.s[3]},
        kernel_dimensions{kernel.s[0], kernel.s[1], 1, 1},
        activation_layout(activations),
        weights_layout(weights),
        strides{steps.s[0], steps.s[1], 1, 1},
        dilations{spread.s[0], spread.s[1], 1, 1},
        groups(group_count),
        relaxed_precision(relaxed),
        conv2d_mode(how) {}

  Sizes destination_dimensions, source_dimensions, kernel_dimensions;
  convolution2d_activation_layout activation_layout;
  convolution2d_weights_layout weights_layout;
  Sizes strides, dilations;
  int groups;
  bool relaxed_precision;
  mode conv2d_mode;
};

namespace detail {

template <convolution2d_descriptor Desc, int S, class Activation, class Weights, class Destination>
struct Convolve {
  Activation* activation;
  Weights* weights;
  Destination* destination;
  int2 offsets;
  Site site;

  using T = typename bare<Destination>::value_type;
  static constexpr auto kSize = Desc.destination_dimensions;
  static constexpr int kRows = kSize.y * kSize.z * kSize.w, kColumns = kSize.x,
                       kDepth = Desc.source_dimensions.x;
  static constexpr bool kAccumulates = Desc.conv2d_mode == convolution2d_descriptor::mode::multiply_accumulate;

  METAL_UNCHECKED static void operation(void* const* arguments, uint32_t) {
    auto* const* threads = reinterpret_cast<Convolve* const*>(arguments);
    const Convolve& first = *threads[0];
    float* a = static_cast<float*>(metal_device::runtime->scratch(
        size_t(kRows * kDepth + kDepth * kColumns + kRows * kColumns) * sizeof(float)));
    float *b = a + kRows * kDepth, *c = b + kDepth * kColumns;
    for (int i = 0; i < kRows * kColumns; ++i) c[i] = 0;
    if (kAccumulates)
      each_result(
          threads, first.site, [&](T& value, int at) METAL_UNCHECKED { c[at] = float(value); },
          Access::shared_update);
    for (int y = 0; y < Desc.kernel_dimensions.y; ++y) {
      for (int x = 0; x < Desc.kernel_dimensions.x; ++x) {
        first.gather_activations(a, x, y);
        first.gather_weights(b, x, y);
        metal_device::multiply(c, a, b, kRows, kColumns, kDepth, true);
      }
    }
    each_result(
        threads, first.site, [&](T& value, int at) METAL_UNCHECKED { value = T(c[at]); }, Access::shared_write);
  }

  /// Where one tap of the window reads along an axis. The window is centred: the offset of an unpadded one is half its size.
  METAL_UNCHECKED static int source(int position, int tap, int stride, int dilation, int taps, int offset) {
    return position * stride + tap * dilation + offset - ((taps - 1) * dilation + 1) / 2;
  }
  METAL_UNCHECKED void gather_activations(float* a, int x, int y) const {
    for (int row = 0; row < kRows; ++row) {
      int at[4] = {
          0, source(row % kSize.y, x, Desc.strides.x, Desc.dilations.x, Desc.kernel_dimensions.x, offsets.s[0]),
          source(row / kSize.y % kSize.z, y, Desc.strides.y, Desc.dilations.y, Desc.kernel_dimensions.y,
                 offsets.s[1]),
          row / kSize.y / kSize.z};
      gather_line(*activation, at, a + row * kDepth, kDepth);
    }
  }
  METAL_UNCHECKED void gather_weights(float* b, int x, int y) const {
    for (int channel = 0; channel < kDepth; ++channel) {
      int at[4] = {0, channel, x, y};
      gather_line(*weights, at, b + channel * kColumns, kColumns);
    }
  }
  /// Elements along dimension 0; outside the tensor is 0.
  template <class Tensor>
  METAL_UNCHECKED void gather_line(const Tensor& tensor, const int* at, float* into, int count) const {
    const bool inside = tensor.inside(at);
    const int there = inside ? (count < tensor.get_extent(0) ? count : tensor.get_extent(0)) : 0;
    if (inside) tensor.touch(at, there, Access::shared_read, site);
    for (int i = 0; i < count; ++i) into[i] = i < there ? float(tensor.data()[tensor.offset(at) + i]) : 0.0f;
  }

  /// Visits results with their place in the matrix; those outside the destination are left out.
  template <class Visit>
  METAL_UNCHECKED static void each_result(Convolve* const* threads, const Site& site, Visit visit,
                                          Access access) {
    if constexpr (metal::is_tensor_v<bare<Destination>>) {
      const auto& tensor = *threads[0]->destination;
      for (int row = 0; row < kRows; ++row) {
        for (int column = 0; column < kColumns; ++column) {
          const int at[4] = {column, row % kSize.y, row / kSize.y % kSize.z, row / kSize.y / kSize.z};
          if (!tensor.inside(at)) continue;
          tensor.touch(at, 1, access, site);
          visit(tensor.data()[tensor.offset(at)], row * kColumns + column);
        }
      }
    } else {
      bare<Destination>* tiles[kThreads<S>];
      for (int t = 0; t < kThreads<S>; ++t) tiles[t] = threads[t]->destination;
      each_slot<S>(tiles, [&](bare<Destination>& tile, int slot, int row, int column) METAL_UNCHECKED {
        if (access == Access::shared_update) tile.require_set(slot, site);
        visit(tile.slot(slot), row * kColumns + column);
      });
    }
  }
};

}  // namespace detail

template <convolution2d_descriptor Desc, class Scope>
class convolution2d : public op {
 public:
  static constexpr convolution2d_descriptor descriptor = Desc;
  using scope = Scope;
  static constexpr int kSimdgroups = Scope::simdgroups;
  static_assert(kSimdgroups > 0, "convolution2d is done by all simdgroups of the threadgroup");
  static_assert(Desc.groups == 1, "convolution2d knows one group only");

  /// Where the window's middle starts in the activations.
  METAL_UNCHECKED void set_offsets(int2 offsets) { offsets_ = offsets; }

  template <class Activation, class Weights, class T, class Index = int>
  METAL_UNCHECKED auto get_destination_cooperative_tensor() const {
    constexpr auto size = Desc.destination_dimensions;
    using Tile = metal_device::TileLayout<size.y * size.z * size.w, size.x, kSimdgroups,
                                          metal_device::Role::destination>;
    return metal::cooperative_tensor<
        T, metal::extents<Index, size_t(size.x), size_t(size.y), size_t(size.z), size_t(size.w)>, Tile>();
  }

  template <class Activation, class Weights, class Destination>
  METAL_UNCHECKED void run(Activation& activation, Weights& weights, Destination& destination,
                           METAL_HERE) const {
    using T = typename detail::bare<Destination>::value_type;
    static_assert(detail::bare<Activation>::get_rank() == 4 && detail::bare<Weights>::get_rank() == 4 &&
                      detail::bare<Destination>::get_rank() == 4,
                  "convolution2d takes tensors of rank 4");
    static_assert(metal::is_floating_point_v<T> &&
                      detail::is_supported<detail::value_of<Activation>, detail::value_of<Weights>, T>(),
                  "convolution2d does not multiply these element types into this one");
    const metal_device::Site site = METAL_SITE("convolution2d::run");
    if (metal_device::runtime->threads() != kSimdgroups * metal_device::kLanes)
      metal_device::runtime->fail(
          "convolution2d.scope", site,
          "execution_simdgroups<%d> in a threadgroup of %u threads; the scope must be the whole threadgroup",
          kSimdgroups, metal_device::runtime->threads());
    using Call = detail::Convolve<Desc, kSimdgroups, Activation, Weights, Destination>;
    Call mine{&activation, &weights, &destination, offsets_, site};
    metal_device::runtime->wait(
        kSimdgroups == 1 ? metal_device::Wait::whole_simdgroup : metal_device::Wait::whole_threadgroup, 0,
        &Call::operation, &mine, site);
  }

 private:
  int2 offsets_ = int2(0, 0);
};

}  // namespace mpp::tensor_ops
