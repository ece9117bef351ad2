// Where the coded rows of a block of keys or values lie, and their scales as floats, group by group.
#pragma once

#include "src/ops/attention/kernel/flash_cpu/code_lanes.h"
#include "src/ops/attention/kernel/flash_cpu/decode_shape.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {
namespace flash_cpu {

class CodedBlock {
 public:
  /// Without codes that are read as lanes it takes no memory.
  CodedBlock(Scratch& scratch, const CodedRows& coded, int columns)
      : coded_(&coded),
        given_(has_code_lanes(coded, columns)),
        groups_(given_ ? columns / coded.group : 0),
        rows_(scratch.take<const std::uint8_t*>(given_ ? 2 * kMostDecodeKeys : 0)),
        bits_(scratch.take<std::uint16_t>(groups_ * kMostDecodeKeys)),
        scales_(scratch.take<float>(groups_ * kMostDecodeKeys)) {
    with_codes(coded.type, [&](auto codes) { row_bytes_ = bytes_of<decltype(codes)>(columns); });
  }

  bool given() const { return given_; }
  StoredType type() const { return coded_->type; }
  int groups() const { return groups_; }
  int group() const { return coded_->group; }
  const std::uint8_t* operator[](int key) const { return rows_[key]; }
  /// The scale of a group of elements of key c, at [c], c < kMostDecodeKeys.
  const float* scales(int g) const { return scales_ + g * kMostDecodeKeys; }
  /// Asks for the row that follows row `key` a block later.
  FT_FUNCTION void fetch(int key) const {
    const std::uint8_t* const next = rows_[kMostDecodeKeys + key];
    for (int i = 0; i < row_bytes_; i += 64) __builtin_prefetch(next + i);
    __builtin_prefetch(next + row_bytes_ - 1);
  }

  /// Reads where `keys` rows lie, and the `next` rows after them, and the scales of the former. run_at(r) are the rows from
  /// the r-th on, of which adjacent(r, count) follow each other. False where a scale is no finite number: an element whose
  /// code is 0 is then none either.
  template <class RunAt, class Adjacent>
  bool read(int keys, int next, RunAt run_at, Adjacent adjacent) {
    for (int c = 0; c < keys + next;) {
      const CodedRun run = run_at(c);
      const int together = adjacent(c, keys + next - c);
      for (int i = 0; i < together; ++i, ++c) {
        if (c < keys)
          rows_[c] = run.row(i), note_scales(run, i, c);
        else
          rows_[kMostDecodeKeys + c - keys] = run.row(i);
      }
    }
    for (int c = next; c < keys; ++c) rows_[kMostDecodeKeys + c] = rows_[c];
    return convert(keys);
  }

 private:
  template <class Codes>
  static int bytes_of(int columns) {
    if constexpr (Codes::kRun > 0) return columns / 32 * Codes::kBytes;
    return std::is_same_v<Codes, Int4Codes> ? columns / 2 : columns;
  }
  bool has_blocks() const { return coded_->type == StoredType::q8_0 || coded_->type == StoredType::q4_0; }

  FT_FUNCTION void note_scales(const CodedRun& run, int i, int c) {
    const std::int64_t first = run.first_scale(i);
    const int block_bytes = coded_->type == StoredType::q8_0 ? Q8Codes::kBytes : Q4Codes::kBytes;
    for (int g = 0; g < groups_; ++g) {
      const int at = g * kMostDecodeKeys + c;
      if (has_blocks())
        std::memcpy(bits_ + at, rows_[c] + g * block_bytes, sizeof(std::uint16_t));
      else if (coded_->scales == nullptr)
        scales_[at] = 1.0f;
      else if (coded_->scales_are_f16)
        bits_[at] = static_cast<const half*>(coded_->scales)[first + g * coded_->scale_group_stride].bits;
      else
        scales_[at] = static_cast<const float*>(coded_->scales)[first + g * coded_->scale_group_stride];
    }
  }
  /// Scales of halves become floats. Are all finite?
  bool convert(int keys) {
    const bool are_halves = has_blocks() || (coded_->scales != nullptr && coded_->scales_are_f16);
    bools finite = true;
    for (int g = 0; g < groups_; ++g) {
      for (int c = keys; c < rounded_up(keys, kLanes); ++c) bits_[g * kMostDecodeKeys + c] = 0;
      for (int c = 0; c < keys; c += kLanes) {
        float* const at = scales_ + g * kMostDecodeKeys + c;
        if (are_halves) {
          floats_of<half>(load_vector<std::uint16_t>(bits_ + (at - scales_))).store(at);
        } else {
          for (int i = keys - c; i < kLanes; ++i) at[i] = 0.0f;
        }
        const floats scale = floats::load(at);
        finite = finite & (scale - scale == floats(0.0f));
      }
    }
    return !any(!finite);
  }

  const CodedRows* coded_;
  bool given_;
  int groups_, row_bytes_ = 0;
  const std::uint8_t** rows_;  ///< (2, kMostDecodeKeys): of the block, and of the next
  std::uint16_t* bits_;        ///< (groups, kMostDecodeKeys)
  float* scales_;
};

}  // namespace flash_cpu
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
