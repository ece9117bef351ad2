# Install rules: library, public headers, CMake package and pkg-config file, all of which work from any prefix.

include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/flashtile)

install(TARGETS flashtile EXPORT flashtileTargets
        RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
if(TARGET flashtile_c)
  if(BUILD_SHARED_LIBS)  # it lies beside the library of C++
    set_target_properties(flashtile_c PROPERTIES INSTALL_RPATH $<IF:$<PLATFORM_ID:Darwin>,@loader_path,$ORIGIN>)
  endif()
  install(TARGETS flashtile_c EXPORT flashtileTargets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
endif()
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/flashtile DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN *.h)
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
if(TARGET flashtile_cli)
  file(RELATIVE_PATH to_libraries /${CMAKE_INSTALL_BINDIR} /${CMAKE_INSTALL_LIBDIR})
  set(beside $<IF:$<PLATFORM_ID:Darwin>,@loader_path,$ORIGIN>)
  set_target_properties(flashtile_cli PROPERTIES INSTALL_RPATH ${beside}/${to_libraries})  # the prefix may move
  install(TARGETS flashtile_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  # Optional: a program for another machine cannot be asked for them.
  install(FILES ${FLASHTILE_MANUAL}/flashtile.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 OPTIONAL)
  install(FILES ${FLASHTILE_MANUAL}/flashtile.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME flashtile OPTIONAL)
  install(FILES ${FLASHTILE_MANUAL}/_flashtile DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions OPTIONAL)
  install(FILES ${FLASHTILE_MANUAL}/flashtile.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d OPTIONAL)
endif()

install(EXPORT flashtileTargets NAMESPACE flashtile:: DESTINATION ${package_dir})
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/flashtileConfig.cmake.in ${PROJECT_BINARY_DIR}/flashtileConfig.cmake
                              INSTALL_DESTINATION ${package_dir})
# Until 1.0 a new minor version may break source.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/flashtileConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/flashtileConfig.cmake ${PROJECT_BINARY_DIR}/flashtileConfigVersion.cmake
              ${PROJECT_SOURCE_DIR}/cmake/FindOneDNN.cmake ${PROJECT_SOURCE_DIR}/cmake/FlashtileKernels.cmake
        DESTINATION ${package_dir})

# What a linker needs beside libflashtile: always for a static library, never for a shared one.
set(pc_requires tbb)
set(pc_libs ${CMAKE_DL_LIBS})
list(TRANSFORM pc_libs PREPEND -l)
if(FLASHTILE_HAS_ONEDNN)
  list(APPEND pc_libs ${OneDNN_LINK_FLAGS})
endif()
if(FLASHTILE_HAS_CUDA)
  list(APPEND pc_libs -L${CUDAToolkit_LIBRARY_DIR} -lcudart_static -lrt -lpthread)
endif()
list(JOIN pc_requires " " pc_requires)
list(JOIN pc_libs " " pc_libs)
if(BUILD_SHARED_LIBS)
  set(FLASHTILE_PC_CFLAGS " -DFLASHTILE_SHARED")
  set(FLASHTILE_PC_DEPENDENCIES "Requires.private: ${pc_requires}\nLibs.private: ${pc_libs}\nLibs: -L\${libdir} -lflashtile")
else()
  set(FLASHTILE_PC_DEPENDENCIES "Requires: ${pc_requires}\nLibs: -L\${libdir} -lflashtile ${pc_libs}")
endif()
# The prefix is said relative to the file, so that a moved tree still works.
file(RELATIVE_PATH FLASHTILE_PC_PREFIX /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(${PROJECT_SOURCE_DIR}/cmake/flashtile.pc.in ${PROJECT_BINARY_DIR}/flashtile.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/flashtile.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# The C library needs nothing of its users.
if(TARGET flashtile_c)
  configure_file(${PROJECT_SOURCE_DIR}/cmake/flashtile_c.pc.in ${PROJECT_BINARY_DIR}/flashtile_c.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/flashtile_c.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endif()
