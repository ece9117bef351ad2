// What checking the arguments of an attention call is written with.
#pragma once

#include <cstdint>
#include <string>

#include "flashtile/error.h"
#include "src/core/arguments.h"
#include "src/core/memory.h"
#include "src/ops/attention/problem.h"

namespace flashtile::inline v0_2::ops {

inline constexpr char kOp[] = "attention";

[[noreturn]] inline void refuse(const std::string& message, ErrorCode code = ErrorCode::invalid_argument) {
  throw Error(code, std::string(kOp) + ": " + message);
}

inline std::string text(std::int64_t value) { return std::to_string(value); }

inline void check_memory(const TensorView& view, const char* what, Data data) {
  core::check_memory({kOp, what, view}, data);
}

inline void expect_device_of_q(const TensorView& view, Device of_q, const char* what) {
  core::check_device({kOp, what, view}, of_q, "q");
}

inline TensorLayout layout_of(const TensorView& view) {
  return {view.dtype, view.shape, view.strides, reinterpret_cast<std::uintptr_t>(view.data) % 16 == 0};
}

}  // namespace flashtile::inline v0_2::ops
