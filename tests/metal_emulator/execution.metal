// Sections 1.1 to 1.4 of the contract: indices, barriers, simdgroup and quadgroup functions, divergence, atomics.
#include <metal_stdlib>
#include <metal_atomic>
using namespace metal;

// Every built-in index of one thread, in the order of the test's table.
kernel void indices(device uint* out [[buffer(0)]], uint3 a [[thread_position_in_grid]], uint3 b [[threadgroup_position_in_grid]],
                    uint3 c [[threadgroups_per_grid]], ushort3 d [[thread_position_in_threadgroup]], uint3 e [[threads_per_threadgroup]],
                    uint3 f [[dispatch_threads_per_threadgroup]], uint g [[thread_index_in_threadgroup]], ushort h [[thread_index_in_simdgroup]],
                    uint i [[threads_per_simdgroup]], uint j [[simdgroup_index_in_threadgroup]], uint k [[simdgroups_per_threadgroup]],
                    uint l [[dispatch_simdgroups_per_threadgroup]], uint m [[thread_index_in_quadgroup]], uint n [[quadgroup_index_in_threadgroup]],
                    uint o [[quadgroups_per_threadgroup]], uint3 p [[threads_per_grid]], uint3 q [[grid_size]], uint3 r [[grid_origin]]) {
  device uint* mine = out + 37 * (a.x + p.x * (a.y + p.y * a.z));
  const uint3 vectors[] = {a, b, c, uint3(d), e, f, p, q, r};
  for (int v = 0; v < 9; ++v)
    for (int x = 0; x < 3; ++x) mine[3 * v + x] = vectors[v][x];
  const uint scalars[] = {g, h, i, j, k, l, m, n, o};
  for (int s = 0; s < 9; ++s) mine[27 + s] = scalars[s];
}
kernel void two_numbers(device uint2* out [[buffer(0)]], uint2 at [[thread_position_in_grid]], uint2 size [[threads_per_grid]]) {
  out[at.y * size.x + at.x] = at;
}

// One row of 32 results for each function, v = 3 * lane + 1.
kernel void simd_functions(device int* out [[buffer(0)]], ushort lane [[thread_index_in_simdgroup]]) {
  const int v = 3 * lane + 1, fill = 1000 + lane;
  int row = 0;
#define PUT(value) out[32 * row++ + lane] = int(value)
  PUT(simd_shuffle(v, ushort(31 - lane)));
  PUT(simd_shuffle_xor(v, 5));
  PUT(simd_shuffle_up(v, 3));
  PUT(simd_shuffle_down(v, 3));
  PUT(simd_shuffle_rotate_up(v, 3));
  PUT(simd_shuffle_rotate_down(v, 3));
  PUT(simd_shuffle_and_fill_up(v, fill, 3));
  PUT(simd_shuffle_and_fill_down(v, fill, 3));
  PUT(simd_shuffle_and_fill_up(v, fill, 3, 8));
  PUT(simd_shuffle_and_fill_down(v, fill, 3, 8));
  PUT(simd_broadcast(v, 7));
  PUT(simd_broadcast_first(v));
  PUT(simd_sum(v));
  PUT(simd_product(lane % 5 == 0 ? 2 : 1));
  PUT(simd_min(100 - v));
  PUT(simd_max(v));
  PUT(simd_and(v | 64));
  PUT(simd_or(v));
  PUT(simd_xor(v));
  PUT(simd_prefix_inclusive_sum(v));
  PUT(simd_prefix_exclusive_sum(v));
  PUT(simd_prefix_inclusive_product(lane < 3 ? 2 : 1));
  PUT(simd_prefix_exclusive_product(lane < 3 ? 2 : 1));
  PUT(simd_is_first());
  PUT(simd_all(v > 0));
  PUT(simd_any(v == 4));
  PUT(ulong(simd_ballot(lane <= 8)));
  PUT(ulong(simd_active_threads_mask()));
  PUT(quad_shuffle(v, ushort(3 - lane % 4)));
  PUT(quad_shuffle_xor(v, 1));
  PUT(quad_shuffle_up(v, 1));
  PUT(quad_shuffle_down(v, 1));
  PUT(quad_shuffle_rotate_up(v, 1));
  PUT(quad_shuffle_rotate_down(v, 1));
  PUT(quad_shuffle_and_fill_up(v, fill, 1));
  PUT(quad_shuffle_and_fill_down(v, fill, 1));
  PUT(quad_broadcast(v, 2));
  PUT(quad_broadcast_first(v));
  PUT(quad_sum(v));
  PUT(quad_product(lane % 4 + 1));
  PUT(quad_min(v));
  PUT(quad_max(v));
  PUT(quad_and(v));
  PUT(quad_or(v));
  PUT(quad_xor(v));
  PUT(quad_prefix_inclusive_sum(v));
  PUT(quad_prefix_exclusive_sum(v));
  PUT(quad_prefix_inclusive_product(lane % 4 + 1));
  PUT(quad_prefix_exclusive_product(lane % 4 + 1));
  PUT(quad_is_first());
  PUT(quad_all(lane != 9));
  PUT(quad_any(lane == 9));
  PUT(ulong(quad_ballot(lane % 2 == 1)));
  PUT(ulong(quad_active_threads_mask()));
}

kernel void ballots(device ulong* out [[buffer(0)]], uint lane [[thread_index_in_simdgroup]]) {
  const int limits[] = {0, 1, 8, 16, 31, 32};
  for (int i = 0; i < 6; ++i) out[32 * i + lane] = simd_vote::vote_t(simd_ballot(int(lane) < limits[i]));
}

kernel void simd_of_vectors(device float2* out [[buffer(0)]], device half4* halves [[buffer(1)]], uint lane [[thread_index_in_simdgroup]]) {
  out[lane] = simd_sum(float2(lane, 1)) + simd_shuffle_xor(float2(lane), 1);
  halves[lane] = simd_max(half4(lane, -half(lane), 1.0h, 0.5h));
}

// -- divergence: what lock-step hardware gives; the order of lines does not tell who comes first -------------------------

inline float late(float x) { return simd_sum(x); }  // called last, defined first

kernel void helper_after_branch(device float* b [[buffer(0)]], uint t [[thread_index_in_threadgroup]]) {
  float x = 1;
  if (t < 10) x += simd_sum(x);
  b[t] = late(x);
}
kernel void collective_in_a_loop(device float* b [[buffer(0)]], uint t [[thread_index_in_threadgroup]]) {
  float x = 0;
  for (int i = 0; i < 3; ++i) {
    x += simd_sum(1.f);
    if (t == 5) x += 100 * simd_sum(1.f);
  }
  b[t] = x;
}
kernel void with_continue(device float* b [[buffer(0)]], uint t [[thread_index_in_threadgroup]]) {
  float x = 0;
  for (int i = 0; i < 4; ++i) {
    if (t % 4 == uint(i)) continue;
    if (t & 1) { x += simd_sum(1.f); } else { x += 1000 * simd_sum(1.f); }
  }
  b[t] = x;
}
kernel void loops_of_unequal_length(device float* b [[buffer(0)]], uint t [[thread_index_in_threadgroup]]) {
  float x = 0;
  int n = 0;
  while (n < int(t % 3)) { ++n; x += late(1.f); if (n == 2) break; }
  b[t] = x + 1000 * (t < 8 ? late(1.f) : 0.f) + 100000 * simd_sum(1.f);
}
kernel void do_and_switch(device float* b [[buffer(0)]], uint t [[thread_index_in_threadgroup]]) {
  float x = 0;
  uint n = 0;
  do {
    switch ((t + n) % 3) {
      case 0: x += simd_sum(1.f); break;
      case 1: x += 100 * simd_sum(1.f); break;
      default: if (n == 0) return; else x += 10000 * simd_sum(1.f);
    }
    ++n;
  } while (n < 2);
  b[t] = x;
}
kernel void exits_of_threads(device float* b [[buffer(0)]], uint t [[thread_index_in_threadgroup]], uint lane [[thread_index_in_simdgroup]]) {
  if (t >= 60) return;
  float x = 1;
  if (lane < 16) x = simd_sum(x); else x = 2 * simd_sum(x);
  for (uint i = 0; i < lane % 4; ++i) x += simd_max(float(lane));
  float y = simd_sum(1.f);
  threadgroup_barrier(mem_flags::mem_threadgroup);
  b[t] = x * 100 + y;
}
kernel void quads_apart(device int* b [[buffer(0)]], uint lane [[thread_index_in_simdgroup]]) {
  b[lane] = -1;
  if (lane / 4 % 2 == 0) b[lane] = quad_sum(int(lane));
}

// -- barriers and threadgroup memory: legal patterns that a naive check would refuse -------------------------------------

kernel void own_slices(device float* b [[buffer(0)]], uint t [[thread_index_in_threadgroup]], uint lane [[thread_index_in_simdgroup]],
                       uint sg [[simdgroup_index_in_threadgroup]]) {
  threadgroup half a[4][32];  // 2-byte neighbours by different threads
  for (int r = 0; r < 3; ++r) {
    a[sg][lane] = half(b[t]);
    simdgroup_barrier(mem_flags::mem_threadgroup);
    float x = a[sg][lane ^ 1] + a[sg][31 - lane];
    simdgroup_barrier(mem_flags::mem_threadgroup);
    b[t] = x;
  }
}
kernel void double_buffer(device float* b [[buffer(0)]], uint t [[thread_index_in_threadgroup]]) {
  threadgroup float a[2][64];
  float s = 0;
  for (int r = 0; r < 4; ++r) {
    a[r & 1][t] = r + t;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    s += a[r & 1][63 - t] + a[r & 1][0];
  }
  b[t] = s;
}
kernel void counters(device int* b [[buffer(0)]], device atomic_uint* total [[buffer(1)]], device atomic<float>* sum [[buffer(2)]],
                     uint t [[thread_index_in_threadgroup]]) {
  threadgroup atomic_int n[2];
  threadgroup atomic_int least, most;
  if (t < 2) atomic_store_explicit(&n[t], 0, memory_order_relaxed);
  if (t == 0) { atomic_store_explicit(&least, 1000, memory_order_relaxed); atomic_store_explicit(&most, -1000, memory_order_relaxed); }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  atomic_fetch_add_explicit(&n[t & 1], 1, memory_order_relaxed);
  atomic_fetch_min_explicit(&least, int(t) - 7, memory_order_relaxed);
  atomic_fetch_max_explicit(&most, int(t) - 7, memory_order_relaxed);
  atomic_fetch_add_explicit(total, t, memory_order_relaxed);
  atomic_fetch_or_explicit(total + 1, 1u << (t % 32), memory_order_relaxed);
  atomic_fetch_xor_explicit(total + 2, t, memory_order_relaxed);
  atomic_fetch_and_explicit(total + 3, ~(1u << (t % 8)), memory_order_relaxed);
  atomic_fetch_sub_explicit(total + 4, 1u, memory_order_relaxed);
  uint expected = 0;
  if (atomic_compare_exchange_weak_explicit(total + 5, &expected, t + 1, memory_order_relaxed, memory_order_relaxed)) atomic_exchange_explicit(total + 6, t, memory_order_relaxed);
  atomic_fetch_add_explicit(sum, 0.5f, memory_order_relaxed);
  threadgroup_barrier(mem_flags::mem_threadgroup);
  b[t] = atomic_load_explicit(&n[t & 1], memory_order_relaxed) * 10000 + (atomic_load_explicit(&most, memory_order_relaxed) - atomic_load_explicit(&least, memory_order_relaxed));
}
kernel void dynamic_memory(device float* b [[buffer(0)]], threadgroup float* one [[threadgroup(0)]], threadgroup half* two [[threadgroup(1)]],
                           uint t [[thread_index_in_threadgroup]]) {
  one[t] = b[t];
  two[t] = half(2 * b[t]);
  threadgroup_barrier(mem_flags::mem_threadgroup);
  b[t] = one[63 - t] + two[t ^ 1];
}
kernel void large_group(device float* b [[buffer(0)]], uint t [[thread_index_in_threadgroup]], uint lane [[thread_index_in_simdgroup]],
                        uint sg [[simdgroup_index_in_threadgroup]]) {
  threadgroup float sums[32];
  const float own = simd_sum(b[t]);
  if (lane == 0) sums[sg] = own;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  b[t] = simd_sum(sums[lane]);
}
[[kernel, max_total_threads_per_threadgroup(64)]] void at_most_64(device float* b [[buffer(0)]], uint t [[thread_position_in_grid]]) { b[t] = 1; }

template <int simdgroups>
[[kernel, max_total_threads_per_threadgroup(32 * simdgroups)]] void at_most_simdgroups(device float* b [[buffer(0)]], uint t [[thread_position_in_grid]]) { b[t] = 1; }
template [[host_name("at_most_2_simdgroups")]] [[kernel]] decltype(at_most_simdgroups<2>) at_most_simdgroups<2>;
