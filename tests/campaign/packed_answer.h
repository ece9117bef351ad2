// What a way makes of a call's rows as packed sequences. Used by the campaign.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <vector>

#include "flashtile/error.h"
#include "tests/campaign/fields.h"
#include "tests/ops/attention/answer.h"

namespace flashtile::test {

/// Where each entry's rows begin, and where the last ones end; one row is before them.
inline std::vector<std::int64_t> starts_of(const std::vector<std::int64_t>& lengths, std::int64_t batch,
                                           std::int64_t length) {
  std::vector<std::int64_t> starts{1};
  for (std::int64_t b = 0; b < batch; ++b)
    starts.push_back(starts.back() + (lengths.empty() ? length : lengths[static_cast<std::size_t>(b)]));
  return starts;
}

inline Tensor numbers_of(const std::vector<std::int64_t>& values, DType dtype) {
  Tensor t(dtype, {static_cast<std::int64_t>(values.size())});
  for (std::int64_t i = 0; i < t.size(); ++i)
    set(t, i, static_cast<double>(values[static_cast<std::size_t>(i)]));
  return t;
}

/// Calls f(offset in the padded view, offset in the packed tensor, b, i) for each element of rows that are there.
template <class F>
void for_each_packed(const TensorView& padded, const std::vector<std::int64_t>& starts, F f) {
  for_each(padded, [&](auto offset, auto, auto b, auto h, auto i, auto d) {
    const std::int64_t row = starts[static_cast<std::size_t>(b)] + i;
    if (row < starts[static_cast<std::size_t>(b) + 1])
      f(offset, (row * padded.shape[1] + h) * padded.shape[3] + d);
  });
}

/// A tensor for rows (B, H, L, D), as (rows, H, D) and full of one number, with a row before them and two behind.
inline Tensor packed_like(const TensorView& padded, DType dtype, const std::vector<std::int64_t>& starts,
                          double fill) {
  Tensor packed(dtype, {starts.back() + 2, padded.shape[1], padded.shape[3]});
  for (std::int64_t n = 0; n < packed.size(); ++n) set(packed, n, fill);
  return packed;
}

inline Tensor packed_rows(const TensorView& padded, const std::vector<std::int64_t>& starts) {
  Tensor packed = packed_like(padded, padded.dtype, starts, static_cast<double>(kNaN));
  for_each_packed(padded, starts, [&](auto from, auto to) { set(packed, to, get(padded, from)); });
  return packed;
}

/// answer_to() for packed queries, and with Packed::all for packed keys and values, too. In the answer, rows that no sequence
/// has are those of padding, as the oracle has them. Errors: also one where the way has written to rows around sequences.
inline Answer packed_answer_to(const Call& call, AttentionOptions options, Device device, Workspace workspace,
                               Drawn::Packed packed) {
  const Case& c = call.c;
  const bool here = device == Device::cpu(), keys_too = packed == Drawn::Packed::all;
  std::vector<Tensor> copies;  // keeps them until the work is done
  const auto there = [&](const TensorView& view) {
    copies.push_back(copy_to(view, device));
    return copies.back().view();
  };
  const std::vector<std::int64_t> q_starts = starts_of(c.query_lengths, c.batch, c.query_length),
                                  kv_starts = starts_of(c.kv_lengths, c.batch, c.kv_length);
  options.lengths.q.reset();
  options.row_starts.q = there(numbers_of(q_starts, c.numbers));
  if (keys_too) {
    options.lengths.kv.reset();
    options.row_starts.kv = there(numbers_of(kv_starts, c.numbers));
  }
  const auto keys = [&](const TensorView& padded) {
    return keys_too ? there(packed_rows(padded, kv_starts)) : here ? padded : there(padded);
  };
  if (!here) {
    for (std::optional<TensorView>* given : {&options.lengths.kv, &options.alibi_slopes, &options.sinks,
                                             &options.k_scales, &options.v_scales, &options.block_table})
      if (*given) *given = there(**given);
  }
  if (!c.offsets.empty()) options.query_offset = here ? call.offsets : there(call.offsets);
  const TensorView q = there(packed_rows(call.q.view, q_starts)), k = keys(call.keys()),
                   v = keys(call.values());

  Answer answer{.out = stored(call.out_dtype(), {c.batch, c.query_heads, c.query_length, c.values()},
                              Layout::bhsd, kCanary),
                .lse = Tensor(DType::f32, {c.batch, c.query_heads, c.query_length}),
                .workspace = {}};
  const TensorView lse =
      packed_view(answer.lse.data(), DType::f32, {c.batch, c.query_heads, c.query_length, 1});
  const TensorView device_out = there(packed_like(answer.out.view, call.out_dtype(), q_starts, kCanary));
  TensorView device_lse = there(packed_like(lse, DType::f32, q_starts, kCanary));
  device_lse = packed_view(device_lse.data, DType::f32, {device_lse.shape[0], device_lse.shape[1]}, device);
  AttentionOutputs outputs{.out = device_out};
  if (c.lse) outputs.lse = device_lse;
  if (workspace == Workspace::given) {
    const std::size_t bytes = plan_attention_into(outputs, q, k, v, options).workspace_bytes;
    const Tensor memory(DType::u8, {static_cast<std::int64_t>(bytes + kBehindWorkspace)});
    std::memset(memory.data(), static_cast<int>(kWorkspaceCanary), bytes + kBehindWorkspace);
    outputs.workspace = {static_cast<std::byte*>(there(memory).data), bytes};
  }
  attention_into(outputs, q, k, v, options);

  options.queue.value_or(Queue::default_for(device)).synchronize();
  if (workspace == Workspace::given) answer.workspace = copy_to(copies.back(), Device::cpu());
  const auto unpack = [&](const TensorView& padded, const TensorView& from, double of_padding) {
    const Tensor found = copy_to(from, Device::cpu());
    for_each(padded, [&](auto offset, auto, auto, auto, auto, auto) { set(padded, offset, of_padding); });
    std::vector<bool> is_row(static_cast<std::size_t>(found.size()));
    for_each_packed(padded, q_starts, [&](auto to, auto n) {
      is_row[static_cast<std::size_t>(n)] = true;
      set(padded, to, get(found, n));
    });
    for (std::int64_t n = 0; n < found.size(); ++n)
      if (!is_row[static_cast<std::size_t>(n)] && get(found, n) != kCanary) return false;
    return true;
  };
  const bool untouched = unpack(answer.out.view, device_out, 0.0) &&
                         (!c.lse || unpack(lse, device_lse, -static_cast<double>(kInfinity)));
  if (!untouched) throw Error(ErrorCode::invalid_argument, "campaign: rows of no sequence have changed");
  return answer;
}

}  // namespace flashtile::test
