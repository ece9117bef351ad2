// The parameters of every attention kernel: plain data, the same for host and device of every backend.
//
// Letters used by kernel text: B batch, Hq query heads, Hkv KV heads, Lq query length, Lkv key length, D size
// of a query or key row, Dv size of a value row; tiles are kQ queries by kK keys.
#pragma once

#include <stdint.h>

#include "flashtile/score_stage.h"
#include "src/ops/attention/kernel/band.h"
#include "src/ops/attention/kernel/numbers.h"

namespace flashtile::inline v0_2::kernels {

/// Distance in elements from one batch, head or row to the next; the elements of a row are adjacent.
struct RowStrides {
  int64_t batch, head, row;
};

/// How elements of q, k, v and out are stored.
enum class StoredType : int32_t { none, f32, f16, bf16, i8, int4, f8_e4m3, f8_e5m2, q8_0, q4_0 };

/// Rows whose elements are codes, each of which stands for code * scale; coded_rows.h reads them.
struct CodedRows {
  FT_DEVICE const uint8_t* data;
  RowStrides strides;            ///< bytes
  StoredType type;               ///< none: rows are of the type that the kernel multiplies
  int32_t group;                 ///< so many adjacent elements of a row share a scale
  FT_DEVICE const void* scales;  ///< nullptr: all are 1, or in the rows
  RowStrides scale_strides;      ///< elements
  int64_t scale_group_stride;    ///< from a group's scale to the next one's
  bool scales_are_f16;           ///< else f32

  FLASHTILE_HOST_DEVICE constexpr bool given() const FT_CONSTANT { return type != StoredType::none; }
};

enum class EntryType : int32_t { none, u8, f32, f16, bf16 };

/// A tensor of Lq x Lkv entries, or 1 along a repeated dimension, for each batch and head (stride 0 where
/// repeated).
struct MaskEntries {
  FT_DEVICE const void* data;
  RowStrides strides;     ///< row: from one query to the next
  int32_t rows, columns;  ///< Lq or 1, Lkv or 1
  EntryType type;         ///< none: there is no such tensor

  FLASHTILE_HOST_DEVICE constexpr bool given() const FT_CONSTANT { return type != EntryType::none; }
};

/// What mask tensors say of a pair of query and key is one entry: the bias, or -inf where the boolean hides.
struct MaskTensors {
  MaskEntries boolean, bias;

  FLASHTILE_HOST_DEVICE constexpr bool given() const FT_CONSTANT { return boolean.given() || bias.given(); }
};

/// What a block of scores needs before its softmax: nothing, as no query sees a key of it; nothing but the factor
/// that the exponent applies anyway; or the rule, score by score.
enum class ScoreWork { hidden, factor, rule };

enum class NumberType : int32_t { none, i32, i64 };

/// A number of each batch entry, in device memory.
struct EntryNumbers {
  FT_DEVICE const void* data;
  int64_t stride;   ///< elements from one entry to the next
  NumberType type;  ///< none: there are no such numbers

  FLASHTILE_HOST_DEVICE constexpr bool given() const FT_CONSTANT { return type != NumberType::none; }
};

/// A float of each head, or of each head of each batch entry, in device memory.
struct HeadNumbers {
  FT_DEVICE const float* data;  ///< nullptr: there are no such numbers
  int64_t batch, head;          ///< elements from one entry, and from one head, to the next

  FLASHTILE_HOST_DEVICE constexpr bool given() const FT_CONSTANT { return data != nullptr; }
  FLASHTILE_HOST_DEVICE constexpr float of(int64_t entry_index, int64_t head_index) const FT_CONSTANT {
    return data[entry_index * batch + head_index * head];
  }
};

/// Ids of the rows of each batch entry, in device memory; those of an entry follow each other.
struct RowIds {
  FT_DEVICE const int32_t* data;  ///< nullptr: rows have no ids
  int64_t batch;                  ///< elements from one entry to the next

  FLASHTILE_HOST_DEVICE constexpr FT_DEVICE const int32_t* of(int64_t entry_index) const FT_CONSTANT {
    return data + entry_index * batch;
  }
};

/// A query attends to the keys that have its id.
struct Segments {
  RowIds q, kv;

  FLASHTILE_HOST_DEVICE constexpr bool given() const FT_CONSTANT { return q.data != nullptr; }
};

/// Which blocks of the score matrix of each batch and head are hidden, in device memory: those whose entry is 0.
struct BlockMap {
  FT_DEVICE const uint8_t* data;  ///< nullptr: there is no map
  RowStrides strides;             ///< 0 where it repeats; row: from one block of queries to the next
  int64_t column;                 ///< elements from one block of keys to the next
  int32_t q_block, kv_block;      ///< queries and keys of a block

  FLASHTILE_HOST_DEVICE constexpr bool given() const FT_CONSTANT { return data != nullptr; }
};

/// Pools of pages of keys and values, whose batch entries are the pages, and which pages an entry's rows lie in.
struct Pages {
  FT_DEVICE const int32_t* table;  ///< nullptr: k and v are no pools
  int64_t batch, page;  ///< elements of the table from one entry, and from one of its pages, to the next
  int32_t rows;         ///< of a page
  int32_t count;        ///< pages of a pool

  FLASHTILE_HOST_DEVICE constexpr bool given() const FT_CONSTANT { return table != nullptr; }
};

/// What turns q·k into the score that the softmax takes; score_rule.h applies it.
struct ScoreRule {
  MaskTensors mask;
  Segments segments{};
  BlockMap blocks{};
  HeadNumbers slopes;  ///< of |position of the query - key|, which a score loses so many times
  float scale;
  float softcap;  ///< 0: none
  /// Do scores stay q·k, because a call needs no more than a positive factor, which waits for the exponent?
  bool is_factor;
  float unit;      ///< what a score of 1 is in natural units: scale where scores stay q·k, else 1
  float exponent;  ///< unit * log2(e): weights are exp2((score - maximum) * exponent)

  FLASHTILE_HOST_DEVICE constexpr ScoreRule() : ScoreRule(1.0f, 0.0f, {}, {}) {}
  FLASHTILE_HOST_DEVICE constexpr ScoreRule(float scale_, float softcap_, MaskTensors mask_,
                                            HeadNumbers slopes_)
      : mask(mask_),
        slopes(slopes_),
        scale(scale_),
        softcap(softcap_),
        is_factor(scale_ > 0.0f && scale_ * kLog2E <= -kLowest && softcap_ == 0.0f &&
                  mask_.bias.type == EntryType::none && slopes_.data == nullptr),
        unit(is_factor ? scale_ : 1.0f),
        exponent(unit * kLog2E) {}

  /// For kernels that look at scores themselves: no factor waits for the exponent.
  FLASHTILE_HOST_DEVICE constexpr void take_natural_units() FT_THREAD {
    is_factor = false;
    unit = 1.0f;
    exponent = kLog2E;
  }

  /// Do segments or a block map hide pairs? Kernels ask sight.h of which, and give the ranges of keys that they leave.
  FLASHTILE_HOST_DEVICE constexpr bool hides_pairs() const FT_CONSTANT {
    return segments.given() || blocks.given();
  }

  /// Of keys column ... column + count - 1 for the queries whose range of keys is `keys`.
  FLASHTILE_HOST_DEVICE constexpr ScoreWork work(FT_THREAD const KeyRange& keys, int32_t column,
                                                 int32_t count) const FT_CONSTANT {
    if (column + count <= keys.begin || column >= keys.end) return ScoreWork::hidden;
    return is_factor && !mask.given() && keys.all_see(column, count) ? ScoreWork::factor : ScoreWork::rule;
  }
};

/// A call whose keys are dealt out: each threadgroup sums a part of its tile's keys, and merge_parts.h adds the parts
/// up. Tiles are numbered: those of a head, then heads, then batch entries.
struct KeyParts {
  FT_DEVICE float* sums;  ///< what the parts come to; nullptr: keys are not dealt out
  int64_t first_tile;     ///< of this launch
  int64_t tiles;          ///< of this launch
  int32_t count;          ///< parts of a tile's keys; at most so many where threadgroups have even shares
  int32_t tile_rows;      ///< rows of a tile
  int32_t stored_rows;    ///< at most as many of them have sums
  int32_t group;          ///< query heads whose rows share tiles, see head_group.h; 1: each has its own
  /// Even shares: the blocks of keys of all tiles of a launch, tile_blocks of each, are one row, and every threadgroup takes
  /// the next share_blocks of it, as parts of one tile or of several. 0: parts are parts of one tile's keys.
  int32_t tile_blocks, share_blocks;
};

/// Floats between the rows of a part's weighted sums: even, so that two columns are stored together.
FLASHTILE_HOST_DEVICE constexpr int64_t part_pitch(int32_t value_dim) { return (value_dim + 1) / 2 * 2; }
/// The floats of one part of a tile: of each row a maximum, a sum of weights and weighted sums of values.
FLASHTILE_HOST_DEVICE constexpr int64_t part_floats(int64_t rows, int32_t value_dim) {
  return rows * (2 + part_pitch(value_dim));
}

/// What the simdgroups of a GPU's kernel note of the rows that they have stored, see row_notes.h.
struct RowNotes {
  FT_DEVICE uint8_t* data;  ///< nullptr: nothing is noted
  int32_t tile_rows;        ///< rows of a tile
  int32_t simdgroups;       ///< that compute one, with a note each
};

/// Where the scores of one head go that the call asks for, see score_stages.h.
struct WantedScores {
  FT_DEVICE void* data;  ///< (Lq, Lkv)
  int64_t row;           ///< elements from one query to the next
  bool is_f32;           ///< whatever the type of q, k and v
  ScoreStage stage;
};

struct AttentionParams {
  FT_DEVICE const void* q;
  FT_DEVICE const void* k;
  FT_DEVICE const void* v;
  FT_DEVICE void* out;
  StoredType out_type;   ///< that of q, or f32
  FT_DEVICE float* lse;  ///< nullptr when not asked for
  RowStrides q_strides, k_strides, v_strides, out_strides, lse_strides;
  /// Where k or v are of another type than q, all three are read as these, and multiplied as floats.
  CodedRows coded_q, coded_k, coded_v;
  ScoreRule rule;
  HeadNumbers sinks;        ///< logits of heads that have no value, see softmax.h
  FT_DEVICE float* scores;  ///< (Lq, Lkv) of one head, for kernels that work on stored scores
  int64_t scores_stride;    ///< elements from one row of them to the next
  float weights_scale;      ///< what the weights that replace them are multiplied with
  WantedScores wanted;
  int32_t batch, query_heads, kv_heads;
  int32_t query_length, kv_length;    ///< of the tensors; entries may have fewer rows, see entry.h
  int32_t longest_query, longest_kv;  ///< no entry has more rows; those of the tensors where nobody has looked
  int32_t head_dim, value_dim;
  KeyParts parts;
  RowNotes notes;
  Band band;  ///< which keys queries see by position; entry.h moves it where entries have offsets of their own
  EntryNumbers query_lengths, kv_lengths, query_offsets;
  Pages pages;                           ///< of k and v
  EntryNumbers query_starts, kv_starts;  ///< first rows of packed sequences, one more than there are entries
  int64_t query_offset;  ///< position of query 0, in `band` already; 0 where entries have offsets of their own
  bool ends_together;    ///< the last query of each entry is where its last key is
  /// In device memory: not 0 where exact_rows has rows to compute again; nullptr: not known.
  FT_DEVICE uint32_t* broken;
};

}  // namespace flashtile::inline v0_2::kernels
