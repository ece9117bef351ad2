// See CoreFoundation.h here.
#pragma once

typedef struct __IOSurface* IOSurfaceRef;
