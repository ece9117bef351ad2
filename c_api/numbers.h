// The numbers of the C interface are those of the C++ interface. Included where one becomes the other.
#pragma once

#include "flashtile/device.h"
#include "flashtile/dtype.h"
#include "flashtile/error.h"
#include "flashtile/flashtile.h"
#include "flashtile/mask.h"
#include "flashtile/rotary.h"
#include "flashtile/score_stage.h"
#include "flashtile/tensor.h"

namespace flashtile::c_api {

template <class Enum>
constexpr bool same(int number, Enum value) {
  return number == static_cast<int>(value);
}

static_assert(same(FLASHTILE_INVALID_ARGUMENT, ErrorCode::invalid_argument) &&
              same(FLASHTILE_UNSUPPORTED, ErrorCode::unsupported) &&
              same(FLASHTILE_OUT_OF_MEMORY, ErrorCode::out_of_memory) &&
              same(FLASHTILE_DEVICE_FAILURE, ErrorCode::device_failure) &&
              same(FLASHTILE_BAD_FILE, ErrorCode::bad_file) && same(FLASHTILE_INTERNAL, ErrorCode::internal) &&
              same(FLASHTILE_CANCELLED, ErrorCode::cancelled));
static_assert(same(FLASHTILE_F64, DType::f64) && same(FLASHTILE_F32, DType::f32) &&
              same(FLASHTILE_F16, DType::f16) && same(FLASHTILE_BF16, DType::bf16) &&
              same(FLASHTILE_I8, DType::i8) && same(FLASHTILE_U8, DType::u8) &&
              same(FLASHTILE_I32, DType::i32) && same(FLASHTILE_INT4, DType::int4) &&
              same(FLASHTILE_UINT4, DType::uint4) && same(FLASHTILE_I64, DType::i64) &&
              same(FLASHTILE_F8_E4M3, DType::f8_e4m3) && same(FLASHTILE_F8_E5M2, DType::f8_e5m2) &&
              same(FLASHTILE_Q8_0, DType::q8_0) && same(FLASHTILE_Q4_0, DType::q4_0));
static_assert(same(FLASHTILE_CPU, DeviceType::cpu) && same(FLASHTILE_CUDA, DeviceType::cuda) &&
              same(FLASHTILE_METAL, DeviceType::metal));
static_assert(FLASHTILE_MAX_RANK == kMaxRank);
static_assert(same(FLASHTILE_HALVES, RotaryPairs::halves) &&
              same(FLASHTILE_INTERLEAVED, RotaryPairs::interleaved));
static_assert(same(FLASHTILE_SCORES_RAW, ScoreStage::raw) &&
              same(FLASHTILE_SCORES_CAPPED, ScoreStage::capped) &&
              same(FLASHTILE_SCORES_BIASED, ScoreStage::biased) &&
              same(FLASHTILE_SCORES_PROBABILITIES, ScoreStage::probabilities));

// Zero is taken: not given.
static_assert(same(FLASHTILE_TOP_LEFT - 1, CausalCorner::top_left) &&
              same(FLASHTILE_BOTTOM_RIGHT - 1, CausalCorner::bottom_right));

}  // namespace flashtile::c_api
