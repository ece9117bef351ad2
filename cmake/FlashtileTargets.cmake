# Helpers that every CMakeLists.txt of the project uses.

# flashtile_compile_options(<target>): warnings, and errors where FLASHTILE_WERROR says so.
function(flashtile_compile_options target)
  target_compile_features(${target} PUBLIC cxx_std_20)
  target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wshadow -Wno-psabi>)
  if(FLASHTILE_WERROR)
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-Werror>)
  endif()
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF CXX_VISIBILITY_PRESET hidden
                                             VISIBILITY_INLINES_HIDDEN ON POSITION_INDEPENDENT_CODE ON)
endfunction()

# The instruction sets that this compiler's target can have, each "name:flags", best last. Kernel code is compiled once
# for each, with FLASHTILE_BACKEND set to its name; the library picks one at run time.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set(FLASHTILE_ISAS
      "cpu_scalar:-march=x86-64"
      "cpu_avx2:-march=haswell"
      "cpu_avx512:-march=skylake-avx512 -mprefer-vector-width=512")
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
  set(FLASHTILE_ISAS "cpu_neon:-march=armv8-a")
else()
  set(FLASHTILE_ISAS "cpu_scalar:")
endif()

# flashtile_isa_sources(<target> <file>...): adds each file once per instruction set.
function(flashtile_isa_sources target)
  foreach(entry IN LISTS FLASHTILE_ISAS)
    string(REGEX MATCH "^[^:]+" isa "${entry}")
    string(REGEX REPLACE "^[^:]+:" "" flags "${entry}")
    separate_arguments(flags)
    set(part ${target}_${isa})
    if(NOT TARGET ${part})
      add_library(${part} OBJECT)
      flashtile_compile_options(${part})
      target_compile_options(${part} PRIVATE ${flags} -ffp-contract=off)
      target_compile_definitions(${part} PRIVATE FLASHTILE_BACKEND=${isa})
      target_include_directories(${part} PRIVATE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/include)
      target_sources(${target} PRIVATE $<TARGET_OBJECTS:${part}>)
    endif()
    target_sources(${part} PRIVATE ${ARGN})
  endforeach()
endfunction()
