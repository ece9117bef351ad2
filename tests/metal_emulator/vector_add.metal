#include <metal_stdlib>
using namespace metal;

kernel void vector_add(device const float* a [[buffer(0)]], device const float* b [[buffer(1)]], device float* c [[buffer(2)]],
                       constant uint& n [[buffer(3)]], uint i [[thread_position_in_grid]]) {
  if (i < n) c[i] = a[i] + b[i];
}

// Each threadgroup turns its part round, through threadgroup memory.
kernel void reverse(device float* a [[buffer(0)]], uint t [[thread_index_in_threadgroup]], uint n [[threads_per_threadgroup]],
                    uint group [[threadgroup_position_in_grid]]) {
  threadgroup float tile[256];
  tile[t] = a[group * n + t];
  threadgroup_barrier(mem_flags::mem_threadgroup);
  a[group * n + t] = tile[n - 1 - t];
}
