// Rows of q, k and v for schedules that multiply them where they lie; coded ones become floats in a thread's scratch first, a
// block of keys at a time.
#pragma once

#include "src/ops/attention/kernel/flash_cpu/operands.h"
#include "src/ops/common/kernel/cpu/scratch.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {
namespace flash_cpu {

/// Memory for `rows` rows, none where the call's rows are not coded.
template <class T>
class StagedRows {
 public:
  StagedRows(Scratch& scratch, const CodedRows& coded, int rows, int columns)
      : columns_(columns),
        step_(panel::rounded_up(columns, 16)),
        floats_(scratch.take<float>(coded.given() ? std::int64_t{rows} * step_ : 0)) {}

  /// Keys column ... column + count - 1 of a head.
  RowRun<const T> keys(const AttentionParams& p, std::int64_t batch, std::int64_t kv_head, int column,
                       int count) const {
    if constexpr (kReadsCodes<T>) {
      if (p.coded_k.given())
        return filled(count, [&](int r) { return coded_key_rows(p, batch, kv_head, column + r); });
    }
    return key_rows<T>(p, batch, kv_head, column);
  }
  RowRun<const T> values(const AttentionParams& p, std::int64_t batch, std::int64_t kv_head, int column,
                         int count) const {
    if constexpr (kReadsCodes<T>) {
      if (p.coded_v.given())
        return filled(count, [&](int r) { return coded_value_rows(p, batch, kv_head, column + r); });
    }
    return value_rows<T>(p, batch, kv_head, column);
  }
  /// A query, at place `r` of the memory where it is coded.
  const T* query(const AttentionParams& p, std::int64_t batch, std::int64_t head, std::int64_t position,
                 int r) const {
    if constexpr (kReadsCodes<T>) {
      if (p.coded_q.given()) {
        float* const row = floats_ + r * step_;
        coded_query_rows(p, batch, head, position).read(0, 0, columns_, row);
        return row;
      }
    }
    return query_rows<T>(p, batch, head, position).first;
  }

 private:
  template <class RunAt>
  RowRun<const T> filled(int count, RunAt run_at) const {
    for (int r = 0; r < count; ++r) run_at(r).read(0, 0, columns_, floats_ + r * step_);
    return {floats_, step_};
  }

  int columns_;
  std::int64_t step_;
  float* floats_;
};

}  // namespace flash_cpu
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
