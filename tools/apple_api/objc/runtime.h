// See CoreFoundation.h here.
#pragma once

typedef struct objc_selector* SEL;
#if defined(__OBJC__)
struct objc_object {
  Class isa;
};
#else
struct objc_object {};
typedef objc_object* id;
typedef struct objc_class* Class;
#endif

extern "C" {
Class objc_lookUpClass(const char* name);  // metal-cpp keeps it as a void*
void* objc_getProtocol(const char* name);
SEL sel_registerName(const char* name);
Class object_getClass(id object);
}
