// Loads the plug-ins that its arguments name, as a program does that lets them see each other, and prints what each sees.
#include <dlfcn.h>

#include <cstdio>

int main(int count, char** plugins) {
  for (int i = 1; i < count; ++i) {
    if (dlopen(plugins[i], RTLD_NOW | RTLD_GLOBAL) == nullptr)
      return std::fprintf(stderr, "%s\n", dlerror()), 1;
  }
  for (int i = 1; i < count; ++i) {
    void* const plugin = dlopen(plugins[i], RTLD_NOW);
    const auto ways_seen = reinterpret_cast<int (*)()>(dlsym(plugin, "ways_seen"));
    std::printf("%d\n", ways_seen());
  }
  return 0;
}
