# Helpers that every CMakeLists.txt of the project uses.

# flashtile_compile_options(<target>): warnings, and errors where FLASHTILE_WERROR says so.
function(flashtile_compile_options target)
  target_compile_features(${target} PUBLIC cxx_std_20)
  # CMake 3.25 does not know nvcc's C++20.
  # Infinities and NaNs have a meaning here, and errors are exceptions, whatever the project around flashtile is compiled with.
  target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-fno-fast-math -fexceptions -frtti>)
  target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wshadow -Wno-psabi>
                                           $<$<COMPILE_LANGUAGE:CUDA>:-std=c++20 -Xcompiler=-Wno-psabi>)
  # GCC 12 warns of overlaps inside std::string that cannot be (GCC bug 105651).
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-Wno-restrict>)
  endif()
  if(FLASHTILE_WERROR)
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-Werror>
                                             $<$<COMPILE_LANGUAGE:CUDA>:-Werror=all-warnings>)
  endif()
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF CXX_VISIBILITY_PRESET hidden CUDA_VISIBILITY_PRESET hidden
                                             VISIBILITY_INLINES_HIDDEN ON POSITION_INDEPENDENT_CODE ON)
endfunction()

# flashtile_sm90_options(<target>): compiles the target for Hopper alone. Spilled registers and what else costs speed there
# are errors.
function(flashtile_sm90_options target)
  flashtile_compile_options(${target})
  set(launcher ${PROJECT_SOURCE_DIR}/cmake/refuse_ptxas_notes ${CMAKE_CUDA_COMPILER_LAUNCHER})  # the latter may be none
  set_target_properties(${target} PROPERTIES CUDA_ARCHITECTURES 90a-real CUDA_COMPILER_LAUNCHER "${launcher}")
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/include)
  target_compile_options(${target} PRIVATE
                         "$<$<COMPILE_LANGUAGE:CUDA>:SHELL:-Xptxas=--warn-on-spills -Xptxas=--warning-as-error>")
endfunction()

# AMX kernels on a machine without it: see include/flashtile/primitives/cpu/engine/amx.h.
set(FLASHTILE_AMX_IS_EMULATED ${FLASHTILE_EMULATE_AMX})
if(FLASHTILE_EMULATE_AMX STREQUAL "AUTO")
  set(with_amx)
  if(EXISTS /proc/cpuinfo)
    file(STRINGS /proc/cpuinfo with_amx REGEX "^flags.* amx_tile( |$)" LIMIT_COUNT 1)
  endif()
  set(FLASHTILE_AMX_IS_EMULATED ON)
  if(with_amx)
    set(FLASHTILE_AMX_IS_EMULATED OFF)
  endif()
endif()

# Kernel code is compiled once for each of these; the library picks one at run time.
include(FlashtileKernels)
flashtile_instruction_sets(FLASHTILE_ISAS)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  # With matrix products of their own, for the kernels that use those.
  set(FLASHTILE_MATRIX_ISAS
      "cpu_amx:-march=sapphirerapids -mprefer-vector-width=512")
  if(FLASHTILE_AMX_IS_EMULATED)
    list(TRANSFORM FLASHTILE_MATRIX_ISAS REPLACE "^cpu_amx:.*" "cpu_amx:-march=cooperlake -mprefer-vector-width=512 -DFLASHTILE_EMULATE_AMX")
  endif()
endif()

# flashtile_isa_options(<target> <entry of FLASHTILE_ISAS>): compiles the target for that instruction set.
function(flashtile_isa_options target entry)
  string(REGEX MATCH "^[^:]+" isa "${entry}")
  string(REGEX REPLACE "^[^:]+:" "" flags "${entry}")
  separate_arguments(flags)
  flashtile_compile_options(${target})
  target_compile_options(${target} PRIVATE ${flags} -ffp-contract=off)
  target_compile_definitions(${target} PRIVATE FLASHTILE_BACKEND=${isa})
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/include)
endfunction()

# flashtile_isa_sources(<target> <file>...): adds each file once per instruction set, optimised in every build type: a kernel
# that is not is some eighty times slower.
function(flashtile_isa_sources target)
  if(NOT ARGN)
    return()
  endif()
  foreach(entry IN LISTS FLASHTILE_ISAS)
    string(REGEX MATCH "^[^:]+" isa "${entry}")
    set(part ${target}_${isa})
    if(NOT TARGET ${part})
      add_library(${part} OBJECT)
      flashtile_isa_options(${part} "${entry}")
      if(NOT FLASHTILE_DEBUG_KERNELS AND NOT entry MATCHES "FLASHTILE_EMULATE_AMX")  # emulated, they take a compiler a minute
        target_compile_options(${part} PRIVATE -O3)
      endif()
      target_sources(${target} PRIVATE $<TARGET_OBJECTS:${part}>)
    endif()
    target_sources(${part} PRIVATE ${ARGN})
  endforeach()
endfunction()

# Tests that compute little take the compiler half as long without its optimiser.
set(FLASHTILE_UNOPTIMISED -O0)

# flashtile_test_options(<target> <library>...): what a GoogleTest program is compiled and linked with.
function(flashtile_test_options target)
  flashtile_compile_options(${target})
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(${target} PRIVATE flashtile TBB::tbb ${ARGN} GTest::gtest GTest::gmock GTest::gtest_main)
endfunction()

# flashtile_add_test(<name> SOURCES <file>... [LIBRARIES <target>...] [SHARDS <n>]): one GoogleTest program. Keep to one a
# folder of tests/, for link time; SHARDS splits a slow one into parts that run beside each other.
function(flashtile_add_test name)
  cmake_parse_arguments(arg "" "SHARDS" "SOURCES;LIBRARIES" ${ARGN})
  add_executable(${name}_test ${arg_SOURCES})
  flashtile_test_options(${name}_test ${arg_LIBRARIES})
  target_compile_options(${name}_test PRIVATE ${FLASHTILE_UNOPTIMISED})
  flashtile_register_gtest(${name} PROGRAM $<TARGET_FILE:${name}_test> SHARDS ${arg_SHARDS})
endfunction()

# flashtile_add_isa_test(<name> SOURCES <file>... [SHARDS <n>]): the same tests once per instruction set, as programs
# <name>_<isa>_test. On a machine without the instruction set the program is reported as skipped.
function(flashtile_add_isa_test name)
  cmake_parse_arguments(arg "" "SHARDS" "SOURCES;LIBRARIES" ${ARGN})
  foreach(entry IN LISTS FLASHTILE_ISAS)
    string(REGEX MATCH "^[^:]+" isa "${entry}")
    set(target ${name}_${isa}_test)
    add_executable(${target} ${arg_SOURCES})
    flashtile_isa_options(${target} "${entry}")
    target_compile_options(${target} PRIVATE ${FLASHTILE_UNOPTIMISED})  # the tests of ops run what users get
    target_link_libraries(${target} PRIVATE flashtile TBB::tbb ${arg_LIBRARIES} GTest::gtest GTest::gmock GTest::gtest_main)
    flashtile_register_gtest(${name}.${isa} PROGRAM $<TARGET_FILE:${target}> ISA ${isa} SHARDS ${arg_SHARDS})
  endforeach()
endfunction()

# flashtile_register_gtest(<name> PROGRAM <file> [ISA <isa>] [SHARDS <n>] [ENVIRONMENT <VAR=value>...]): tells ctest about a
# GoogleTest program, whose own account of each test goes to test-results/ for tools/run_suite. With ISA it is skipped on a
# machine without that instruction set.
function(flashtile_register_gtest name)
  cmake_parse_arguments(arg "" "PROGRAM;ISA;SHARDS" "ENVIRONMENT" ${ARGN})
  set(command ${CMAKE_CROSSCOMPILING_EMULATOR} ${arg_PROGRAM})
  if(CMAKE_CROSSCOMPILING_EMULATOR)  # for tests that start programs themselves
    list(JOIN CMAKE_CROSSCOMPILING_EMULATOR " " emulator)
    list(APPEND arg_ENVIRONMENT "FLASHTILE_TEST_EMULATOR=${emulator}")
  endif()
  if(FLASHTILE_AMX_IS_EMULATED AND arg_ISA STREQUAL "cpu_amx")
    set(arg_ISA cpu_avx512_bf16)
  endif()
  string(REGEX REPLACE "_strict$" "" arg_ISA "${arg_ISA}")
  if(arg_ISA AND NOT arg_ISA MATCHES "^cpu_(scalar|neon)")  # which every CPU of its kind has
    set(command $<TARGET_FILE:run_if_isa> ${arg_ISA} ${arg_PROGRAM})
  endif()
  set(shards 1)
  if(arg_SHARDS)
    set(shards ${arg_SHARDS})
  endif()
  set(timeout 1500)
  if(CMAKE_CXX_FLAGS MATCHES "sanitize" OR CMAKE_CROSSCOMPILING_EMULATOR)  # ten times as slow
    set(timeout 15000)
  endif()
  math(EXPR last "${shards} - 1")
  foreach(shard RANGE ${last})
    set(entry ${name})
    if(shards GREATER 1)
      set(entry ${name}.${shard})
    endif()
    set(environment GTEST_OUTPUT=json:${PROJECT_BINARY_DIR}/test-results/${entry}.json GTEST_TOTAL_SHARDS=${shards}
        GTEST_SHARD_INDEX=${shard} ${arg_ENVIRONMENT})
    add_test(NAME ${entry} COMMAND ${command} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
    set_tests_properties(${entry} PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT ${timeout} ENVIRONMENT "${environment}")
  endforeach()
endfunction()
