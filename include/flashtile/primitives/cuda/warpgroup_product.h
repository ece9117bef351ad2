// The warpgroup instructions of Hopper (wgmma): 64 rows by N columns by 16, float16 or bfloat16 with float32
// sums, issued by four simdgroups together and finished later. Included by matmul2d.h.
//
// Inline assembly needs its register lists spelled out, hence the macros; each width is one function.
#pragma once

#include <cstdint>

#include "flashtile/dtype.h"

#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define FLASHTILE_HAS_WARPGROUP_PRODUCTS 1
#else
#define FLASHTILE_HAS_WARPGROUP_PRODUCTS 0
#endif

namespace flashtile::primitives {
inline namespace FLASHTILE_BACKEND {
namespace detail {

/// Descriptor by which the matrix unit reads a tile of swizzled_panels that starts at `address`:
/// rows of 128 bytes in groups of eight, 1024 bytes apart; panels of 64 columns, panel_bytes apart
/// (used if the columns are m or n).
FT_FUNCTION std::uint64_t panel_descriptor(std::uint32_t address, int panel_bytes) {
  return static_cast<std::uint64_t>((address & 0x3ffffu) >> 4) |
         static_cast<std::uint64_t>(panel_bytes >> 4) << 16 | static_cast<std::uint64_t>(1024 >> 4) << 32 |
         std::uint64_t{1} << 62;
}

#if FLASHTILE_HAS_WARPGROUP_PRODUCTS
FT_FUNCTION void warpgroup_fence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
FT_FUNCTION void warpgroup_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
template <int Pending>
FT_FUNCTION void warpgroup_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(Pending) : "memory");
}

// "%0, ..., %N-1" and the operands "+f"(d[0]), ... of N sums.
#define FT_NAMES_4 "%0, %1, %2, %3"
#define FT_NAMES_8 FT_NAMES_4 ", %4, %5, %6, %7"
#define FT_NAMES_16 FT_NAMES_8 ", %8, %9, %10, %11, %12, %13, %14, %15"
#define FT_NAMES_32 \
  FT_NAMES_16 ", %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
#define FT_NAMES_64                                                                  \
  FT_NAMES_32                                                                        \
  ", %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47" \
  ", %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
#define FT_NAMES_128                                                                             \
  FT_NAMES_64                                                                                    \
  ", %64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79"             \
  ", %80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95"             \
  ", %96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111" \
  ", %112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127"
#define FT_SUMS_4(i) "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3])
#define FT_SUMS_8(i) FT_SUMS_4(i), FT_SUMS_4(i + 4)
#define FT_SUMS_16(i) FT_SUMS_8(i), FT_SUMS_8(i + 8)
#define FT_SUMS_32(i) FT_SUMS_16(i), FT_SUMS_16(i + 16)
#define FT_SUMS_64(i) FT_SUMS_32(i), FT_SUMS_32(i + 32)
#define FT_SUMS_128(i) FT_SUMS_64(i), FT_SUMS_64(i + 64)

/// Starts d (64 x Width, in the layout of results) = a b + (accumulate ? d : 0). b is a descriptor of
/// 16 x Width elements in memory; a is a descriptor of 64 x 16, or four registers of a left operand. RowsAreK:
/// k runs along the stored rows of that operand (PTX calls this MN-major), else along the columns.
template <class T, int Width>
struct warpgroup_product;

// n0 ... n6 are the indices of the operands that follow the sums.
#define FT_WARPGROUP_PRODUCT(type, text, width, sums, n0, n1, n2, n3, n4, n5, n6)                          \
  template <>                                                                                              \
  struct warpgroup_product<type, width> {                                                                  \
    template <bool RowsAreK>                                                                               \
    static FT_FUNCTION void from_registers(float* d, const std::uint32_t* a, std::uint64_t b,              \
                                           int accumulate) {                                               \
      asm volatile("{ .reg .pred p; setp.ne.b32 p, %" #n5 ", 0; wgmma.mma_async.sync.aligned.m64n" #width  \
                   "k16.f32." text "." text " {" FT_NAMES_##sums "}, {%" #n0 ", %" #n1 ", %" #n2 ", %" #n3 \
                                                                 "}, %" #n4 ", p, 1, 1, %" #n6 "; }"       \
                   : FT_SUMS_##sums(0)                                                                     \
                   : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(accumulate),                  \
                     "n"(RowsAreK ? 1 : 0));                                                               \
    }                                                                                                      \
    template <bool LeftRowsAreK, bool RowsAreK>                                                            \
    static FT_FUNCTION void from_memory(float* d, std::uint64_t a, std::uint64_t b, int accumulate) {      \
      asm volatile("{ .reg .pred p; setp.ne.b32 p, %" #n2 ", 0; wgmma.mma_async.sync.aligned.m64n" #width  \
                   "k16.f32." text "." text " {" FT_NAMES_##sums "}, %" #n0 ", %" #n1 ", p, 1, 1, %" #n3   \
                                                                 ", %" #n4 "; }"                           \
                   : FT_SUMS_##sums(0)                                                                     \
                   : "l"(a), "l"(b), "r"(accumulate), "n"(LeftRowsAreK ? 1 : 0), "n"(RowsAreK ? 1 : 0));   \
    }                                                                                                      \
  };
#define FT_WARPGROUP_PRODUCTS(type, text)                               \
  FT_WARPGROUP_PRODUCT(type, text, 8, 4, 4, 5, 6, 7, 8, 9, 10)          \
  FT_WARPGROUP_PRODUCT(type, text, 16, 8, 8, 9, 10, 11, 12, 13, 14)     \
  FT_WARPGROUP_PRODUCT(type, text, 32, 16, 16, 17, 18, 19, 20, 21, 22)  \
  FT_WARPGROUP_PRODUCT(type, text, 64, 32, 32, 33, 34, 35, 36, 37, 38)  \
  FT_WARPGROUP_PRODUCT(type, text, 128, 64, 64, 65, 66, 67, 68, 69, 70) \
  FT_WARPGROUP_PRODUCT(type, text, 256, 128, 128, 129, 130, 131, 132, 133, 134)
FT_WARPGROUP_PRODUCTS(half, "f16")
FT_WARPGROUP_PRODUCTS(bfloat, "bf16")
#undef FT_WARPGROUP_PRODUCTS
#undef FT_WARPGROUP_PRODUCT
#undef FT_NAMES_4
#undef FT_NAMES_8
#undef FT_NAMES_16
#undef FT_NAMES_32
#undef FT_NAMES_64
#undef FT_NAMES_128
#undef FT_SUMS_4
#undef FT_SUMS_8
#undef FT_SUMS_16
#undef FT_SUMS_32
#undef FT_SUMS_64
#undef FT_SUMS_128
#endif

/// The widest product that fits the rest of a row of n columns.
constexpr int warpgroup_width(int columns_left) {
  int width = 256;
  while (width > columns_left) width /= 2;
  return width;
}

}  // namespace detail
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::primitives
