// Idioms of public kernels: what people write who have Apple's compiler alone.
#include <metal_stdlib>
#include <metal_logging>
#include <simd/simd.h>
using namespace metal;

enum class Activation : uchar { none = 0, relu };
enum Mode { kAdd, kMultiply = 5 };
struct Shape {
  uint rows, columns;
  float epsilon;
  Activation activation;
  simd::float2 scale;
};
namespace ops {
using namespace metal;
constant constexpr float kTable[] = {1.f, 2.f, 4.f, 8.f};
template <typename T>
inline T activate(T x, Activation a) {
  switch (a) {
    case Activation::relu: return max(x, T(0));
    default: return x;
  }
}
struct Divide {
  template <typename T>
  T operator()(T a, T b) { return a / b; }
  template <>
  float operator()(float a, float b) { return trunc(a / b); }
  template <>
  half operator()(half a, half b) { return trunc(a / b) + 1; }
};
}

constant int bits [[function_constant(0)]];
constant bool has_bits = is_function_constant_defined(bits);
constant uint width = has_bits ? uint(bits) : 4u;
constant uint3 block [[function_constant(3)]];

kernel void layer_norm(device const float * x [[buffer(0)]], device float * y [[buffer(1)]], constant Shape & s [[buffer(2)]], constant float * gamma [[buffer(3)]],
                       threadgroup float * shared [[threadgroup(0)]], uint3 tgpig[[threadgroup_position_in_grid]], ushort3 tpitg[[thread_position_in_threadgroup]],
                       ushort sgitg[[simdgroup_index_in_threadgroup]], ushort tiisg[[thread_index_in_simdgroup]], ushort3 ntg[[threads_per_threadgroup]]) {
  device const float4 * x4 = (device const float4 *) (x + tgpig.x * s.columns);
  device float4 * y4 = (device float4 *) (y + tgpig.x * s.columns);
  float4 sum4 = 0.0f;
  for (uint i = tpitg.x; i < s.columns / 4; i += ntg.x) sum4 += x4[i];
  float sum = simd_sum(sum4[0] + sum4[1] + sum4.z + sum4.w);
  if (sgitg == 0) shared[tiisg] = 0.0f;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  if (tiisg == 0) shared[sgitg] = sum;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  const float mean = simd_sum(shared[tiisg]) / s.columns;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  sum = 0;
  for (uint i = tpitg.x; i < s.columns / 4; i += ntg.x) { y4[i] = x4[i] - mean; sum += dot(y4[i], y4[i]); }
  sum = simd_sum(sum);
  if (sgitg == 0) shared[tiisg] = 0.0f;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  if (tiisg == 0) shared[sgitg] = sum;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  const float scale = rsqrt(simd_sum(shared[tiisg]) / s.columns + s.epsilon);
  for (uint i = tpitg.x; i < s.columns / 4; i += ntg.x) {
    y4[i] = y4[i] * scale * ((constant float4 *) gamma)[i] * s.scale.y;
    y4[i].x = ops::activate(y4[i].x, s.activation);
  }
}

// Points as packed_float3; the order of floats as that of unsigned integers.
kernel void bounds(device const packed_float3* points [[buffer(0)]], device atomic_uint* low [[buffer(1)]], device atomic_uint* high [[buffer(2)]],
                   constant uint& n [[buffer(3)]], uint tid [[thread_position_in_grid]]) {
  if (tid >= n) return;
  float3 p = points[tid];
  for (int k = 0; k < 3; k++) {
    uint b = as_type<uint>(p[k]);
    b ^= (b >> 31) ? 0xffffffffu : 0x80000000u;
    atomic_fetch_min_explicit(&low[k], b, memory_order_relaxed);
    atomic_fetch_max_explicit(high + k, b, metal::memory_order_relaxed);
  }
}

struct Histogram { atomic_uint bins[16]; atomic_int total; };
kernel void histogram(const device uchar4* in [[buffer(0)]], device Histogram& h [[buffer(1)]], uint2 gid [[thread_position_in_grid]], uint2 grid [[threads_per_grid]],
                      uint lid [[thread_index_in_threadgroup]], uint2 size [[threads_per_threadgroup]]) {
  threadgroup atomic_uint local[16];
  for (uint i = lid; i < 16; i += size.x * size.y) atomic_store_explicit(&local[i], 0u, memory_order_relaxed);
  threadgroup_barrier(mem_flags::mem_threadgroup);
  uchar4 pixel = in[gid.y * grid.x + gid.x];
  for (ushort c = 0; c < 4; ++c) atomic_fetch_add_explicit(&local[pixel[c] >> 4], 1, memory_order_relaxed);
  threadgroup_barrier(mem_flags::mem_threadgroup);
  for (uint i = lid; i < 16; i += size.x * size.y) {
    uint v = atomic_load_explicit(&local[i], memory_order_relaxed);
    if (v) { atomic_fetch_add_explicit(&h.bins[i], v, memory_order_relaxed); atomic_fetch_add_explicit(&h.total, (int)v, memory_order_relaxed); }
  }
}

kernel void halves(device half4* a [[buffer(0)]], device bfloat4* b [[buffer(1)]], device ushort2* c [[buffer(2)]]) {
  half4 h = a[0];
  h.xz = h.zx * 2.0h;
  h.yw += half2(1.0h, -1.0h);
  half2 m = mix(h.xy, h.zw, half2(0.5h));
  a[0] = half4(m, clamp(h.zw, half2(-1), half2(1)));
  float4 f = float4(b[0]);
  f.wzyx = f;
  b[0] = bfloat4(select(f, -f, f > float4(2)));
  c[0] = as_type<ushort2>(as_type<uint>(half2(m)));
}

// A bfloat with integers stays one; with a float it becomes one.
kernel void bfloats(device bfloat* out [[buffer(0)]], device float* wide [[buffer(1)]], uint t [[thread_position_in_grid]]) {
  bfloat x = 3;
  bfloat y = 1 / x;
  y += 2;
  out[0] = y;
  out[1] = t < 1 ? bfloat(0.7f) : 0;
  out[2] = max(x, 0) - bfloat(0.5f);
  wide[0] = x * 0.1f;
  wide[1] = 0;
  wide[1] += y;
  wide[2] = (x == 3) + 10 * (x < 4) + 100 * (2.5f < x) + 1000 * !x;
  wide[3] = exp(y);
}

template <ushort N, typename T>
inline void tree(threadgroup T* s, ushort t, thread T& out) {
#pragma clang loop unroll(full)
  for (ushort d = N / 2; d > 0; d >>= 1) {
    if (t < d) s[t] += s[t + d];
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }
  out = s[0];
}
template <typename T, int N = 64>
[[kernel]] void reduce(device const T* in [[buffer(0)]], device T* out [[buffer(1)]], uint gid [[threadgroup_position_in_grid]], ushort t [[thread_index_in_threadgroup]]) {
  threadgroup T s[N] = {0};
  s[t] = in[gid * N + t];
  threadgroup_barrier(mem_flags::mem_threadgroup);
  T r;
  tree<N>(s, t, r);
  if (t == 0) out[gid] = r;
}
template [[host_name("reduce_float")]] [[kernel]] void reduce<float>(device const float*, device float*, uint, ushort);
template [[host_name("reduce_half")]] [[kernel]] decltype(reduce<half>) reduce<half>;
template [[host_name("reduce_32_ints")]] kernel void reduce<int, 32>(device const int* in [[buffer(0)]], device int* out [[buffer(1)]], uint gid [[threadgroup_position_in_grid]], ushort t [[thread_index_in_threadgroup]]);

kernel void transposed(device const float* A [[buffer(0)]], device const half* B [[buffer(1)]], device float* C [[buffer(2)]], constant uint4& d [[buffer(3)]], uint2 tg [[threadgroup_position_in_grid]]) {
  simdgroup_float8x8 a;
  simdgroup_half8x8 b;
  simdgroup_float8x8 c[2] = {make_filled_simdgroup_matrix<float, 8>(0.f), make_filled_simdgroup_matrix<float, 8, 8>(0.f)};
  for (uint k = 0; k < d.z; k += 8) {
    simdgroup_load(a, A + k * d.x + tg.y * 8, d.x, ulong2(0, 0), true);
#pragma unroll
    for (uint j = 0; j < 2; ++j) {
      simdgroup_load(b, B + (tg.x * 16 + j * 8) * d.z + k, d.z, 0, true);
      simdgroup_multiply_accumulate(c[j], a, b, c[j]);
    }
    simdgroup_barrier(mem_flags::mem_none);
  }
  for (uint j = 0; j < 2; ++j) simdgroup_store(c[j], C + tg.y * 8 * d.y + tg.x * 16 + j * 8, d.y);
}

kernel void constants(device float* o [[buffer(0)]], uint3 tid [[thread_position_in_grid]], uint3 groups [[threadgroups_per_grid]]) {
  thread float table[4] = {0};
  for (const constant float* p = ops::kTable; p != ops::kTable + 4; ++p) table[p - ops::kTable] = *p;
  auto scaled = [&](thread float* a, int k) -> float { return a[k] * (has_bits ? width : 1); };
  float filled[4] = { [0 ... 3] = 0.25f };
  const int most[3] = { [0 ... 0] = 2, [1 ... 3 - 1] = 1 };
  ops::Divide divide;
  o[tid.x] = scaled(table, tid.x & 3) + block.x * 100 + block.z * 1000 + (kAdd + kMultiply) * groups.x + filled[3] + most[0] * most[2] + divide(7.0f, 2.0f) * 10000;
  o[4] = divide(7.0h, 2.0h) + divide(7, 2) * 10;
}

// Matrices are columns.
kernel void matrices(device float4* out [[buffer(0)]], constant float4x4& m [[buffer(1)]], device const void* raw [[buffer(2)]]) {
  float4x4 n = transpose(m);
  n[3] = float4(0, 0, 0, 1);
  out[0] = m * float4(1, 0, 0, 2);
  out[1] = float4(1, 2, 3, 4) * m;
  out[2] = (m * n)[1];
  half2x3 h = half2x3(half3(1, 2, 3), half3(4, 5, 6));
  h[1][2] += 1;
  float2x3 f(h);
  out[3] = float4(f * float2(1, 10), determinant(float3x3(2, 0, 1, 0, 3, 0, 0, 0, 4)));
  float4x4 sum = 2.0f * m + float4x4(1.0f) - m;
  out[4] = sum.columns[0];
  const device char* bytes = (const device char*)raw;
  vec<float, 8> wide;
  for (int i = 0; i < 8; ++i) wide[i] = bytes[i];
  uint4 some = {7, 8, 9};
  out[5] = float4(wide[0], wide[7], some.z, some.w);
}

kernel void logs(device const float* x [[buffer(0)]], uint t [[thread_index_in_threadgroup]]) {
  if (x[t] < 0) os_log_default.log_error("x[%u] is %.1f, %d", t, x[t], int(half(2.5h)));
}

// A kernel file's own overloads, written with the names that Apple's headers use.
namespace metal {
METAL_FUNC bfloat exp(bfloat x) { return static_cast<bfloat>(__metal_exp(static_cast<float>(x), __METAL_MAYBE_FAST_MATH__)); }
METAL_FUNC bfloat simd_sum(bfloat x) { return static_cast<bfloat>(__metal_simd_sum(static_cast<float>(x))); }
namespace fast {
METAL_FUNC bfloat exp(bfloat x) { return static_cast<bfloat>(__metal_exp(static_cast<float>(x), __METAL_FAST_MATH__)); }
}
}
kernel void own_overloads(device bfloat* out [[buffer(0)]], device float* f [[buffer(1)]], uint lane [[thread_index_in_simdgroup]]) {
  bfloat x = lane == 0 ? 1 : 0;
  out[lane] = metal::exp(x) + metal::fast::exp(x);
  if (lane < 16) x = simd_sum(x + bfloat(1));
  f[lane] = metal::fast::exp(0.0f) + metal::precise::max(1.0f, 2.0f) + x;
}
