// What every public header needs to know of the compiler and of how the library was built.
#pragma once

#if !defined(__METAL_VERSION__) && __cplusplus < 202002L
#error "flashtile needs -std=c++20 or later"
#endif

/// Between these two, names are exported by a shared flashtile. Of a static one nothing is: a plug-in that links it shows
/// none of its symbols, so that two plug-ins can each bring a flashtile of their own. FLASHTILE_SHARED is set by the CMake
/// target and by flashtile.pc.
#if defined(FLASHTILE_SHARED)
#define FLASHTILE_EXPORTS_BEGIN _Pragma("GCC visibility push(default)")
#define FLASHTILE_EXPORTS_END _Pragma("GCC visibility pop")
#else
#define FLASHTILE_EXPORTS_BEGIN
#define FLASHTILE_EXPORTS_END
#endif
