// What kernels in the wild are written with, and C++ cannot express: run as it stands.
#include <metal_stdlib>
#include <metal_simdgroup>
#include <metal_simdgroup_matrix>
#include "limits.h"
#pragma METAL internals : enable
using namespace metal;

constant bool has_bias [[function_constant(20)]];
constant int factor [[function_constant(21)]];
constant int twice = factor * 2;  // depends on a function constant
constant float scale [[function_constant(22)]];
constant bool optional [[function_constant(23)]];
constant float scale_or_one = is_function_constant_defined(scale) ? scale : 1.0f;

constexpr constant float2 pairs[2] = {float2(1, 2), float2(3, 4)};
constant half halves[3] = {1.0h, 0.5h, -2.25h};
constant uchar table[2][3] = {{1, 2, 3}, {4, 5, 6}};

template <typename T>
struct Pair {  // members that differ only by address space
  T a, b;
  Pair() thread : a(0), b(0) {}
  Pair() threadgroup : a(0), b(0) {}
  Pair(T x, T y) thread : a(x), b(y) {}
  T sum() const thread { return a + b; }
  T sum() const device { return a + b; }
  T sum() const threadgroup { return a + b; }
  thread T& operator[](int i) thread { return i == 0 ? a : b; }
};

struct Params {  // shared with the host
  int rows;
  float values[2];
  packed_float3 color;
  ushort2 ba;  // a field named like a swizzle
};

kernel void constants_and_gates(device float* out [[buffer(0)]], const device float* bias [[buffer(1), function_constant(has_bias)]],
                                constant int* shape, constant Params& p [[buffer(3)]], uint t [[thread_index_in_threadgroup]]) {
  threadgroup float2 a[2], *q = a;
  threadgroup Pair<float> pair[1];
  threadgroup float one;
  if (t < 2) a[t] = pairs[t];
  if (t == 0) { pair[0] = Pair<float>(5, 6); one = 1; }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  if (t == 1) return;  // not uniform
  float x = q[1].y + halves[2] + table[1][t % 3] + pair[0].sum() + numbers::first(&one) + twice;
  typename numbers::pointer_element<device float*>::type y = p.values[1] + p.color.y + p.ba.x + p.rows;
  thread Pair<float> z(1, 2);
  z[1] += 10;
  out[t] = (has_bias ? x + bias[t] : x) + y * 1000 + shape[1] * scale_or_one + as_type<int>(1.0f) * 0 + z.sum() +
           (is_function_constant_defined(optional) ? 1e6f : 0.0f);
}

kernel void swizzles(device float4* b [[buffer(0)]], device float2* c [[buffer(1)]], device packed_float3* d [[buffer(2)]], device int* e [[buffer(3)]]) {
  float4 v = b[0];
  v.xy = v.wz;
  v.zw += float2(1, 2);
  b[1] = float4(v.xyz, 9);
  c[0] = b[0].xw * 2;
  b[2].yx = float2(7, 8);
  float3 u = v.rgb;
  b[3] = float4(u.zyx, dot(u, float3(1)));
  device float4* at = b;
  c[1] = at->yy;
  d[1] = float3(d[0]) * 2.0f + u;
  d[2].x = d[0].z;
  e[0] = sizeof(float3) + 100 * sizeof(packed_float3) + 10000 * alignof(half4);
  int4 k(1, 2, 3, 4);
  k <<= 1;
  k.xz ^= int2(1);
  e[1] = k.x + 10 * k.y + 100 * k.z + 1000 * k.w;
  e[2] = all(k > int4(0)) + 10 * any(k == int4(4)) + 100 * select(1, 2, k.w == 8);
  e[3] = clamp(200, 0, 100) + popcount(255u) + clz(1u) + ctz(8) + int(mulhi(0x80000000u, 4u)) + abs(-3) + int(reverse_bits(1u) >> 31) + rotate(1, 3);
  uchar4 bytes = as_type<uchar4>(0x04030201u);
  e[4] = bytes.x + 10 * bytes.y + 100 * bytes.z + 1000 * bytes.w;
}

// half and bfloat round after every operation.
kernel void rounding(device half* h [[buffer(0)]], device bfloat* b [[buffer(1)]], device float* f [[buffer(2)]]) {
  half x = 1.0h;
  for (int i = 0; i < 4; ++i) x = x + 0.00048828125h;  // half an ulp each time: stays 1
  h[0] = x;
  h[1] = half(65504.0f) * 2.0h;
  h[2] = fma(h[3], h[3], -1.0h);
  bfloat y = 1.0bf;
  for (int i = 0; i < 4; ++i) y = y + bfloat(0.00390625f);
  b[0] = y;
  b[1] = bfloat(3.14159f);
  f[0] = 0.1 + 0.2;  // literals are float: Metal has no double
  f[1] = sizeof(0.1) == 4 ? 1.0f : 0.1;
  f[2] = float(M_PI_F) + numeric_limits<half>::max() + numbers::Limits<int>::max;
  f[3] = exp2(3.0f) + rsqrt(4.0f) + fast::exp(0.0f) + precise::cos(0.0f) + metal::max(2, 3) + fract(1.25f) + sign(-2.0f);
}

// Rows of a matrix, one threadgroup each, in steps of the threadgroup; 1024 threads.
template <typename T, typename AccT = float, int N_READS = 4>
[[kernel, max_total_threads_per_threadgroup(1024)]] void softmax_row(const device T* in [[buffer(0)]], device T* out [[buffer(1)]], constant int& axis_size [[buffer(2)]],
                                                                     uint gid [[threadgroup_position_in_grid]], uint lid [[thread_position_in_threadgroup]],
                                                                     uint lsize [[threads_per_threadgroup]], uint lane [[thread_index_in_simdgroup]], uint sg [[simdgroup_index_in_threadgroup]]) {
  STEEL_CONST int SIMD_SIZE = 32;
  threadgroup AccT local_max[SIMD_SIZE];
  threadgroup AccT local_sum[SIMD_SIZE];
  in += gid * size_t(axis_size);
  out += gid * size_t(axis_size);
  AccT prev, maximum = numbers::Limits<AccT>::finite_min, normalizer = 0;
  for (int r = 0; r < int((axis_size + N_READS * lsize - 1) / (N_READS * lsize)); r++) {
    int offset = r * lsize * N_READS + lid * N_READS;
    AccT vals[N_READS];
    if (offset + N_READS <= axis_size) {
      STEEL_PRAGMA_UNROLL
      for (int i = 0; i < N_READS; i++) vals[i] = AccT(in[offset + i]);
    } else {
      for (int i = 0; i < N_READS; i++) vals[i] = (offset + i < axis_size) ? AccT(in[offset + i]) : numbers::Limits<AccT>::finite_min;
    }
    prev = maximum;
    for (int i = 0; i < N_READS; i++) maximum = (maximum < vals[i]) ? vals[i] : maximum;
    normalizer *= fast::exp(prev - maximum);
    for (int i = 0; i < N_READS; i++) normalizer += fast::exp(vals[i] - maximum);
  }
  prev = maximum;
  maximum = simd_max(maximum);
  normalizer *= fast::exp(prev - maximum);
  normalizer = simd_sum(normalizer);
  prev = maximum;
  if (lane == 0) local_max[sg] = maximum;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  maximum = simd_max(lane < (lsize + 31) / 32 ? local_max[lane] : numbers::Limits<AccT>::finite_min);
  normalizer *= fast::exp(prev - maximum);
  if (lane == 0) local_sum[sg] = normalizer;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  normalizer = simd_sum(lane < (lsize + 31) / 32 ? local_sum[lane] : 0);
  normalizer = 1 / normalizer;
  for (int i = lid; i < axis_size; i += lsize) out[i] = T(fast::exp(AccT(in[i]) - maximum) * normalizer);
}
instantiate_kernel("softmax_float" "32", softmax_row, float)
instantiate_kernel("softmax_float16", softmax_row, half, float, 2)

// Row sums by lanes, over a fragment whose elements are reinterpreted.
template <typename T>
struct Fragment {
  simdgroup_matrix<T, 8, 8> mat;
  METAL_FUNC constexpr thread vec<T, 2>& elems() thread { return reinterpret_cast<thread vec<T, 2>&>(mat.thread_elements()); }
  template <typename Op>
  METAL_FUNC T row_reduce(Op op) thread {
    T v = op(elems()[0], elems()[1]);
    v = op(v, simd_shuffle_xor(v, ushort(1)));
    return op(v, simd_shuffle_xor(v, ushort(8)));
  }
};
struct AddOp {
  template <typename T>
  T operator()(T a, T b) const { return a + b; }
};
kernel void fragment_rows(device float* in [[buffer(0)]], device float* out [[buffer(1)]], ushort lane [[thread_index_in_simdgroup]]) {
  Fragment<float> f;
  simdgroup_load(f.mat, in);
  const auto add = [](float a, float b) { return AddOp()(a, b); };
  out[lane] = f.row_reduce(add);
}

typedef decltype(softmax_row<float, float, 8>) softmax_t;
template [[host_name("softmax_of_eight")]] kernel softmax_t softmax_row<float, float, 8>;

namespace inner {
[[kernel]] void in_a_namespace(device uint* out [[buffer(0)]], uint i [[thread_position_in_grid]]) { out[i] = __metal_get_thread_index_in_simdgroup(ushort()); }
}
