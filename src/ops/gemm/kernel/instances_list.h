// What the matrix product's kernel texts are compiled for, on every backend. Included by the files that compile them.
#pragma once

/// F(type of A, type of B, type of sums) for each row of the matmul2d type table.
#define FLASHTILE_GEMM_TYPES(F)    \
  F(float, float, float)           \
  F(half, half, float)             \
  F(bfloat, bfloat, float)         \
  F(half, bfloat, float)           \
  F(bfloat, half, float)           \
  F(float, half, float)            \
  F(half, float, float)            \
  F(float, bfloat, float)          \
  F(bfloat, float, float)          \
  F(half, int8_t, float)           \
  F(int8_t, half, float)           \
  F(half, uint8_t, float)          \
  F(uint8_t, half, float)          \
  F(bfloat, int8_t, float)         \
  F(int8_t, bfloat, float)         \
  F(bfloat, uint8_t, float)        \
  F(uint8_t, bfloat, float)        \
  F(float, int8_t, float)          \
  F(int8_t, float, float)          \
  F(float, uint8_t, float)         \
  F(uint8_t, float, float)         \
  F(half, int4b_format, float)     \
  F(half, uint4b_format, float)    \
  F(bfloat, int4b_format, float)   \
  F(bfloat, uint4b_format, float)  \
  F(int8_t, int8_t, int32_t)       \
  F(uint8_t, uint8_t, int32_t)     \
  F(int8_t, int4b_format, int32_t) \
  F(uint8_t, uint4b_format, int32_t)

/// The same for those that only the CPUs' vocabulary has.
#define FLASHTILE_GEMM_CPU_TYPES(F) F(int8_t, uint8_t, int32_t) F(uint8_t, int8_t, int32_t)

/// F(element type) for each one of simdgroup matrices.
#define FLASHTILE_GEMM_SIMDGROUP_TYPES(F) F(float) F(half) F(bfloat)
