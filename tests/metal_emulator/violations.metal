// Each kernel breaks one rule, at the line that says which check finds it: "// CHECK id".
#include <metal_stdlib>
#include <metal_tensor>
#include <MetalPerformancePrimitives/MetalPerformancePrimitives.h>
using namespace metal;
using namespace mpp::tensor_ops;

#define KERNEL(name) kernel void name(device float* b [[buffer(0)]], uint t [[thread_index_in_threadgroup]], uint lane [[thread_index_in_simdgroup]])

KERNEL(missing_barrier) {
  threadgroup float a[64];
  a[t] = b[t];
  b[t] = a[63 - t];  // CHECK threadgroup.uninitialised
}
KERNEL(missing_barrier_seen_by_the_writer) {
  threadgroup float a[64];
  if (t == 63) a[0] = 1;
  if (t == 0) a[1] = 1;
  b[t] = t >= 32 ? a[1] : 0;  // CHECK threadgroup.race
}
KERNEL(barrier_without_memory) {
  threadgroup float a[64];
  a[t] = b[t];
  threadgroup_barrier(mem_flags::mem_none);  // an execution barrier only
  b[t] = a[63 - t];  // CHECK threadgroup.race
}
KERNEL(simdgroup_barrier_across_simdgroups) {
  threadgroup float a[64];
  a[t] = b[t];
  simdgroup_barrier(mem_flags::mem_threadgroup);  // enough within a simdgroup ...
  float x = a[t ^ 1];
  b[t] = x + a[63 - t];  // CHECK threadgroup.uninitialised
}
KERNEL(write_after_read) {
  threadgroup float a[64];
  a[t] = b[t];
  threadgroup_barrier(mem_flags::mem_threadgroup);
  float x = a[63 - t];  // CHECK threadgroup.race
  a[t] = x;
  b[t] = x;
}
KERNEL(two_writers) {
  threadgroup float a[1];
  a[0] = b[t];  // CHECK threadgroup.race
  threadgroup_barrier(mem_flags::mem_threadgroup);
  b[t] = a[0];
}
KERNEL(own_slices_without_second_barrier) {
  threadgroup half a[2][32];
  for (int r = 0; r < 3; ++r) {
    a[t / 32][lane] = half(b[t]);
    simdgroup_barrier(mem_flags::mem_threadgroup);
    b[t] = a[t / 32][lane ^ 1] + a[t / 32][31 - lane];  // CHECK threadgroup.race
  }
}
KERNEL(reader_in_another_simdgroup) {
  threadgroup float a[1];
  if (t == 0) a[0] = 1;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  float x = a[0];
  simdgroup_barrier(mem_flags::mem_threadgroup);
  if (t == 33) a[0] = x + 1;  // CHECK threadgroup.race
  b[t] = x;
}
KERNEL(uninitialised_threadgroup_memory) {
  threadgroup half a[64][2];
  a[t][0] = half(b[t]);
  threadgroup_barrier(mem_flags::mem_threadgroup);
  b[t] = a[t][0] + a[t][1];  // CHECK threadgroup.uninitialised
}
KERNEL(initialised_threadgroup_memory) {  // no thread runs the initialiser
  threadgroup float a[64] = {0};
  if (t < 32) a[t] = b[t];
  threadgroup_barrier(mem_flags::mem_threadgroup);
  b[t] = a[t];  // CHECK threadgroup.uninitialised
}
KERNEL(past_a_threadgroup_variable) {
  threadgroup float a[64], c[64];
  c[t] = 0;
  a[t + 1] = b[t];  // CHECK threadgroup.out_of_bounds
}
KERNEL(too_much_threadgroup_memory) {
  threadgroup float a[8192];
  a[t] = b[t];
  threadgroup float c[2];  // CHECK threadgroup.too_large
  c[t & 1] = a[t];
}
KERNEL(past_the_end) {
  b[t + 193] = 0;  // CHECK buffer.out_of_bounds
}
KERNEL(before_the_start) {
  b[t] = b[int(t) - 1];  // CHECK buffer.out_of_bounds
}
KERNEL(wild_pointer) {
  b[t] = *reinterpret_cast<device float*>(ulong(b) + (1ul << 40));  // CHECK pointer.invalid
}
constant float table[4] = {1, 2, 3, 4};
KERNEL(write_to_a_constant) {
  const_cast<device float*>(table)[lane & 3] = b[t];  // CHECK constant.write
}
KERNEL(divergent_threadgroup_barrier) {
  if (t < 40) threadgroup_barrier(mem_flags::mem_threadgroup);  // CHECK barrier.divergent
  b[t] = 1;
  threadgroup_barrier(mem_flags::mem_threadgroup);
}
KERNEL(barrier_in_another_round) {
  for (uint i = 0; i < 2; ++i) {
    if (i == 0 && t == 3) continue;
    threadgroup_barrier(mem_flags::mem_threadgroup);  // CHECK barrier.divergent
  }
  b[t] = 1;
}
KERNEL(divergent_simdgroup_barrier) {
  if (lane != 7) simdgroup_barrier(mem_flags::mem_none);  // CHECK barrier.divergent
  b[t] = simd_sum(1.0f);
}
KERNEL(divergent_multiply) {
  simdgroup_float8x8 a(1.0f), c(0.0f);
  if (lane != 7) simdgroup_multiply_accumulate(c, a, a, c);  // CHECK simdgroup.divergent
  simdgroup_store(c, b);
}
KERNEL(inactive_lane) {
  if (lane < 16) b[t] = simd_shuffle(b[t], ushort(lane + 16));  // CHECK simd.inactive_lane
}
KERNEL(mask_not_uniform) {
  b[t] = simd_shuffle_xor(b[t], ushort(lane & 1));  // CHECK simd.not_uniform
}
KERNEL(load_past_the_end) {
  simdgroup_float8x8 a;
  simdgroup_load(a, b + 200);  // CHECK buffer.out_of_bounds
  simdgroup_store(a, b);
}
KERNEL(deep_stack) {
  float big[4000];
  for (int i = 0; i < 4000; ++i) big[i] = b[i & 1];
  struct Deep {
    static float go(thread float* p, int n) {
      float more[512];
      for (int i = 0; i < 512; ++i) more[i] = p[i] + n;
      return n == 0 ? more[7] : go(more, n - 1) + more[n & 511];  // CHECK stack.overflow
    }
  };
  b[t] = Deep::go(big, 1000);
}

using Inline = tensor<device float, dextents<int, 2>, tensor_inline>;
constexpr constant matmul2d_descriptor kSquare(16, 16, 16);
constexpr constant matmul2d_descriptor kAdds(16, 16, 16, false, false, false, matmul2d_descriptor::mode::multiply_accumulate);

KERNEL(uninitialised_sum) {
  Inline a(b, dextents<int, 2>(16, 16));
  matmul2d<kAdds, execution_simdgroup> op;
  auto c = op.get_destination_cooperative_tensor<Inline, Inline, float>();
  op.run(a, a, c);  // CHECK cooperative.uninitialised
  c.store(a);
}
KERNEL(store_of_nothing) {
  Inline a(b, dextents<int, 2>(16, 16));
  matmul2d<kSquare, execution_simdgroup> op;
  auto c = op.get_destination_cooperative_tensor<Inline, Inline, float>();
  c.store(a);  // CHECK cooperative.uninitialised
}
KERNEL(slot_past_capacity) {
  matmul2d<kSquare, execution_simdgroup> op;
  auto c = op.get_destination_cooperative_tensor<Inline, Inline, float>();
  for (int i = 0; i < 9; ++i) c[i] = 0;  // CHECK cooperative.index
  b[t] = c[0];
}
KERNEL(static_k_overruns) {
  Inline a(b, dextents<int, 2>(12, 16));
  matmul2d<kSquare, execution_simdgroup> op;
  auto c = op.get_destination_cooperative_tensor<Inline, Inline, float>();
  op.run(a, a, c);  // CHECK matmul2d.extents
  c.store(a);
}
KERNEL(static_extents_too_small) {
  tensor<device float, extents<int, 16, 8>, tensor_inline> a(b, extents<int, 16, 8>());
  Inline d(b, dextents<int, 2>(16, 16));
  matmul2d<kSquare, execution_simdgroup> op;
  auto c = op.get_destination_cooperative_tensor<decltype(a), Inline, float>();
  op.run(a, d, c);  // CHECK matmul2d.extents
  c.store(d);
}
KERNEL(different_tensors) {
  Inline a(b + (lane == 3 ? 16 : 0), dextents<int, 2>(16, 16)), d(b, dextents<int, 2>(16, 16));
  matmul2d<kSquare, execution_simdgroup> op;
  auto c = op.get_destination_cooperative_tensor<Inline, Inline, float>();
  op.run(a, d, c);  // CHECK matmul2d.arguments
  c.store(d);
}
KERNEL(scope_of_some_simdgroups) {
  Inline a(b, dextents<int, 2>(16, 16));
  matmul2d<kSquare, execution_simdgroups<4>> op;
  auto c = op.get_destination_cooperative_tensor<Inline, Inline, float>();
  op.run(a, a, c);  // CHECK matmul2d.scope
  c.store(a);
}
KERNEL(static_slice_leaves) {
  Inline a(b, dextents<int, 2>(16, 16));
  auto tile = a.slice<16, 8>(0, 12);  // CHECK tensor.static_slice
  b[t] = tile.get_extent(0);
}
KERNEL(tensor_index_outside) {
  Inline a(b, dextents<int, 2>(16, 16));
  a[16, 0] = 1;  // CHECK tensor.index
}
KERNEL(first_stride_not_one) {
  Inline a(b, dextents<int, 2>(8, 8), array<int, 2>{2, 16});  // CHECK tensor.stride
  b[t] = a.get_extent(0);
}
KERNEL(tile_read_without_barrier) {
  threadgroup float tile[256];
  for (uint i = lane; i < 256; i += 32) tile[i] = b[i];
  tensor<threadgroup float, dextents<int, 2>, tensor_inline> a(tile, dextents<int, 2>(16, 16));
  Inline d(b, dextents<int, 2>(16, 16));
  matmul2d<kSquare, execution_simdgroup> op;
  auto c = op.get_destination_cooperative_tensor<decltype(a), decltype(a), float>();
  op.run(a, a, c);  // CHECK threadgroup.race
  c.store(d);
}
KERNEL(result_read_without_barrier) {
  threadgroup float tile[256];
  Inline a(b, dextents<int, 2>(16, 16));
  tensor<threadgroup float, dextents<int, 2>, tensor_inline> c(tile, dextents<int, 2>(16, 16));
  matmul2d<kSquare, execution_simdgroup> op;
  op.run(a, a, c);
  b[t] = tile[t];  // CHECK threadgroup.race
}
KERNEL(incompatible_input) {
  constexpr matmul2d_descriptor desc(32, 32, 32);
  matmul2d<desc, execution_simdgroup> op;
  Inline a(b, dextents<int, 2>(32, 32));
  auto c = op.get_destination_cooperative_tensor<Inline, Inline, float>();
  for (int i = 0; i < c.get_capacity(); ++i) c[i] = 1;
  auto left = op.get_left_input_cooperative_tensor<float, float, float>(c);  // CHECK cooperative.incompatible
  left.store(a);
}
KERNEL(convolution_of_one_simdgroup) {
  tensor<device float, dextents<int, 4>, tensor_inline> a(b, dextents<int, 4>(4, 4, 4, 1)), w(b, dextents<int, 4>(4, 4, 1, 1));
  constexpr convolution2d_descriptor desc(int4(4, 4, 4, 1), int4(4, 4, 4, 1), int2(1, 1));
  convolution2d<desc, execution_simdgroups<1>> op;
  op.run(a, w, a);  // CHECK convolution2d.scope
}
