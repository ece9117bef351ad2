// A plug-in that brings a flashtile of its own, and says how many ways that one knows.
#include <flashtile/attention.h>

extern "C" __attribute__((visibility("default"))) int ways_seen() {
  return static_cast<int>(flashtile::attention_ways().size());
}
