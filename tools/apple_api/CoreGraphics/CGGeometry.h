// See CoreFoundation.h here.
#pragma once

struct CGSize {
  double width, height;
};
