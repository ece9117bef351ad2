# Finds the libraries that flashtile stands on and answers for each optional one with FLASHTILE_HAS_<LIBRARY>, 0 or 1.

find_package(TBB REQUIRED)

# flashtile_optional(<LIBRARY> <found> <how to get it>): turns AUTO, ON or OFF and what was found into FLASHTILE_HAS_<LIBRARY>.
macro(flashtile_optional library found hint)
  set(FLASHTILE_HAS_${library} 0)
  if(${found})
    set(FLASHTILE_HAS_${library} 1)
  elseif(FLASHTILE_${library} STREQUAL "ON")
    message(FATAL_ERROR "FLASHTILE_${library}=ON, but it was not found: ${hint}")
  endif()
  if(FLASHTILE_${library} STREQUAL "OFF")
    message(STATUS "flashtile: ${library} off")
  elseif(FLASHTILE_HAS_${library})
    message(STATUS "flashtile: ${library} found")
  else()
    message(STATUS "flashtile: ${library} not found (${hint})")
  endif()
endmacro()

# Opened at run time: nothing to find here.
set(FLASHTILE_HAS_CBLAS 0)
if(FLASHTILE_CBLAS)
  set(FLASHTILE_HAS_CBLAS 1)
endif()

set(OneDNN_FOUND FALSE)
if(NOT FLASHTILE_ONEDNN STREQUAL "OFF")
  find_package(OneDNN 3.7 QUIET)
endif()
flashtile_optional(ONEDNN "${OneDNN_FOUND}" "oneDNN 3.7 or newer; tools/setup --all installs one")

# Linux only: the emulator maps memory and loads libraries as ELF systems do.
set(boost_context_found FALSE)
if(NOT FLASHTILE_METAL_EMULATOR STREQUAL "OFF" AND CMAKE_SYSTEM_NAME STREQUAL "Linux" AND NOT CMAKE_CROSSCOMPILING)
  find_package(Boost 1.74 QUIET COMPONENTS context)
  set(boost_context_found ${Boost_CONTEXT_FOUND})
endif()
flashtile_optional(METAL_EMULATOR "${boost_context_found}" "install libboost-context-dev")

# Apple GPUs: Apple's own C++ headers of Metal, which macOS does not bring, and the generated kernels, which Python writes.
set(metal_found FALSE)
if(NOT FLASHTILE_METAL STREQUAL "OFF" AND CMAKE_SYSTEM_NAME STREQUAL "Darwin")
  find_path(METAL_CPP_INCLUDE_DIR Metal/Metal.hpp HINTS ${METAL_CPP_ROOT} $ENV{METAL_CPP_ROOT})
  find_package(Python3 QUIET COMPONENTS Interpreter)
  if(METAL_CPP_INCLUDE_DIR AND Python3_FOUND)
    enable_language(OBJCXX)
    set(metal_found TRUE)
  endif()
endif()
flashtile_optional(METAL "${metal_found}" "macOS only; needs metal-cpp, in METAL_CPP_ROOT, and Python")

# Code for sm_80 and sm_90a, and sm_80's PTX for what lies between and comes after. The CUDA runtime is linked statically, so that the library
# starts on a machine without NVIDIA's driver.
set(cuda_found FALSE)
if(NOT FLASHTILE_CUDA STREQUAL "OFF")
  include(CheckLanguage)
  include(FlashtileKernels)
  flashtile_cuda_architectures(CMAKE_CUDA_ARCHITECTURES)
  if(NOT DEFINED CMAKE_CUDA_HOST_COMPILER AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    set(CMAKE_CUDA_HOST_COMPILER ${CMAKE_CXX_COMPILER})
  endif()
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    enable_language(CUDA)
    find_package(CUDAToolkit QUIET)
    set(cuda_found ${CUDAToolkit_FOUND})
  endif()
endif()
flashtile_optional(CUDA "${cuda_found}" "needs nvcc on PATH")
if(FLASHTILE_HAS_CUDA)
  message(STATUS "flashtile: CUDA kernels for ${CMAKE_CUDA_ARCHITECTURES} take about 9 minutes more to compile on two cores "
                 "(FLASHTILE_CUDA=OFF leaves them out, CMAKE_CUDA_ARCHITECTURES picks fewer)")
endif()
set(FLASHTILE_HAS_SM90 0)  # what Hopper alone has: code that other GPUs cannot be compiled for
if(FLASHTILE_HAS_CUDA AND CMAKE_CUDA_ARCHITECTURES MATCHES "90a")
  set(FLASHTILE_HAS_SM90 1)
endif()
