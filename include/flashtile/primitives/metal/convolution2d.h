// convolution2d: Apple's, on the vocabulary's tensors. Included by primitives/convolution2d.h; common/convolution2d.h documents it.
#pragma once

#include "flashtile/primitives.h"

namespace flashtile::inline v0_2::primitives {
inline namespace FLASHTILE_BACKEND {

using ::mpp::tensor_ops::convolution2d_activation_layout;
using ::mpp::tensor_ops::convolution2d_descriptor;
using ::mpp::tensor_ops::convolution2d_weights_layout;

namespace detail {

template <class T>
using apple_image = ::metal::tensor<device T, ::metal::dextents<int32_t, 4>, ::metal::tensor_inline>;

/// A tensor (C, W, H, N) as Apple's.
template <class T, class X>
inline auto image(thread const tensor<T, X>& t) {
  using E = typename tensor<T, X>::element_type;
  return apple_image<E>(
      (device E*)t.data(),
      ::metal::dextents<int32_t, 4>(t.get_extent(0), t.get_extent(1), t.get_extent(2), t.get_extent(3)),
      ::metal::array<int32_t, 4>{1, static_cast<int32_t>(t.get_stride(1)),
                                 static_cast<int32_t>(t.get_stride(2)), static_cast<int32_t>(t.get_stride(3))});
}

}  // namespace detail

template <convolution2d_descriptor Descriptor, class Scope>
class convolution2d {
  using Op = ::mpp::tensor_ops::convolution2d<Descriptor, Scope>;
  template <class Tensor>
  using image = detail::apple_image<typename Tensor::element_type>;

 public:
  void set_offsets(int2 offsets) { offsets_ = offsets; }

  template <class Activations, class Weights, class T>
  static auto get_destination_cooperative_tensor() {
    return Op().template get_destination_cooperative_tensor<image<Activations>, image<Weights>, T>();
  }

  template <class Activations, class Weights, class T, class... Rest>
  void run(thread const Activations& activations, thread const Weights& weights,
           thread cooperative_tensor<T, Rest...>& destination) const {
    convolve(activations, weights, destination);
  }
  template <class Activations, class Weights, class T, class X>
  void run(thread const Activations& activations, thread const Weights& weights,
           thread const tensor<T, X>& destination) const {
    auto d = detail::image(destination);
    convolve(activations, weights, d);
  }

 private:
  template <class Activations, class Weights, class Destination>
  void convolve(thread const Activations& activations, thread const Weights& weights,
                thread Destination& destination) const {
    auto a = detail::image(activations);
    auto w = detail::image(weights);
    Op op;
    op.set_offsets(offsets_);
    op.run(a, w, destination);
  }

  int2 offsets_ = int2(0);
};

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::primitives
