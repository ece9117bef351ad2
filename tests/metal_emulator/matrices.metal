// Section 2 of the contract: simdgroup_matrix.
#include <metal_stdlib>
#include <metal_simdgroup_matrix>
using namespace metal;

#define EACH_TYPE(X) X(half) X(bfloat) X(float)

// From (x, y) = from in a matrix of 24 columns to (x, y) = to, with either turned or not, through threadgroup memory.
template <typename T>
[[kernel]] void copy(device T* in [[buffer(0)]], device T* out [[buffer(1)]], constant int4& origins [[buffer(2)]], constant int2& turned [[buffer(3)]]) {
  threadgroup T tile[64];
  simdgroup_matrix<T, 8, 8> a, b;
  simdgroup_load(a, in, 24, ulong2(origins.x, origins.y), turned.x != 0);
  simdgroup_store(a, tile);
  simdgroup_barrier(mem_flags::mem_threadgroup);
  simdgroup_load(b, tile);
  simdgroup_store(b, out, 24, ulong2(origins.z, origins.w), turned.y != 0);
}
#define INSTANTIATE_COPY(T) template [[host_name("copy_" #T)]] [[kernel]] decltype(copy<T>) copy<T>;
EACH_TYPE(INSTANTIATE_COPY)

// Which element each lane holds, and what the constructors give.
template <typename T>
[[kernel]] void lanes(device T* numbers [[buffer(0)]], device T* held [[buffer(1)]], device T* made [[buffer(2)]], uint lane [[thread_index_in_simdgroup]]) {
  simdgroup_matrix<T, 8, 8> a;
  simdgroup_load(a, numbers);
  thread vec<T, 2>& own = reinterpret_cast<thread vec<T, 2>&>(a.thread_elements());
  held[2 * lane] = own[0];
  held[2 * lane + 1] = a.thread_elements()[1];
  simdgroup_store(simdgroup_matrix<T, 8, 8>(T(3)), made);
  simdgroup_store(make_filled_simdgroup_matrix<T, 8, 8>(T(5)), made + 64);
  a.thread_elements() = vec<T, 2>(T(lane), T(7));
  simdgroup_store(a, made + 128, 8, 0, true);
}
#define INSTANTIATE_LANES(T) template [[host_name("lanes_" #T)]] [[kernel]] decltype(lanes<T>) lanes<T>;
EACH_TYPE(INSTANTIATE_LANES)

// d = a b + c, d = a b, with a type each.
template <typename D, typename A, typename B, typename C>
[[kernel]] void multiply(device A* a [[buffer(0)]], device B* b [[buffer(1)]], device C* c [[buffer(2)]], device D* d [[buffer(3)]]) {
  simdgroup_matrix<A, 8, 8> ma;
  simdgroup_matrix<B, 8, 8> mb;
  simdgroup_matrix<C, 8, 8> mc;
  simdgroup_matrix<D, 8, 8> md;
  simdgroup_load(ma, a);
  simdgroup_load(mb, b);
  simdgroup_load(mc, c);
  simdgroup_multiply_accumulate(md, ma, mb, mc);
  simdgroup_store(md, d);
  simdgroup_multiply(md, ma, mb);
  simdgroup_store(md, d + 64);
}
#define INSTANTIATE_MULTIPLY(D, A, B, C) template [[host_name("multiply_" #D "_" #A "_" #B "_" #C)]] [[kernel]] decltype(multiply<D, A, B, C>) multiply<D, A, B, C>;
INSTANTIATE_MULTIPLY(float, float, float, float)
INSTANTIATE_MULTIPLY(float, half, half, float)
INSTANTIATE_MULTIPLY(float, bfloat, bfloat, float)
INSTANTIATE_MULTIPLY(float, float, half, float)
INSTANTIATE_MULTIPLY(half, float, bfloat, half)
INSTANTIATE_MULTIPLY(half, half, half, half)
INSTANTIATE_MULTIPLY(bfloat, bfloat, bfloat, bfloat)

kernel void by_operator(device float* a [[buffer(0)]], device float* b [[buffer(1)]], device float* d [[buffer(2)]]) {
  simdgroup_float8x8 ma, mb;
  simdgroup_load(ma, a);
  simdgroup_load(mb, b);
  simdgroup_float8x8 md = ma * mb;
  simdgroup_multiply_accumulate(md, ma, mb, md);  // d may be c
  simdgroup_store(md, d);
}

// A row lives in four lanes, reached by xor 1 and xor 8; a column in eight, by xor 2, 4 and 16.
kernel void row_and_column_sums(device float* a [[buffer(0)]], device float* rows [[buffer(1)]], device float* columns [[buffer(2)]],
                                uint lane [[thread_index_in_simdgroup]]) {
  simdgroup_float8x8 m;
  simdgroup_load(m, a);
  float row = m.thread_elements()[0] + m.thread_elements()[1];
  row += simd_shuffle_xor(row, 1);
  row += simd_shuffle_xor(row, 8);
  float2 column = m.thread_elements();
  column += simd_shuffle_xor(column, 2);
  column += simd_shuffle_xor(column, 4);
  column += simd_shuffle_xor(column, 16);
  rows[lane] = row;
  columns[2 * lane] = column.x;
  columns[2 * lane + 1] = column.y;
}
