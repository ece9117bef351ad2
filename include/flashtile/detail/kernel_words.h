// Words of kernel text that C++ does not have, for kernels and for the parameters that they share with the host:
// address spaces (which only Apple GPUs have), functions that a device can call, and unrolled loops.
#pragma once

// Of what a pointer or reference refers to, of a constant outside functions, and, after a method's parameters, of its object.
#if defined(__METAL_VERSION__)
#define FT_DEVICE device
#define FT_CONSTANT constant
#define FT_THREADGROUP threadgroup
#define FT_THREAD thread
#else
#define FT_DEVICE
#define FT_CONSTANT
#define FT_THREADGROUP
#define FT_THREAD
#endif

#if defined(__METAL_VERSION__)
#define FLASHTILE_HOST_DEVICE
#elif defined(__CUDACC__)
#define FLASHTILE_HOST_DEVICE __host__ __device__
#else
// Always inlined: a function compiled for one instruction set must not be linked into code for another.
#define FLASHTILE_HOST_DEVICE [[gnu::always_inline]]
#endif

#if defined(__METAL_VERSION__)
#define FT_FUNCTION inline
#define FT_UNROLL _Pragma("clang loop unroll(full)")
#define FT_NO_UNROLL _Pragma("clang loop unroll(disable)")
#elif defined(__CUDACC__)
#define FT_FUNCTION __device__ __forceinline__
#define FT_UNROLL _Pragma("unroll")
#define FT_NO_UNROLL _Pragma("unroll 1")
#else
#define FT_FUNCTION inline
#define FT_UNROLL _Pragma("GCC unroll 16")
#define FT_NO_UNROLL _Pragma("GCC unroll 1")
#endif
