// Floating-point operations and bytes that a problem needs at least: what rates and shares of peak are computed
// from. Called by the command line. Counts are doubles: exact to 2^53, and rates need no more.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <variant>

#include "flashtile/attention.h"
#include "flashtile/tensor.h"

namespace flashtile::bench {

struct Work {
  double flops = 0;  ///< a multiplication and an addition are two
  double bytes = 0;  ///< each input read once and each output written once
};

struct AttentionSizes {
  std::int64_t batch, query_heads, kv_heads, query_length, kv_length, head_dim, value_dim;
};

/// The number of a batch entry, in host memory.
inline std::int64_t number_of(const TensorView& numbers, std::int64_t batch) {
  const std::int64_t at = batch * numbers.strides[0];
  return numbers.dtype == DType::i64 ? static_cast<const std::int64_t*>(numbers.data)[at]
                                     : static_cast<const std::int32_t*>(numbers.data)[at];
}

/// Which rows belong to which batch entry: valid ones of padded tensors, or those of packed sequences; in host memory.
struct EntryRows {
  Lengths lengths{};
  RowStarts starts{};

  bool given() const { return lengths.q || lengths.kv || starts.q; }
};

/// The sizes of one batch entry: the rows that are there.
inline AttentionSizes entry_of(AttentionSizes s, const EntryRows& rows, std::int64_t batch) {
  const auto& [lengths, starts] = rows;
  s.batch = 1;
  if (starts.q) s.query_length = number_of(*starts.q, batch + 1) - number_of(*starts.q, batch);
  if (starts.kv) s.kv_length = number_of(*starts.kv, batch + 1) - number_of(*starts.kv, batch);
  if (lengths.q) s.query_length = std::clamp<std::int64_t>(number_of(*lengths.q, batch), 0, s.query_length);
  if (lengths.kv) s.kv_length = std::clamp<std::int64_t>(number_of(*lengths.kv, batch), 0, s.kv_length);
  return s;
}

/// Where queries of a batch entry of these sizes lie among its keys.
inline std::int64_t offset_of(const AttentionSizes& s, const QueryOffset& offset, std::int64_t batch = 0) {
  if (const auto* number = std::get_if<std::int64_t>(&offset)) return *number;
  if (const auto* numbers = std::get_if<TensorView>(&offset)) return number_of(*numbers, batch);
  return std::get<CausalCorner>(offset) == CausalCorner::bottom_right ? s.kv_length - s.query_length : 0;
}

namespace detail {

struct Keys {
  std::int64_t begin, end;
};

/// The keys that query i sees by its position.
inline Keys seen_keys(const AttentionSizes& s, const Mask& mask, const std::optional<QueryOffset>& query_offset,
                      std::int64_t batch, std::int64_t i) {
  const QueryOffset offset = query_offset ? *query_offset : mask.causal.value_or(QueryOffset(std::int64_t{0}));
  const std::int64_t position = i + offset_of(s, offset, batch);
  const Window window = mask.window.value_or(Window{});
  const std::int64_t right = mask.causal ? 0 : window.right;
  const std::int64_t begin =
      window.left < 0 ? 0 : std::clamp<std::int64_t>(position - window.left, 0, s.kv_length);
  const std::int64_t end =
      right < 0 ? s.kv_length : std::clamp<std::int64_t>(position + right + 1, 0, s.kv_length);
  return {begin, std::max(begin, end)};
}

/// Size and stride of a mask tensor's dimension, counted from the right; 1 and 0 where it has no such dimension.
inline std::int64_t size_of(const std::optional<TensorView>& mask, int from_right) {
  return mask && mask->rank() >= from_right ? mask->shape[mask->rank() - from_right] : 1;
}
inline std::int64_t stride_of(const std::optional<TensorView>& mask, int from_right) {
  return size_of(mask, from_right) == 1 ? 0 : mask->strides[mask->rank() - from_right];
}

/// Does a mask tensor let query i attend to key j?
inline bool attends(const std::optional<TensorView>& mask, std::int64_t b, std::int64_t h, std::int64_t i,
                    std::int64_t j) {
  if (!mask) return true;
  const std::int64_t index =
      b * stride_of(mask, 4) + h * stride_of(mask, 3) + i * stride_of(mask, 2) + j * stride_of(mask, 1);
  switch (mask->dtype) {
    case DType::u8: return static_cast<const std::uint8_t*>(mask->data)[index] != 0;
    case DType::f32:
      return static_cast<const float*>(mask->data)[index] != -std::numeric_limits<float>::infinity();
    case DType::f16: return static_cast<const half*>(mask->data)[index].bits != 0xfc00;
    default: return static_cast<const bfloat*>(mask->data)[index].bits != 0xff80;
  }
}

/// Do segments and a block map let query i attend to key j?
inline bool attends(const Mask& mask, std::int64_t b, std::int64_t h, std::int64_t i, std::int64_t j) {
  if (mask.segments.q && mask.segments.kv) {
    const auto id = [&](const TensorView& ids, std::int64_t row) {
      return static_cast<const std::int32_t*>(ids.data)[b * ids.strides[0] + row * ids.strides[1]];
    };
    if (id(*mask.segments.q, i) != id(*mask.segments.kv, j)) return false;
  }
  if (!mask.blocks) return true;
  return attends(mask.blocks->view, b, h, i / mask.blocks->q_block, j / mask.blocks->kv_block);
}

}  // namespace detail

/// Pairs of a query and a key that it attends to, over all batches and query heads, counted from the mask. The
/// mask, offsets and lengths are in host memory.
inline double attended_pairs(const AttentionSizes& s, const Mask& mask,
                             const std::optional<QueryOffset>& query_offset = {}, const EntryRows& rows = {}) {
  // Batch entries and heads that may differ are counted, and stand for those that repeat them.
  const auto own = [&](int from_right) {
    const std::int64_t of_map = mask.blocks ? detail::size_of(mask.blocks->view, from_right) : 1;
    return std::max(
        {detail::size_of(mask.boolean, from_right), detail::size_of(mask.bias, from_right), of_map});
  };
  const auto of_entries = [](const std::optional<QueryOffset>& offset) {
    return offset && std::holds_alternative<TensorView>(*offset);
  };
  const bool differ = rows.given() || mask.segments.q || of_entries(mask.causal) || of_entries(query_offset);
  const std::int64_t entries = differ ? s.batch : std::min(own(4), s.batch),
                     heads = std::min(own(3), s.query_heads);
  std::int64_t pairs = 0;
  for (std::int64_t b = 0; b < entries; ++b) {
    const AttentionSizes entry = entry_of(s, rows, b);
    for (std::int64_t h = 0; h < heads; ++h) {
      for (std::int64_t i = 0; i < entry.query_length; ++i) {
        const detail::Keys keys = detail::seen_keys(entry, mask, query_offset, b, i);
        if (!mask.boolean && !mask.bias && !mask.segments.q && !mask.blocks) {
          pairs += keys.end - keys.begin;
          continue;
        }
        for (std::int64_t j = keys.begin; j < keys.end; ++j) {
          const bool attended = detail::attends(mask.boolean, b, h, i, j) &&
                                detail::attends(mask.bias, b, h, i, j) && detail::attends(mask, b, h, i, j);
          pairs += attended ? 1 : 0;
        }
      }
    }
  }
  if (pairs == 0) return 0;
  return static_cast<double>(pairs) * (static_cast<double>(s.batch) / static_cast<double>(entries)) *
         (static_cast<double>(s.query_heads) / static_cast<double>(heads));
}

/// Two products of 2 D and 2 Dv operations for each attended pair; q, k, v and out, as far as rows are there, and mask
/// tensors moved once.
inline Work attention_work(const AttentionSizes& s, const Mask& mask, DType dtype,
                           const std::optional<QueryOffset>& query_offset = {},
                           const EntryRows& entry_rows = {}, const std::optional<DType>& out_dtype = {}) {
  std::int64_t queries = s.batch * s.query_length, keys = s.batch * s.kv_length;
  if (entry_rows.given()) {
    queries = keys = 0;
    for (std::int64_t b = 0; b < s.batch; ++b) {
      queries += entry_of(s, entry_rows, b).query_length;
      keys += entry_of(s, entry_rows, b).kv_length;
    }
  }
  const double dims = static_cast<double>(s.head_dim + s.value_dim);
  const double rows = static_cast<double>(queries) * static_cast<double>(s.query_heads) +
                      static_cast<double>(keys) * static_cast<double>(s.kv_heads);
  double bytes = rows * dims * bits(dtype) / 8;
  const double results = static_cast<double>(queries) * static_cast<double>(s.query_heads * s.value_dim);
  bytes += results * (bits(out_dtype.value_or(dtype)) - bits(dtype)) / 8;
  for (const std::optional<TensorView>& tensor : {mask.boolean, mask.bias}) {
    if (tensor) bytes += static_cast<double>(element_count(tensor->shape)) * bits(tensor->dtype) / 8;
  }
  return {2 * attended_pairs(s, mask, query_offset, entry_rows) * dims, bytes};
}

struct GemmTypes {
  DType a, b, c;
};

/// C = A B with A (M, K) and B (K, N).
inline Work gemm_work(std::int64_t m, std::int64_t n, std::int64_t k, const GemmTypes& types) {
  const auto rows = static_cast<double>(m), columns = static_cast<double>(n), depth = static_cast<double>(k);
  return {
      2 * rows * columns * depth,
      (rows * depth * bits(types.a) + depth * columns * bits(types.b) + rows * columns * bits(types.c)) / 8};
}

}  // namespace flashtile::bench
