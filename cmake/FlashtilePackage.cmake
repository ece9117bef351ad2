# A Debian package of what is installed: cpack -G DEB in the build folder.

set(CPACK_PACKAGE_NAME flashtile)
set(CPACK_PACKAGE_VENDOR flashtile)
set(CPACK_PACKAGE_CONTACT "flashtile's developers <flashtile@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "exact attention without a framework, and tile primitives")
set(CPACK_PACKAGE_DESCRIPTION "Scaled dot-product attention for CPUs and GPUs whose results differ from float64's by rounding alone, the
primitives that it is written on, and a command line that computes, checks and times.")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_THREADS 0)
set(CPACK_VERBATIM_VARIABLES ON)

set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)  # of the command line and the C interface
set(CPACK_DEBIAN_PACKAGE_DEPENDS libtbb-dev)  # of programs that link the library
if(BUILD_SHARED_LIBS)
  set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
endif()
include(CPack)
