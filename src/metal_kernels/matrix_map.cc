#include "src/metal_kernels/matrix_map.h"

#include <memory>
#include <numeric>
#include <vector>

#include "src/backends/backend.h"
#include "src/metal_kernels/text.h"

namespace flashtile::inline v0_2::metal {

bool matrix_map_holds(const Queue& queue, const float (&numbers)[64]) {
  const backend::Backend& device = backend::of(queue.device().type);
  const int index = queue.device().index;
  const std::shared_ptr<void> matrix = device.allocate(sizeof numbers, index),
                              answer = device.allocate(sizeof(std::uint32_t), index);
  device.copy_from_host(index, matrix.get(), numbers, sizeof numbers);
  const metal_tiles::MatrixMapParams params{static_cast<const float*>(matrix.get()),
                                            static_cast<std::uint32_t*>(answer.get())};
  launch(queue, kAttentionSimdgroup, "matrix_map", Grid{}, std::as_bytes(std::span(&params, 1)));
  queue.synchronize();
  std::uint32_t holds = 0;
  device.copy_to_host(index, &holds, answer.get(), sizeof holds);
  return holds == 1;
}

bool matrix_map_is_known(const Queue& queue) {
  float numbers[64];
  std::iota(std::begin(numbers), std::end(numbers), 0.0f);
  return matrix_map_holds(queue, numbers);
}

}  // namespace flashtile::inline v0_2::metal
