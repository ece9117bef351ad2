#include "src/ops/attention/vendor_cudnn_graph.h"

#if FLASHTILE_HAS_CUDNN
#include <array>
#include <cstdint>
#include <optional>
#include <utility>

namespace flashtile::inline v0_2::ops::cudnn {
namespace {

cudnnDataType_t type_of(DType dtype) {
  switch (dtype) {
    case DType::f16: return CUDNN_DATA_HALF;
    case DType::bf16: return CUDNN_DATA_BFLOAT16;
    default: return CUDNN_DATA_FLOAT;
  }
}

using Sizes = std::array<std::int64_t, 4>;

/// cuDNN recognises this chain of operations, in this order.
class Chain {
 public:
  explicit Chain(const AttentionProblem& p)
      : scores_{p.batch, p.query_heads, p.query_length, p.kv_length},
        rows_{p.batch, p.query_heads, p.query_length, 1} {
    const cudnnDataType_t type = type_of(p.dtype);
    const Sizes value_shape{p.batch, p.kv_heads, p.kv_length, p.value_dim};
    const Descriptor q = bound(kQ, type, {p.batch, p.query_heads, p.query_length, p.head_dim}, p.q.strides);
    const Descriptor k = bound(kK, type, {p.batch, p.kv_heads, p.head_dim, p.kv_length},
                               {p.k.strides[0], p.k.strides[1], p.k.strides[3], p.k.strides[2]});
    const Descriptor v = bound(kV, type, value_shape, p.v.strides);
    const Descriptor out =
        bound(kOut, type, {p.batch, p.query_heads, p.query_length, p.value_dim}, p.out.strides);

    Descriptor scores = product(q, k, temporary(scores_));
    scores = pointwise(CUDNN_POINTWISE_MUL, scores, scalar(kScale, CUDNN_DATA_FLOAT), temporary(scores_));
    if (p.bias) scores = pointwise(CUDNN_POINTWISE_ADD, scores, bias_of(*p.bias), temporary(scores_));
    if (p.window.right == 0) scores = under_diagonal(scores, p.query_offset != 0);

    const Descriptor top = reduction(CUDNN_REDUCE_TENSOR_MAX, scores);
    const Descriptor below = pointwise(CUDNN_POINTWISE_SUB, scores, top, temporary(scores_));
    const Descriptor exponentials = pointwise(CUDNN_POINTWISE_EXP, below, {}, temporary(scores_));
    const Descriptor sum = reduction(CUDNN_REDUCE_TENSOR_ADD, exponentials);
    // cuDNN recognises the chain only with lse in it, even if lse is not stored.
    const Descriptor logarithm = pointwise(CUDNN_POINTWISE_LOG, sum, {}, temporary(rows_));
    pointwise(CUDNN_POINTWISE_ADD, top, logarithm, p.lse ? lse_of(*p.lse) : temporary(rows_));
    const Descriptor weights = pointwise(CUDNN_POINTWISE_DIV, exponentials, sum, temporary(scores_, type));
    product(weights, v, out);
  }

  std::vector<Descriptor> operations() && { return std::move(operations_); }

 private:
  /// Keeps scores of keys 0 ... row (+ Lkv - Lq).
  Descriptor under_diagonal(const Descriptor& scores, bool shifted) {
    const auto index = [&](std::int64_t axis) {
      return pointwise(CUDNN_POINTWISE_GEN_INDEX, scores, {}, temporary(scores_, CUDNN_DATA_INT32),
                       CUDNN_DATA_FLOAT, axis);
    };
    Descriptor row = index(2);
    const Descriptor column = index(3);
    if (shifted) {
      row = pointwise(CUDNN_POINTWISE_ADD, row, scalar(kKvLength, CUDNN_DATA_INT32),
                      temporary(scores_, CUDNN_DATA_INT32), CUDNN_DATA_INT32);
      row = pointwise(CUDNN_POINTWISE_SUB, row, scalar(kQueryLength, CUDNN_DATA_INT32),
                      temporary(scores_, CUDNN_DATA_INT32), CUDNN_DATA_INT32);
    }
    const Descriptor sees = pointwise(CUDNN_POINTWISE_CMP_GE, row, column,
                                      temporary(scores_, CUDNN_DATA_BOOLEAN), CUDNN_DATA_BOOLEAN);
    return pointwise(CUDNN_POINTWISE_BINARY_SELECT, scores, scalar(kMasked, CUDNN_DATA_FLOAT),
                     temporary(scores_), CUDNN_DATA_FLOAT, {}, sees);
  }

  Descriptor lse_of(const TensorLayout& lse) {
    return bound(kLse, CUDNN_DATA_FLOAT, rows_, {lse.strides[0], lse.strides[1], lse.strides[2], 1});
  }

  Descriptor bias_of(const TensorLayout& bias) {
    Sizes shape = scores_;
    for (int i = 0; i < 4; ++i) {
      if (bias.strides[i] == 0) shape[static_cast<std::size_t>(i)] = 1;
    }
    return bound(kBias, type_of(bias.dtype), shape, bias.strides);
  }

  /// The stride of a dimension of size 1 has no meaning, but cuDNN looks at it, so it gets
  /// that of packed memory.
  static Descriptor tensor(std::int64_t uid, cudnnDataType_t type, const Sizes& shape, Sizes strides,
                           std::int64_t alignment = 16) {
    for (std::size_t i = 4, packed = 1; i-- > 0; packed *= static_cast<std::size_t>(shape[i])) {
      if (shape[i] == 1) strides[i] = static_cast<std::int64_t>(packed);
    }
    Descriptor result(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
    result.set(CUDNN_ATTR_TENSOR_DATA_TYPE, type)
        .set(CUDNN_ATTR_TENSOR_DIMENSIONS, shape)
        .set(CUDNN_ATTR_TENSOR_STRIDES, strides)
        .set(CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, &uid)
        .set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, &alignment);
    return result;
  }
  static Descriptor bound(Uid uid, cudnnDataType_t type, const Sizes& shape, const Dims& strides) {
    return tensor(uid, type, shape, {strides[0], strides[1], strides[2], strides[3]}).finalize();
  }
  static Descriptor scalar(Uid uid, cudnnDataType_t type) {
    const bool yes = true;
    return tensor(uid, type, {1, 1, 1, 1}, {1, 1, 1, 1})
        .set(CUDNN_ATTR_TENSOR_IS_BY_VALUE, CUDNN_TYPE_BOOLEAN, &yes)
        .finalize();
  }
  Descriptor temporary(const Sizes& s, cudnnDataType_t type = CUDNN_DATA_FLOAT) {
    const bool yes = true;
    return tensor(next_uid_++, type, s, {s[1] * s[2] * s[3], s[2] * s[3], s[3], 1})
        .set(CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, &yes)
        .finalize();
  }

  Descriptor product(const Descriptor& a, const Descriptor& b, const Descriptor& c) {
    Descriptor kind(CUDNN_BACKEND_MATMUL_DESCRIPTOR);
    kind.set(CUDNN_ATTR_MATMUL_COMP_TYPE, CUDNN_DATA_FLOAT).finalize();
    Descriptor operation(CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR);
    operation.set(CUDNN_ATTR_OPERATION_MATMUL_DESC, kind)
        .set(CUDNN_ATTR_OPERATION_MATMUL_ADESC, a)
        .set(CUDNN_ATTR_OPERATION_MATMUL_BDESC, b)
        .set(CUDNN_ATTR_OPERATION_MATMUL_CDESC, c);
    operations_.push_back(operation.finalize());
    return c;
  }

  /// y = mode(x, b), or b where `condition` does not hold.
  Descriptor pointwise(cudnnPointwiseMode_t mode, const Descriptor& x, const std::optional<Descriptor>& b,
                       const Descriptor& y, cudnnDataType_t arithmetic = CUDNN_DATA_FLOAT,
                       std::optional<std::int64_t> axis = {}, const std::optional<Descriptor>& condition = {}) {
    Descriptor kind(CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
    kind.set(CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, &mode)
        .set(CUDNN_ATTR_POINTWISE_MATH_PREC, arithmetic);
    if (axis) kind.set(CUDNN_ATTR_POINTWISE_AXIS, CUDNN_TYPE_INT64, &*axis);
    Descriptor operation(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
    operation.set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, kind.finalize())
        .set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, x)
        .set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, y);
    if (b) operation.set(CUDNN_ATTR_OPERATION_POINTWISE_BDESC, *b);
    if (condition) operation.set(CUDNN_ATTR_OPERATION_POINTWISE_TDESC, *condition);
    operations_.push_back(operation.finalize());
    return y;
  }

  /// Of each row of scores.
  Descriptor reduction(cudnnReduceTensorOp_t by, const Descriptor& x) {
    const Descriptor y = temporary(rows_);
    Descriptor kind(CUDNN_BACKEND_REDUCTION_DESCRIPTOR);
    kind.set(CUDNN_ATTR_REDUCTION_OPERATOR, CUDNN_TYPE_REDUCTION_OPERATOR_TYPE, &by)
        .set(CUDNN_ATTR_REDUCTION_COMP_TYPE, CUDNN_DATA_FLOAT);
    Descriptor operation(CUDNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR);
    operation.set(CUDNN_ATTR_OPERATION_REDUCTION_DESC, kind.finalize())
        .set(CUDNN_ATTR_OPERATION_REDUCTION_XDESC, x)
        .set(CUDNN_ATTR_OPERATION_REDUCTION_YDESC, y);
    operations_.push_back(operation.finalize());
    return y;
  }

  Sizes scores_, rows_;
  std::int64_t next_uid_ = kFirstVirtual;
  std::vector<Descriptor> operations_;
};

}  // namespace

Graph::Graph(const AttentionProblem& problem) : operations_(Chain(problem).operations()) {}

Descriptor Graph::operations(cudnnHandle_t handle) const {
  std::vector<cudnnBackendDescriptor_t> raw;
  for (const Descriptor& operation : operations_) raw.push_back(operation.raw());
  Descriptor graph(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  graph.set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, &handle);
  graph.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, raw.data(),
            static_cast<std::int64_t>(raw.size()));
  return graph;
}

}  // namespace flashtile::inline v0_2::ops::cudnn
#endif
