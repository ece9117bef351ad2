# Finds a CBLAS, OpenBLAS before any other: target CBLAS::CBLAS, variable CBLAS_FOUND. Installed with flashtile, because
# a static flashtile needs it again where it is used.

if(NOT TARGET CBLAS::CBLAS)
  set(CBLAS_LIBRARY_TARGET)
  find_package(PkgConfig QUIET)
  if(PkgConfig_FOUND)
    pkg_check_modules(FLASHTILE_OPENBLAS QUIET IMPORTED_TARGET openblas)
    if(FLASHTILE_OPENBLAS_FOUND)
      set(CBLAS_LIBRARY_TARGET PkgConfig::FLASHTILE_OPENBLAS)
    endif()
  endif()
  if(NOT CBLAS_LIBRARY_TARGET)
    find_package(BLAS QUIET)
    find_path(CBLAS_INCLUDE_DIR cblas.h PATH_SUFFIXES openblas cblas)
    if(BLAS_FOUND AND CBLAS_INCLUDE_DIR)
      set(CBLAS_LIBRARY_TARGET BLAS::BLAS)
    endif()
  endif()

  if(CBLAS_LIBRARY_TARGET)
    add_library(CBLAS::CBLAS INTERFACE IMPORTED)
    target_link_libraries(CBLAS::CBLAS INTERFACE ${CBLAS_LIBRARY_TARGET})
    if(CBLAS_INCLUDE_DIR)
      target_include_directories(CBLAS::CBLAS INTERFACE ${CBLAS_INCLUDE_DIR})
    endif()

    # A Fortran-only BLAS or a header of another library must not be taken for a CBLAS.
    include(CheckCXXSourceCompiles)
    set(CMAKE_REQUIRED_LIBRARIES CBLAS::CBLAS)
    check_cxx_source_compiles("
      #include <cblas.h>
      int main() {
        float a = 2, b = 3, c = 0;
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, 1, 1, 1, 1, &a, 1, &b, 1, 0, &c, 1);
        return c == 6 ? 0 : 1;
      }" CBLAS_LINKS)
    unset(CMAKE_REQUIRED_LIBRARIES)
  endif()
endif()

set(CBLAS_TARGET)
if(TARGET CBLAS::CBLAS AND CBLAS_LINKS)
  set(CBLAS_TARGET CBLAS::CBLAS)
endif()
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(CBLAS REQUIRED_VARS CBLAS_TARGET)
