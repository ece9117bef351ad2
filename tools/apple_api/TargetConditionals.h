// See CoreFoundation.h here.
#pragma once

#define TARGET_OS_OSX 1
