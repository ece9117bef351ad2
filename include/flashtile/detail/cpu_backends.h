// The instruction sets that kernels are compiled for on this architecture.
#pragma once

/// Calls X(backend, isa, arguments...) for each backend that primitives.h names here, in ascending order: kernels are
/// compiled once for each of them.
#if defined(__x86_64__)
#define FLASHTILE_CPU_BACKENDS(X, ...)             \
  X(cpu_scalar, scalar __VA_OPT__(, ) __VA_ARGS__) \
  X(cpu_avx2, avx2 __VA_OPT__(, ) __VA_ARGS__)     \
  X(cpu_avx512, avx512 __VA_OPT__(, ) __VA_ARGS__) \
  X(cpu_avx512_bf16, avx512_bf16 __VA_OPT__(, ) __VA_ARGS__)
#elif defined(__aarch64__)
#define FLASHTILE_CPU_BACKENDS(X, ...) X(cpu_neon, neon __VA_OPT__(, ) __VA_ARGS__)
#else
#define FLASHTILE_CPU_BACKENDS(X, ...) X(cpu_scalar, scalar __VA_OPT__(, ) __VA_ARGS__)
#endif
