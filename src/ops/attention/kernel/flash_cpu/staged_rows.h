// Rows of q, k and v for schedules that multiply them where they lie; coded ones become floats in a thread's scratch first, a
// block of keys at a time, and those of a block that lies in several pages are copied together there.
#pragma once

#include "src/ops/attention/kernel/flash_cpu/code_lanes.h"
#include "src/ops/attention/kernel/flash_cpu/operands.h"
#include "src/ops/common/kernel/cpu/scratch.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {
namespace flash_cpu {

/// Memory for `rows` rows, none where the call's rows are neither coded nor in pages.
template <class T>
class StagedRows {
 public:
  StagedRows(Scratch& scratch, const CodedRows& coded, const Pages& pages, int rows, int columns)
      : columns_(columns),
        step_(panel::rounded_up(columns, 16)),
        floats_(scratch.take<float>(coded.given() || pages.given() ? std::int64_t{rows} * step_ : 0)) {}

  /// Keys column ... column + count - 1 of a head.
  RowRun<const T> keys(const AttentionParams& p, std::int64_t batch, std::int64_t kv_head, int column,
                       int count) const {
    if constexpr (kReadsCodes<T>) {
      if (p.coded_k.given())
        return filled(p, p.coded_k, column, count,
                      [&](int r) { return coded_key_rows(p, batch, kv_head, column + r); });
    }
    return together(p, column, count, [&](int row) { return key_rows<T>(p, batch, kv_head, row); });
  }
  RowRun<const T> values(const AttentionParams& p, std::int64_t batch, std::int64_t kv_head, int column,
                         int count) const {
    if constexpr (kReadsCodes<T>) {
      if (p.coded_v.given())
        return filled(p, p.coded_v, column, count,
                      [&](int r) { return coded_value_rows(p, batch, kv_head, column + r); });
    }
    return together(p, column, count, [&](int row) { return value_rows<T>(p, batch, kv_head, row); });
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
  /// `count` rows from `column` on, of which as many follow each other as adjacent_keys says.
  template <class RowsFrom>
  RowRun<const T> together(const AttentionParams& p, int column, int count, RowsFrom rows_from) const {
    if (!p.pages.given()) return rows_from(column);
    T* const room = reinterpret_cast<T*>(floats_);
    if (count == 0) return {room, 0};  // the table may end here
    if (adjacent_keys(p, column, count) == count) return rows_from(column);
    for (int c = 0; c < count;) {
      const RowRun<const T> rows = rows_from(column + c);
      const int adjacent = adjacent_keys(p, column + c, count - c);
      for (int i = 0; i < adjacent; ++i, ++c)
        std::memcpy(static_cast<void*>(room + c * step_), rows[i],
                    static_cast<std::size_t>(columns_) * sizeof(T));
    }
    return {room, step_};
  }
  /// `count` rows of codes from `column` on as floats; run_at(r) are those from the r-th on, see adjacent_keys.
  template <class RunAt>
  RowRun<const T> filled(const AttentionParams& p, const CodedRows& coded, int column, int count,
                         RunAt run_at) const {
    const bool by_lanes = has_code_lanes(coded, columns_);
    for (int c = 0; c < count;) {
      const CodedRun run = run_at(c);
      const int adjacent = adjacent_keys(p, column + c, count - c);
      for (int i = 0; i < adjacent; ++i, ++c) {
        if (by_lanes)
          read_lanes(coded, run, i, floats_ + c * step_);
        else
          run.read(i, 0, columns_, floats_ + c * step_);
      }
    }
    return {floats_, step_};
  }
  /// to <- row `row` of a run, each element its code * its scale.
  void read_lanes(const CodedRows& coded, const CodedRun& run, int row, float* to) const {
    with_codes(coded.type, [&](auto codes) {
      using Codes = decltype(codes);
      const std::uint8_t* const from = run.row(row);
      for (int d = 0, g = 0; d < columns_; d += coded.group, ++g) {
        const floats scale = run.scale(row, g);
        const std::uint8_t* const of_group = Codes::start(from, d);
        for (int i = 0; i < coded.group; i += kLanes)
          (CodeLanes<Codes>::load(of_group, i) * scale).store(to + d + i);
      }
    });
  }

  int columns_;
  std::int64_t step_;
  float* floats_;
};

}  // namespace flash_cpu
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
