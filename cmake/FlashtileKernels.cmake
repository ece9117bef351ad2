# flashtile_add_kernels: kernels of one's own, for every instruction set. Part of the installed package.

# flashtile_instruction_sets(<variable>): the instruction sets that this compiler's target can have, each "name:flags", best last.
# Kernel code is compiled once for each, with FLASHTILE_BACKEND set to its name; one is picked at run time.
function(flashtile_instruction_sets variable)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    set(all "cpu_scalar:-march=x86-64"
            "cpu_avx2:-march=haswell"
            "cpu_avx512:-march=skylake-avx512 -mprefer-vector-width=512"
            "cpu_avx512_bf16:-march=cooperlake -mprefer-vector-width=512")
  elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
    set(all "cpu_neon:-march=armv8-a")
  else()
    set(all "cpu_scalar:")
  endif()
  set(${variable} "${all}" PARENT_SCOPE)
endfunction()

# flashtile_cuda_architectures(<variable>): what to compile CUDA kernels for: those of CMAKE_CUDA_ARCHITECTURES that the primitives
# are for, compute capability 8.0 and newer, or else these two. CMake itself fills in nvcc's older default where nobody chose.
function(flashtile_cuda_architectures variable)
  set(architectures ${CMAKE_CUDA_ARCHITECTURES})
  list(FILTER architectures EXCLUDE REGEX "^[5-7][0-9]")
  if(NOT architectures)
    set(architectures 80 90a-real)
  endif()
  set(${variable} "${architectures}" PARENT_SCOPE)
endfunction()

# flashtile_add_kernels(<target> <file>...): compiles each file once for every instruction set of the CPU, optimised in every
# build type, and adds the objects to the target. A .cu file is compiled by nvcc, too, where flashtile has CUDA; all files of
# a target are then .cu files. Functions that the files define and FLASHTILE_KERNEL (flashtile/dispatch.h) declares are picked
# at run time.
function(flashtile_add_kernels target)
  if(NOT TARGET ${target} OR NOT ARGN)
    message(FATAL_ERROR "flashtile_add_kernels(<target> <file>...): name a target that exists, then the files of its kernels")
  endif()
  set(cxx_files)
  set(cuda_files)
  foreach(file IN LISTS ARGN)
    get_filename_component(path ${file} ABSOLUTE)
    if(path MATCHES "\\.cu$")
      list(APPEND cuda_files ${path})
      # The C++ compiler sees it by another name, since a file has one language.
      get_filename_component(name ${path} NAME)
      set(copy ${CMAKE_CURRENT_BINARY_DIR}/${target}_kernels/${name}.cc)
      file(CONFIGURE OUTPUT ${copy} CONTENT "#include \"${path}\"\n")
      list(APPEND cxx_files ${copy})
    else()
      list(APPEND cxx_files ${path})
    endif()
  endforeach()

  flashtile_instruction_sets(instruction_sets)
  foreach(entry IN LISTS instruction_sets)
    string(REGEX MATCH "^[^:]+" isa "${entry}")
    string(REGEX REPLACE "^[^:]+:" "" flags "${entry}")
    separate_arguments(flags)
    flashtile_kernel_objects(${target} ${isa} ${cxx_files})
    target_compile_options(${target}_${isa} PRIVATE ${flags} -ffp-contract=off -fno-fast-math -Wno-psabi)
    if(NOT FLASHTILE_DEBUG_KERNELS)
      target_compile_options(${target}_${isa} PRIVATE -O3)
    endif()
    target_compile_definitions(${target}_${isa} PRIVATE FLASHTILE_BACKEND=${isa})
  endforeach()

  get_target_property(has_cuda flashtile::flashtile FLASHTILE_CUDA)
  if(has_cuda AND cuda_files)
    list(LENGTH cuda_files cuda_count)
    list(LENGTH ARGN count)
    if(NOT cuda_count EQUAL count)
      message(FATAL_ERROR "flashtile_add_kernels(${target}): .cu files beside others; with CUDA each kernel file of a target is a .cu file")
    endif()
    if(NOT CMAKE_CUDA_COMPILER_LOADED)  # the compiler may be known from elsewhere, but not the language here
      message(FATAL_ERROR "flashtile_add_kernels(${target}): this flashtile has CUDA, so .cu files need it in your project too: "
                          "say enable_language(CUDA) before, or name the files .cc to compile them for CPUs alone")
    endif()
    flashtile_kernel_objects(${target} cuda ${cuda_files})
    target_compile_options(${target}_cuda PRIVATE -std=c++20 -Xcompiler=-Wno-psabi)  # CMake 3.25 does not know nvcc's C++20
    flashtile_cuda_architectures(architectures)
    set_target_properties(${target}_cuda PROPERTIES CUDA_ARCHITECTURES "${architectures}")
    target_compile_definitions(${target} PUBLIC FLASHTILE_CUDA_KERNELS)  # read by flashtile/dispatch.h
  endif()
endfunction()

# flashtile_kernel_objects(<target> <backend> <file>...): the files as objects <target>_<backend>, which see what the target sees.
function(flashtile_kernel_objects target backend)
  set(objects ${target}_${backend})
  if(NOT TARGET ${objects})
    add_library(${objects} OBJECT)
    target_compile_features(${objects} PRIVATE cxx_std_20)
    target_compile_definitions(${objects} PRIVATE FLASHTILE_KERNEL_FILE $<TARGET_PROPERTY:${target},COMPILE_DEFINITIONS>)
    target_include_directories(${objects} PRIVATE $<TARGET_PROPERTY:${target},INCLUDE_DIRECTORIES>)
    target_link_libraries(${objects} PRIVATE flashtile::flashtile)
    set_target_properties(${objects} PROPERTIES POSITION_INDEPENDENT_CODE ON)
    target_sources(${target} PRIVATE $<TARGET_OBJECTS:${objects}>)
  endif()
  target_sources(${objects} PRIVATE ${ARGN})
endfunction()
