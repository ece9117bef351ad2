// What metal-cpp uses of Apple's C headers, as declarations: tools/check apple compiles the files for macOS against these where
// there is no macOS. No definition: nothing here runs.
#pragma once

#include <math.h>
#include <stddef.h>
#include <stdint.h>

typedef double CFTimeInterval;
typedef const struct __CFString* CFStringRef;
#define CFSTR(text) ((CFStringRef)text)

typedef struct dispatch_queue_s* dispatch_queue_t;
typedef struct dispatch_data_s* dispatch_data_t;
