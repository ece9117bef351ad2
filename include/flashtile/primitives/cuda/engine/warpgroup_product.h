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

namespace flashtile::inline v0_2::primitives {
inline namespace FLASHTILE_BACKEND {
namespace detail {

/// Descriptor by which the matrix unit reads a tile of swizzled_panels that starts at `address`:
/// rows of 128 bytes in groups of eight, 1024 bytes apart; panels of 64 columns, panel_bytes apart
/// (used if the columns are m or n).
FT_FUNCTION std::uint64_t panel_descriptor(std::uint32_t address, int panel_bytes) {
  return static_cast<std::uint64_t>(address >> 4) | static_cast<std::uint64_t>(panel_bytes >> 4) << 16 |
         static_cast<std::uint64_t>(1024 >> 4) << 32 | std::uint64_t{1} << 62;
}

/// The descriptor of what lies `bytes` further on, a multiple of 16. Addresses never carry out of their field.
FT_FUNCTION std::uint64_t panel_descriptor_at(std::uint64_t descriptor, int bytes) {
  return descriptor + static_cast<std::uint32_t>(bytes >> 4);
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
#define FT_NAMES_24 FT_NAMES_16 ", %16, %17, %18, %19, %20, %21, %22, %23"
#define FT_NAMES_32 FT_NAMES_24 ", %24, %25, %26, %27, %28, %29, %30, %31"
#define FT_NAMES_40 FT_NAMES_32 ", %32, %33, %34, %35, %36, %37, %38, %39"
#define FT_NAMES_48 FT_NAMES_40 ", %40, %41, %42, %43, %44, %45, %46, %47"
#define FT_NAMES_56 FT_NAMES_48 ", %48, %49, %50, %51, %52, %53, %54, %55"
#define FT_NAMES_64 FT_NAMES_56 ", %56, %57, %58, %59, %60, %61, %62, %63"
#define FT_NAMES_72 FT_NAMES_64 ", %64, %65, %66, %67, %68, %69, %70, %71"
#define FT_NAMES_80 FT_NAMES_72 ", %72, %73, %74, %75, %76, %77, %78, %79"
#define FT_NAMES_88 FT_NAMES_80 ", %80, %81, %82, %83, %84, %85, %86, %87"
#define FT_NAMES_96 FT_NAMES_88 ", %88, %89, %90, %91, %92, %93, %94, %95"
#define FT_NAMES_104 FT_NAMES_96 ", %96, %97, %98, %99, %100, %101, %102, %103"
#define FT_NAMES_112 FT_NAMES_104 ", %104, %105, %106, %107, %108, %109, %110, %111"
#define FT_NAMES_120 FT_NAMES_112 ", %112, %113, %114, %115, %116, %117, %118, %119"
#define FT_NAMES_128 FT_NAMES_120 ", %120, %121, %122, %123, %124, %125, %126, %127"
#define FT_SUMS_4(i) "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3])
#define FT_SUMS_8(i) FT_SUMS_4(i), FT_SUMS_4(i + 4)
#define FT_SUMS_16(i) FT_SUMS_8(i), FT_SUMS_8(i + 8)
#define FT_SUMS_24(i) FT_SUMS_16(i), FT_SUMS_8(i + 16)
#define FT_SUMS_32(i) FT_SUMS_16(i), FT_SUMS_16(i + 16)
#define FT_SUMS_40(i) FT_SUMS_32(i), FT_SUMS_8(i + 32)
#define FT_SUMS_48(i) FT_SUMS_40(i), FT_SUMS_8(i + 40)
#define FT_SUMS_56(i) FT_SUMS_48(i), FT_SUMS_8(i + 48)
#define FT_SUMS_64(i) FT_SUMS_32(i), FT_SUMS_32(i + 32)
#define FT_SUMS_72(i) FT_SUMS_64(i), FT_SUMS_8(i + 64)
#define FT_SUMS_80(i) FT_SUMS_72(i), FT_SUMS_8(i + 72)
#define FT_SUMS_88(i) FT_SUMS_80(i), FT_SUMS_8(i + 80)
#define FT_SUMS_96(i) FT_SUMS_88(i), FT_SUMS_8(i + 88)
#define FT_SUMS_104(i) FT_SUMS_96(i), FT_SUMS_8(i + 96)
#define FT_SUMS_112(i) FT_SUMS_104(i), FT_SUMS_8(i + 104)
#define FT_SUMS_120(i) FT_SUMS_112(i), FT_SUMS_8(i + 112)
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
#define FT_WARPGROUP_PRODUCTS(type, text)                                  \
  FT_WARPGROUP_PRODUCT(type, text, 8, 4, 4, 5, 6, 7, 8, 9, 10)             \
  FT_WARPGROUP_PRODUCT(type, text, 16, 8, 8, 9, 10, 11, 12, 13, 14)        \
  FT_WARPGROUP_PRODUCT(type, text, 32, 16, 16, 17, 18, 19, 20, 21, 22)     \
  FT_WARPGROUP_PRODUCT(type, text, 64, 32, 32, 33, 34, 35, 36, 37, 38)     \
  FT_WARPGROUP_PRODUCT(type, text, 80, 40, 40, 41, 42, 43, 44, 45, 46)     \
  FT_WARPGROUP_PRODUCT(type, text, 96, 48, 48, 49, 50, 51, 52, 53, 54)     \
  FT_WARPGROUP_PRODUCT(type, text, 112, 56, 56, 57, 58, 59, 60, 61, 62)    \
  FT_WARPGROUP_PRODUCT(type, text, 128, 64, 64, 65, 66, 67, 68, 69, 70)    \
  FT_WARPGROUP_PRODUCT(type, text, 160, 80, 80, 81, 82, 83, 84, 85, 86)    \
  FT_WARPGROUP_PRODUCT(type, text, 176, 88, 88, 89, 90, 91, 92, 93, 94)    \
  FT_WARPGROUP_PRODUCT(type, text, 192, 96, 96, 97, 98, 99, 100, 101, 102) \
  FT_WARPGROUP_PRODUCT(type, text, 256, 128, 128, 129, 130, 131, 132, 133, 134)
FT_WARPGROUP_PRODUCTS(half, "f16")
FT_WARPGROUP_PRODUCTS(bfloat, "bf16")
#undef FT_WARPGROUP_PRODUCTS
#undef FT_WARPGROUP_PRODUCT
#undef FT_NAMES_4
#undef FT_NAMES_8
#undef FT_NAMES_16
#undef FT_NAMES_24
#undef FT_NAMES_32
#undef FT_NAMES_40
#undef FT_NAMES_48
#undef FT_NAMES_56
#undef FT_NAMES_64
#undef FT_NAMES_72
#undef FT_NAMES_80
#undef FT_NAMES_88
#undef FT_NAMES_96
#undef FT_NAMES_104
#undef FT_NAMES_112
#undef FT_NAMES_120
#undef FT_NAMES_128
#undef FT_SUMS_4
#undef FT_SUMS_8
#undef FT_SUMS_16
#undef FT_SUMS_24
#undef FT_SUMS_32
#undef FT_SUMS_40
#undef FT_SUMS_48
#undef FT_SUMS_56
#undef FT_SUMS_64
#undef FT_SUMS_72
#undef FT_SUMS_80
#undef FT_SUMS_88
#undef FT_SUMS_96
#undef FT_SUMS_104
#undef FT_SUMS_112
#undef FT_SUMS_120
#undef FT_SUMS_128
#endif

/// The width of the first of the products that make up a row of n columns: all of it where an instruction has
/// that width, else whole panels, so that the next one starts with a panel. 0: no widths fit.
FLASHTILE_HOST_DEVICE constexpr int warpgroup_width(int columns_left) {
  constexpr int kWhole[] = {8, 16, 32, 64, 80, 96, 112, 128, 160, 176, 192, 256},
                kPanels[] = {256, 192, 128, 64};
  for (const int width : kWhole) {
    if (width == columns_left) return width;
  }
  for (const int width : kPanels) {
    if (width < columns_left) return width;
  }
  return 0;
}
FLASHTILE_HOST_DEVICE constexpr bool warpgroup_fits(int columns) {
  if (columns == 0) return true;
  const int width = warpgroup_width(columns);
  return width > 0 && warpgroup_fits(columns - width);
}

}  // namespace detail
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::primitives
