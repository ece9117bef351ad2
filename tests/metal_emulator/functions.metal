// Functions of <metal_math>, <metal_integer>, <metal_geometric> and <metal_pack> whose values a test knows.
#include <metal_stdlib>
using namespace metal;

kernel void floats(device float* out [[buffer(0)]]) {
  int row = 0;
#define PUT(value) out[row++] = float(value)
  float c = 0, whole = 0;
  int exponent = 0;
  half hc;
  float2 c2;
  PUT(sincos(0.5f, c)); PUT(c);
  PUT(modf(-2.75f, whole)); PUT(whole);
  PUT(frexp(40.0f, exponent)); PUT(exponent);
  PUT(ldexp(0.625f, 6)); PUT(ldexp(half2(1, 3), int2(2, -1)).y); PUT(ilogb(40.0f));
  PUT(sincos(0.5h, hc)); PUT(hc);
  PUT(sincos(float2(0.0f, 0.5f), c2).y); PUT(c2.x);
  PUT(sinpi(0.5f)); PUT(sinpi(1.0f)); PUT(cospi(1.5f)); PUT(cospi(2.0f / 3)); PUT(tanpi(0.25f));
  PUT(fmax3(1.0f, 5.0f, 3.0f)); PUT(fmin3(1.0f, 5.0f, 3.0f)); PUT(fmedian3(1.0f, 5.0f, 3.0f));
  PUT(divide(7.0f, 2.0f)); PUT(fdim(5.0f, 3.0f)); PUT(nextafter(1.0f, 2.0f)); PUT(copysign(2.0f, -1.0f));
  PUT(mix(1.0f, 3.0f, 0.25f)); PUT(mix(float2(1, 2), float2(3), 0.5f).y); PUT(smoothstep(0.0f, 2.0f, float2(1)).x); PUT(step(2.0f, float3(1, 2, 3)).y);
  PUT(select(1.0f, 2, true)); PUT(select(float2(1), float2(2), bool2(false, true)).y); PUT(clamp(float3(-1, 0.5f, 2), 0.0f, 1.0f).z);
  PUT(fma(float2(2), 3.0f, float2(1)).x); PUT(pow(float2(2, 3), 2.0f).y); PUT(isunordered(NAN, 1.0f)); PUT(isordered(1.0f, 2.0f));
  PUT(reflect(float2(1, -1), float2(0, 1)).y); PUT(refract(float2(0, -1), float2(0, 1), 0.5f).y); PUT(faceforward(float2(0, 1), float2(0, 1), float2(0, 1)).y);
  PUT(distance_squared(float3(1), float3(3))); PUT(HUGE_VALF > MAXFLOAT); PUT(M_SQRT1_2_H); PUT(numeric_limits<half>::denorm_min() > 0);
}
kernel void integers(device long* out [[buffer(0)]]) {
  int row = 0;
#undef PUT
#define PUT(value) out[row++] = long(value)
  PUT(hadd(-5, -2)); PUT(rhadd(2147483647, 2147483646)); PUT(mul24(-3, 0x1000005)); PUT(mad24(3, 5, 7)); PUT(mulhi(0x80000000u, 6u)); PUT(madhi(0x40000000, 8, 1));
  PUT(addsat(uchar(250), uchar(10))); PUT(subsat(short(-32768), short(1))); PUT(madsat(2147483647, 2, -5)); PUT(absdiff(3u, 5u)); PUT(rotate(uchar4(0x81), uchar4(1)).w);
  PUT(extract_bits(0xabcdu, 4, 8)); PUT(extract_bits(-16, 2, 4)); PUT(insert_bits(0xffffu, 0u, 4, 8)); PUT(reverse_bits(uchar2(1)).y); PUT(ctz(uint2(8, 0)).y); PUT(popcount(ulong(~0ul)));
  PUT(max3(1, 9, 4)); PUT(min3(uint3(4), uint3(2), uint3(3)).x); PUT(median3(1, 9, 4)); PUT(LONG_MAX); PUT(numeric_limits<ushort>::max());
  PUT(pack_float_to_unorm4x8(float4(0, 0.5f, 1, 2))); PUT(pack_float_to_snorm2x16(float2(-1, 0.5f))); PUT(unpack_unorm4x8_to_float(0xff003300u).y * 100); PUT(unpack_snorm2x16_to_float(0x80007fffu).y * 100);
}
