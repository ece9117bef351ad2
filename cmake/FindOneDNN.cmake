# Finds oneDNN with its Graph API: target OneDNN::OneDNN, variables OneDNN_FOUND, OneDNN_VERSION, OneDNN_LINK_FLAGS.
# Looks in ONEDNN_ROOT, then where tools/setup --all puts Intel's packages, then in the system. Installed with flashtile,
# because a static flashtile needs it again where it is used.

set(onednn_cache $ENV{XDG_CACHE_HOME})
if(NOT onednn_cache)
  set(onednn_cache $ENV{HOME}/.cache)
endif()
set(onednn_hints ${ONEDNN_ROOT} $ENV{ONEDNN_ROOT} ${onednn_cache}/flashtile/onednn)

find_path(OneDNN_INCLUDE_DIR oneapi/dnnl/dnnl_graph.hpp HINTS ${onednn_hints} PATH_SUFFIXES include)
find_library(OneDNN_LIBRARY dnnl HINTS ${onednn_hints} PATH_SUFFIXES lib)
mark_as_advanced(OneDNN_INCLUDE_DIR OneDNN_LIBRARY)

set(OneDNN_VERSION)
if(OneDNN_INCLUDE_DIR AND EXISTS ${OneDNN_INCLUDE_DIR}/oneapi/dnnl/dnnl_version.h)
  file(STRINGS ${OneDNN_INCLUDE_DIR}/oneapi/dnnl/dnnl_version.h onednn_lines REGEX "define DNNL_VERSION_(MAJOR|MINOR|PATCH) ")
  foreach(part MAJOR MINOR PATCH)
    if("${onednn_lines}" MATCHES "DNNL_VERSION_${part} ([0-9]+)")
      list(APPEND OneDNN_VERSION ${CMAKE_MATCH_1})
    endif()
  endforeach()
  list(JOIN OneDNN_VERSION "." OneDNN_VERSION)
endif()

# As flags and not as a file: Intel's packages bring a newer oneTBB than the system's beside the library, and CMake would
# warn of that.
set(OneDNN_LINK_FLAGS)
if(OneDNN_LIBRARY)
  get_filename_component(onednn_lib_dir ${OneDNN_LIBRARY} DIRECTORY)
  set(OneDNN_LINK_FLAGS -L${onednn_lib_dir} -ldnnl)
  if(NOT onednn_lib_dir IN_LIST CMAKE_CXX_IMPLICIT_LINK_DIRECTORIES)
    list(APPEND OneDNN_LINK_FLAGS -Wl,-rpath,${onednn_lib_dir})
  endif()
endif()
if(OneDNN_INCLUDE_DIR AND OneDNN_LIBRARY AND NOT TARGET OneDNN::OneDNN)
  add_library(OneDNN::OneDNN INTERFACE IMPORTED)
  target_include_directories(OneDNN::OneDNN INTERFACE ${OneDNN_INCLUDE_DIR})
  target_link_libraries(OneDNN::OneDNN INTERFACE ${OneDNN_LINK_FLAGS})
endif()

# A library whose own dependencies are missing, or one built without the Graph API, does not link.
if(TARGET OneDNN::OneDNN)
  include(CheckCXXSourceCompiles)
  set(CMAKE_REQUIRED_LIBRARIES OneDNN::OneDNN)
  check_cxx_source_compiles("
    #include <oneapi/dnnl/dnnl_graph.hpp>
    int main() { dnnl::graph::graph graph(dnnl::engine::kind::cpu); graph.finalize(); }" OneDNN_GRAPH_LINKS)
  unset(CMAKE_REQUIRED_LIBRARIES)
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(OneDNN REQUIRED_VARS OneDNN_LIBRARY OneDNN_INCLUDE_DIR OneDNN_GRAPH_LINKS
                                  VERSION_VAR OneDNN_VERSION)
