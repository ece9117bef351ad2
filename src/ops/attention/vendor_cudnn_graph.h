// Attention as a graph of cuDNN's operations. Called by vendor_cudnn.cc.
#pragma once

#include "src/ops/attention/vendor_cudnn_library.h"

#if FLASHTILE_HAS_CUDNN
#include <vector>

#include "src/ops/attention/problem.h"

namespace flashtile::inline v0_2::ops::cudnn {

/// Which memory a tensor of the graph is bound to at each call.
enum Uid : std::int64_t {
  kQ = 1,
  kK,
  kV,
  kOut,
  kLse,
  kBias,
  kScale,
  kMasked,
  kQueryLength,
  kKvLength,
  kFirstVirtual
};

/// The attention graph of a problem: products, element-wise operations and reductions, which cuDNN knows as one
/// fused kernel. Errors: device_failure where cuDNN refuses an operation.
class Graph {
 public:
  explicit Graph(const AttentionProblem& problem);

  /// The operations as one descriptor, for a device's handle; lives no longer than the graph.
  Descriptor operations(cudnnHandle_t handle) const;

 private:
  std::vector<Descriptor> operations_;
};

}  // namespace flashtile::inline v0_2::ops::cudnn
#endif
