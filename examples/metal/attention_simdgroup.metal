// Attention of 8 queries and 8 keys in heads of 8, by one simdgroup: O = softmax(scale · Q Kᵀ) V, all (8, 8) row-major halves.
#include <metal_stdlib>
#include <metal_simdgroup_matrix>
using namespace metal;

// S = Q Kᵀ; four lanes hold each row of S, so that its maximum and sum take two shuffles; O = P V.
kernel void attention_simdgroup(device const half* q [[buffer(0)]], device const half* k [[buffer(1)]], device const half* v [[buffer(2)]],
                                device half* o [[buffer(3)]], constant float& scale [[buffer(4)]]) {
  simdgroup_half8x8 Q, K, V;
  simdgroup_load(Q, q);
  simdgroup_load(K, k, 8, 0, true);  // Kᵀ
  simdgroup_load(V, v);
  simdgroup_float8x8 S;
  simdgroup_multiply(S, Q, K);

  float2 s = float2(S.thread_elements()) * scale;  // two neighbours of one row
  float largest = max(s.x, s.y);
  largest = max(largest, simd_shuffle_xor(largest, 1));
  largest = max(largest, simd_shuffle_xor(largest, 8));
  const float2 p = exp(s - largest);
  float sum = p.x + p.y;
  sum += simd_shuffle_xor(sum, 1);
  sum += simd_shuffle_xor(sum, 8);

  simdgroup_half8x8 P;
  P.thread_elements() = half2(p);
  simdgroup_float8x8 O;
  simdgroup_multiply(O, P, V);
  simdgroup_half8x8 rounded;
  rounded.thread_elements() = half2(O.thread_elements() / sum);
  simdgroup_store(rounded, o);
}
