// See metal_stdlib here.
#pragma once

#include <metal_tensor>

namespace mpp {
namespace tensor_ops {

struct matmul2d_descriptor {
  enum class mode { multiply, multiply_accumulate };
  constexpr matmul2d_descriptor(int m_, int n_, int k_ = -1, bool left = false, bool right = false,
                                bool relaxed = false, mode how = mode::multiply)
      : m(m_),
        n(n_),
        k(k_),
        transpose_left(left),
        transpose_right(right),
        relaxed_precision(relaxed),
        matmul_mode(how) {}
  int m, n, k;
  bool transpose_left, transpose_right, relaxed_precision;
  mode matmul_mode;
};

enum class reduction_operation { sum, max, min };

template <int Rank>
struct tile_extents {
  static constexpr constant int rank = Rank;
};

constexpr bool may_be_side_of_a_thread(int size) {
  return size == 1 || size == 2 || size == 4 || size % 8 == 0;
}
template <class Scope>
constexpr bool may_be_tile(int m, int n) {
  return m % 8 == 0 && n % 8 == 0 && (m % 16 == 0 || n % 16 == 0);
}
template <>
constexpr bool may_be_tile<metal::execution_thread>(int m, int n) {
  return may_be_side_of_a_thread(m) && may_be_side_of_a_thread(n);
}

template <matmul2d_descriptor Descriptor, class Scope>
struct matmul2d {
  static_assert(may_be_tile<Scope>(Descriptor.m, Descriptor.n));
  template <class Left, class Right, class T>
  metal::cooperative_tensor<T, tile_extents<2>, matmul2d> get_destination_cooperative_tensor();
  template <class Left, class Right, class T>
  metal::cooperative_tensor<T, tile_extents<1>, matmul2d> get_row_reduction_destination_cooperative_tensor();
  template <class Left, class Right, class T>
  metal::cooperative_tensor<Left, tile_extents<2>, matmul2d> get_left_input_cooperative_tensor();
  template <class Left, class Right, class T>
  metal::cooperative_tensor<Right, tile_extents<2>, matmul2d> get_right_input_cooperative_tensor();
  template <class Left, class Right, class Destination>
  void run(thread Left& left, thread Right& right, thread Destination& destination);
};

enum class convolution2d_activation_layout { nhwc };
enum class convolution2d_weights_layout { hwio };

struct convolution2d_descriptor {
  enum class mode { multiply, multiply_accumulate };
  constexpr convolution2d_descriptor(
      int4 destination, int4 source, int2 kernel,
      convolution2d_activation_layout activations = convolution2d_activation_layout::nhwc,
      convolution2d_weights_layout weights = convolution2d_weights_layout::hwio, int2 steps = int2{1, 1},
      int2 spread = int2{1, 1}, int group_count = 1, bool relaxed = false, mode how = mode::multiply)
      : destination_dimensions(destination),
        source_dimensions(source),
        kernel_dimensions(kernel),
        activation_layout(activations),
        weights_layout(weights),
        strides(steps),
        dilations(spread),
        groups(group_count),
        relaxed_precision(relaxed),
        conv2d_mode(how) {}
  int4 destination_dimensions, source_dimensions;
  int2 kernel_dimensions;
  convolution2d_activation_layout activation_layout;
  convolution2d_weights_layout weights_layout;
  int2 strides, dilations;
  int groups;
  bool relaxed_precision;
  mode conv2d_mode;
};

template <convolution2d_descriptor Descriptor, class Scope>
struct convolution2d {
  static_assert(Descriptor.groups == 1);
  void set_offsets(int2 offsets);
  template <class Activations, class Weights, class T>
  metal::cooperative_tensor<T, tile_extents<4>, convolution2d> get_destination_cooperative_tensor();
  template <class Activations, class Weights, class Destination>
  void run(thread Activations& activations, thread Weights& weights, thread Destination& destination);
};

template <class Source, class Destination, class T>
void reduce_rows(thread Source& source, thread Destination& destination, reduction_operation operation,
                 T identity);

}  // namespace tensor_ops
}  // namespace mpp
