// What attention's kernel texts are compiled for, on every backend. Included by the files that compile them.
#pragma once

/// F(element type) for each.
#define FLASHTILE_ATTENTION_TYPES(F) F(float) F(half) F(bfloat)
/// F(element type, elements of a row at most) for each instance of a tiled text.
#define FLASHTILE_ATTENTION_TILES(F, T) F(T, 64) F(T, 128) F(T, 256)
